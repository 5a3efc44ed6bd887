//! A thousand swaps under load: no call fails, and nothing is left of a version that is over.

use super::{CALLERS, file, only_echo, version};
use crate::harness::guest;
use crate::patience::soon;
use rowhouse::plugin::Loaded;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

const SWAPS: usize = 1_000;

/// Set in the process of its own that the swaps run in: in the suite's, other tests come and go with their memory.
const ALONE: &str = "ROWHOUSE_SWAPS_ALONE";

/// How much more memory the process may hold after the second half of the swaps than after the first, in KiB. One
/// version's code takes some 600 KiB: kept, five hundred would be 300 MiB.
const GROWTH: u64 = 48 << 10;

/// Memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this process's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_swaps_fail_no_call_and_keep_no_memory() {
    if std::env::var_os(ALONE).is_none() {
        let alone = tokio::task::spawn_blocking(|| {
            let name = "swap::load::a_thousand_swaps_fail_no_call_and_keep_no_memory";
            let mut command = Command::new(std::env::current_exe().expect("the suite"));
            command.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().expect("the suite runs")
        });
        let output = alone.await.expect("it ends");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        said.lines().filter(|line| line.contains("swaps, ")).for_each(|line| println!("{line}"));
        return;
    }
    let app = Arc::new(only_echo(|_| {}).await);
    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (app, over, calls) = (Arc::clone(&app), Arc::clone(&over), Arc::clone(&calls));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    version(&app).await;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let versions = ["echo_next", "echo"].map(|name| std::fs::read(guest(name)).expect("a guest"));
    let (fresh, mut served, mut half) = (app.plugins.path().join("echo.part"), Vec::<Weak<Loaded>>::new(), 0);
    for swap in 0..SWAPS {
        std::fs::write(&fresh, &versions[swap % 2]).expect("written");
        std::fs::rename(&fresh, file(&app)).expect("renamed");
        let published = soon(app.host.plugins.look()).await.expect("a look");
        let now = &published.plugins["echo"];
        assert_eq!(now.version, ["0.1.1", "0.1.0"][swap % 2], "swap {swap}");
        served.push(Arc::downgrade(now));
        if swap + 1 == SWAPS / 2 {
            half = resident();
        }
    }
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        soon(caller).await.expect("no call failed");
    }
    let grown = resident().saturating_sub(half);
    println!(
        "{SWAPS} swaps, {} calls, {half} KiB half-way, {grown} KiB more at the end",
        calls.load(Ordering::Relaxed)
    );
    assert!(calls.load(Ordering::Relaxed) > u64::from(CALLERS), "there was no load");
    assert!(grown < GROWTH, "{grown} KiB more than half-way");
    // Every version that is over is gone, with its code: the last call that began with it has ended.
    soon(async {
        while served.iter().filter(|version| version.strong_count() > 0).count() > 1 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

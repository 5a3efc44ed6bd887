//! What a well-behaved plugin's callers notice of hostile ones: `cargo xtask bench -- --neighbour`.
//!
//! A lap is the neighbour's calls, over and over: first with nobody else, then beside callers of hostile guests who ask as
//! often as one principal may by default. What is left of the difference is mostly the machine's: four guests that
//! compute take their share of its cores, a tick at a time.

use crate::harness::App;
use rowhouse::call::Request;
use rowhouse::identity::Principal;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Callers of hostile guests at once: as many as the neighbour's.
const HOSTILE: usize = 4;
/// The neighbour's callers at once.
const CALLERS: usize = 4;
/// The neighbour's calls in a lap: enough for a 99th percentile.
const CALLS: usize = 800;
/// Between two calls of one caller. A model thinks for longer; a caller that never waits measures its own queue.
const PAUSE: Duration = Duration::from_millis(5);
/// Between two calls of one hostile caller: together they ask twenty times a second, the default of `traffic.principal`.
const RATE: Duration = Duration::from_millis(50 * HOSTILE as u64);

/// Who is hostile, and what it is told.
fn deeds() -> Vec<(&'static str, &'static str, Value)> {
    let unruly = |deed: &str, times: u64| json!({ "deed": deed, "times": times });
    vec![
        ("nobody", "echo", Value::Null),
        ("traps", "trap", json!({})),
        ("takes memory", "memory_bomb", json!({})),
        ("recurses", "recursion", json!({})),
        ("calls the host", "hostcall_storm", json!({})),
        ("runs statements", "query_storm", json!({})),
        ("hoards rows", "handle_hoard", json!({})),
        ("answers too much", "huge_answer", json!({})),
        ("nests JSON", "unruly", unruly("nested", 400_000)),
        ("floods the log", "unruly", unruly("log", 10_000)),
        ("keeps the database busy", "unruly", unruly("busy", 4)),
        ("computes without end", "endless_loop", json!({})),
    ]
}

async fn ask(app: &App, who: &Arc<Principal>, tool: &str, arguments: &Value) -> bool {
    let request = Request {
        id: "neighbour".to_owned(),
        tool: tool.to_owned(),
        arguments: arguments.as_object().cloned().unwrap_or_default(),
        tenants: None,
        listener: None,
        cancelled: CancellationToken::new(),
    };
    app.host.call(who, request).await.is_ok()
}

/// The neighbour's times, sorted.
async fn lap(app: &Arc<App>, hostile: Option<(&'static str, Value)>) -> Vec<Duration> {
    let stop = Arc::new(AtomicBool::new(false));
    let bad: Vec<_> = hostile
        .into_iter()
        .flat_map(|one| std::iter::repeat_n(one, HOSTILE))
        .map(|(tool, arguments)| {
            let (app, stop, who) = (Arc::clone(app), Arc::clone(&stop), app.principal("seattle"));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let _ = ask(&app, &who, tool, &arguments).await;
                    tokio::time::sleep(RATE).await;
                }
            })
        })
        .collect();
    let good: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (app, who) = (Arc::clone(app), app.principal("spokane"));
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(CALLS / CALLERS);
                let arguments = json!({ "statement": "SELECT store_name FROM retail.stores", "how": "batch" });
                for _ in 0..CALLS / CALLERS {
                    tokio::time::sleep(PAUSE).await;
                    let began = Instant::now();
                    assert!(ask(&app, &who, "echo_rows", &arguments).await, "the neighbour is answered");
                    times.push(began.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::with_capacity(CALLS);
    for one in good {
        times.extend(one.await.expect("no caller panics"));
    }
    stop.store(true, Ordering::Relaxed);
    for one in bad {
        one.await.expect("no caller panics");
    }
    times.sort_unstable();
    times
}

/// Measure, and print a line for each deed.
pub(crate) async fn run(rounds: u32) {
    let app = App::plan(|plan| {
        plan.guests = deeds().iter().map(|deed| deed.1).collect();
        plan.guests.sort_unstable();
        plan.guests.dedup();
        plan.settings.plugins.concurrent_calls = 64;
    })
    .await;
    let app = Arc::new(app);
    println!(
        "{:<26} {:>10} {:>10} {:>8}   (a neighbour's calls, beside {HOSTILE} hostile callers)",
        "", "p50 us", "p99 us", "p99 x"
    );
    let mut alone = None;
    for (what, tool, arguments) in deeds() {
        let hostile = (what != "nobody").then_some((tool, arguments));
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let times = lap(&app, hostile.clone()).await;
            let at = |share: usize| times[times.len() * share / 100].as_micros();
            p50.push(at(50));
            p99.push(at(99));
        }
        p50.sort_unstable();
        p99.sort_unstable();
        let (p50, p99) = (p50[p50.len() / 2], p99[p99.len() / 2]);
        let base = *alone.get_or_insert(p99);
        println!("{what:<26} {p50:>10} {p99:>10} {:>8.2}", p99 as f64 / base as f64);
    }
}

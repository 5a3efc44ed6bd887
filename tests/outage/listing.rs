//! What every account of the machine can read of a process: its command line.

use super::process::{Home, ended};
use super::{SECRET, refuses};
use crate::harness::binary;
use crate::patience::soon;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rowhouse::keys::Keys;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Often enough to meet a compiler, which takes seconds.
const LOOK: Duration = Duration::from_millis(20);

/// The processes below this one, each with its command line.
fn below(root: u32) -> Vec<(u32, Vec<u8>)> {
    let all = std::fs::read_dir("/proc").expect("a list of processes").flatten();
    let parents: BTreeMap<u32, u32> = all
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // After the name, which may hold anything: state, then the parent.
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let ours = |pid: &u32| std::iter::successors(Some(*pid), |pid| parents.get(pid).copied()).any(|it| it == root);
    let line = |pid| Some((pid, std::fs::read(format!("/proc/{pid}/cmdline")).ok()?));
    parents.keys().copied().filter(ours).filter_map(line).collect()
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|at| at == part)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_line_holds_a_secret() {
    let home = Home::new(&["echo"]).await;
    let mut child = home.command(["serve", "--listen", "127.0.0.1:0"]).spawn().expect("the host starts");
    let root = child.id().expect("it runs");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut seen: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    let mut note = || {
        for (pid, line) in below(root) {
            let lines = seen.entry(pid).or_default();
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    };
    soon(async {
        loop {
            tokio::select! {
                line = lines.next_line() => {
                    let line = line.expect("a line").expect("it goes on");
                    if line.contains("http://") {
                        return;
                    }
                }
                () = tokio::time::sleep(LOOK) => note(),
            }
        }
    })
    .await;
    note();
    let all: Vec<Vec<u8>> = seen.into_values().flatten().collect();
    let met = |part: &[u8]| all.iter().any(|line| contains(line, part));
    let host = binary();
    assert!(met(host.as_os_str().as_bytes()) && met(b"postgres") && met(b"--cpu-seconds"), "{}", all.len());
    // Every secret this host has, in every way it could be written.
    let keys = Keys::open(&home.state()).expect("keys");
    let mut secrets = Vec::new();
    for key in [&keys.ticket, &keys.issuer, &keys.login, &keys.audit] {
        let bytes = key.expose_secret();
        secrets.extend([hex::encode(bytes), STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)]);
    }
    secrets.extend(["rowhouse_one", "rowhouse_clerk"].map(|role| keys.password(role).expose_secret().to_owned()));
    let superuser = superuser(home.state());
    secrets.push(std::fs::read_to_string(superuser).expect("a password").trim().to_owned());
    for secret in &secrets {
        assert!(secret.len() > 16 && !met(secret.as_bytes()), "a secret is in a command line");
    }
    child.kill().await.expect("it ends");
    home.deserted().await;
}

/// The file of the superuser's password.
fn superuser(state: PathBuf) -> PathBuf {
    let mut open = vec![state];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.ends_with("superuser.key") {
                return path;
            }
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    panic!("there is no password of the superuser")
}

/// A password that is typed is there for all to read before anything could be said of it: it is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_typed_is_refused() {
    let home = Home::new(&[]).await;
    let parts = ["every account of this machine", "DATABASE_URL", "database.url = { file"];
    for url in [
        format!("postgres://user:{SECRET}@127.0.0.1:1/shop"),
        format!("host=127.0.0.1 port=1 user=user password={SECRET} dbname=shop"),
    ] {
        refuses(&home, &["plugin", "list", "--database", &url], None, &parts).await;
        refuses(&home, &["plugin", "list", &format!("--database={url}")], None, &parts).await;
        // The same in the environment goes on.
        let listed = ended(home.command(["plugin", "list"]).env("DATABASE_URL", &url)).await;
        assert_eq!(listed.code, Some(0), "{}", listed.err);
    }
    let listed = ended(&mut home.command(["plugin", "list", "--database", "postgres://user@127.0.0.1:1/shop"])).await;
    assert_eq!(listed.code, Some(0), "{}", listed.err);
}

//! A host as a process: told to stop, told to read its settings again, and one that cannot start.

use super::LOOK;
use crate::outage::process::{Home, asking, ended, question};
use crate::patience::soon;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Child;

/// Nothing here searches by meaning, and a model takes its time.
const NO_MODEL: &str = "embedding.model=none";

/// A host that serves, with what it says.
struct Host {
    child: Child,
    url: String,
    said: Arc<Mutex<String>>,
    admin: std::path::PathBuf,
}

impl Host {
    /// Start one whose service manager is `manager`, and wait until it serves.
    async fn start(home: &Home, more: &[&str], manager: Option<&Path>) -> Self {
        let admin = home.path().join("admin.sock");
        let socket = format!("http.admin={}", admin.display());
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--set", &socket, "--set", NO_MODEL];
        let arguments = arguments.into_iter().chain(more.iter().copied());
        let mut command = home.command(arguments);
        // Words are looked for in what it says.
        command.env("NO_COLOR", "1").envs(manager.map(|path| ("NOTIFY_SOCKET", path)));
        let mut child = command.spawn().expect("the host starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut heard = heard.lock().expect("no panic");
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        let mut host = Self { child, url: String::new(), said, admin };
        host.says("http://").await;
        let said = host.said.lock().expect("no panic").clone();
        host.url = said.lines().find_map(|line| Some(line[line.find("http://")?..].to_owned())).expect("an address");
        // Said before the doors are open.
        soon(async {
            while host.health().await.is_none() {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
        host
    }

    /// Wait until it has said this.
    async fn says(&mut self, words: &str) {
        let wait = async {
            while !self.said.lock().expect("no panic").contains(words) {
                assert!(
                    self.child.try_wait().expect("a child").is_none(),
                    "it ended: {}",
                    self.said.lock().expect("no panic")
                );
                tokio::time::sleep(LOOK).await;
            }
        };
        soon(wait).await;
    }

    /// Forget what it said.
    fn hush(&self) {
        self.said.lock().expect("no panic").clear();
    }

    fn tell(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it runs"), signal).expect("it runs");
    }

    async fn code(&mut self) -> Option<i32> {
        soon(self.child.wait()).await.expect("it ends").code()
    }

    /// How it is doing, by its admin socket.
    async fn health(&self) -> Option<Value> {
        let mut stream = UnixStream::connect(&self.admin).await.ok()?;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// Call a tool; the JSON-RPC reply.
    async fn call(&self, token: &str, tool: &str, request: Value) -> Value {
        let request = asking(&self.url, token, tool, &request);
        soon(async { request.send().await.expect("a reply").json().await.expect("a JSON reply") }).await
    }

    /// The code of a statement's failure. None: it has rows.
    async fn asked(&self, token: &str) -> Option<String> {
        let reply = self.call(token, "execute_sales_query", question("SELECT 1")).await;
        reply["result"]["_meta"]["rowhouse/error"]["code"].as_str().map(str::to_owned)
    }

    /// A call that takes long, under way.
    async fn busy(&self, token: &str, size: u64) -> tokio::task::JoinHandle<Value> {
        let mut request = question("");
        request["params"]["name"] = json!("slow_query");
        request["params"]["arguments"] = json!({ "size": size });
        let (url, token) = (self.url.clone(), token.to_owned());
        let call = tokio::spawn(async move {
            match asking(&url, &token, "slow_query", &request).send().await {
                Ok(reply) => reply.json().await.unwrap_or_default(),
                Err(_) => Value::Null,
            }
        });
        soon(async {
            while self.health().await.is_none_or(|it| it["database"]["statements"]["running"] != 1) {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
        call
    }
}

/// A home with a database that is made and filled, and a token for it.
async fn home(guests: &[&str]) -> (Home, String) {
    let home = Home::new(guests).await;
    let arguments = ["demo", "--no-serve", "--scale", "0.002", "--listen", "127.0.0.1:0", "--set", NO_MODEL];
    let demo = home.run(arguments).await;
    assert_eq!(demo.code, Some(0), "{}", demo.err);
    let token = home.run(["token", "--as", "seattle"]).await.out.trim().to_owned();
    (home, token)
}

/// The lines of a service manager's messages so far that are no words for people, and no times.
fn told(manager: &UnixDatagram) -> Vec<String> {
    let (mut all, mut message) = (Vec::new(), [0; 4096]);
    while let Ok(length) = manager.recv(&mut message) {
        let text = String::from_utf8_lossy(&message[..length]).into_owned();
        let plain = |line: &&str| !line.starts_with("STATUS=") && !line.starts_with("MONOTONIC_USEC=");
        if text.contains("RELOADING=1") {
            assert!(text.contains("MONOTONIC_USEC="), "{text}");
        }
        all.extend(text.lines().filter(plain).map(str::to_owned));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_again_and_what_is_wrong_with_them_changes_nothing() {
    let (home, token) = home(&["sales"]).await;
    let file = home.path().join("rowhouse.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("a file");
    let address = home.path().join("manager.sock");
    let manager = UnixDatagram::bind(&address).expect("a socket");
    manager.set_nonblocking(true).expect("a socket");
    write("");
    let mut host = Host::start(&home, &[], Some(&address)).await;
    assert_eq!(told(&manager), ["READY=1"]);
    assert_eq!(host.asked(&token).await, None);
    let mut messages = Vec::new();
    for (text, said, outcome) in [
        // A quota the one call has used up.
        ("[traffic.quota]\ncalls = 1", &["traffic.quota.calls", "changed=1 waiting=0"][..], Some("QUOTA_EXCEEDED")),
        // No TOML, no setting, no value that can work: what was in force stays.
        ("[traffic", &["the settings are not used", "rowhouse.toml"], Some("QUOTA_EXCEEDED")),
        ("[traffic.quota]\ncalls = 9\n[htp]", &["the settings are not used", "htp"], Some("QUOTA_EXCEEDED")),
        (
            "[traffic.quota]\ncalls = 9\n[plugins.limits]\ncpu_ms = 0",
            &["not used", "cpu_ms = 0"],
            Some("QUOTA_EXCEEDED"),
        ),
        (
            "log = 'a=b=c'\n[traffic.quota]\ncalls = 9",
            &["the settings are not used", "the setting log"],
            Some("QUOTA_EXCEEDED"),
        ),
        (
            "[traffic.quota]\ncalls = 9\n[traffic.principal]\nper_second = 0",
            &["the settings are not used", "traffic.principal"],
            Some("QUOTA_EXCEEDED"),
        ),
        // Bounds of a call; and what waits is named.
        (
            "[http]\ndrain_seconds = 3\n[plugins.limits]\nargument_bytes = 5",
            &["plugins.limits.argument_bytes", "setting=http.drain_seconds", "needs a restart", "waiting=1"],
            Some("ARGUMENTS_LIMIT"),
        ),
        // A table that the plugin may not read any more, and more in the log.
        (
            "log = 'rowhouse=info'\n[plugins.grants.sales]\ntables = ['retail.stores']",
            &["plugins.grants.sales.tables", "plugins.limits.argument_bytes", "waiting=0"],
            None,
        ),
        // As it was at the start.
        ("", &["plugins.grants.sales.tables", "waiting=0"], None),
    ] {
        write(text);
        host.hush();
        host.tell(Signal::HUP);
        for words in said {
            host.says(words).await;
        }
        assert_eq!(host.asked(&token).await.as_deref(), outcome, "{text}");
        // Read as it goes: who is not listened to waits.
        messages.extend(told(&manager));
    }
    soon(async {
        while messages.len() < 18 {
            tokio::time::sleep(LOOK).await;
            messages.extend(told(&manager));
        }
    })
    .await;
    assert!(messages.chunks(2).all(|pair| pair == ["RELOADING=1", "READY=1"]), "{messages:?}");
    host.tell(Signal::TERM);
    assert_eq!(host.code().await, Some(0));
    assert_eq!(told(&manager), ["STOPPING=1"]);
    assert!(!host.admin.exists(), "no socket is left");
    home.deserted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_signal_lets_calls_end_and_the_second_does_not() {
    let (home, token) = home(&["sales", "slow_query"]).await;
    let more = ["http.drain_seconds=600", "plugins.limits.wall_ms=600000", "plugins.limits.database_ms=600000"];
    let more: Vec<&str> = more.iter().flat_map(|it| ["--set", it]).collect();
    let mut host = Host::start(&home, &more, None).await;
    let call = host.busy(&token, 6_000).await;
    host.tell(Signal::TERM);
    let reply = soon(call).await.expect("no panic");
    assert_eq!(reply["result"]["isError"], false, "{reply}");
    assert_eq!(host.code().await, Some(0));
    home.deserted().await;

    let mut host = Host::start(&home, &more, None).await;
    let call = host.busy(&token, 100_000).await;
    host.tell(Signal::TERM);
    // It takes nobody any more, and waits for the one.
    soon(async {
        while tokio::net::TcpStream::connect(host.url.trim_start_matches("http://").trim_end_matches("/mcp"))
            .await
            .is_ok()
        {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
    assert!(host.child.try_wait().expect("a child").is_none());
    host.tell(Signal::INT);
    assert_eq!(host.code().await, Some(130));
    assert_eq!(soon(call).await.expect("no panic"), Value::Null, "its caller is left without an answer");
    home.deserted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_leaves_nothing_behind() {
    let (home, token) = home(&["sales"]).await;
    let nowhere = home.path().join("nowhere");
    let there = home.path().join("admin.sock");
    let fails = [
        (format!("http.admin={}", nowhere.join("admin.sock").display()), "http.admin"),
        (format!("plugins.directory={}", nowhere.display()), "the plugin directory"),
        (format!("policy.file={}", nowhere.display()), "policy"),
        ("traffic.principal.per_second=0".to_owned(), "traffic.principal"),
        ("embedding.model=absent".to_owned(), "absent"),
    ];
    for (setting, part) in fails {
        let admin = format!("http.admin={}", there.display());
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--set", &admin, "--set", NO_MODEL, "--set", &setting];
        let failed = ended(&mut home.command(arguments)).await;
        assert!(failed.code == Some(1) && failed.err.contains(part), "{setting}: {:?} {}", failed.code, failed.err);
        // Not a moment later: it waits for its database to end.
        assert_eq!(home.servers(), Vec::<i32>::new(), "{setting}");
        assert!(!there.exists(), "{setting}");
    }
    // No lock is left, either.
    let mut host = Host::start(&home, &[], None).await;
    assert_eq!(host.asked(&token).await, None);
    let health = home.run(["health", "--set", &format!("http.listen={}", address(&host))]).await;
    assert_eq!((health.code, health.out.as_str()), (Some(0), "ready\n"), "{}", health.err);
    host.tell(Signal::TERM);
    assert_eq!(host.code().await, Some(0));
    home.deserted().await;
}

fn address(host: &Host) -> &str {
    host.url.trim_start_matches("http://").trim_end_matches("/mcp")
}

//! A Redis of a test's own: real, empty, and gone with the test.

use crate::harness;
use crate::patience::soon;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Ports tried before giving up. Between finding a free one and the server's taking it, somebody else may have.
const TRIES: usize = 10;

/// A running server. It ends with this.
pub struct RedisServer {
    binary: PathBuf,
    port: u16,
    /// Its working directory and its log.
    own: TempDir,
    child: Child,
}

impl RedisServer {
    /// Start one on a free port of this machine.
    pub async fn start() -> Self {
        let binary = tokio::task::spawn_blocking(|| xtask::redis::ensure(harness::root()));
        let binary = binary.await.expect("no panic in there").expect("a Redis server");
        let own = tempfile::tempdir().expect("a directory");
        for _ in 0..TRIES {
            let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
            let port = free.local_addr().expect("a bound listener has an address").port();
            drop(free);
            let mut child = spawn(&binary, &own, port);
            if soon(ready(&mut child, port)).await {
                return Self { binary, port, own, child };
            }
        }
        panic!("Redis does not start:\n{}", log(&own))
    }

    /// Where it is, as a client takes it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// End it, as a crash would: clients find their connections closed, and nothing of what it knew is kept.
    pub async fn crash(&mut self) {
        self.child.kill().await.expect("a child of ours");
    }

    /// Stop answering without closing a connection, as a machine does that is out of reach.
    pub fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Answer again.
    pub fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    /// Start it again where it was, empty.
    pub async fn restart(&mut self) {
        self.crash().await;
        self.child = spawn(&self.binary, &self.own, self.port);
        assert!(soon(ready(&mut self.child, self.port)).await, "Redis does not start again:\n{}", log(&self.own));
    }

    /// Say one line to it, and hear all it answers.
    pub async fn say(&self, line: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("it takes connections");
        stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes()).await.expect("it listens");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        // What is sealed is no text.
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a child that runs"), signal).expect("a child of ours");
    }
}

fn spawn(binary: &Path, own: &TempDir, port: u16) -> Child {
    let log = std::fs::File::create(own.path().join("log")).expect("a file of ours");
    let mut command = Command::new(binary);
    command.arg("--port").arg(port.to_string()).args(["--bind", "127.0.0.1"]);
    // Nothing is kept, and nothing is left behind.
    command.args(["--save", "", "--appendonly", "no"]).arg("--dir").arg(own.path());
    command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().expect("the server starts")
}

fn log(own: &TempDir) -> String {
    std::fs::read_to_string(own.path().join("log")).unwrap_or_default()
}

/// Whether it answers; not, when it ended instead.
async fn ready(child: &mut Child, port: u16) -> bool {
    loop {
        if child.try_wait().expect("a child of ours").is_some() {
            return false;
        }
        if ping(port).await.is_ok_and(|answer| answer == *b"+PONG\r\n") {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ping(port: u16) -> std::io::Result<[u8; 7]> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_server_of_ones_own() {
    let (mut one, other) = (RedisServer::start().await, RedisServer::start().await);
    assert_ne!(one.url(), other.url());
    one.crash().await;
    assert!(ping(one.port).await.is_err(), "crashed");
    assert!(ping(other.port).await.is_ok(), "and the other is not");
    one.restart().await;
    assert!(ping(one.port).await.is_ok());
    other.freeze();
    let silence = tokio::time::timeout(Duration::from_millis(200), ping(other.port)).await;
    assert!(silence.is_err(), "frozen, it takes connections and says nothing: {silence:?}");
    other.thaw();
    assert!(soon(ping(other.port)).await.is_ok());
}

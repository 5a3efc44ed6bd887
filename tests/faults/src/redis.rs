//! A Redis of the run's own.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long it may take to answer after it was started.
const START: Duration = Duration::from_secs(20);

/// A server, running or not.
pub(crate) struct Redis {
    binary: PathBuf,
    port: u16,
    own: TempDir,
    child: Child,
}

impl Redis {
    /// Start one, fetched where this machine has none.
    ///
    /// # Errors
    /// When there is none to be had, or it does not start.
    pub(crate) async fn start(root: &Path) -> Result<Self> {
        let root = root.to_owned();
        let binary = tokio::task::spawn_blocking(move || xtask::redis::ensure(&root)).await??;
        let own = crate::place::scratch("redis")?;
        let port = crate::host::free_port()?;
        let child = spawn(&binary, own.path(), port)?;
        let mut server = Self { binary, port, own, child };
        server.ready().await?;
        Ok(server)
    }

    /// Where it is, as a client takes it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// End it, as a crash would: nothing of what it knew is kept.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) async fn crash(&mut self) -> Result<()> {
        self.child.kill().await.context("end Redis")
    }

    /// Start it again where it was, empty.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn again(&mut self) -> Result<()> {
        self.child = spawn(&self.binary, self.own.path(), self.port)?;
        self.ready().await
    }

    async fn ready(&mut self) -> Result<()> {
        let answers = async {
            loop {
                if let Some(status) = self.child.try_wait()? {
                    bail!("Redis ended: {status}");
                }
                if ping(self.port).await.is_ok_and(|answer| answer == *b"+PONG\r\n") {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(START, answers).await.context("Redis did not answer in time")?
    }
}

fn spawn(binary: &Path, own: &Path, port: u16) -> Result<Child> {
    let mut command = Command::new(binary);
    command.arg("--port").arg(port.to_string()).args(["--bind", "127.0.0.1"]);
    command.args(["--save", "", "--appendonly", "no"]).arg("--dir").arg(own);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().with_context(|| format!("start {}", binary.display()))
}

async fn ping(port: u16) -> std::io::Result<[u8; 7]> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

//! The program, as a process of its own, as an operator starts it.

use crate::place::Place;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// Milliseconds a call may take: the deadline its longest is held to. Shorter than the usual half minute, so that a
/// fault of some seconds outlasts it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// From the start to serving: components are compiled the first time.
const START: Duration = Duration::from_secs(180);

/// From the signal to the end; after that it is killed.
const STOP: Duration = Duration::from_secs(30);

/// How long its word about itself may take.
const WORD: Duration = Duration::from_secs(10);

/// Between two looks at something that is bound to come.
const LOOK: Duration = Duration::from_millis(20);

/// What one host is started with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The way to the database.
    pub(crate) database: String,
    /// Sections of its settings beside those every host here has.
    pub(crate) settings: String,
    /// What is added to its environment.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// A host, and the means to run its commands.
pub(crate) struct Host {
    rowhouse: PathBuf,
    dir: PathBuf,
    plan: Plan,
    port: u16,
    child: Child,
}

impl Host {
    /// Start one that keeps its state in `dir`, and wait until it serves.
    ///
    /// # Errors
    /// When it ends instead, with its last words.
    pub(crate) async fn start(place: &Place, dir: &Path, plan: Plan) -> Result<Self> {
        let port = free_port()?;
        let settings = settings(place, dir, port, &plan.settings);
        std::fs::write(dir.join("rowhouse.toml"), settings).context("write the settings")?;
        // A log of its own: what an earlier host said is not what this one says.
        File::create(log(dir)).context("make the log")?;
        let child = spawn(&place.rowhouse, dir, &plan)?;
        let mut host = Self { rowhouse: place.rowhouse.clone(), dir: dir.to_owned(), plan, port, child };
        host.serving(0).await?;
        Ok(host)
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Its process. None once it ended.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// End it without a word, as a machine does that loses power.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("kill the host")
    }

    /// Start it again where it was, after [`Host::kill`], and wait until it serves.
    ///
    /// # Errors
    /// When it ends instead.
    pub(crate) async fn again(&mut self) -> Result<()> {
        let said = std::fs::metadata(log(&self.dir))?.len();
        self.child = spawn(&self.rowhouse, &self.dir, &self.plan)?;
        self.serving(said).await
    }

    /// Wait for the line that says it serves, in what it said from `said` on.
    async fn serving(&mut self, said: u64) -> Result<()> {
        let serving = async {
            loop {
                let text = self.said();
                let fresh = text.get(usize::try_from(said).unwrap_or(usize::MAX)..).unwrap_or_default();
                if fresh.contains("serving") && fresh.contains("http://") {
                    return Ok(());
                }
                if let Some(status) = self.child.try_wait()? {
                    bail!("the host did not start ({status}):\n{}", last_lines(fresh));
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(START, serving).await.context("the host did not start in time")?
    }

    /// All it said since [`Host::start`].
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(log(&self.dir)).unwrap_or_default()).into_owned()
    }

    /// How it is doing, by its own word (`GET /health` on its admin socket).
    ///
    /// # Errors
    /// When it does not say.
    pub(crate) async fn health(&self) -> Result<Value> {
        let asked = async {
            let mut stream = UnixStream::connect(self.dir.join("admin.sock")).await?;
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply).await?;
            let (_, body) = reply.split_once("\r\n\r\n").context("a reply without a body")?;
            serde_json::from_str(body).context("read what the host says of itself")
        };
        tokio::time::timeout(WORD, asked).await.context("the host does not say how it is doing")?
    }

    /// Run one of its commands, with its settings.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(crate) async fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Output> {
        let mut command = command(&self.rowhouse, &self.dir, &self.plan);
        command.args(arguments).output().await.context("run a command of the host")
    }

    /// A token of one of the demo's people.
    ///
    /// # Errors
    /// When there is nobody of this name.
    pub(crate) async fn token(&self, name: &str, good: Duration) -> Result<String> {
        let output = self.command(["token", "--as", name, "--seconds", &good.as_secs().to_string()]).await?;
        if !output.status.success() {
            bail!("no token for {name}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout).context("a token in ASCII")?.trim().to_owned())
    }

    /// Ask it to end, and wait.
    ///
    /// # Errors
    /// When it has to be killed, or did not end well.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            // An error says that it is gone already.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        match tokio::time::timeout(STOP, self.child.wait()).await {
            Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => Ok(()),
            Ok(status) => bail!("the host ended badly ({}):\n{}", status?, last_lines(&self.said())),
            Err(_) => bail!("the host did not end within {} s of being asked to", STOP.as_secs()),
        }
    }
}

fn log(dir: &Path) -> PathBuf {
    dir.join("host.log")
}

/// The program in this directory, with these settings and nobody's environment.
pub(crate) fn command(rowhouse: &Path, dir: &Path, plan: &Plan) -> Command {
    let mut command = Command::new(rowhouse);
    command.current_dir(dir).env_clear().env("DATABASE_URL", &plan.database).env("ROWHOUSE_LOG", "warn");
    command.envs(plan.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn spawn(rowhouse: &Path, dir: &Path, plan: &Plan) -> Result<Child> {
    let log = File::options().append(true).create(true).open(log(dir)).context("open the log")?;
    let mut command = command(rowhouse, dir, plan);
    command.arg("serve").stdout(Stdio::null()).stderr(log);
    command.spawn().with_context(|| format!("start {}", rowhouse.display()))
}

/// The settings of a host here.
pub(crate) fn settings(place: &Place, dir: &Path, port: u16, more: &str) -> String {
    let (state, plugins) = (dir.join("state"), place.plugins.path());
    let (admin, deadline) = (dir.join("admin.sock"), DEADLINE.as_millis());
    // Callers here knock faster than any agent, and what they meet should be the fault. Plugins come from the compiler,
    // not from a publisher.
    format!(
        "state = {state:?}\n[http]\nlisten = \"127.0.0.1:{port}\"\nadmin = {admin:?}\n[database]\nharden = true\n\
         [plugins]\ndirectory = {plugins:?}\nsignatures = \"optional\"\napproval = \"none\"\nwatch = false\n\
         [plugins.limits]\nwall_ms = {deadline}\n{more}\n"
    )
}

/// Sections every host has unless a fault needs others.
pub(crate) const USUAL: &str =
    "[traffic]\nprincipal = \"unlimited\"\ntenant = \"unlimited\"\n[embedding]\nmodel = \"none\"\n";

/// A port nobody uses at the moment. Between this and its being taken somebody else may take it; the start then says so.
///
/// # Errors
/// When there is none.
pub(crate) fn free_port() -> Result<u16> {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).context("a free port")?;
    Ok(free.local_addr()?.port())
}

/// The end of a log.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

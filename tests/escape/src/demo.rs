//! A Rowhouse of our own to attack: a demo on a scratch directory, removed afterwards.

use crate::Cli;
use crate::target::{Attacker, Target};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Customers and orders, as a share of the demo's: 2,500 and 10,000. Enough that a leak is seen, small enough that
/// every table can be hashed after every category.
pub(crate) const SCALE: f64 = 0.05;

/// Seconds a statement may run. The bombs of the corpus would otherwise take half a minute each.
pub(crate) const STATEMENT_SECONDS: u64 = 3;

/// From nothing to serving: the first start fetches PostgreSQL.
const START: Duration = Duration::from_secs(300);

/// From the signal to the end; after that it is killed.
const STOP: Duration = Duration::from_secs(20);

/// The demo. Its directory goes when this is dropped.
pub(crate) struct Demo {
    child: Child,
    _state: TempDir,
}

impl Demo {
    /// Start it, and say how to attack it.
    ///
    /// # Errors
    /// When the host is not built, does not start, or does not say where it serves.
    pub(crate) async fn start(cli: &Cli) -> Result<(Self, Target)> {
        let (rowhouse, plugins) = built(cli)?;
        let state = state()?;
        let mut child = Command::new(&rowhouse)
            .args(["demo", "--scale", &SCALE.to_string(), "--listen", "127.0.0.1:0", "--log", "off", "--state-dir"])
            .arg(state.path())
            .arg("--plugins")
            .arg(&plugins)
            .env("ROWHOUSE_DATABASE__POOL__STATEMENT_TIMEOUT_SECONDS", STATEMENT_SECONDS.to_string())
            // The suite asks faster than any agent; limits on calls have tests of their own.
            .env("ROWHOUSE_TRAFFIC__PRINCIPAL", "unlimited")
            .env("ROWHOUSE_TRAFFIC__TENANT", "unlimited")
            .env_remove("DATABASE_URL")
            .env_remove("ROWHOUSE_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", rowhouse.display()))?;
        let output = child.stdout.take().context("the demo's output")?;
        let url = tokio::time::timeout(START, serving(output)).await.context("the demo did not start in time")??;
        let mut attackers = Vec::new();
        for &(name, stores) in cli.attacker.people() {
            let token = Some(token(&rowhouse, state.path(), name).await?);
            attackers.push(Attacker { name: name.to_owned(), token, stores });
        }
        let target = Target {
            url,
            oracle: Some(token(&rowhouse, state.path(), "head-office").await?),
            admin_url: Some(admin(state.path())?),
            processes: child.id().into_iter().collect(),
            attackers,
        };
        Ok((Self { child, _state: state }, target))
    }

    /// Stop it, and its database with it.
    pub(crate) async fn stop(mut self) {
        let pid = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            // An error says that it is gone already.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if tokio::time::timeout(STOP, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// The host and its plugins, which `cargo xtask escape` builds.
///
/// # Errors
/// When one is not there.
pub(crate) fn built(cli: &Cli) -> Result<(PathBuf, PathBuf)> {
    let root = root()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let rowhouse = cli.rowhouse.clone().unwrap_or_else(|| target.join("debug/rowhouse"));
    let plugins = cli.plugins.clone().unwrap_or_else(|| root.join("target/plugins"));
    for needed in [&rowhouse, &plugins] {
        if !needed.exists() {
            bail!("{} is not there: run `cargo xtask escape`, which builds it", needed.display());
        }
    }
    Ok((rowhouse, plugins))
}

/// A scratch directory.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn state() -> Result<TempDir> {
    // Root's database runs as another user, who must be able to walk through.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    Ok(tempfile::Builder::new().prefix("rowhouse-escape-").permissions(open).tempdir()?)
}

fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(Path::to_owned).context("tests/escape/ is two below the root")
}

async fn serving(output: tokio::process::ChildStdout) -> Result<String> {
    let mut lines = BufReader::new(output).lines();
    let mut url = None;
    while let Some(line) = lines.next_line().await? {
        if let Some(rest) = line.strip_prefix("serving") {
            url = Some(rest.trim().to_owned());
            break;
        }
    }
    // Goes on reading: a full pipe would stop the server.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    url.context("the demo ended before it served; its reason is above")
}

async fn token(rowhouse: &Path, state: &Path, name: &str) -> Result<String> {
    let output = Command::new(rowhouse).args(["token", "--as", name, "--state-dir"]).arg(state).output().await?;
    if !output.status.success() {
        bail!("no token for {name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout).context("a token in ASCII")?.trim().to_owned())
}

/// The superuser's way into the embedded database.
///
/// # Errors
/// When its key cannot be read.
pub(crate) fn admin(state: &Path) -> Result<String> {
    let cluster = state.join("cluster");
    let key = std::fs::read_to_string(cluster.join("superuser.key")).context("read the superuser's key")?;
    let socket = cluster.join("run").display().to_string().replace('/', "%2F");
    Ok(format!("postgres://postgres:{}@{socket}/rowhouse", key.trim()))
}

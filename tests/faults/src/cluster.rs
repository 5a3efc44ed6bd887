//! A PostgreSQL apart from the host, so that it can be killed, frozen and started again under it.

use anyhow::{Context, Result, bail};
use rowhouse::embedded::{DATABASE, Options, Server};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, Config, NoTls};

/// Connections of all clients together: few enough that one of them can take them all in a moment.
const CONNECTIONS: u32 = 60;

/// Between two looks at something that is bound to come.
const LOOK: Duration = Duration::from_millis(20);

/// How long one that runs may take to answer: it reads its log again, of a few megabytes here.
const RECOVERED: Duration = Duration::from_secs(60);

/// A cluster, and its server while there is one.
pub(crate) struct Cluster {
    options: Options,
    admin: Config,
    socket: PathBuf,
    key: String,
    server: Option<Server>,
}

impl Cluster {
    /// Make one below this directory, and start it.
    ///
    /// # Errors
    /// What the embedded server needs and has not.
    pub(crate) async fn start(below: &Path, programs: &Path) -> Result<Self> {
        let options = Options {
            state_dir: Some(below.to_owned()),
            programs: Some(programs.to_owned()),
            bin_dir: std::env::var_os("ROWHOUSE_PG_BIN_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from),
            max_connections: CONNECTIONS,
            ..Options::default()
        };
        let server = Server::start(&options, &mut |_| {}).await.context("start PostgreSQL")?;
        let mut admin = server.admin();
        admin.application_name("faults");
        let key = String::from_utf8(admin.get_password().unwrap_or_default().to_vec()).context("its password")?;
        Ok(Self { options, admin, socket: server.socket_dir().to_owned(), key, server: Some(server) })
    }

    /// A connection as the superuser, past any proxy.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(crate) async fn admin(&self) -> Result<Client> {
        self.client("postgres", &self.key).await
    }

    /// A connection as anybody.
    ///
    /// # Errors
    /// When there is none to be had.
    pub(crate) async fn client(&self, user: &str, password: &str) -> Result<Client> {
        let mut config = self.admin.clone();
        let (client, connection) = config.user(user).password(password).connect(NoTls).await?;
        // Ends with the client.
        tokio::spawn(connection);
        Ok(client)
    }

    /// The superuser's way in, by the socket itself.
    pub(crate) fn url(&self) -> String {
        let socket = self.socket.display().to_string().replace('/', "%2F");
        format!("postgres://postgres:{}@{socket}/{DATABASE}", self.key)
    }

    /// The same through a proxy at this port.
    pub(crate) fn url_through(&self, port: u16) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{port}/{DATABASE}", self.key)
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.socket.join(".s.PGSQL.5432")
    }

    /// End it as a crash of the machine would.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        let server = self.server.take().context("no server runs")?;
        let all = family(server.pid());
        // First the one that would start others.
        all.iter().for_each(|pid| signal(*pid, Signal::KILL));
        server.ended().await;
        // What is left of it holds the shared memory the next one asks for.
        while all.iter().any(|pid| Path::new(&format!("/proc/{}", pid.as_raw_nonzero())).exists()) {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Stop it as an operator does: every session is ended, a checkpoint is written.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        match self.server.take() {
            Some(server) => server.stop().await.context("stop PostgreSQL"),
            None => Ok(()),
        }
    }

    /// Start it where it was, and wait until it answers. One that runs is left as it is, once it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn again(&mut self) -> Result<()> {
        if let Some(server) = self.server.take() {
            let (began, pid) = (Instant::now(), server.pid());
            // It may be recovering, or have ended by itself.
            while Path::new(&format!("/proc/{pid}")).exists() {
                if self.admin().await.is_ok() {
                    self.server = Some(server);
                    return Ok(());
                }
                if began.elapsed() > RECOVERED {
                    bail!("PostgreSQL runs and does not answer");
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        self.server = Some(Server::start(&self.options, &mut |_| {}).await.context("start PostgreSQL again")?);
        Ok(())
    }

    /// Stop every process of it in its tracks.
    pub(crate) fn freeze(&self) {
        self.every(Signal::STOP);
    }

    /// Let them go on.
    pub(crate) fn thaw(&self) {
        self.every(Signal::CONT);
    }

    fn every(&self, what: Signal) {
        let all = self.server.as_ref().map(|server| family(server.pid()));
        all.into_iter().flatten().for_each(|pid| signal(pid, what));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A frozen one would not hear that it is to end.
        self.thaw();
    }
}

/// It may be gone by now; then there is nobody to tell.
fn signal(pid: Pid, what: Signal) {
    let _ = kill_process(pid, what);
}

/// This process and its children, itself first.
fn family(head: i32) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = processes.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        (parent(&stat)? == head).then_some(pid)
    });
    std::iter::once(head).chain(children).filter_map(Pid::from_raw).collect()
}

/// The parent's number in a line of `/proc/PID/stat` (proc_pid_stat(5)): the second field after the name, which may hold
/// anything, brackets and spaces included.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_read_past_any_name() {
        for (stat, expected) in [
            ("17 (postgres) S 4 17 17 0 -1", Some(4)),
            ("17 (a b) c) d) S 5 17", Some(5)),
            ("17 (postgres", None),
            ("", None),
        ] {
            assert_eq!(parent(stat), expected, "{stat}");
        }
    }

    #[tokio::test]
    async fn a_family_is_a_process_and_its_children() {
        let mut child = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().expect("a child");
        let own = i32::try_from(std::process::id()).expect("a process id");
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).expect("it runs");
        let found = family(own);
        assert_eq!(found.first().copied(), Pid::from_raw(own));
        assert!(found.contains(&pid), "{found:?}");
        child.kill().await.expect("a child of ours");
        assert!(!family(own).contains(&pid));
    }
}

//! The server as a child: tied to this process, capped in memory, its log kept small and free of statements.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::sync::{oneshot, watch};

use super::Error;
use crate::worker;

/// What the server begins each line of its log with (`log_line_prefix`).
pub(super) const MARK: &str = "rowhouse ";

/// Lines kept for an error message: enough for a failed start, little enough to read.
const TAIL_LINES: usize = 12;

/// A log line is cut here; PostgreSQL's own messages are far shorter.
const MAX_LINE: u64 = 4096;

/// The log is set aside at this size, once: two files, 8 MB at most.
const MAX_LOG: u64 = 4 << 20;

/// How long the last lines may take to arrive after the server has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A running server process.
#[derive(Debug)]
pub(super) struct Postmaster {
    shared: Arc<Shared>,
    ended: watch::Receiver<Option<String>>,
    pid: Pid,
}

#[derive(Debug, Default)]
struct Shared {
    /// `None` once the process is reaped, after which its number may belong to another.
    alive: Mutex<Option<Pid>>,
    tail: Mutex<VecDeque<String>>,
    /// Set when agents may connect: from then on unmarked lines are not kept.
    serving: AtomicBool,
}

impl Postmaster {
    /// Starts `command` with `data_limit` bytes of private memory per process and its log in `log`.
    ///
    /// # Errors
    /// [`Error::State`] for the log, [`Error::Spawn`] for the program.
    pub(super) async fn spawn(mut command: Command, data_limit: u64, log: &Path) -> Result<Self, Error> {
        let log = Log::open(log)?;
        let program = PathBuf::from(command.get_program());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A group of its own: Ctrl-C in a terminal is for the host, which stops the server when it has drained.
        command.process_group(0);
        worker::leash(&mut command, Signal::INT, Some(data_limit));
        let shared = Arc::new(Shared::default());
        let (started, starting) = oneshot::channel();
        let (ending, ended) = watch::channel(None);
        let inner = Arc::clone(&shared);
        // The kernel sends the farewell signal when the *thread* that forked ends, so the thread stays to the end.
        let thread = thread::Builder::new().name("postgres".to_owned());
        let spawned = thread.spawn(move || keep(command, &inner, log, started, &ending));
        spawned.map_err(|source| Error::Spawn { program: program.clone(), source })?;
        match starting.await {
            Ok(Ok(pid)) => Ok(Self { shared, ended, pid }),
            Ok(Err(source)) => Err(Error::Spawn { program, source }),
            Err(_) => Err(Error::Abandoned),
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends `signal`, unless the process has ended.
    pub(super) fn signal(&self, signal: Signal) {
        let alive = self.shared.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *alive {
            // It may be ending this instant; whoever waits for the end learns that.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits for the end of the process and describes it.
    pub(super) async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(status) => status.clone().unwrap_or_default(),
            Err(_) => "status unknown".to_owned(),
        }
    }

    /// From now on only lines in the server's own format are kept: what else a backend prints, such as its memory map
    /// when memory runs out, quotes statements.
    pub(super) fn serving(&self) {
        self.shared.serving.store(true, Ordering::Relaxed);
    }

    /// The last lines of the log.
    pub(super) fn last_words(&self) -> String {
        let tail = self.shared.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = tail.iter().map(String::as_str).collect();
        if lines.is_empty() { "it said nothing".to_owned() } else { lines.join(" | ") }
    }
}

/// The life of the thread that owns the child: fork, wait, report.
fn keep(
    mut command: Command,
    shared: &Arc<Shared>,
    log: Log,
    started: oneshot::Sender<io::Result<Pid>>,
    ending: &watch::Sender<Option<String>>,
) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let pid = Pid::from_child(&child);
    *shared.alive.lock().unwrap_or_else(PoisonError::into_inner) = Some(pid);
    let (read_all, all_read) = mpsc::channel::<()>();
    if let Some(stderr) = child.stderr.take() {
        let shared = Arc::clone(shared);
        let reader = thread::Builder::new().name("postgres-log".to_owned());
        // Without the reader the pipe closes and the server runs on without a log.
        let _ = reader.spawn(move || {
            log.follow(stderr, &shared);
            drop(read_all);
        });
    }
    // If nobody waits for the answer the start was abandoned, and so is the server.
    if started.send(Ok(pid)).is_err() {
        let _ = rustix::process::kill_process(pid, Signal::INT);
    }
    // Seen first and reaped second, so that nobody can signal a number that is already somebody else's.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), options) {}
    let mut alive = shared.alive.lock().unwrap_or_else(PoisonError::into_inner);
    let status = child.wait();
    *alive = None;
    drop(alive);
    let _ = all_read.recv_timeout(LAST_WORDS);
    ending.send_replace(Some(status.map_or_else(|error| error.to_string(), |status| status.to_string())));
}

/// The log file, two generations of it.
struct Log {
    file: File,
    path: PathBuf,
    written: u64,
}

impl Log {
    /// Sets the log of the last run aside and begins a new one, readable by its owner only.
    fn open(path: &Path) -> Result<Self, Error> {
        if path.exists() {
            let before = path.with_extension("log.1");
            fs::rename(path, &before).map_err(Error::state("rename to", &before))?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        Ok(Self { file: file.map_err(Error::state("write", path))?, path: path.to_owned(), written: 0 })
    }

    /// Copies what may be kept until the server and all its backends are gone. A full disk loses the log, not the
    /// server: reading goes on, so that no backend ever waits for the pipe.
    fn follow(mut self, from: ChildStderr, shared: &Shared) {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line);
            if !shared.serving.load(Ordering::Relaxed) || text.starts_with(MARK) {
                let mut tail = shared.tail.lock().unwrap_or_else(PoisonError::into_inner);
                if tail.len() == TAIL_LINES {
                    tail.pop_front();
                }
                tail.push_back(text.trim_end().trim_start_matches(MARK).to_owned());
                drop(tail);
                self.write(&line);
            }
            line.clear();
        }
    }

    fn write(&mut self, line: &[u8]) {
        if self.written > MAX_LOG
            && let Ok(fresh) = Self::open(&self.path)
        {
            *self = fresh;
        }
        if self.file.write_all(line).is_ok() {
            self.written += line.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a shell script as if it were the server; the script finds the file `go` once `serving` has been said.
    async fn run(script: &str, serving: bool, limit: u64) -> (String, String, String) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (log, go) = (dir.path().join("postgres.log"), dir.path().join("go"));
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).current_dir(dir.path());
        let child = Postmaster::spawn(command, limit, &log).await.expect("starts");
        if serving {
            child.serving();
            fs::write(go, "").expect("a file");
        }
        let status = child.ended().await;
        (status, child.last_words(), fs::read_to_string(log).expect("a log"))
    }

    #[tokio::test]
    async fn end_and_last_words_are_reported() {
        let (status, words, log) = run("echo one >&2; echo rowhouse two >&2; exit 3", false, u64::MAX).await;
        assert_eq!((status.as_str(), words.as_str()), ("exit status: 3", "one | two"));
        assert_eq!(log, "one\nrowhouse two\n");
    }

    #[tokio::test]
    async fn statements_do_not_reach_the_log_once_serving() {
        let script = "until [ -e go ]; do sleep 0.02; done; echo 'CachedPlan: SELECT secret' >&2; echo rowhouse ok >&2";
        let (_, words, log) = run(script, true, u64::MAX).await;
        assert_eq!((words.as_str(), log.as_str()), ("ok", "rowhouse ok\n"));
    }

    #[tokio::test]
    async fn memory_is_capped_and_the_cap_cannot_be_raised() {
        let script = "ulimit -d >&2; ulimit -H -d >&2";
        let (_, words, _) = run(script, false, 64 << 20).await;
        assert_eq!(words, "65536 | 65536");
    }

    #[tokio::test]
    async fn signal_ends_the_child() {
        // Not INT: what a shell runs in the background inherits that one ignored.
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new("/bin/sleep");
        command.arg("600");
        let child = Postmaster::spawn(command, u64::MAX, &dir.path().join("l.log")).await.expect("starts");
        assert!(child.pid() > 1);
        child.signal(Signal::TERM);
        assert!(child.ended().await.contains("signal: 15"));
        child.signal(Signal::TERM);
    }

    #[tokio::test]
    async fn missing_program_is_an_error() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let command = Command::new(dir.path().join("absent"));
        let error = Postmaster::spawn(command, u64::MAX, &dir.path().join("l.log")).await.expect_err("cannot start");
        assert!(matches!(error, Error::Spawn { .. }), "{error}");
    }
}

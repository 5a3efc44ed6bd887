//! PostgreSQL's own programs, and what flows out of one and into the next. Each is tied to this process; what is left of a
//! chain that broke is ended.

use super::tar::Walker;
use super::{Error, Meter};
use crate::worker;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Bytes moved at once.
const PIECE: usize = 256 << 10;

/// Lines and characters kept of what a program said.
const LINES: usize = 3;
const LONGEST: usize = 300;

/// A program that runs; ended when this is dropped.
struct Running {
    name: String,
    child: Child,
    ears: Option<JoinHandle<String>>,
}

impl Running {
    fn start(mut command: Command, meter: Option<Arc<Meter>>) -> Result<Self, Error> {
        let path = command.get_program().to_string_lossy().into_owned();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        command.stderr(Stdio::piped());
        worker::tie(&mut command);
        let absent = || format!("{path} is not there: name a PostgreSQL that has {name} in ROWHOUSE_PG_BIN_DIR");
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Tools(absent()),
            _ => Error::io(format!("run {name}"))(error),
        })?;
        let ears = child.stderr.take().map(|stderr| thread::spawn(move || listen(stderr, meter.as_deref())));
        Ok(Self { name, child, ears })
    }

    /// Wait for its end, which must be a good one.
    fn end(mut self) -> Result<(), Error> {
        let status = self.child.wait().map_err(Error::io(format!("wait for {}", self.name)))?;
        let said = self.ears.take().and_then(|ears| ears.join().ok()).unwrap_or_default();
        judge(&self.name, status, said)
    }

    /// End it now, and say what it said if it had failed by itself.
    fn stop(mut self) -> Result<(), Error> {
        // It has ended, or it ends.
        let _ = self.child.kill();
        let status = self.child.wait().map_err(Error::io(format!("wait for {}", self.name)))?;
        let said = self.ears.take().and_then(|ears| ears.join().ok()).unwrap_or_default();
        if status.code().is_none() { Ok(()) } else { judge(&self.name, status, said) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn judge(name: &str, status: ExitStatus, said: String) -> Result<(), Error> {
    if status.success() {
        return Ok(());
    }
    let said = if said.is_empty() { "it said nothing".to_owned() } else { said };
    Err(Error::Program { program: name.to_owned(), status: status.to_string(), said })
}

/// The last lines of a program, but for those that say how far it is; these go to the meter.
fn listen(stderr: ChildStderr, meter: Option<&Meter>) -> String {
    let mut last: Vec<String> = Vec::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        if let (Some(meter), Some((_, total))) = (meter, progress(&line)) {
            meter.expect(total << 10);
        } else if let Some(line) = fit(&line) {
            last.push(line);
            if last.len() > LINES {
                last.remove(0);
            }
        }
    }
    last.join(" | ")
}

/// What `pg_basebackup -P` says: "46445/46445 kB (100%), 0/1 tablespace", kilobytes done and in all.
fn progress(line: &str) -> Option<(u64, u64)> {
    let (done, rest) = line.trim().split_once('/')?;
    let (total, _) = rest.split_once(" kB (")?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

/// A line as it may be repeated: without the values of rows, which PostgreSQL quotes where it says more than its message.
fn fit(line: &str) -> Option<String> {
    let line = line.trim();
    let more = ["DETAIL:", "CONTEXT:", "HINT:", "STATEMENT:", "QUERY:", "LINE ", "Command was:"];
    let quotes = more.iter().any(|word| line.contains(word));
    if line.is_empty() || quotes || line.starts_with("waiting for checkpoint") {
        return None;
    }
    // What did not fit into a column stands behind it.
    let line = match line.contains("COPY failed") {
        true => line.split(": ERROR").next().unwrap_or_default(),
        false => line,
    };
    Some(line.chars().take(LONGEST).collect())
}

/// How a program of PostgreSQL reaches a database: by variables, which only this user and root can see, where a command
/// line is for everybody.
pub(super) fn connect(command: &mut Command, config: &Config) {
    let hosts: Vec<String> = config.get_hosts().iter().map(host).collect();
    let ports: Vec<String> = config.get_ports().iter().map(ToString::to_string).collect();
    command.env("PGHOST", hosts.join(",")).env("PGAPPNAME", "rowhouse-backup").env("PGCONNECT_TIMEOUT", "10");
    if !ports.is_empty() {
        command.env("PGPORT", ports.join(","));
    }
    let words = [("PGUSER", config.get_user()), ("PGDATABASE", config.get_dbname())];
    for (name, value) in words.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        command.env(name, value);
    }
    if let Some(password) = config.get_password() {
        command.env("PGPASSWORD", String::from_utf8_lossy(password).into_owned());
    }
}

fn host(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

/// A program of PostgreSQL in a directory of them, with nothing of our environment.
pub(super) fn program(bin: &std::path::Path, name: &str) -> Command {
    let mut command = Command::new(bin.join(name));
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("PATH", "/usr/bin:/bin").current_dir("/");
    command.stdin(Stdio::null());
    command
}

/// A program of the system, where distributions put it or on PATH.
pub(super) fn of_system(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = ["/usr/bin", "/bin"].map(PathBuf::from).into_iter().chain(std::env::split_paths(&path));
    dirs.map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// Move what a program writes to `out`, as it comes, and count it; `by` looks at it in passing.
fn pour(from: &mut impl Read, out: &mut impl Write, mut by: impl FnMut(&[u8])) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(size) => {
                by(&piece[..size]);
                out.write_all(&piece[..size])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Write what `command` writes to `out`, packed by `gzip` where there is one. Returns the file `wanted` of the archive it
/// writes, where it is one.
pub(super) fn send(
    mut command: Command,
    gzip: Option<PathBuf>,
    wanted: Option<&'static str>,
    meter: &Arc<Meter>,
    out: &mut impl Write,
) -> Result<Option<Vec<u8>>, Error> {
    command.stdout(Stdio::piped());
    let mut source = Running::start(command, Some(Arc::clone(meter)))?;
    let mut from = source.child.stdout.take().ok_or(Error::Abandoned)?;
    let mut walker = wanted.map(Walker::new);
    let Some(gzip) = gzip else {
        let moved = pour(&mut from, out, |piece| note(meter, walker.as_mut(), piece));
        if let Err(error) = moved {
            // What it started itself ends with the pipe.
            drop(from);
            source.stop()?;
            return Err(Error::io("write the backup")(error));
        }
        source.end()?;
        return Ok(walker.and_then(Walker::found));
    };
    let mut packing = Command::new(gzip);
    // The first level: an eighth of the bytes at the speed of a disk.
    packing.arg("-1").arg("-c").env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut packer = Running::start(packing, None)?;
    let (into, packed) = (packer.child.stdin.take(), packer.child.stdout.take());
    let (mut into, mut packed) = into.zip(packed).ok_or(Error::Abandoned)?;
    let count = Arc::clone(meter);
    let feeder = thread::spawn(move || {
        let moved = pour(&mut from, &mut into, |piece| note(&count, walker.as_mut(), piece));
        // With `into` gone the packer comes to its end.
        moved.map(|()| walker.and_then(Walker::found))
    });
    let written = pour(&mut packed, out, |_| {});
    if let Err(error) = written {
        drop(packed);
        packer.stop()?;
        let failed = source.stop();
        let _ = feeder.join();
        failed?;
        return Err(Error::io("write the backup")(error));
    }
    // The packer is at its end, so the feeder is.
    let fed = feeder.join().map_err(|_| Error::Abandoned)?;
    packer.end()?;
    source.end()?;
    fed.map_err(Error::io("pack the backup"))
}

fn note(meter: &Meter, walker: Option<&mut Walker>, piece: &[u8]) {
    meter.add(piece.len());
    if let Some(walker) = walker {
        walker.feed(piece);
    }
}

/// Have `command` read what comes from `from`.
pub(super) fn receive(mut command: Command, from: &mut dyn Read) -> Result<(), Error> {
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut running = Running::start(command, None)?;
    let mut into = running.child.stdin.take().ok_or(Error::Abandoned)?;
    let mut piece = vec![0; PIECE];
    loop {
        let size = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(size) => size,
            Err(error) => {
                drop(into);
                // What it says of an end that came too early is not the reason.
                let _ = running.stop();
                return Err(Error::io("read the backup")(error));
            }
        };
        // It ended early: it has its reasons, which its end tells.
        if into.write_all(&piece[..size]).is_err() {
            break;
        }
    }
    drop(into);
    running.end()
}

/// Run `command` to its end.
pub(super) fn run(mut command: Command) -> Result<(), Error> {
    command.stdout(Stdio::null());
    Running::start(command, None)?.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).stdin(Stdio::null());
        command
    }

    #[test]
    fn what_flows_arrives_and_what_fails_says_why() {
        let meter = Arc::new(Meter::default());
        for gzip in [None, of_system("gzip")] {
            let mut out = Vec::new();
            let script = "head -c 300000 /dev/zero; echo '7/9 kB (80%), 0/1 tablespace' >&2";
            send(shell(script), gzip.clone(), None, &meter, &mut out).unwrap();
            assert_eq!(out.len() == 300_000, gzip.is_none());
            let failed = send(shell("echo half; echo no >&2; exit 3"), gzip, None, &meter, &mut Vec::new());
            assert_eq!(failed.unwrap_err().to_string(), "sh failed (exit status: 3): no");
        }
        assert_eq!(meter.read(), (600_010, 9 << 10));
        let mut from = &b"abc"[..];
        receive(shell("test \"$(cat)\" = abc"), &mut from).unwrap();
        let failed = receive(shell("echo full >&2; exit 2"), &mut io::repeat(1).take(10 << 20)).unwrap_err();
        assert_eq!(failed.to_string(), "sh failed (exit status: 2): full");
        let absent = run(Command::new("/nowhere/pg_combinebackup")).unwrap_err().to_string();
        assert!(absent.contains("/nowhere/pg_combinebackup") && absent.contains("ROWHOUSE_PG_BIN_DIR"), "{absent}");
    }

    /// A place that is full.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn programs_end_when_their_way_out_is_closed() {
        let meter = Arc::new(Meter::default());
        for gzip in [None, of_system("gzip")] {
            // Without an end this would not come back.
            let failed = send(shell("while :; do head -c 100000 /dev/urandom; done"), gzip, None, &meter, &mut Full);
            assert!(matches!(failed, Err(Error::Io { .. })), "{failed:?}");
        }
    }

    #[track_caller]
    fn check(line: &str, want: Option<&str>) {
        assert_eq!(fit(line).as_deref(), want, "{line}");
    }

    #[test]
    fn rows_are_not_repeated() {
        check("pg_restore: error: could not open it", Some("pg_restore: error: could not open it"));
        check("DETAIL:  Key (email)=(ann@example.org) already exists.", None);
        check("CONTEXT:  COPY customers, line 1: \"Ann\"", None);
        check(
            "pg_restore: error: COPY failed for table \"t\": ERROR:  invalid input syntax for type uuid: \"Ann\"",
            Some("pg_restore: error: COPY failed for table \"t\""),
        );
        check("  ", None);
        assert_eq!(progress(" 46445/46446 kB (99%), 0/1 tablespace"), Some((46_445, 46_446)));
        assert_eq!(progress("pg_basebackup: error: /x is 5 kB"), None);
    }
}

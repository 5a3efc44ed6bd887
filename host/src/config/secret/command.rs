//! A secret on the standard output of a program.

use super::{LONGEST, SecretError};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a program may take: a vault far away answers in one second, a person asked for a code does not.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at a program that closed its output and has not ended yet.
const LOOK: Duration = Duration::from_millis(10);

/// What the program prints, if it ends well within `patience`.
pub(super) fn run(words: &[String], patience: Duration) -> Result<Vec<u8>, SecretError> {
    let (program, arguments) = words.split_first().ok_or_else(|| SecretError::Empty("command".to_owned()))?;
    let until = Instant::now() + patience;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Nobody knows what it prints there, and logs are read by many.
        .stderr(Stdio::null())
        // A group of its own, so that what it starts ends with it.
        .process_group(0)
        .spawn()
        .map_err(|source| SecretError::Start { program: program.clone(), source })?;
    let outcome = read(&mut child, program, until);
    if outcome.is_err() {
        end(&mut child);
    }
    outcome
}

fn read(child: &mut Child, program: &str, until: Instant) -> Result<Vec<u8>, SecretError> {
    let slow = || SecretError::Slow(program.to_owned());
    let out = child.stdout.take().ok_or_else(slow)?;
    let (tell, told) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = out.take(LONGEST as u64 + 1).read_to_end(&mut bytes);
        let _ = tell.send(read.map(|_| bytes));
    });
    let left = || until.saturating_duration_since(Instant::now());
    let bytes = told.recv_timeout(left()).map_err(|_| slow())?;
    let bytes = bytes.map_err(|source| SecretError::Start { program: program.to_owned(), source })?;
    if bytes.len() > LONGEST {
        return Err(SecretError::Long(format!("the output of {program}")));
    }
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(bytes),
            Ok(Some(status)) => {
                return Err(SecretError::Failed { program: program.to_owned(), status: status.to_string() });
            }
            Ok(None) if left().is_zero() => return Err(slow()),
            Ok(None) => std::thread::sleep(LOOK),
            Err(source) => return Err(SecretError::Start { program: program.to_owned(), source }),
        }
    }
}

/// End the program and whatever it started.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Gone already: then there is nobody to end.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

//! Processes of our own for work whose appetite somebody else decides: what runs away there ends there, and not the host
//! with its keys and its database.

use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// This program's own executable, as the worker of this name: with pipes, and without the host's environment (keys, URLs),
/// which is none of its business.
pub fn command(program: &Path, worker: &str) -> Command {
    let mut command = Command::new(program);
    command
        .arg(worker)
        .env_clear()
        // The allocator would reserve a gigabyte at once, which counts against the bound on memory.
        .env("MIMALLOC_ARENA_RESERVE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What a worker does first: no more than these bytes of memory, and no image of it on disk.
///
/// # Errors
/// Where the system does not take the bounds.
pub fn bound(memory: u64) -> io::Result<()> {
    setrlimit(Resource::Data, Rlimit { current: Some(memory), maximum: Some(memory) })?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// Ends `command` when this thread or process ends, however that happens.
pub fn tie(command: &mut std::process::Command) {
    leash(command, Signal::KILL, None);
}

/// Arranges what only the child itself can do, between fork and exec: to be told when its parent dies, and to accept
/// a ceiling on memory that neither it nor its own children can raise again.
#[expect(unsafe_code, reason = "the moment between fork and exec is only reachable through `pre_exec`")]
pub fn leash(command: &mut std::process::Command, farewell: Signal, data_limit: Option<u64>) {
    let parent = rustix::process::getpid();
    // An inherited ceiling may be lower already; only root could raise it, and there is no reason to.
    let ceiling = rustix::process::getrlimit(Resource::Data).maximum.unwrap_or(u64::MAX);
    let limit = data_limit.map(|bytes| bytes.min(ceiling));
    let hook = move || -> io::Result<()> {
        // After the change of user, which would clear it.
        #[cfg(target_os = "linux")]
        rustix::process::set_parent_process_death_signal(Some(farewell))?;
        #[cfg(not(target_os = "linux"))]
        let _ = farewell;
        // The parent may have died before the signal was armed.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        if let Some(bytes) = limit {
            rustix::process::setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
        }
        Ok(())
    };
    // SAFETY: the hook runs in a forked copy of a threaded process. It makes three system calls through rustix, reads
    // only values it owns, allocates nothing and takes no lock.
    unsafe { command.pre_exec(hook) };
}

//! Processes of our own for work whose appetite somebody else decides: what runs away there ends there, and not the host
//! with its keys and its database.

use rustix::process::{Resource, Rlimit, setrlimit};
use std::io;
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

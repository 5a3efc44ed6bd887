//! Who gets a core first: what the kernel lets anybody ask for threads and processes of their own.
//!
//! Two things are asked of it. *Fewer shares* (`setpriority(2)`): while others want the cores such a thread gets less of
//! them. *Long turns* (`sched_setattr(2)`, Linux 6.12 and later): it has its shares in pieces of a tenth of a second, and in
//! return whoever asks for short ones goes first the moment it wakes. Shares alone do not do that: who computes keeps a core
//! to the end of its turn, which the kernel looks for every few milliseconds only, and a call changes threads several times.
//! Turns by deadline are Stoica and Abdel-Wahab's *Earliest Eligible Virtual Deadline First* (1995).

use rustix::process::{Pid, getpriority_process, setpriority_process};
use std::io;
use std::time::Duration;

/// The longest turn that the kernel grants. Nobody has to take all of it.
const LONG: Duration = Duration::from_millis(100);

/// As long as the kernel finds right.
const USUAL: Duration = Duration::ZERO;

/// Fewer shares and long turns for this thread, or for a process: `nice` is its priority from now on (`sched(7)`: 0 has
/// 1,024 shares, 19 has 15). Only administrators may take shares back.
///
/// # Errors
/// The kernel's, if it is not ours.
pub(crate) fn step_behind(of: Option<Pid>, nice: i32) -> io::Result<()> {
    // Elsewhere priorities are a whole process's, and this one's stays.
    if of.is_some() || cfg!(target_os = "linux") {
        setpriority_process(of, nice)?;
    }
    // An old kernel, or a filter of system calls in a container, may not know them; shares are had all the same.
    let _ = turns(of, LONG);
    Ok(())
}

/// A process has long turns until this is dropped.
pub(crate) struct LongTurns(Pid);

impl LongTurns {
    /// Where the kernel grants them to it.
    pub(crate) fn of(process: Pid) -> Option<Self> {
        turns(Some(process), LONG).is_ok().then_some(Self(process))
    }
}

impl Drop for LongTurns {
    fn drop(&mut self) {
        // Otherwise it has ended.
        let _ = turns(Some(self.0), USUAL);
    }
}

#[cfg(target_os = "linux")]
fn turns(of: Option<Pid>, length: Duration) -> io::Result<()> {
    let wanted = libc::sched_attr {
        size: u32::try_from(size_of::<libc::sched_attr>()).map_err(io::Error::other)?,
        sched_policy: 0,
        sched_flags: libc::SCHED_FLAG_KEEP_POLICY as u64,
        // As it is: this sets both.
        sched_nice: getpriority_process(of)?,
        sched_priority: 0,
        sched_runtime: u64::try_from(length.as_nanos()).map_err(io::Error::other)?,
        sched_deadline: 0,
        sched_period: 0,
    };
    let of = of.map_or(0, |process| process.as_raw_nonzero().get());
    // SAFETY: the kernel reads as many bytes of `wanted` as `size` says, which is all of it, and keeps none.
    #[expect(unsafe_code, reason = "neither the C library nor a crate has this call")]
    match unsafe { libc::syscall(libc::SYS_sched_setattr, of, &raw const wanted, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
fn turns(_: Option<Pid>, _: Duration) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    /// The turns of a process, as the kernel tells them.
    #[expect(unsafe_code, reason = "neither the C library nor a crate has this call")]
    fn told(process: Pid) -> Duration {
        // SAFETY: all of its fields are numbers.
        let mut told: libc::sched_attr = unsafe { std::mem::zeroed() };
        let (of, size) = (process.as_raw_nonzero().get(), size_of::<libc::sched_attr>());
        // SAFETY: the kernel writes `size` bytes at the most, which is all of it.
        let done = unsafe { libc::syscall(libc::SYS_sched_getattr, of, &raw mut told, size, 0) };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
        Duration::from_nanos(told.sched_runtime)
    }

    /// Whether this kernel has turns of anybody's choice.
    fn has_turns() -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel tells");
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|it| it.parse::<u32>().ok());
        (numbers.next().expect("major"), numbers.next().expect("minor")) >= (6, 12)
    }

    struct Sleeper(Child);

    impl Sleeper {
        fn start() -> (Self, Pid) {
            let child = Command::new("sleep").arg("600").spawn().expect("there is a sleep");
            let number = Pid::from_child(&child);
            (Self(child), number)
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn who_has_long_turns_gives_them_back_and_keeps_its_shares() {
        let (_sleeper, process) = Sleeper::start();
        let shares = || getpriority_process(Some(process)).expect("it is ours");
        let before = (told(process), shares());
        assert!(before.0 < LONG, "{before:?}");
        let turns = LongTurns::of(process).expect("it is ours");
        assert_eq!((told(process), shares()), (if has_turns() { LONG } else { before.0 }, before.1));
        drop(turns);
        assert_eq!((told(process), shares()), before);
    }

    #[test]
    fn who_steps_behind_has_fewer_shares_and_long_turns() {
        let (_sleeper, process) = Sleeper::start();
        step_behind(Some(process), 15).expect("it is ours");
        assert_eq!(getpriority_process(Some(process)).expect("it is ours"), 15);
        assert_eq!(told(process) == LONG, has_turns());
        // This thread, and no other.
        std::thread::spawn(|| {
            step_behind(None, 15).expect("it is ours");
            let turns = told(Pid::from_raw(rustix::thread::gettid().as_raw_nonzero().get()).expect("a number"));
            assert_eq!((getpriority_process(None).expect("it is ours"), turns == LONG), (15, has_turns()));
        })
        .join()
        .expect("no assertion failed");
        assert!(getpriority_process(None).expect("it is ours") < 15);
    }

    #[test]
    fn who_is_gone_is_no_matter() {
        let (mut sleeper, gone) = Sleeper::start();
        sleeper.0.kill().and_then(|()| sleeper.0.wait()).expect("it is ours");
        assert!(LongTurns::of(gone).is_none());
        assert!(step_behind(Some(gone), 15).is_err());
        drop(LongTurns(gone));
    }
}

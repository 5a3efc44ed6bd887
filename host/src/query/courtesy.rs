//! Long statements step behind short ones, where the database is on this machine.
//!
//! A backend that computes has the same right to a core as one whose statement is over in a millisecond, and as the host
//! itself. So a backend whose statement takes long is given a lower priority, which anybody may do to processes of their
//! own. PostgreSQL has none; that the kernel's serve it well, and that a lock held by somebody of low priority is seldom
//! waited for, was found by McWherter et al., *Priority Mechanisms for OLTP and Transactional Web Applications* (ICDE 2004).

use super::link::Link;
use crate::cores::{LongTurns, step_behind};
use rustix::process::{Pid, getpriority_process};
use std::fs;
use std::future::Future;
use std::io::{self, Write};
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// When a statement's backend is looked at for the first time, and has long turns until the statement is over. Most are over
/// by then, and cost nothing.
const FIRST: Duration = Duration::from_millis(10);

/// How often from then on.
const EACH: Duration = Duration::from_millis(20);

/// Who has computed for so long since the first look is long. Most tools' statements take one millisecond, or ten; who
/// waited for fifty does not notice the five that a new connection takes afterwards. Counted by the kernel's clock of the
/// process: on a busy machine short statements take long, too, and closing their connections would make it busier.
const LONG: Duration = Duration::from_millis(40);

/// The priority of long statements: 36 shares of a core where another process has 1,024 (`sched(7)`). Were it the least, whoever
/// waits for a lock that such a statement holds would wait twice as long.
const NICE: i32 = 15;

/// Between two tries to lower a group. From all who are not administrators the kernel takes one in a tenth of a second.
const AGAIN: Duration = Duration::from_millis(110);

/// A trip over this connection, whose backend steps behind others once it has computed for long. Tells whether it did: it
/// has to be closed then, for only administrators may take that back.
pub(super) async fn courteous<T>(link: &Link, trip: impl Future<Output = T>) -> (T, bool) {
    let mut trip = pin!(trip);
    if let Ok(landed) = timeout(FIRST, &mut trip).await {
        return (landed, false);
    }
    let Some((backend, began)) = backend_of(link).and_then(|backend| Some((backend, computed(backend)?))) else {
        return (trip.await, false);
    };
    let _turns = LongTurns::of(backend);
    while computed(backend).is_none_or(|now| now.saturating_sub(began) < LONG) {
        if let Ok(landed) = timeout(EACH, &mut trip).await {
            return (landed, false);
        }
    }
    if step_behind(Some(backend), NICE).is_err() {
        return (trip.await, false);
    }
    while lower_group(backend).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
        if let Ok(landed) = timeout(AGAIN, &mut trip).await {
            return (landed, true);
        }
    }
    (trip.await, true)
}

/// How long a process has had a core since it began (`/proc/PID/schedstat`), where the kernel tells.
fn computed(process: Pid) -> Option<Duration> {
    let told = fs::read_to_string(format!("/proc/{}/schedstat", process.as_raw_nonzero())).ok()?;
    told.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// The process at the other end, if it is one of this machine that others of its kind do not stand behind already.
fn backend_of(link: &Link) -> Option<Pid> {
    let backend = Pid::from_raw(link.backend).filter(|_| link.place.is_socket_file())?;
    let higher = getpriority_process(Some(backend)).is_ok_and(|nice| nice < NICE);
    (higher && is_backend(backend, link.role)).then_some(backend)
}

/// Whether this is a backend of the login role. Numbers of processes are a container's own: behind a socket file that was
/// shared with us there may be a server whose numbers mean others here.
fn is_backend(process: Pid, role: &str) -> bool {
    let title = fs::read(format!("/proc/{}/cmdline", process.as_raw_nonzero())).unwrap_or_default();
    let title = String::from_utf8_lossy(&title);
    title.starts_with("postgres:") && title.contains(role)
}

/// Outside of control groups the kernel shares the cores between sessions first (`sched(7)`, autogroup), and each backend is
/// one: its own priority would count among its own processes only. Elsewhere there is no such file, or it counts for
/// nothing.
fn lower_group(backend: Pid) -> io::Result<()> {
    let file = format!("/proc/{}/autogroup", backend.as_raw_nonzero());
    fs::OpenOptions::new().write(true).open(file)?.write_all(NICE.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_left_alone() {
        assert!(!is_backend(rustix::process::getpid(), ""));
        assert!(!is_backend(Pid::from_raw(i32::MAX).expect("a number"), "rowhouse_one"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_process_computed_grows_and_of_none_is_unknown() {
        // The number of this thread, which is a process as the kernel counts.
        let own = rustix::thread::gettid();
        let before = computed(own).expect("the kernel tells");
        let ten = before + Duration::from_millis(10);
        while computed(own).is_some_and(|now| now < ten) {}
        std::thread::sleep(Duration::from_millis(50));
        let now = computed(own).expect("the kernel tells");
        assert!((ten..ten + Duration::from_millis(40)).contains(&now), "waiting is no computing: {before:?} {now:?}");
        assert_eq!(computed(Pid::from_raw(i32::MAX).expect("a number")), None);
    }
}

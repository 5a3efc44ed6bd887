//! What backends take while they run, from `/proc`. Only on the database's own machine.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often it looks. A backend takes some 100 MB in that time at most, a tenth of what counts.
const EVERY: Duration = Duration::from_millis(40);

/// Watches private memory of every child of one process, and of some processes themselves.
pub(crate) struct Watch {
    peak: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Watch the children of the process that started `backend`, and `more`. `None` when `backend` is not here.
    pub(crate) fn start(backend: u32, more: Vec<u32>) -> Option<Self> {
        let name = fs::read_to_string(format!("/proc/{backend}/comm")).ok()?;
        if !name.starts_with("postgres") {
            return None;
        }
        let postmaster = field(backend, "PPid:")?;
        let children = PathBuf::from(format!("/proc/{postmaster}/task/{postmaster}/children"));
        let peak = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&peak);
        let task = tokio::spawn(async move {
            loop {
                let pids = fs::read_to_string(&children).unwrap_or_default();
                let pids = pids.split_whitespace().filter_map(|pid| pid.parse().ok()).chain(more.iter().copied());
                // RssAnon: shared buffers are nobody's own.
                let most = pids.filter_map(|pid: u32| field(pid, "RssAnon:")).max().unwrap_or(0);
                seen.fetch_max(most * 1024, Ordering::Relaxed);
                tokio::time::sleep(EVERY).await;
            }
        });
        Some(Self { peak, task })
    }

    /// The most any of them had since the last time this was asked, in bytes.
    pub(crate) fn take(&self) -> u64 {
        self.peak.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn field(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

//! Disk and memory, as Linux tells them.

use super::{Component, Severity};
use crate::config::Bounds;
use rustix::fs::statvfs;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// The file system under a directory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// All of it.
    pub total: u64,
    /// What this user may still write.
    pub free: u64,
}

impl Disk {
    /// Of this directory, or the nearest one above it that is there.
    pub fn of(directory: &Path) -> Option<Self> {
        let found = directory.ancestors().find_map(|directory| statvfs(directory).ok())?;
        Some(Self {
            total: found.f_blocks.saturating_mul(found.f_frsize),
            free: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }
}

/// How much memory this process has, and how much its control group has and may have, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Pages of this process in memory (`VmRSS`, proc_pid_status(5)).
    pub resident: u64,
    /// The tightest limit of the control groups it is in, and what counts against it: what is used there, files that could
    /// be dropped at once aside. As Kubernetes counts a working set.
    pub group: Option<(u64, u64)>,
}

impl Memory {
    /// Of this process.
    pub fn own() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let group = of_group(&read("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
        Self { resident: resident(&read("/proc/self/status")), group }
    }
}

/// `VmRSS:     1234 kB`, whose kB are 1,024 bytes.
fn resident(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    kib << 10
}

/// The control group (version 2) with the least room left, from this process's own up to the root: limit and use.
/// A hierarchy of version 1 has no line `0::` with a limit in it, and gives nothing.
fn of_group(own: &str, root: &Path) -> Option<(u64, u64)> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let own: PathBuf = root.join(path.trim_start_matches('/'));
    let groups = own.ancestors().take_while(|group| group.starts_with(root));
    groups.filter_map(limited).min_by_key(|(limit, used)| limit.saturating_sub(*used))
}

/// The limit of one group and what counts against it; `max` is none.
fn limited(group: &Path) -> Option<(u64, u64)> {
    let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
    let limit = number("memory.max")?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let droppable = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse::<u64>().ok());
    Some((limit, number("memory.current")?.saturating_sub(droppable.unwrap_or(0))))
}

/// A share in whole percent, rounded down.
fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(100)
}

pub(super) fn disk(found: Option<Disk>, bounds: Bounds) -> Component {
    let Some(Disk { total, free }) = found.filter(|disk| disk.total > 0) else {
        let what = "the file system of the state directory cannot be looked at";
        return Component::new("disk", json!({})).with(true, Severity::Warning, "disk.unknown", what);
    };
    let share = percent(free, total);
    let facts = json!({ "total_bytes": total, "free_bytes": free, "free_percent": share });
    let what = format!("{share} % of the state directory's disk are free");
    // Below a bound, not at it.
    let severity = bounds.judge_low(share);
    match severity {
        Some(severity) => Component::new("disk", facts).with(true, severity, "disk.low", what),
        None => Component::new("disk", facts),
    }
}

pub(super) fn memory(found: Memory, bounds: Bounds) -> Component {
    let Memory { resident, group } = found;
    let Some((limit, used)) = group else {
        return Component::new("memory", json!({ "resident_bytes": resident, "limit_bytes": null }));
    };
    let share = percent(used, limit);
    let facts = json!({ "resident_bytes": resident, "limit_bytes": limit, "used_bytes": used, "used_percent": share });
    match bounds.judge_high(share) {
        Some(severity) => {
            let what = format!("{share} % of the memory this host may have are in use");
            Component::new("memory", facts).with(true, severity, "memory.high", what)
        }
        None => Component::new("memory", facts),
    }
}

impl Bounds {
    /// What a share below its bounds is.
    fn judge_low(self, share: u64) -> Option<Severity> {
        match share {
            share if share < u64::from(self.down) => Some(Severity::Critical),
            share if share < u64::from(self.degraded) => Some(Severity::Warning),
            _ => None,
        }
    }

    /// What a share at or above its bounds is.
    pub(super) fn judge_high(self, share: u64) -> Option<Severity> {
        match share {
            share if share >= u64::from(self.down) => Some(Severity::Critical),
            share if share >= u64::from(self.degraded) => Some(Severity::Warning),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_disk_is_held_against_its_bounds() {
        let bounds = Bounds { degraded: 10, down: 2 };
        for (free, status) in [(50, "ok"), (10, "ok"), (9, "degraded"), (2, "degraded"), (1, "down"), (0, "down")] {
            let told = disk(Some(Disk { total: 100 * GIB, free: free * GIB }), bounds);
            assert_eq!((told.status(), told.to_json()["free_percent"].as_u64()), (status, Some(free)));
        }
        assert_eq!(disk(None, bounds).problems[0].code, "disk.unknown");
        // The real one, also for a directory that is not there yet.
        let dir = tempfile::tempdir().unwrap();
        let found = Disk::of(&dir.path().join("not/yet")).unwrap();
        assert!(found.total > 0 && found.free <= found.total);
    }

    #[test]
    fn memory_counts_against_the_tightest_limit() {
        let root = tempfile::tempdir().unwrap();
        let group = |path: &str, max: &str, current: u64, files: u64| {
            let dir = root.path().join(path);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("memory.max"), format!("{max}\n")).unwrap();
            fs::write(dir.join("memory.current"), format!("{current}\n")).unwrap();
            fs::write(dir.join("memory.stat"), format!("anon 5\ninactive_file {files}\n")).unwrap();
        };
        let of = |own: &str| of_group(own, root.path());
        assert_eq!(of("0::/pod/host\n"), None);
        group("pod", "1000", 950, 50);
        group("pod/host", "max", 400, 0);
        assert_eq!(of("0::/pod/host\n"), Some((1_000, 900)));
        group("pod/host", "500", 400, 100);
        assert_eq!(of("0::/pod/host\n"), Some((1_000, 900)), "the pod has less room left than the host's own group");
        group("pod/host", "420", 400, 0);
        assert_eq!(of("0::/pod/host\n"), Some((420, 400)));
        assert_eq!(of("4:memory:/pod/host\n"), None, "version 1");
        let bounds = Bounds { degraded: 85, down: 95 };
        for (used, status) in [(84, "ok"), (85, "degraded"), (94, "degraded"), (95, "down"), (200, "down")] {
            let told = memory(Memory { resident: 7, group: Some((100, used)) }, bounds);
            assert_eq!(told.status(), status, "{used}");
        }
        assert_eq!(memory(Memory { resident: 7, group: None }, bounds).status(), "ok");
    }

    #[test]
    fn this_process_has_memory() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\nRssAnon: 1 kB\n"), 2 << 20);
        assert_eq!(resident("Name:\tx\n"), 0);
        assert!(Memory::own().resident > 1 << 20);
    }
}

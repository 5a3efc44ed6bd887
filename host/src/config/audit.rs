//! The audit trail: where records wait, how many may, and what happens when none can be written.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// Whether calls and security events leave a record. On: a host that answers for several tenants is asked, sooner
    /// or later, who saw what.
    pub enabled: bool,
    /// The directory in which records wait until the database has them. Private to the host: created with mode 0700.
    /// Unset: `audit` in the state directory. Hosts of one machine may share it; each keeps a chain of its own there.
    pub spool: Option<PathBuf>,
    /// Bytes that may wait on disk for each host process. 1 GiB holds about a million calls: at ten a second, a
    /// database may be away for a day.
    pub max_spool_bytes: u64,
    /// Records that may wait in memory for the disk. 8,192 records of about 1 KiB; a disk that takes 10 ms to sync
    /// falls behind only above 50,000 calls a second.
    pub queue: usize,
    /// What happens when a record can be written neither to disk nor to the database. True: calls are refused until one
    /// of them takes records again. False: calls go on, and the trail says how many records were lost. True, because
    /// filling a disk must not be a way to act unseen.
    pub required: bool,
    /// Whether the record of a refused token says where it came from. An address may be personal data; it is kept in the
    /// trail and nowhere else. True: without it nobody can tell one attacker from many.
    pub remote: bool,
}

impl Default for Audit {
    fn default() -> Self {
        Self { enabled: true, spool: None, max_spool_bytes: 1 << 30, queue: 8_192, required: true, remote: true }
    }
}

impl Audit {
    /// The directory in which records wait.
    pub fn directory(&self, state: &Path) -> PathBuf {
        self.spool.clone().unwrap_or_else(|| state.join("audit"))
    }

    /// What makes these settings unusable, if anything does.
    pub fn fault(&self) -> Option<String> {
        // A record at its largest must fit once everything before it is shipped; it takes less than 256 KiB. Batches
        // are cut to an eighth of the spool.
        let floor = 256 << 10;
        if self.max_spool_bytes < floor {
            return Some(format!("max_spool_bytes is {}; give it at least {floor}", self.max_spool_bytes));
        }
        // A million records of 1 KiB are a gigabyte of memory: more is a typing error.
        if !(1..=1_000_000).contains(&self.queue) {
            return Some(format!("queue is {}; choose 1 to 1,000,000 records", self.queue));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_named() {
        let check = |max_spool_bytes, queue, word: Option<&str>| {
            let fault = Audit { max_spool_bytes, queue, ..Audit::default() }.fault();
            assert_eq!(fault.is_some(), word.is_some(), "{fault:?}");
            assert!(fault.unwrap_or_default().contains(word.unwrap_or_default()));
        };
        check(1 << 30, 8_192, None);
        check(256 << 10, 1, None);
        check(1_000, 8_192, Some("max_spool_bytes"));
        check(1 << 30, 0, Some("queue"));
        check(1 << 30, usize::MAX, Some("queue"));
    }

    #[test]
    fn the_directory_follows_the_state() {
        let mut audit = Audit::default();
        assert_eq!(audit.directory(Path::new("/s")), Path::new("/s/audit"));
        audit.spool = Some(PathBuf::from("/other"));
        assert_eq!(audit.directory(Path::new("/s")), Path::new("/other"));
    }
}

//! How much of their envelopes plugins use: of each version that serves, how its calls ended and what the last ones took.
//!
//! Nothing of a call is in it but sizes: no tenant, no principal, no argument. A host writes it now and then to a small
//! file, so that `rowhouse plugin inspect` can tell of a host that runs.

use crate::config::Limits;
use crate::disk;
use crate::error::Code;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Calls of which the use is kept, the latest ones: 10 KiB a version.
const RECENT: usize = 128;

/// How often a host writes the file.
pub(super) const PERIOD: Duration = Duration::from_secs(10);

/// The largest file read: some thousand plugins.
const MAX_FILE: u64 = 4 << 20;

/// What is measured of a call, by the name of the bound it counts against.
const MEASURES: [&str; 10] = [
    "wall_ms",
    "cpu_ms",
    "fuel",
    "memory",
    "host_calls",
    "statements",
    "database_ms",
    "rows",
    "answer_bytes",
    "log_bytes",
];

/// What one call used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) wall_ms: u64,
    pub(super) cpu_ms: u64,
    pub(super) fuel: u64,
    pub(super) memory: u64,
    pub(super) host_calls: u64,
    pub(super) statements: u64,
    pub(super) database_ms: u64,
    pub(super) rows: u64,
    pub(super) answer_bytes: u64,
    pub(super) log_bytes: u64,
}

impl Used {
    /// In the order of [`MEASURES`].
    fn each(&self) -> [u64; MEASURES.len()] {
        [
            self.wall_ms,
            self.cpu_ms,
            self.fuel,
            self.memory,
            self.host_calls,
            self.statements,
            self.database_ms,
            self.rows,
            self.answer_bytes,
            self.log_bytes,
        ]
    }
}

/// The account of one version.
#[derive(Debug)]
pub(super) struct Usage {
    calls: AtomicU64,
    /// By code, in the order of [`Code::ALL`]: a table of fixed size, whatever happens.
    failed: [AtomicU64; Code::ALL.len()],
    lines_dropped: AtomicU64,
    on_probation: AtomicU64,
    long: AtomicU64,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    calls: Vec<[u64; MEASURES.len()]>,
    next: usize,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            calls: AtomicU64::new(0),
            failed: std::array::from_fn(|_| AtomicU64::new(0)),
            lines_dropped: AtomicU64::new(0),
            on_probation: AtomicU64::new(0),
            long: AtomicU64::new(0),
            recent: Mutex::default(),
        }
    }
}

impl Usage {
    /// A call ended, with an answer or with a code.
    pub(super) fn ended(&self, failed: Option<Code>, used: &Used, lines_dropped: u64) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.lines_dropped.fetch_add(lines_dropped, Ordering::Relaxed);
        if let Some(code) = failed {
            self.failed[code as usize].fetch_add(1, Ordering::Relaxed);
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.next;
        match recent.calls.get_mut(at) {
            Some(oldest) => *oldest = used.each(),
            None => recent.calls.push(used.each()),
        }
        recent.next = (at + 1) % RECENT;
    }

    /// One of the calls was of somebody on probation.
    pub(super) fn was_on_probation(&self) {
        self.on_probation.fetch_add(1, Ordering::Relaxed);
    }

    /// One of the calls computed for so long that it went on behind the others.
    pub(super) fn was_long(&self) {
        self.long.fetch_add(1, Ordering::Relaxed);
    }

    /// The account as it stands.
    pub(super) fn account(&self, plugin: &str, version: &str, digest: &str, limits: &Limits) -> Account {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner).calls.clone();
        let bounds: BTreeMap<&str, u64> = limits.each().into_iter().collect();
        let used = MEASURES.iter().enumerate().map(|(at, name)| {
            let mut values: Vec<u64> = recent.iter().map(|call| call[at]).collect();
            values.sort_unstable();
            let p95 = values.get((values.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
            let max = values.last().copied().unwrap_or(0);
            ((*name).to_owned(), Taken { p95, max, bound: bounds.get(name).copied() })
        });
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let failed = Code::ALL.iter().zip(&self.failed).map(|(code, n)| (code.as_str().to_owned(), count(n)));
        Account {
            plugin: plugin.to_owned(),
            version: version.to_owned(),
            digest: digest.to_owned(),
            calls: count(&self.calls),
            failed: failed.filter(|(_, n)| *n > 0).collect(),
            log_lines_dropped: count(&self.lines_dropped),
            calls_on_probation: count(&self.on_probation),
            calls_long: count(&self.long),
            recent_calls: recent.len(),
            used: used.collect(),
        }
    }
}

/// What the calls of one version came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub plugin: String,
    /// The version it says it is.
    pub version: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Calls since it is served.
    pub calls: u64,
    /// Those that failed, by code.
    pub failed: BTreeMap<String, u64>,
    /// Log lines over the bounds.
    pub log_lines_dropped: u64,
    /// Calls of accounts whose calls broke bounds again and again.
    #[serde(default)]
    pub calls_on_probation: u64,
    /// Calls that computed for so long that they went on behind the others.
    #[serde(default)]
    pub calls_long: u64,
    /// The latest calls, of which the use below is.
    pub recent_calls: usize,
    /// By the name of the bound.
    pub used: BTreeMap<String, Taken>,
}

/// How much of one bound calls used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// What 95 of 100 calls stayed within.
    pub p95: u64,
    /// The most.
    pub max: u64,
    /// The bound itself.
    pub bound: Option<u64>,
}

/// What a host wrote of its plugins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// Which process wrote it.
    pub host: u32,
    /// When, in seconds since 1970.
    pub written: u64,
    /// One for each version that served.
    pub plugins: Vec<Account>,
}

impl Accounts {
    pub(super) fn new(plugins: Vec<Account>) -> Self {
        let written = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { host: std::process::id(), written, plugins }
    }

    /// Where a host with this state directory writes them.
    pub fn path(state: &Path) -> PathBuf {
        state.join("plugins").join("usage.json")
    }

    /// What a host wrote last. `None`: none did.
    ///
    /// # Errors
    /// A file that cannot be read, or is none of a host's.
    pub fn read(state: &Path) -> io::Result<Option<Self>> {
        let path = Self::path(state);
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
            Ok(file) if file.len() > MAX_FILE => {
                return Err(io::Error::other("the file is larger than any host writes"));
            }
            Ok(_) => {}
        }
        Ok(Some(serde_json::from_slice(&std::fs::read(path)?)?))
    }

    /// Write them, whole or not at all.
    ///
    /// # Errors
    /// Where the directory cannot be written.
    pub fn write(&self, state: &Path) -> io::Result<()> {
        let path = Self::path(state);
        std::fs::create_dir_all(disk::above(&path))?;
        disk::write(&path, &serde_json::to_vec(self)?, 0o600)?;
        Ok(())
    }

    /// The account of this version of a plugin.
    pub fn of(&self, plugin: &str, digest: &str) -> Option<&Account> {
        self.plugins.iter().find(|it| it.plugin == plugin && it.digest == digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_the_latest_calls_and_every_code() {
        let usage = Usage::default();
        for n in 1..=300u64 {
            let code = (n % 100 == 0).then_some(Code::PluginCpu);
            usage.ended(code, &Used { rows: n, ..Used::default() }, 2);
        }
        let account = usage.account("sales", "1.0.0", "ab", &Limits::default());
        assert_eq!((account.calls, account.recent_calls, account.log_lines_dropped), (300, RECENT, 600));
        assert_eq!(account.failed, BTreeMap::from([("PLUGIN_CPU".to_owned(), 3)]));
        // The last 128 are 173 to 300; 95 of 100 of them are the first 122.
        assert_eq!(account.used["rows"], Taken { p95: 294, max: 300, bound: Some(1_000) });
        assert!(account.used.values().all(|share| share.bound.is_some()), "each counts against a bound");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(Accounts::read(state.path()).unwrap(), None);
        let account = Usage::default().account("sales", "1.0.0", "ab", &Limits::default());
        let accounts = Accounts::new(vec![account]);
        accounts.write(state.path()).unwrap();
        let read = Accounts::read(state.path()).unwrap().unwrap();
        assert_eq!(read, accounts);
        assert!(read.of("sales", "ab").is_some() && read.of("sales", "cd").is_none());
        std::fs::write(Accounts::path(state.path()), "{").unwrap();
        assert!(Accounts::read(state.path()).is_err());
    }
}

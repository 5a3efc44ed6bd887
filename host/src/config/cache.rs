//! Answers of statements that are kept for a while: whether at all, for how long, how many, where.

use super::Secret;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Answers of statements, kept for whoever asks the same over the same rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Whether answers are kept. Off: tables tell of changes only where `rowhouse.announce` was called for them, which
    /// costs their writers something, and an answer that is seconds old is for an operator to want.
    pub enabled: bool,
    /// Seconds an answer may be given, counted from before it was read. Thirty: an agent that asks again does so within
    /// seconds, and so long holds whatever no table tells of (a right that was taken back, a column that was dropped).
    pub seconds: u64,
    /// Bytes of answers kept in memory, over all tenants; the least used make room. A thousand answers of 64 KiB.
    pub bytes: u64,
    /// Bytes of the largest answer that is kept, in memory or in Redis. A page of a thousand rows is some 100 KiB; what
    /// is larger would push many others out.
    pub answer_bytes: usize,
    /// A Redis that hosts share as a second level, as `traffic.redis` is written. Answers lie there encrypted, under a
    /// key that follows from the ticket key. Unset: each host keeps its own.
    #[serde(skip_serializing)]
    pub redis: Option<Secret>,
}

/// An hour: who can live with answers that old reads a copy of the tables instead.
const LONGEST: u64 = 3_600;

/// The least that holds any answer with its columns.
const SMALLEST: usize = 1 << 10;

/// Sizes are counted in 32 bits where they are weighed.
const LARGEST: usize = 1 << 30;

impl Default for Cache {
    fn default() -> Self {
        Self { enabled: false, seconds: 30, bytes: 64 << 20, answer_bytes: 1 << 20, redis: None }
    }
}

impl Cache {
    /// How long an answer may be given.
    pub fn life(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// What cannot work, a line each.
    pub fn faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !(1..=LONGEST).contains(&self.seconds) {
            found.push(format!("cache.seconds = {}: it can be 1 to {LONGEST}", self.seconds));
        }
        if !(SMALLEST..=LARGEST).contains(&self.answer_bytes) {
            found.push(format!("cache.answer_bytes = {}: it can be {SMALLEST} to {LARGEST}", self.answer_bytes));
        } else if self.bytes < self.answer_bytes as u64 {
            let (bytes, one) = (self.bytes, self.answer_bytes);
            found.push(format!("cache.bytes = {bytes}: less than one answer may have (cache.answer_bytes = {one})"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_that_cannot_work_is_named() {
        let check = |toml: &str, faults: &[&str]| {
            let read: Cache = toml::from_str(toml).expect("settings");
            assert_eq!(read.faults(), faults, "{toml}");
        };
        check("", &[]);
        check("enabled = true\nseconds = 1\nbytes = 1024\nanswer_bytes = 1024", &[]);
        check("seconds = 0", &["cache.seconds = 0: it can be 1 to 3600"]);
        check("seconds = 86400", &["cache.seconds = 86400: it can be 1 to 3600"]);
        check("answer_bytes = 10", &["cache.answer_bytes = 10: it can be 1024 to 1073741824"]);
        check("bytes = 4096", &["cache.bytes = 4096: less than one answer may have (cache.answer_bytes = 1048576)"]);
    }

    #[test]
    fn nothing_is_kept_unasked_and_the_redis_is_not_written_back() {
        assert!(!Cache::default().enabled);
        let read: Cache = toml::from_str("redis = 'redis://:hunter2@example'").expect("settings");
        assert!(!serde_json::to_string(&read).expect("JSON").contains("hunter2"));
    }
}

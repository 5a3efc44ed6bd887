//! From when on something about a host is said to be wrong.

use serde::{Deserialize, Serialize};

/// From when on something is said to be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// Percent of the state directory's disk that are free: below these it is degraded, or down. At 10 % there are days
    /// to act on most disks; at 2 % the audit trail's spool (1 GiB) may be the next to find no room, and then calls are
    /// refused.
    pub disk_free: Bounds,
    /// Percent of the memory the host's control group may have that are in use: from these on. At the limit the kernel
    /// ends the process without asking. Where nothing limits it, nothing is said.
    pub memory: Bounds,
    /// Percent of the calls of the last five minutes that failed by no fault of their caller: from these on. Of fewer than
    /// twenty calls nothing is said. A quarter is more than one plugin of four; three quarters is the host or what it
    /// stands on.
    pub error_rate: Bounds,
    /// Seconds records of the trail may wait on disk while none reaches the database. A healthy host ships within one; a
    /// database's restart takes less than a minute.
    pub audit_lag_seconds: u64,
    /// Days after which a key of the state directory is due. Two years, as NIST SP 800-57 part 1 (5.3.6) has it for keys
    /// that authenticate. 0: never.
    pub key_days: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            disk_free: Bounds { degraded: 10, down: 2 },
            memory: Bounds { degraded: 85, down: 95 },
            error_rate: Bounds { degraded: 25, down: 75 },
            audit_lag_seconds: 60,
            key_days: 730,
        }
    }
}

/// Two bounds of a share, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Worth a warning.
    pub degraded: u8,
    /// Critical.
    pub down: u8,
}

impl Health {
    /// What cannot work, a line each.
    pub fn faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut fault = |wrong: bool, what: &str| found.extend(wrong.then(|| format!("health.{what}")));
        let disk = self.disk_free;
        fault(disk.down > disk.degraded || disk.degraded > 100, "disk_free: `down` is the lower one, and 100 the most");
        for (name, bounds) in [("memory", self.memory), ("error_rate", self.error_rate)] {
            let wrong = bounds.down < bounds.degraded || bounds.degraded == 0 || bounds.down > 100;
            fault(wrong, &format!("{name}: 1 to 100, and `down` is the higher one"));
        }
        fault(self.audit_lag_seconds == 0, "audit_lag_seconds: at least 1");
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_cannot_be_met_are_named() {
        let check = |toml: &str, faults: &[&str]| {
            let read: Health = toml::from_str(toml).expect("settings");
            assert_eq!(read.faults(), faults, "{toml}");
        };
        check("", &[]);
        check("disk_free = { degraded = 5, down = 5 }\nkey_days = 0", &[]);
        check(
            "disk_free = { degraded = 2, down = 10 }\nmemory = { degraded = 90, down = 80 }\naudit_lag_seconds = 0",
            &[
                "health.disk_free: `down` is the lower one, and 100 the most",
                "health.memory: 1 to 100, and `down` is the higher one",
                "health.audit_lag_seconds: at least 1",
            ],
        );
        check(
            "error_rate = { degraded = 0, down = 101 }",
            &["health.error_rate: 1 to 100, and `down` is the higher one"],
        );
    }
}

//! How many connections, for how long, for how much.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the operator may set of the way to the rows. Every field has a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pool {
    /// Idle connections kept for calls of one tenant, which nearly all calls are.
    pub min: u32,
    /// Statements under way at once, and so connections in use. Unset: four for each core, at least 10, at most 20. A
    /// login role's CONNECTION LIMIT must be no lower.
    pub max: Option<u32>,
    /// Of these, statements of one tenant (or of one caller who sees several). Unset: half, also while nobody else asks:
    /// a statement under way cannot be taken back, and who comes a moment later would wait as long as it runs. Where
    /// there is one tenant only, as many as `max`.
    pub max_per_tenant: Option<u32>,
    /// Hosts that share this database. Each login role may have connections for so many, `max` each; a host of a rolling
    /// restart counts while it lasts. One setting for all hosts, as each sets the limit at its start. What PostgreSQL
    /// takes altogether (`max_connections`) must be more than three times as many.
    pub hosts: u32,
    /// Times a statement is tried whose connection was lost or cannot be made, the first included; one that timed out, was
    /// cancelled or was refused is never tried again. The waits between six add up to one and a half to three seconds:
    /// a restart of PostgreSQL takes about one.
    pub tries: usize,
    /// Seconds after which a connection nobody used is closed.
    pub idle_seconds: u64,
    /// Milliseconds a statement waits for a connection before it is told that the database is busy.
    pub acquire_timeout_ms: u64,
    /// Seconds a statement may run in the database.
    pub statement_timeout_seconds: u64,
    /// Statements after which a connection is closed: a backend's caches only ever grow.
    pub max_uses: u64,
    /// Seconds after which a connection is closed, for the same reason and so that a moved server is noticed.
    pub lifetime_seconds: u64,
    /// What the database's own views and logs call the connection.
    pub application_name: String,
    /// Memory one sort or hash may use before it spills to disk, as PostgreSQL writes it.
    pub work_mem: String,
    /// Rows an answer may have, whatever a call asks for.
    pub rows: u32,
    /// Bytes one row may have.
    pub message_bytes: usize,
    /// Bytes an answer may have, whatever a call asks for.
    pub answer_bytes: usize,
    /// Bytes the parameters of a statement may have, together.
    pub parameter_bytes: usize,
    /// Seconds a signed ticket is good for. It is used at once: this only has to outlast a slow network and clocks
    /// that differ.
    pub ticket_ttl_seconds: u64,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            min: 2,
            max: None,
            max_per_tenant: None,
            // A second one for a rolling restart, or a host on stdio beside one that serves.
            hosts: 2,
            tries: 6,
            idle_seconds: 300,
            // Long enough to ride out a burst, short enough that a model is told before it gives up.
            acquire_timeout_ms: 5_000,
            statement_timeout_seconds: 30,
            max_uses: 1_000,
            lifetime_seconds: 600,
            application_name: "rowhouse".to_owned(),
            work_mem: "8MB".to_owned(),
            rows: 10_000,
            message_bytes: 8 << 20,
            answer_bytes: 16 << 20,
            parameter_bytes: 1 << 20,
            ticket_ttl_seconds: 30,
        }
    }
}

impl Pool {
    /// Connections in use at once.
    pub fn most(&self) -> u32 {
        self.max.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            u32::try_from(cores * 4).unwrap_or(u32::MAX).clamp(10, 20)
        })
    }

    /// Of these, connections in use for one tenant.
    pub fn most_per_tenant(&self) -> u32 {
        self.max_per_tenant.map_or(self.most().div_ceil(2), |most| most.min(self.most()))
    }

    pub(crate) fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    /// How long making a connection may take, over all hosts of the URL. Less than a statement waits for one: who waits
    /// is told why there is none.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.acquire_timeout() * 4 / 5
    }

    /// Connections one login role may have: what all hosts may use at once, and two that are being closed, which still
    /// count for a moment.
    pub fn role_limit(&self) -> u16 {
        u16::try_from(u64::from(self.hosts) * u64::from(self.most()) + 2).unwrap_or(u16::MAX)
    }

    pub(crate) fn ticket_ttl(&self) -> Duration {
        Duration::from_secs(self.ticket_ttl_seconds)
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        Duration::from_secs(self.statement_timeout_seconds)
    }

    /// What is wrong with these settings, in words for the operator. `None`: nothing.
    pub(crate) fn fault(&self) -> Option<String> {
        let zero = [
            ("max", u64::from(self.most())),
            ("max_per_tenant", u64::from(self.most_per_tenant())),
            ("hosts", u64::from(self.hosts)),
            ("tries", self.tries as u64),
            ("idle_seconds", self.idle_seconds),
            ("acquire_timeout_ms", self.acquire_timeout_ms),
            ("statement_timeout_seconds", self.statement_timeout_seconds),
            ("max_uses", self.max_uses),
            ("lifetime_seconds", self.lifetime_seconds),
            ("rows", u64::from(self.rows)),
            ("ticket_ttl_seconds", self.ticket_ttl_seconds),
        ]
        .into_iter()
        .find(|(_, value)| *value == 0);
        if let Some((name, _)) = zero {
            return Some(format!("`{name}` must be 1 or more"));
        }
        if self.min > self.most() {
            return Some(format!("`min` is {}, more than `max`, which is {}; lower `min`", self.min, self.most()));
        }
        // PostgreSQL counts connections in a smaller number, and its own limit is met long before.
        if u64::from(self.hosts) * u64::from(self.most()) > 10_000 {
            return Some("`hosts` times `max` is more than 10000 connections; lower one of them".to_owned());
        }
        // They go into the connection's options, where a space or a backslash would begin another.
        if !self.work_mem.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Some("`work_mem` must be a number and a unit, such as 8MB".to_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_has_half_unless_told_otherwise() {
        for (max, own, expected) in [(10, None, 5), (3, None, 2), (1, None, 1), (4, Some(4), 4), (4, Some(9), 4)] {
            let pool = Pool { max: Some(max), max_per_tenant: own, ..Pool::default() };
            assert_eq!(pool.most_per_tenant(), expected, "{max} {own:?}");
        }
    }

    #[test]
    fn a_role_has_room_for_every_host() {
        for (hosts, max, expected) in [(1, 10, 12), (2, 10, 22), (8, 20, 162)] {
            assert_eq!(Pool { hosts, max: Some(max), ..Pool::default() }.role_limit(), expected, "{hosts} {max}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let check = |settings: Pool, part: Option<&str>| {
            let fault = settings.fault();
            assert_eq!(fault.is_some(), part.is_some(), "{fault:?}");
            assert!(fault.unwrap_or_default().contains(part.unwrap_or_default()));
        };
        let default = Pool::default;
        check(default(), None);
        check(Pool { max: Some(0), min: 0, ..default() }, Some("`max`"));
        check(Pool { max: Some(1), ..default() }, Some("lower `min`"));
        check(Pool { max_per_tenant: Some(0), ..default() }, Some("`max_per_tenant`"));
        check(Pool { hosts: 0, ..default() }, Some("`hosts`"));
        check(Pool { hosts: 1_000, max: Some(20), ..default() }, Some("10000"));
        check(Pool { tries: 0, ..default() }, Some("`tries`"));
        check(Pool { rows: 0, ..default() }, Some("`rows`"));
        check(Pool { work_mem: "8MB -c role=postgres".into(), ..default() }, Some("`work_mem`"));
    }
}

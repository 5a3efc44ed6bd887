//! What a caller is told whom a limit stops: which one, its number, and how long to wait.

use super::account::Account;
use super::bucket::Empty;
use super::queue::{Shape, Turned};
use super::{Measure, Which};
use crate::config::{Quota, Rate};
use crate::error::{CallError, Code};
use std::time::Duration;

/// Why a call was not let in.
#[derive(Debug)]
pub struct Refusal {
    /// The limit by its name in the audit trail: `bucket.principal`, `bucket.tenant`, `bucket.tool`, `quota.calls`,
    /// `quota.rows`, `quota.database_seconds`, `quota.embedding_tokens`, `queue.own` (the account's own calls have all
    /// it may have), `queue.all` (the host is full), `accounts` (more of them than the host keeps count of). `None`: no
    /// limit, the caller left.
    pub limit: Option<&'static str>,
    /// What the caller is told.
    pub error: CallError,
}

impl Refusal {
    fn new(limit: &'static str, code: Code, message: impl Into<String>, wait: Duration) -> Self {
        Self { limit: Some(limit), error: CallError::new(code, message).retry_after(wait) }
    }
}

/// The wait after which a full host is worth another try: most calls take less.
const MOMENT: Duration = Duration::from_secs(1);

/// A bucket is empty.
pub(super) fn bucket(which: Which, rate: Rate, account: Account, empty: &Empty) -> Refusal {
    let wait = match empty {
        Empty::Until(wait) => *wait,
        Empty::Crowded => {
            let text = "more callers at once than the host keeps count of; try again in a moment";
            return Refusal::new("accounts", Code::Overloaded, text, MOMENT);
        }
    };
    let limit = match which {
        Which::Principal => "bucket.principal",
        Which::Tenant => "bucket.tenant",
        Which::Tool => "bucket.tool",
    };
    let who = match (which, account) {
        (Which::Principal, _) => "by this principal",
        (Which::Tenant, Account::Tenant(_)) => "by this tenant",
        (Which::Tenant, Account::Principal(_)) => "by this principal, who sees several tenants",
        (Which::Tool, Account::Tenant(_)) => "of this tool by this tenant",
        (Which::Tool, Account::Principal(_)) => "of this tool by this principal",
    };
    let Rate { per_second, burst } = rate;
    let message = format!(
        "too many calls {who}: the limit is {per_second} a second, {burst} at once after a rest; try again in {}",
        text(wait)
    );
    Refusal::new(limit, Code::RateLimited, message, wait)
}

/// A quota is used up.
pub(super) fn quota(measure: Measure, quota: &Quota, account: Account, till_midnight: Duration) -> Refusal {
    let (limit, bound, what) = match measure {
        Measure::Calls => ("quota.calls", quota.calls, "calls"),
        Measure::Rows => ("quota.rows", quota.rows, "rows"),
        Measure::DatabaseSeconds => ("quota.database_seconds", quota.database_seconds, "seconds of database time"),
        Measure::EmbeddingTokens => ("quota.embedding_tokens", quota.embedding_tokens, "embedding tokens"),
    };
    let whose = match account {
        Account::Tenant(_) => "of this tenant",
        Account::Principal(_) => "of this principal, who sees several tenants,",
    };
    let message = format!(
        "the day's quota {whose} is used up: {} {what}; it begins anew at 00:00 UTC, in {}",
        bound.unwrap_or_default(),
        text(till_midnight)
    );
    Refusal::new(limit, Code::QuotaExceeded, message, till_midnight)
}

/// Usage of another account cannot be kept.
pub(super) fn ledger_full() -> Refusal {
    let text = "the host counts the usage of as many accounts as it can; try again in a moment";
    Refusal::new("accounts", Code::Overloaded, text, MOMENT)
}

/// The caller left before it was its turn.
pub(super) fn left() -> Refusal {
    Refusal { limit: None, error: CallError::new(Code::Cancelled, "the caller left before the call began") }
}

/// The queue had no place. Where the account's own calls fill it, that is the caller's to change, not the host's.
pub(super) fn turned(turned: Turned, shape: &Shape, account: Account) -> Refusal {
    let (each, whose) = (shape.each, account.whose());
    let own = |what: String, wait: Duration| {
        let again = text(wait);
        let text = format!("too many calls {whose} at once: {what}, which is all there may be; try again in {again}");
        Refusal::new("queue.own", Code::RateLimited, text, wait)
    };
    let all = |what: &str, wait: Duration| {
        let text = format!("{what}; try again in {}", text(wait));
        Refusal::new("queue.all", Code::Overloaded, text, wait)
    };
    match turned {
        Turned::Left => left(),
        Turned::OwnLine => own(format!("{each} run and {} wait", shape.waiting_each), MOMENT),
        Turned::OwnLate => own(format!("{each} are running"), MOMENT),
        Turned::OwnFar(wait) => own(format!("{each} run, and those that wait take longer than this call can"), wait),
        Turned::Line | Turned::Late => all("the host has as many calls as it can hold", MOMENT),
        Turned::Far(wait) => all("the host has more calls than it can answer in the time this one has", wait),
    }
}

/// A wait for people and models: rounded up, so that whoever waits as long as it says is not refused again.
fn text(wait: Duration) -> String {
    let millis = wait.as_millis();
    let (minutes, seconds) = (millis.div_ceil(60_000), millis.div_ceil(1_000));
    if millis < 10_000 {
        let tenths = millis.div_ceil(100).max(1);
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else if seconds < 120 {
        format!("{seconds} s")
    } else if minutes < 120 {
        format!("{minutes} min")
    } else {
        format!("{} h {} min", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_would_wait_too_long_is_told_how_long() {
        let shape = Shape { places: 4, each: 2, waiting: 8, waiting_each: 8 };
        let account = Account::Tenant(uuid::Uuid::nil());
        let wait = Duration::from_secs(7);
        for (turned_away, limit, code, part) in [
            (
                Turned::Far(wait),
                "queue.all",
                Code::Overloaded,
                "more calls than it can answer in the time this one has",
            ),
            (Turned::OwnFar(wait), "queue.own", Code::RateLimited, "2 run, and those that wait take longer"),
        ] {
            let refused = turned(turned_away, &shape, account);
            assert_eq!((refused.limit, refused.error.code), (Some(limit), code));
            assert_eq!(refused.error.retry_after, Some(wait));
            let said = refused.error.to_string();
            assert!(said.contains(part) && said.ends_with("try again in 7.0 s"), "{said}");
        }
    }

    #[test]
    fn waits_are_rounded_up() {
        for (millis, expected) in [
            (0, "0.1 s"),
            (1, "0.1 s"),
            (250, "0.3 s"),
            (1_000, "1.0 s"),
            (9_999, "10.0 s"),
            (10_001, "11 s"),
            (119_000, "119 s"),
            (119_001, "2 min"),
            (7_140_000, "119 min"),
            (7_140_001, "2 h 0 min"),
            (86_399_000, "24 h 0 min"),
        ] {
            assert_eq!(text(Duration::from_millis(millis)), expected, "{millis}");
        }
    }
}

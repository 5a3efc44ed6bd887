//! What a caller is told whom a limit stops: which one, its number, and how long to wait.

use super::account::Account;
use super::bucket::Empty;
use super::queue::{Shape, Turned};
use super::{Measure, Which};
use crate::config::{Quota, Rate};
use crate::error::{CallError, Code};
use std::time::Duration;

/// The wait after which a full host is worth another try: most calls take less.
const MOMENT: Duration = Duration::from_secs(1);

/// A bucket is empty.
pub(super) fn bucket(which: Which, rate: Rate, account: Account, empty: &Empty) -> CallError {
    let wait = match empty {
        Empty::Until(wait) => *wait,
        Empty::Crowded => {
            return CallError::new(
                Code::Overloaded,
                "more callers at once than the host keeps count of; try again in a moment",
            )
            .retry_after(MOMENT);
        }
    };
    let who = match (which, account) {
        (Which::Principal, _) => "by this principal",
        (Which::Tenant, Account::Tenant(_)) => "by this tenant",
        (Which::Tenant, Account::Principal(_)) => "over several tenants by this principal",
        (Which::Tool, Account::Tenant(_)) => "of this tool by this tenant",
        (Which::Tool, Account::Principal(_)) => "of this tool by this principal",
    };
    let Rate { per_second, burst } = rate;
    let message = format!(
        "too many calls {who}: the limit is {per_second} a second, {burst} at once after a rest; try again in {}",
        text(wait)
    );
    CallError::new(Code::RateLimited, message).retry_after(wait)
}

/// A quota is used up.
pub(super) fn quota(measure: Measure, quota: &Quota, account: Account, till_midnight: Duration) -> CallError {
    let (bound, what) = match measure {
        Measure::Calls => (quota.calls, "calls"),
        Measure::Rows => (quota.rows, "rows"),
        Measure::DatabaseSeconds => (quota.database_seconds, "seconds of database time"),
        Measure::EmbeddingTokens => (quota.embedding_tokens, "embedding tokens"),
    };
    let whose = match account {
        Account::Tenant(_) => "of this tenant",
        Account::Principal(_) => "of this principal for calls over several tenants",
    };
    let message = format!(
        "the day's quota {whose} is used up: {} {what}; it begins anew at 00:00 UTC, in {}",
        bound.unwrap_or_default(),
        text(till_midnight)
    );
    CallError::new(Code::QuotaExceeded, message).retry_after(till_midnight)
}

/// Usage of another account cannot be kept.
pub(super) fn ledger_full() -> CallError {
    CallError::new(Code::Overloaded, "the host counts the usage of as many accounts as it can; try again in a moment")
        .retry_after(MOMENT)
}

/// The caller left before it was its turn.
pub(super) fn left() -> CallError {
    CallError::new(Code::Cancelled, "the caller left before the call began")
}

/// The queue had no place.
pub(super) fn turned(turned: Turned, shape: &Shape, account: Account) -> CallError {
    let whose = match account {
        Account::Tenant(_) => "of this tenant",
        Account::Principal(_) => "of this principal",
    };
    let message = match turned {
        Turned::Left => return left(),
        Turned::OwnLine => format!(
            "{} calls {whose} run and {} wait, which is all there may be; wait for some to end",
            shape.each, shape.waiting_each
        ),
        Turned::OwnLate => {
            format!("{} calls {whose} are running, which is all there may be; wait for some to end", shape.each)
        }
        Turned::Line | Turned::Late => "the host has as many calls as it can hold; try again in a moment".to_owned(),
    };
    CallError::new(Code::Overloaded, message).retry_after(MOMENT)
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

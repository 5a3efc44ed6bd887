//! How long the statements of one call may hold connections, all of them together.

use super::fault::{SqlCode, SqlError};
use super::tally::Tally;
use std::pin::pin;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Added to each wait, so that what was waited for has happened when it is over.
const LATE: Duration = Duration::from_millis(1);

/// Wait for a statement's outcome, and stop the statement when the call's time of the database is used up: by it, or by
/// all that run at once.
pub(super) async fn watch<T>(
    tally: &Tally,
    most: Duration,
    stop: &CancellationToken,
    outcome: impl Future<Output = T>,
) -> T {
    let mut outcome = pin!(outcome);
    loop {
        let (spent, running) = tally.spent();
        let Some(left) = most.checked_sub(spent).filter(|left| !left.is_zero()) else {
            stop.cancel();
            return outcome.await;
        };
        // Time passes as often as statements run.
        let wait = left / running.max(1) + LATE;
        tokio::select! {
            biased;
            outcome = &mut outcome => return outcome,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// What a statement is told for which no time is left.
pub(super) fn overdrawn(most: Duration) -> SqlError {
    let most = most.as_millis();
    SqlError::new(SqlCode::Timeout, format!("the statements of this call held the database for more than {most} ms"))
}

#[cfg(test)]
mod tests {
    use super::super::wording::Wording;
    use super::*;

    /// Statements that never end, so many at once; the time after which they are stopped.
    async fn stopped_after(statements: u32, most: u64) -> Duration {
        let (tally, most, stop) = (Tally::default(), Duration::from_millis(most), CancellationToken::new());
        let running: Vec<_> =
            (0..statements).map(|_| tally.begin(String::new(), Wording::default()).depart()).collect();
        let all = running.iter().map(|_| watch(&tally, most, &stop, stop.cancelled()));
        futures_util::future::join_all(all).await;
        tally.spent().0 / statements
    }

    #[tokio::test]
    async fn what_runs_at_once_is_counted_together() {
        // Never before the time is used up: a lower bound no machine is too slow for.
        for (statements, most) in [(1, 50), (5, 50)] {
            let each = stopped_after(statements, most).await;
            assert!(each * statements >= Duration::from_millis(most), "{statements}: {each:?}");
        }
    }
}

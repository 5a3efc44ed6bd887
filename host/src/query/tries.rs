//! A statement, tried again where its connection was lost.
//!
//! The database runs read-only transactions and rolls each back, and a caller gets all rows or none, so a statement without
//! an answer may run again. It does so a few times, within the call's time, and never when it was the statement that ended:
//! by its own mistake or bound, by a cancel, by a refusal. Each try has a connection and a ticket of its own; for the
//! account and the record it stays one statement.

use super::fault::{SqlCode, SqlError};
use super::loss::Loss;
use super::rows::Rows;
use super::tally::Begun;
use super::trip::{self, Order};
use super::{TenantTx, budget};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

impl TenantTx {
    /// Run a statement that was let through, as often as it may be.
    pub(super) async fn tries(&self, order: Arc<Order>, begun: Begun) -> Result<Rows, SqlError> {
        let patience = &self.database.0.patience;
        let (mut waits, mut silent) = (patience.waits(), false);
        // Who comes while the database is away does not wait for it.
        let mut outcome = match patience.permit() {
            Ok(()) => self.attempt(&order, &begun).await,
            Err(away) => unserved(&begun, away),
        };
        while let Err(SqlError { lost: Some(lost), .. }) = &outcome {
            let lost = *lost;
            // Twice without a word: perhaps it is the statement that brings the server down.
            if lost == Loss::Silent && std::mem::replace(&mut silent, true) {
                break;
            }
            // Nobody is asked while the host itself looks: who lost a connection waits, for as long as tries would take.
            let again = loop {
                let Some(wait) = waits.next() else { break false };
                if !self.pause(wait).await {
                    break false;
                }
                if patience.permit().is_ok() {
                    break true;
                }
            };
            if !again {
                break;
            }
            tracing::debug!(?lost, "a statement whose connection was lost is tried again");
            outcome = self.attempt(&order, &begun).await;
        }
        if self.cancel.is_cancelled() && matches!(&outcome, Err(error) if error.lost.is_some()) {
            outcome = unserved(&begun, SqlError::new(SqlCode::Cancelled, "the call was cancelled"));
        }
        outcome
    }

    /// Wait before the next try. `false`: the call's time would be over, or it is.
    async fn pause(&self, wait: Duration) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if wait >= left || self.overdrawn().is_some() {
            return false;
        }
        self.cancel.run_until_cancelled(sleep(wait)).await.is_some()
    }

    /// One try.
    async fn attempt(&self, order: &Arc<Order>, begun: &Begun) -> Result<Rows, SqlError> {
        let shared = &self.database.0;
        let link = shared.pool.link(self.lane, self.account, self.deadline, &self.cancel).await;
        let (link, place) = match link {
            Ok(link) => link,
            Err(error) => return unserved(begun, error),
        };
        // Not before: whoever waits because of others is not charged for it.
        let leg = begun.depart();
        // Signed last: it is good for seconds, and for this backend only.
        let ticket = shared.signer.load().sign(&self.claims, link.backend);
        let stop = self.cancel.child_token();
        let dropped = stop.clone().drop_guard();
        // In a task of its own, so that a caller that leaves does not leave a transaction open behind it.
        let (answer, outcome) = oneshot::channel();
        let (warden, waiting) = (shared.warden.clone(), trip::Waiting { answer, leg });
        tokio::spawn(trip::run(link, ticket, Arc::clone(order), stop.clone(), warden, waiting, place));
        let outcome = budget::watch(&self.tally, self.database_time, &stop, outcome).await;
        dropped.disarm();
        if let Some(most) = self.overdrawn() {
            return Err(budget::overdrawn(most));
        }
        // Rows that were read while the hole was found.
        self.database.sound()?;
        outcome.map_err(SqlError::unavailable)?
    }
}

/// It ended without a connection, which whoever has one tells otherwise.
fn unserved(begun: &Begun, error: SqlError) -> Result<Rows, SqlError> {
    let outcome = Err(error);
    begun.end(&outcome);
    outcome
}

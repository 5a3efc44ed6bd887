//! One statement, one round trip.
//!
//! Six messages leave together and are answered in order; the database stops at the first it refuses. What bounds a
//! statement:
//!
//! - the extended protocol takes exactly one, and `DECLARE … CURSOR FOR` only one that gives rows;
//! - the transaction is read-only, speaks for the tenants of the ticket, and is always rolled back, never committed:
//!   nothing a statement did to the session outlives it;
//! - rows are fetched once, one more than may be kept, so a statement cannot lift a bound for a later page.

use super::courtesy::courteous;
use super::fault::{SqlCode, SqlError};
use super::frame::Breach;
use super::lane::Manager;
use super::link::Link;
use super::loss::Loss;
use super::rows::{Column, Rows};
use super::straggler::Warden;
use super::tally::Leg;
use super::ticket::Ticket;
use super::value::{Kind, Value};
use bb8::PooledConnection;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, SimpleQueryMessage, SimpleQueryRow};
use tokio_util::sync::CancellationToken;

/// How a statement's transaction begins and ends.
#[derive(Clone, Copy)]
pub(super) struct Brackets {
    pub(super) begin: &'static str,
    pub(super) end: &'static str,
}

/// Read-only, and never committed.
pub(super) const READ_ONLY: Brackets =
    Brackets { begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", end: "ROLLBACK" };

/// What stands before the caller's statement. Nothing stands after it, so no comment or semicolon at its end matters.
const DECLARE: &str = "DECLARE c NO SCROLL CURSOR FOR ";

/// How long a cancelled statement may take to end before its caller is answered without it. PostgreSQL looks for a cancel
/// many times a second, except inside a few functions.
const GRACE: Duration = Duration::from_secs(2);

/// How much longer than its own timeout a statement may take before the host steps in: the database's word is the
/// better one, and comes over a network.
const SLACK: Duration = Duration::from_millis(500);

/// What the protocol adds to an answer however small: completions, readiness, the first columns' descriptions.
const OVERHEAD: usize = 4 << 10;

/// A statement that passed the gate, and what it may use.
pub(super) struct Order {
    pub(super) brackets: Brackets,
    pub(super) statement: String,
    pub(super) parameters: Vec<Value>,
    pub(super) fingerprint: String,
    pub(super) rows: u32,
    pub(super) bytes: usize,
    /// When the call ends.
    pub(super) deadline: Instant,
    /// What the database was told a statement may take.
    pub(super) statement_timeout: Duration,
}

/// Who waits for a statement, and its entry among those that ran.
pub(super) struct Waiting {
    /// Gone where whoever asked is.
    pub(super) answer: oneshot::Sender<Result<Rows, SqlError>>,
    pub(super) leg: Leg,
}

impl Waiting {
    fn tell(self, outcome: Result<Rows, SqlError>) {
        self.leg.end(&outcome);
        let _ = self.answer.send(outcome);
    }
}

/// The answers to the messages of a round trip.
struct Landing {
    begin: Result<(), Error>,
    enter: Result<u64, Error>,
    declare: Result<u64, Error>,
    fetch: Result<Vec<SimpleQueryMessage>, Error>,
    rollback: Result<(), Error>,
}

/// Run `order` on `link` and send what came of it. Returns the link to its pool, or closes it, whatever happens; this
/// future must run to its end, so it belongs in a task of its own. It ends when the database is done with the statement,
/// which may be long after the answer; so long it keeps `place`.
pub(super) async fn run(
    mut link: PooledConnection<'static, Manager>,
    ticket: Ticket,
    order: Arc<Order>,
    stop: CancellationToken,
    warden: Warden,
    waiting: Waiting,
    place: impl Send,
) {
    link.depart();
    link.tap.begin(order.bytes.saturating_add(OVERHEAD));
    let departed = Instant::now();
    let (landing, lowered) = {
        let mut trip = std::pin::pin!(courteous(&link, round_trip(&link, &ticket, &order)));
        tokio::select! {
            biased;
            landed = &mut trip => landed,
            why = interruption(&order, departed, &stop) => {
                // Not given back after this: a late cancel would stop the next caller's statement.
                let cancelled = matches!(timeout(GRACE, link.cancel()).await, Ok(Ok(())));
                let ended = cancelled && timeout(GRACE, &mut trip).await.is_ok();
                waiting.tell(Err(why));
                if !ended {
                    // Nothing answers: perhaps nobody is there, and on the other connections neither.
                    link.patience.lost();
                    tokio::select! {
                        _ = &mut trip => {}
                        () = warden.see_off(link.backend, link.role, &link.place) => {}
                    }
                }
                return;
            }
        }
    };
    if landing.rollback.is_ok() {
        link.landed();
    }
    if lowered {
        link.spend();
    }
    let outcome = judge(landing, &link, &order, departed).and_then(|messages| rows(messages, &link, &order));
    let outcome = match outcome {
        Err(error) if error.lost.is_some() => Err(mourn(error, &link).await),
        outcome => {
            link.patience.answered();
            outcome
        }
    };
    drop((link, place));
    waiting.tell(outcome);
}

/// The connection was lost. Whether its statement may run again elsewhere is seen by who ended it: an operator who ended
/// this one connection meant its statement, and the server is there as before.
async fn mourn(error: SqlError, link: &Link) -> SqlError {
    if error.lost.is_some_and(Loss::is_shared) {
        link.patience.lost();
    }
    match error.lost {
        Some(Loss::Ended) if link.stands().await => error
            .instead(SqlCode::Unavailable, "the statement was ended by the database's operator; try again later")
            .by_loss(None),
        _ => error,
    }
}

fn round_trip(link: &Link, ticket: &Ticket, order: &Order) -> impl Future<Output = Landing> {
    let declare = format!("{DECLARE}{}", order.statement);
    // The row beyond the last is how truncation is known.
    let fetch = format!("FETCH FORWARD {} FROM c", u64::from(order.rows) + 1);
    async move {
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            order.parameters.iter().map(|value| (value as &(dyn ToSql + Sync), value.declared())).collect();
        let entering: [&(dyn ToSql + Sync); 1] = [ticket];
        let client = &link.client;
        let (begin, enter, declare, fetch, rollback) = tokio::join!(
            // In this order: each sends its message when it is first polled.
            biased;
            client.batch_execute(order.brackets.begin),
            client.execute(&link.enter, &entering),
            client.execute_typed(&declare, &parameters),
            client.simple_query(&fetch),
            client.batch_execute(order.brackets.end),
        );
        Landing { begin, enter, declare, fetch, rollback }
    }
}

/// Why the host stops a statement, once there is a reason.
async fn interruption(order: &Order, departed: Instant, stop: &CancellationToken) -> SqlError {
    let timeout = departed + order.statement_timeout + SLACK;
    tokio::select! {
        () = stop.cancelled() => SqlError::new(SqlCode::Cancelled, "the call was cancelled"),
        () = sleep_until(order.deadline) => out_of_time(),
        () = sleep_until(timeout) => {
            SqlError::new(SqlCode::Timeout, "the statement ran longer than a statement may; narrow it or aggregate")
        }
    }
}

/// The call's own time is over.
pub(super) fn out_of_time() -> SqlError {
    SqlError::new(SqlCode::Cancelled, "the call's time was over before the statement ended; ask for less")
}

/// The first step that failed decides.
fn judge(landing: Landing, link: &Link, order: &Order, departed: Instant) -> Result<Vec<SimpleQueryMessage>, SqlError> {
    if let Some(breach) = link.tap.breach() {
        return Err(SqlError::new(
            SqlCode::Limit,
            match breach {
                Breach::Message => {
                    "a row of the answer is longer than a row may be; select fewer columns or shorter values"
                }
                Breach::Answer => {
                    "the answer is longer than a call may have; select fewer rows or columns, or aggregate"
                }
            },
        ));
    }
    landing.begin.map_err(|error| SqlError::of_statement(error, 0))?;
    landing.enter.map_err(|error| match error.code().map(|code| code.code().get(..2).unwrap_or_default()) {
        // No connection, no memory, shutting down: not the ticket's fault.
        None | Some("08" | "53" | "57" | "58") => SqlError::of_statement(error, 0),
        Some(_) => SqlError::context(error),
    })?;
    let prefix = u32::try_from(DECLARE.len()).unwrap_or_default();
    let statement = |error| {
        let error = SqlError::of_statement(error, prefix);
        // Cancelled, not by us, and before its time: somebody at the database did.
        if error.code == SqlCode::Timeout && departed.elapsed() < order.statement_timeout {
            error.instead(SqlCode::Cancelled, "the statement was stopped by the database's operator")
        } else {
            error
        }
    };
    landing.declare.map_err(statement)?;
    landing.fetch.map_err(statement)
}

fn rows(messages: Vec<SimpleQueryMessage>, link: &Link, order: &Order) -> Result<Rows, SqlError> {
    let columns =
        link.tap.columns().ok_or_else(|| SqlError::unavailable("the answer had no description of its columns"))?;
    let columns =
        columns.into_iter().map(|(name, oid)| Column { name, kind: Kind::of(oid, link.vector), oid }).collect();
    let mut rows: Vec<SimpleQueryRow> = messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })
        .collect();
    let most = order.rows as usize;
    let truncated = rows.len() > most;
    rows.truncate(most);
    Ok(Rows::new(columns, rows, truncated, order.fingerprint.clone()))
}

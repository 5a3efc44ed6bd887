//! What PostgreSQL says, and what a caller may hear of it.
//!
//! PostgreSQL's messages quote values: `invalid input syntax for type integer: "<a row's value>"`. So a message goes
//! out as PostgreSQL wrote it only where it can speak of nothing but the statement's own text: in class 42 (syntax and
//! names), and only with a position in that text, which PostgreSQL gives while it reads a statement and not while it
//! runs one. (A cast at run time gives class 42 too: `relation "<a row's value>" does not exist`.) Everything else is
//! worded here, by SQLSTATE. Detail, hint, context and internal query never go out.

use super::gate::{Reason, Refusal};
use super::lane::LinkError;
use super::loss::Loss;
use crate::error::{BoxError, CallError, Code};
use SqlCode::{Invalid, Limit, Rejected, Timeout, Unavailable};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::error::{DbError, ErrorPosition};

/// Who can do something about a statement that gave no rows, and what. Explained in `types.sql-error-code` of the
/// plugin contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlCode {
    /// Not a statement the host lets through.
    Rejected,
    /// A mistake in the statement or its parameters.
    Invalid,
    /// It ran longer than a statement may.
    Timeout,
    /// It needed more memory, space or bytes than a call may use.
    Limit,
    /// The call ended before the statement did.
    Cancelled,
    /// The database could not be reached, or is busy.
    Unavailable,
}

/// What became of a statement that gave no rows.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// What kind of failure this is.
    pub code: SqlCode,
    /// What whoever wrote the statement may read.
    pub message: String,
    /// PostgreSQL's five-character code, where PostgreSQL itself said no.
    pub sqlstate: Option<String>,
    /// Where in the statement, as a 1-based character position.
    pub position: Option<u32>,
    /// The gate's rule it broke, where the gate said no.
    pub rule: Option<Reason>,
    /// How long to wait before trying again, where that is known.
    pub(crate) wait: Option<Duration>,
    /// How its connection was lost, where it was.
    pub(super) lost: Option<Loss>,
    /// What only the operator may read.
    #[source]
    pub(crate) cause: Option<BoxError>,
}

/// What the log gets to know of an error in a statement: where PostgreSQL raised it, not what it said, for that may
/// quote a row.
#[derive(Debug, thiserror::Error)]
#[error("PostgreSQL raised {sqlstate} in {routine}")]
struct Raised {
    sqlstate: String,
    routine: String,
}

/// What each SQLSTATE, or else its class, means to a caller. The longest prefix that matches counts.
const WORDING: &[(&str, SqlCode, &str)] = &[
    ("08", Unavailable, "the connection to the database was lost; try again"),
    ("0A", Invalid, "PostgreSQL does not support this construct here"),
    ("21", Invalid, "a sub-select used as a value gave more than one row; add LIMIT 1 or an aggregate"),
    ("22", Invalid, "a value does not fit its type or the function it is given to; check casts and parameters"),
    ("22001", Invalid, "a text is too long for its type"),
    ("22003", Invalid, "a number is out of range for its type; cast to a wider type such as numeric"),
    ("22007", Invalid, "a text is not a date or time in the form PostgreSQL reads; write dates as 2026-01-31"),
    ("22008", Invalid, "a date or time is out of range"),
    ("22009", Invalid, "a time zone is out of range"),
    ("22012", Invalid, "division by zero; divide by nullif(x, 0)"),
    ("22021", Invalid, "a text is not valid UTF-8, or holds a zero byte"),
    ("22023", Invalid, "an argument has a value its function does not take"),
    ("2202E", Invalid, "an array index is wrong"),
    ("2201B", Invalid, "a regular expression is not valid"),
    ("2201W", Invalid, "LIMIT must not be negative"),
    ("2201X", Invalid, "OFFSET must not be negative"),
    ("22P02", Invalid, "a text does not read as a value of the type it is cast to"),
    ("22P03", Invalid, "a parameter does not read as a value of its type"),
    ("25006", Rejected, "statements are read-only; write one SELECT"),
    ("34", Invalid, "the statement gives no rows; write one SELECT"),
    ("40", Unavailable, "the database was too busy to give a consistent answer; try again"),
    ("42", Invalid, "a name or value in the statement stands for nothing, or for something of the wrong kind"),
    ("42501", Rejected, "the statement uses a relation, column or function it may not use"),
    ("42601", Invalid, "the statement, or a text it reads as a query or a path, is not well formed"),
    ("53", Limit, "the statement needed more of the database's resources than it may use; ask for less"),
    ("53300", Unavailable, "the database has no connection free; try again"),
    ("53400", Limit, "the statement needed more temporary space than it may use; ask for fewer rows or columns"),
    ("54", Limit, "the statement is too complex; make it shorter"),
    ("54000", Limit, TOO_LARGE),
    ("55P03", Unavailable, "the rows are locked by maintenance; try again"),
    ("57014", Timeout, "the statement ran longer than a statement may; narrow it or aggregate"),
    ("57P", Unavailable, "the database is shutting down or starting; try again"),
    ("58", Unavailable, "the database has a fault of its own; the operator's log has the details"),
    ("P0", Invalid, "a function in the statement refused its arguments"),
    ("XX", Unavailable, "the database has a fault of its own; the operator's log has the details"),
];

/// Routines that raise XX000, PostgreSQL's word for what cannot happen, for what can: they read an argument of the
/// statement's or make room for a value of it, and touch neither a table nor the catalog, so nothing is wrong with the
/// server. With what it means.
const READERS: &[(&str, SqlCode, &str)] = &[
    ("pushOpStack", Invalid, "a text-search query nests too many operators; shorten it, or use websearch_to_tsquery"),
    ("AdjustIntervalForTypmod", Invalid, "an interval's precision is not one; write a cast, value::interval(3)"),
    // A weight that is none; since PostgreSQL 16 it has a SQLSTATE of its own.
    ("tsvector_setweight", Invalid, NO_WEIGHT),
    ("tsvector_setweight_by_filter", Invalid, NO_WEIGHT),
    // More than a value may have. From PostgreSQL 17 one routine says so, before it whichever was asked for the room.
    ("MemoryContextSizeFailure", Limit, TOO_LARGE),
    ("palloc", Limit, TOO_LARGE),
    ("palloc0", Limit, TOO_LARGE),
    ("palloc_extended", Limit, TOO_LARGE),
    ("repalloc", Limit, TOO_LARGE),
    ("MemoryContextAlloc", Limit, TOO_LARGE),
    ("MemoryContextAllocZero", Limit, TOO_LARGE),
    ("MemoryContextAllocExtended", Limit, TOO_LARGE),
];
const NO_WEIGHT: &str = "a weight is one of A, B, C and D";
const TOO_LARGE: &str = "the statement builds a value that is too large";

/// For a SQLSTATE no row above speaks of.
const OTHERWISE: (SqlCode, &str) = (Invalid, "PostgreSQL could not run the statement");

/// The routine PostgreSQL names when a function written in PL/pgSQL raises. The only such functions a statement meets
/// are the ones that check the call's context.
const RAISED: &str = "exec_stmt_raise";

/// A message of PostgreSQL's that is passed on is cut here: it repeats names as long as the statement is.
const MESSAGE_CHARS: usize = 300;

impl SqlError {
    /// An error whose text says all there is to say.
    pub(super) fn new(code: SqlCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message, sqlstate: None, position: None, rule: None, wait: None, lost: None, cause: None }
    }

    /// Add how long to wait.
    pub(super) fn after(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Add how the connection was lost.
    pub(super) fn by_loss(mut self, lost: Option<Loss>) -> Self {
        self.lost = lost;
        self
    }

    /// Add where in the statement.
    pub(super) fn at(mut self, position: Option<u32>) -> Self {
        self.position = position;
        self
    }

    /// What the gate says of a statement it does not let through.
    pub(super) fn refused(refusal: Refusal) -> Self {
        let code = if refusal.syntax { Invalid } else { Rejected };
        Self { rule: Some(refusal.reason), ..Self::new(code, refusal.message).at(refusal.position) }
    }

    /// The same, with another meaning.
    pub(super) fn instead(self, code: SqlCode, message: &str) -> Self {
        Self { code, message: message.to_owned(), ..self }
    }

    /// Add what the operator should read in the log.
    pub(super) fn because(mut self, cause: impl Into<BoxError>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The database cannot serve this call, and the statement is not why.
    pub(super) fn unavailable(cause: impl Into<BoxError>) -> Self {
        Self::new(Unavailable, "the database cannot be reached; try again").because(cause)
    }

    /// No connection could be made.
    pub(super) fn unreached(error: Arc<LinkError>) -> Self {
        let lost = error.lost();
        Self::unavailable(error).by_loss(lost)
    }

    /// The database did not take the context the host gave it: never the statement's fault.
    pub(super) fn context(cause: impl Into<BoxError>) -> Self {
        let message = "the database did not accept the context of this call; the operator's log has the details";
        Self::new(Unavailable, message).because(cause)
    }

    /// What PostgreSQL, or the driver, said of a statement that stands `prefix` characters into the text it was sent
    /// in.
    pub(super) fn of_statement(error: tokio_postgres::Error, prefix: u32) -> Self {
        let lost = Loss::of(&error);
        let Some(said) = error.as_db_error() else { return Self::unavailable(error).by_loss(lost) };
        let sqlstate = said.code().code().to_owned();
        // Raised by the verifier inside a policy: a forged or missing context, or a key that is gone.
        if matches!(sqlstate.as_str(), "28000" | "42501") && said.routine() == Some(RAISED) {
            return Self { sqlstate: Some(sqlstate), ..Self::context(error) };
        }
        let position = match said.position() {
            Some(ErrorPosition::Original(at)) => at.checked_sub(prefix).filter(|at| *at > 0),
            _ => None,
        };
        let (code, wording) = meaning(&sqlstate, said.routine());
        let message = if speaks_of_the_statement(&sqlstate, position) { shown(said) } else { wording.to_owned() };
        // A fault of the server's own is for the operator in full; of any other the log learns where, not what.
        let cause: BoxError = match code {
            Unavailable => Box::new(error),
            _ => Box::new(Raised {
                routine: said.routine().unwrap_or("an unnamed routine").to_owned(),
                sqlstate: sqlstate.clone(),
            }),
        };
        Self { sqlstate: Some(sqlstate), position, lost, ..Self::new(code, message).because(cause) }
    }
}

fn speaks_of_the_statement(sqlstate: &str, position: Option<u32>) -> bool {
    position.is_some() && sqlstate.starts_with("42") && sqlstate != "42501"
}

/// What a SQLSTATE means to a caller when this routine raised it.
fn meaning(sqlstate: &str, routine: Option<&str>) -> (SqlCode, &'static str) {
    let reader = READERS.iter().find(|(name, ..)| sqlstate == "XX000" && routine == Some(*name));
    reader.map_or_else(|| wording(sqlstate), |(_, code, message)| (*code, message))
}

fn wording(sqlstate: &str) -> (SqlCode, &'static str) {
    WORDING
        .iter()
        .filter(|(prefix, ..)| sqlstate.starts_with(prefix))
        .max_by_key(|(prefix, ..)| prefix.len())
        .map_or(OTHERWISE, |(_, code, message)| (*code, message))
}

fn shown(said: &DbError) -> String {
    said.message().chars().take(MESSAGE_CHARS).collect()
}

impl From<SqlCode> for Code {
    fn from(code: SqlCode) -> Self {
        match code {
            Rejected => Code::QueryRejected,
            Invalid => Code::QueryInvalid,
            Timeout => Code::QueryTimeout,
            Limit => Code::QueryLimit,
            SqlCode::Cancelled => Code::Cancelled,
            Unavailable => Code::Database,
        }
    }
}

impl From<SqlError> for CallError {
    fn from(error: SqlError) -> Self {
        let code = Code::from(error.code);
        let message = match error.position {
            Some(at) => format!("{} (at character {at} of the statement)", error.message),
            None => error.message,
        };
        // About as long as a database takes to come back, or a busy one to have a connection free.
        let usual = (code == Code::Database).then_some(Duration::from_secs(1));
        CallError { code, message, retry_after: error.wait.or(usual), cause: error.cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sqlstate: &str, code: SqlCode, part: &str) {
        let (got, message) = wording(sqlstate);
        assert_eq!(got, code, "{sqlstate}: {message}");
        assert!(message.contains(part), "{sqlstate}: {message}");
    }

    #[test]
    fn every_sqlstate_has_a_code_and_a_wording() {
        check("08006", Unavailable, "lost");
        check("0A000", Invalid, "support");
        check("21000", Invalid, "LIMIT 1");
        check("22012", Invalid, "nullif");
        check("22P02", Invalid, "cast");
        check("2200G", Invalid, "type");
        check("25006", Rejected, "read-only");
        check("40001", Unavailable, "busy");
        check("42501", Rejected, "may not use");
        check("42P01", Invalid, "name");
        check("53100", Limit, "resources");
        check("53200", Limit, "resources");
        check("53300", Unavailable, "connection");
        check("53400", Limit, "temporary space");
        check("54001", Limit, "complex");
        check("57014", Timeout, "longer");
        check("57P01", Unavailable, "shutting down");
        check("P0001", Invalid, "refused");
        check("XX000", Unavailable, "fault");
        check("ZZZZZ", Invalid, "could not run");
    }

    #[test]
    fn postgresql_speaks_for_itself_only_of_the_statement() {
        for (sqlstate, position, speaks) in [
            ("42703", Some(8), true),
            ("42601", Some(1), true),
            // At run time: `relation "<value>" does not exist`, `syntax error in tsquery: "<value>"`.
            ("42P01", None, false),
            ("42601", None, false),
            ("42501", Some(8), false),
            ("22P02", Some(8), false),
        ] {
            assert_eq!(speaks_of_the_statement(sqlstate, position), speaks, "{sqlstate} {position:?}");
        }
    }

    #[test]
    fn a_fault_of_the_server_is_not_the_text_it_was_given() {
        for (sqlstate, routine, code) in [
            ("XX000", Some("pushOpStack"), Invalid),
            ("XX000", Some("AdjustIntervalForTypmod"), Invalid),
            ("XX000", Some("tsvector_setweight"), Invalid),
            ("XX000", Some("tsvector_setweight_by_filter"), Invalid),
            ("XX000", Some("MemoryContextSizeFailure"), Limit),
            ("XX000", Some("palloc"), Limit),
            ("XX000", Some("palloc0"), Limit),
            ("XX000", Some("relation_open"), Unavailable),
            ("XX000", None, Unavailable),
            ("XX001", Some("pushOpStack"), Unavailable),
        ] {
            assert_eq!(meaning(sqlstate, routine).0, code, "{sqlstate} {routine:?}");
        }
    }

    #[test]
    fn a_call_error_says_where() {
        let error = SqlError::new(Invalid, "column \"x\" does not exist").at(Some(8));
        let call = CallError::from(error);
        assert_eq!(
            (call.code, call.message.as_str()),
            (Code::QueryInvalid, "column \"x\" does not exist (at character 8 of the statement)")
        );
    }
}

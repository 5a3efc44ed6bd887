//! What a caller is told when a statement does not pass.

use std::fmt;

use serde::ser;

/// Which rule a statement broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// PostgreSQL's grammar does not accept the text.
    Syntax,
    /// Not exactly one statement, or not a SELECT.
    Statement,
    /// A clause or kind of expression that is not offered.
    Construct,
    /// A function that is not on the allow-list.
    Function,
    /// A relation that may not be read, or does not exist.
    Relation,
    /// A column that PostgreSQL adds to every table, or a field that could be a function call in disguise.
    Column,
    /// A type that is not on the allow-list.
    Type,
    /// An operator named with a schema other than `pg_catalog` or `ext`.
    Operator,
    /// Too long, too deep, too many parts, or a function asked to make a very large value.
    Size,
    /// A `$n` outside the permitted range.
    Parameter,
}

impl Reason {
    /// The rule's name in the audit trail. Stable: people search by it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Syntax => "syntax",
            Reason::Statement => "statement",
            Reason::Construct => "construct",
            Reason::Function => "function",
            Reason::Relation => "relation",
            Reason::Column => "column",
            Reason::Type => "type",
            Reason::Operator => "operator",
            Reason::Size => "size",
            Reason::Parameter => "parameter",
        }
    }
}

/// Why a statement may not be run. `message` is for whoever wrote the statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The rule it broke.
    pub reason: Reason,
    /// Names the construct and, where there is one, what to use instead. Repeats nothing but names and tokens of
    /// the statement itself.
    pub message: String,
    /// Where in the statement, as a 1-based character position, where that is known.
    pub position: Option<u32>,
    /// Whether this is a mistake in the SQL rather than a forbidden statement.
    pub syntax: bool,
}

/// A refusal on its way up through the tree; `at` is a byte offset, given by the innermost node that knows one.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Stop {
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) at: Option<usize>,
}

/// Shorthand: the rules are mostly "or else this".
pub(super) fn stop<T>(reason: Reason, message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop { reason, message: message.into(), at: None })
}

impl Stop {
    pub(super) fn at(self, at: Option<usize>) -> Self {
        Self { at: self.at.or(at), ..self }
    }

    pub(super) fn into_refusal(self, sql: &str) -> Refusal {
        let before = self.at.and_then(|at| sql.get(..at));
        // No statement has 2^32 characters: `MAX_SQL_BYTES` is checked first.
        let position = before.and_then(|text| u32::try_from(text.chars().count() + 1).ok());
        Refusal { syntax: self.reason == Reason::Syntax, reason: self.reason, message: self.message, position }
    }
}

impl ser::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { reason: Reason::Construct, message: message.to_string(), at: None }
    }
}

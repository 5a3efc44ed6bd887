//! How a connection is lost, and whether its statement may run again. Every statement is read-only, its transaction is
//! never committed, and its rows are handed on all at once or not at all: running it again changes nothing anybody sees.

use std::error::Error as StdError;
use std::io;
use tokio::time::error::Elapsed;
use tokio_postgres::Error;

/// Why a statement has no answer, where it was not the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// No connection could be made: the database is not there.
    Unmade,
    /// The server ended this connection by an administrator's word: it is being stopped, or somebody ended this one.
    Ended,
    /// The server goes down, or lost another of its processes and starts over.
    Server,
    /// The connection ended without a word. Perhaps the network; perhaps the statement brought its process down.
    Silent,
    /// A replica gave way to what it has to replay.
    Conflict,
}

impl Loss {
    /// What an error of the driver says of the connection. `None`: it is not lost.
    pub(super) fn of(error: &Error) -> Option<Self> {
        match error.code() {
            Some(code) => Self::of_state(code.code()),
            None => (error.is_closed() || broken(error)).then_some(Self::Silent),
        }
    }

    /// The same of a SQLSTATE.
    pub(super) fn of_state(sqlstate: &str) -> Option<Self> {
        match sqlstate {
            "57P01" => Some(Self::Ended),
            "57P02" | "57P03" => Some(Self::Server),
            "40001" => Some(Self::Conflict),
            // Connection exceptions; not 08P01, a message one side did not understand, which it would not the next time.
            _ => (sqlstate.starts_with("08") && sqlstate != "08P01").then_some(Self::Server),
        }
    }

    /// Whether a connection could not be made because nothing answers. What a server says no to (a password, one
    /// connection too many) shows that it is there.
    pub(super) fn unmade(error: &(dyn StdError + 'static)) -> Option<Self> {
        let lost = match error.downcast_ref::<Error>() {
            Some(error) => Self::of(error).is_some(),
            None => error.is::<io::Error>() || error.is::<Elapsed>() || error.is::<crate::hosts::Unwanted>(),
        };
        lost.then_some(Self::Unmade)
    }

    /// Whether other connections may have gone the same way.
    pub(super) fn is_shared(self) -> bool {
        self != Self::Conflict
    }
}

/// The socket broke.
fn broken(error: &Error) -> bool {
    error.source().is_some_and(<dyn StdError + 'static>::is::<io::Error>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_told_from_what_was_refused() {
        for (sqlstate, want) in [
            ("57P01", Some(Loss::Ended)),
            ("57P02", Some(Loss::Server)),
            ("57P03", Some(Loss::Server)),
            ("08006", Some(Loss::Server)),
            ("08P01", None),
            ("40001", Some(Loss::Conflict)),
            // Timed out, refused, too many, a mistake: for whoever asked.
            ("57014", None),
            ("42501", None),
            ("28P01", None),
            ("53300", None),
            ("22012", None),
        ] {
            assert_eq!(Loss::of_state(sqlstate), want, "{sqlstate}");
        }
        assert!(!Loss::Conflict.is_shared() && Loss::Silent.is_shared());
    }

    #[test]
    fn a_connection_nothing_answers_is_told_from_one_that_is_refused() {
        assert_eq!(Loss::unmade(&io::Error::from(io::ErrorKind::ConnectionRefused)), Some(Loss::Unmade));
        let said: crate::error::BoxError = "run the migrations".into();
        assert_eq!(Loss::unmade(&*said), None);
    }
}

//! Why there is no answer.

use std::fmt;

use crate::{bindings::exports::rowhouse::plugin::tools::ToolError, dialogue::Question, sql::SqlError};

/// What a tool, prompt or resource gives back.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no answer. The text reaches the caller, so that a model can mend its call: say what to do next, and
/// nothing of the plugin's inside. `?` hands a statement's error on as it came; the host words it.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The arguments are of the right shape and still make no sense (`from` after `to`).
    InvalidArguments(String),
    /// There is no such thing, among what this caller may see.
    NotFound(String),
    /// A statement failed.
    Sql(SqlError),
    /// Anything else.
    Failed(String),
    /// No error: the user is asked, and the next round goes on. Made by [`Dialogue`](crate::Dialogue) only.
    #[doc(hidden)]
    Asking(Question),
}

impl Error {
    /// The arguments are of the right shape and still make no sense. Say what to change.
    pub fn invalid(text: impl Into<String>) -> Error {
        Error::InvalidArguments(text.into())
    }

    /// There is no such thing, among what this caller may see. Say what there is.
    pub fn not_found(text: impl Into<String>) -> Error {
        Error::NotFound(text.into())
    }

    /// Anything else. Say what the caller can do about it.
    pub fn failed(text: impl Into<String>) -> Error {
        Error::Failed(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidArguments(text) | Error::NotFound(text) | Error::Failed(text) => f.write_str(text),
            Error::Sql(error) => f.write_str(&error.message),
            Error::Asking(_) => f.write_str("the user is asked first: hand this on with `?`"),
        }
    }
}

impl std::error::Error for Error {}

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Error {
        Error::Sql(error)
    }
}

/// A value that cannot be written as JSON, or JSON of another shape.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::Failed(error.to_string())
    }
}

impl From<Error> for ToolError {
    fn from(error: Error) -> ToolError {
        match error {
            Error::InvalidArguments(text) => ToolError::InvalidArguments(text),
            Error::NotFound(text) => ToolError::NotFound(text),
            Error::Sql(error) => ToolError::Sql(error),
            Error::Failed(text) => ToolError::Failed(text),
            Error::Asking(_) => ToolError::Failed("this call cannot ask the user: the host offers no dialogue".into()),
        }
    }
}

/// Turns other people's errors, and what is missing, into an [`Error`] with a text for the caller. The error itself is
/// dropped: it may speak of the plugin's inside. Log it first where an operator should see it.
pub trait OrError<T> {
    /// See [`Error::invalid`].
    ///
    /// # Errors
    /// Where there is no value.
    fn or_invalid(self, text: impl Into<String>) -> Result<T>;

    /// See [`Error::not_found`].
    ///
    /// # Errors
    /// Where there is no value.
    fn or_not_found(self, text: impl Into<String>) -> Result<T>;

    /// See [`Error::failed`].
    ///
    /// # Errors
    /// Where there is no value.
    fn or_failed(self, text: impl Into<String>) -> Result<T>;
}

impl<T> OrError<T> for Option<T> {
    fn or_invalid(self, text: impl Into<String>) -> Result<T> {
        self.ok_or_else(|| Error::invalid(text))
    }

    fn or_not_found(self, text: impl Into<String>) -> Result<T> {
        self.ok_or_else(|| Error::not_found(text))
    }

    fn or_failed(self, text: impl Into<String>) -> Result<T> {
        self.ok_or_else(|| Error::failed(text))
    }
}

impl<T, E: std::error::Error> OrError<T> for std::result::Result<T, E> {
    fn or_invalid(self, text: impl Into<String>) -> Result<T> {
        self.ok().or_invalid(text)
    }

    fn or_not_found(self, text: impl Into<String>) -> Result<T> {
        self.ok().or_not_found(text)
    }

    fn or_failed(self, text: impl Into<String>) -> Result<T> {
        self.ok().or_failed(text)
    }
}

/// Give up: `bail!(invalid, "`from` ({from}) is after `to` ({to}): swap them")`. The word is one of `invalid`,
/// `not_found` and `failed`, the constructors of [`Error`]; the rest is as in `format!`.
///
/// ```
/// use rowhouse_plugin::prelude::*;
///
/// fn check(from: i64, to: i64) -> Result<()> {
///     if from > to {
///         bail!(invalid, "`from` ({from}) is after `to` ({to}): swap them");
///     }
///     Ok(())
/// }
/// assert_eq!(check(2, 1), Err(Error::invalid("`from` (2) is after `to` (1): swap them")));
/// ```
#[macro_export]
macro_rules! bail {
    ($kind:ident, $($text:tt)+) => {
        return ::std::result::Result::Err($crate::Error::$kind(::std::format!($($text)+)))
    };
}

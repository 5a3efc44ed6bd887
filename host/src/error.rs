//! What can go wrong with a call, sorted by who can act.
//!
//! An error has two readers. `Display` is for the caller: it says what was wrong and what to do next, and carries no
//! row's value, no other tenant's data and nothing of the server's inside. The source chain is for the operator's log
//! and is printed once, where the error is handled, with `{:#}`.

use std::error::Error as StdError;
use std::time::Duration;

/// The boxed private cause of an error.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Who can do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The caller: its arguments, its statement, its rights.
    Caller,
    /// The plugin broke its contract or one of its bounds.
    Plugin,
    /// The host or something it stands on.
    Host,
}

/// A stable name for each way a call ends without an answer. Scripts and dashboards may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// The arguments do not fit the tool's schema, or make no sense.
    Validation,
    /// The arguments are larger, or nested deeper, than a call's may be.
    Arguments,
    /// No valid proof of who is calling.
    Authentication,
    /// The caller is known and may not do this.
    Authorization,
    /// What a call of several rounds left between two of them does not open: it was changed, is too old, or belongs to
    /// another call.
    RequestState,
    /// The caller asks faster, or more at once, than it may; waiting helps.
    RateLimited,
    /// The caller used up what it may use in a day.
    QuotaExceeded,
    /// There is no such tool for this caller.
    UnknownTool,
    /// There is no such thing among what the caller may see.
    NotFound,
    /// The gate refused the statement.
    QueryRejected,
    /// PostgreSQL found a mistake in the statement.
    QueryInvalid,
    /// The statement ran longer than a statement may.
    QueryTimeout,
    /// The statement needed more memory, space or bytes than a call may use.
    QueryLimit,
    /// The database cannot be reached or is busy.
    Database,
    /// The tool gave up and said why.
    ToolFailed,
    /// The plugin trapped: a panic, an abort, a wild pointer.
    PluginTrapped,
    /// The plugin recursed too deep.
    PluginStack,
    /// The call took longer than a call may, waiting included.
    PluginDeadline,
    /// The plugin computed longer than a call may.
    PluginCpu,
    /// The plugin used more fuel than a call may.
    PluginFuel,
    /// The plugin asked for more memory than a call may have.
    PluginMemory,
    /// The plugin asked for a larger table than a call may have.
    PluginTables,
    /// The component has more instances, memories or tables inside than one may have.
    PluginInstances,
    /// The plugin called the host more often than a call may.
    PluginHostCalls,
    /// The plugin ran more statements than a call may.
    PluginStatements,
    /// The plugin's statements held connections for longer than those of a call may.
    PluginDatabaseTime,
    /// The plugin held more handles than a call may.
    PluginHandles,
    /// The plugin moved more data across the wall, or answered with more, than a call may.
    PluginAnswer,
    /// The plugin answered with JSON that is nested deeper than an answer may be.
    PluginNesting,
    /// The plugin answered with something its own description does not allow.
    PluginContract,
    /// The plugin reached for a capability it was not given.
    PluginDenied,
    /// The caller left before the answer was there.
    Cancelled,
    /// The host has as many calls as it can hold.
    Overloaded,
    /// A fault of the host itself.
    Internal,
}

impl Code {
    /// Every code, for the manual and for the test that keeps the manual whole.
    pub const ALL: [Code; 34] = [
        Code::Validation,
        Code::Arguments,
        Code::Authentication,
        Code::Authorization,
        Code::RequestState,
        Code::RateLimited,
        Code::QuotaExceeded,
        Code::UnknownTool,
        Code::NotFound,
        Code::QueryRejected,
        Code::QueryInvalid,
        Code::QueryTimeout,
        Code::QueryLimit,
        Code::Database,
        Code::ToolFailed,
        Code::PluginTrapped,
        Code::PluginStack,
        Code::PluginDeadline,
        Code::PluginCpu,
        Code::PluginFuel,
        Code::PluginMemory,
        Code::PluginTables,
        Code::PluginInstances,
        Code::PluginHostCalls,
        Code::PluginStatements,
        Code::PluginDatabaseTime,
        Code::PluginHandles,
        Code::PluginAnswer,
        Code::PluginNesting,
        Code::PluginContract,
        Code::PluginDenied,
        Code::Cancelled,
        Code::Overloaded,
        Code::Internal,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::Validation => "VALIDATION_ERROR",
            Code::Arguments => "ARGUMENTS_LIMIT",
            Code::Authentication => "AUTHENTICATION_ERROR",
            Code::Authorization => "AUTHORIZATION_ERROR",
            Code::RequestState => "REQUEST_STATE",
            Code::RateLimited => "RATE_LIMITED",
            Code::QuotaExceeded => "QUOTA_EXCEEDED",
            Code::UnknownTool => "UNKNOWN_TOOL",
            Code::NotFound => "NOT_FOUND",
            Code::QueryRejected => "QUERY_REJECTED",
            Code::QueryInvalid => "QUERY_INVALID",
            Code::QueryTimeout => "QUERY_TIMEOUT",
            Code::QueryLimit => "QUERY_LIMIT",
            Code::Database => "DATABASE_ERROR",
            Code::ToolFailed => "TOOL_FAILED",
            Code::PluginTrapped => "PLUGIN_TRAPPED",
            Code::PluginStack => "PLUGIN_STACK",
            Code::PluginDeadline => "PLUGIN_DEADLINE",
            Code::PluginCpu => "PLUGIN_CPU",
            Code::PluginFuel => "PLUGIN_FUEL",
            Code::PluginMemory => "PLUGIN_MEMORY",
            Code::PluginTables => "PLUGIN_TABLES",
            Code::PluginInstances => "PLUGIN_INSTANCES",
            Code::PluginHostCalls => "PLUGIN_HOST_CALLS",
            Code::PluginStatements => "PLUGIN_STATEMENTS",
            Code::PluginDatabaseTime => "PLUGIN_DATABASE_TIME",
            Code::PluginHandles => "PLUGIN_HANDLES",
            Code::PluginAnswer => "PLUGIN_ANSWER",
            Code::PluginNesting => "PLUGIN_NESTING",
            Code::PluginContract => "PLUGIN_CONTRACT",
            Code::PluginDenied => "PLUGIN_DENIED",
            Code::Cancelled => "CANCELLED",
            Code::Overloaded => "OVERLOADED",
            Code::Internal => "INTERNAL_ERROR",
        }
    }

    /// Who can act.
    pub const fn blame(self) -> Blame {
        match self {
            Code::Validation
            | Code::Arguments
            | Code::Authentication
            | Code::Authorization
            | Code::RateLimited
            | Code::QuotaExceeded
            | Code::RequestState
            | Code::UnknownTool
            | Code::NotFound
            | Code::QueryRejected
            | Code::QueryInvalid
            | Code::QueryTimeout
            | Code::QueryLimit
            | Code::ToolFailed
            | Code::Cancelled => Blame::Caller,
            Code::PluginTrapped
            | Code::PluginStack
            | Code::PluginDeadline
            | Code::PluginCpu
            | Code::PluginFuel
            | Code::PluginMemory
            | Code::PluginTables
            | Code::PluginInstances
            | Code::PluginHostCalls
            | Code::PluginStatements
            | Code::PluginDatabaseTime
            | Code::PluginHandles
            | Code::PluginAnswer
            | Code::PluginNesting
            | Code::PluginContract
            | Code::PluginDenied => Blame::Plugin,
            Code::Database | Code::Overloaded | Code::Internal => Blame::Host,
        }
    }

    /// Whether it says that a bound was met.
    pub const fn is_limit(self) -> bool {
        match self {
            Code::Arguments
            | Code::RateLimited
            | Code::QuotaExceeded
            | Code::QueryTimeout
            | Code::QueryLimit
            | Code::PluginStack
            | Code::PluginDeadline
            | Code::PluginCpu
            | Code::PluginFuel
            | Code::PluginMemory
            | Code::PluginTables
            | Code::PluginInstances
            | Code::PluginHostCalls
            | Code::PluginStatements
            | Code::PluginDatabaseTime
            | Code::PluginHandles
            | Code::PluginAnswer
            | Code::PluginNesting
            | Code::Overloaded => true,
            Code::Validation
            | Code::Authentication
            | Code::Authorization
            | Code::RequestState
            | Code::UnknownTool
            | Code::NotFound
            | Code::QueryRejected
            | Code::QueryInvalid
            | Code::Database
            | Code::ToolFailed
            | Code::PluginTrapped
            | Code::PluginContract
            | Code::PluginDenied
            | Code::Cancelled
            | Code::Internal => false,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// What kind of failure this is.
    pub code: Code,
    /// What the caller may read.
    pub message: String,
    /// How long to wait before trying again, where waiting helps.
    pub retry_after: Option<Duration>,
    /// What only the operator may read.
    #[source]
    pub cause: Option<BoxError>,
}

impl CallError {
    /// An error whose text says all there is to say.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None, cause: None }
    }

    /// Add what the operator should read in the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<BoxError>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Add how long to wait before trying again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// A fault of the host: the caller learns that it happened, the log learns what.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::new(Code::Internal, "internal error; the operator's log has the details under this request id")
            .because(cause)
    }

    /// One text for "absent" and "forbidden": a caller must not be able to map tools it may not use.
    pub fn unknown_tool(name: &str) -> Self {
        Self::new(Code::UnknownTool, format!("unknown tool: {}", bounded(name)))
    }

    /// The same for a prompt or a document, which is the `kind`.
    pub fn unknown(kind: &str, name: &str) -> Self {
        Self::new(Code::NotFound, format!("unknown {kind}: {}", bounded(name)))
    }
}

/// A name that comes from the caller: it goes back bounded, so that an error is never an amplifier.
fn bounded(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name() {
        let mut names: Vec<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn the_private_cause_is_not_in_the_public_text() {
        let error = CallError::internal("password=hunter2");
        assert!(!error.to_string().contains("hunter2"));
        assert!(format!("{:#}", anyhow::Error::from(error)).contains("hunter2"));
    }
}

//! The caller's ear, as a plugin reaches it.

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the four levels of the WIT enum")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Takes word of a call under way to whoever waits for it. Must not block: a guest is running.
pub trait Listener: Send + Sync {
    /// How far the call has come.
    fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>);
    /// A line of the plugin's log.
    fn log(&self, level: LogLevel, logger: &str, message: &str);
}

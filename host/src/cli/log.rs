//! The log: what goes to it, which may be more or less while the host serves.

use super::Common;
use anyhow::{Context, Result};
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// Of what is logged where nobody says.
const USUAL: &str = "warn";

/// Puts another filter in place of the one before.
type Change = Box<dyn Fn(EnvFilter) -> Result<()> + Send + Sync>;

/// One for the process, as the log is.
static CHANGE: OnceLock<(Change, String)> = OnceLock::new();

/// Log as the command line says; `more` are directives of the command itself.
///
/// # Errors
/// A filter that is none.
pub(super) fn start(common: &Common, more: Option<&str>) -> Result<()> {
    // The driver would log statements, the protocol library would log each refused call a second time, and the
    // migration runner says what the host says anyway.
    let quiet = ["tokio_postgres=warn", "rmcp::service=off", "refinery_core=warn"].join(",");
    let quiet = more.map_or(quiet.clone(), |more| format!("{quiet},{more}"));
    let first = filter(common.log.as_deref().unwrap_or(USUAL), &quiet).context("--log")?;
    // Standard output belongs to the protocol (stdio) or to the answer (--json).
    let log = tracing_subscriber::fmt().with_env_filter(first).with_writer(std::io::stderr);
    let change: Change = if common.log_json {
        let log = log.json().with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Box::new(move |filter| Ok(handle.reload(filter)?))
    } else {
        let log = log.with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Box::new(move |filter| Ok(handle.reload(filter)?))
    };
    // Only a second log would find it set, and that would have been refused above.
    let _ = CHANGE.set((change, quiet));
    Ok(())
}

/// Log as the settings say, where the command line and the environment say nothing. `wanted`: the setting `log`.
///
/// # Errors
/// A filter that is none; then all stays as it was.
pub(super) fn follow(common: &Common, wanted: Option<&str>) -> Result<()> {
    if common.log.is_some() {
        return Ok(());
    }
    let Some((change, quiet)) = CHANGE.get() else { return Ok(()) };
    change(filter(wanted.unwrap_or(USUAL), quiet).context("the setting log")?)
}

/// Whether the setting `log` is a filter.
///
/// # Errors
/// It is none.
pub(super) fn check(wanted: Option<&str>) -> Result<()> {
    filter(wanted.unwrap_or(USUAL), "").map(drop).context("the setting log")
}

fn filter(wanted: &str, quiet: &str) -> Result<EnvFilter> {
    EnvFilter::try_new(format!("{wanted},{quiet}"))
        .with_context(|| format!("{wanted:?} is not a filter; try `info` or `rowhouse=debug,warn`"))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_is_no_filter_is_named() {
        for good in [None, Some("info"), Some("rowhouse=debug,warn"), Some("off")] {
            assert!(check(good).is_ok(), "{good:?}");
        }
        let said = format!("{:#}", check(Some("a=b=c")).unwrap_err());
        assert!(said.contains("the setting log") && said.contains("a=b=c"), "{said}");
    }
}

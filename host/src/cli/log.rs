//! The log: what goes to it, which may be more or less while the host serves.

use super::Common;
use crate::error::BoxError;
use crate::telemetry::log::{self, Shown};
use crate::telemetry::trace::Tracing;
use anyhow::{Context, Result};
use std::sync::OnceLock;

/// Of what is logged where nobody says.
const USUAL: &str = "warn";

/// One for the process, as the log is; and the directives that stand behind any filter.
static SHOWN: OnceLock<(Shown, String)> = OnceLock::new();

/// Log as the command line says; `more` are directives of the command itself.
///
/// # Errors
/// A filter that is none.
pub(super) fn start(common: &Common, more: Option<&str>, tracing: Option<&Tracing>) -> Result<()> {
    // The driver would log statements, the client of registries would log what those answer in their own words, the
    // protocol library would log each refused call a second time, and the migration runner says what the host says anyway.
    let quiet = ["tokio_postgres=warn", "oci_client=warn", "rmcp::service=off", "refinery_core=warn"].join(",");
    let quiet = more.map_or(quiet.clone(), |more| format!("{quiet},{more}"));
    let wanted = common.log.as_deref().unwrap_or(USUAL);
    let shown = log::start(&format!("{wanted},{quiet}"), common.log_json, tracing);
    let shown = shown.map_err(|error| no_filter(error, wanted)).context("--log")?;
    // Only a second log would find it set, and that would have been refused above.
    let _ = SHOWN.set((shown, quiet));
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
    let Some((shown, quiet)) = SHOWN.get() else { return Ok(()) };
    let wanted = wanted.unwrap_or(USUAL);
    shown.show(&format!("{wanted},{quiet}")).map_err(|error| no_filter(error, wanted)).context("the setting log")
}

/// Whether the setting `log` is a filter.
///
/// # Errors
/// It is none.
pub(super) fn check(wanted: Option<&str>) -> Result<()> {
    let wanted = wanted.unwrap_or(USUAL);
    log::check(wanted).map_err(|error| no_filter(error, wanted)).context("the setting log")
}

fn no_filter(error: BoxError, wanted: &str) -> anyhow::Error {
    anyhow::anyhow!(error).context(format!("{wanted:?} is not a filter; try `info` or `rowhouse=debug,warn`"))
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

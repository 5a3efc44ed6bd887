//! Prometheus's own judge of rules and metrics, for the tests of telemetry.

use crate::debian::Program;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// It comes with the server, 19 MB.
const PROMTOOL: Program = Program {
    what: "promtool",
    package: "prometheus",
    dir: "prometheus",
    names: &["promtool"],
    is: |text| text.starts_with("promtool, version "),
};

/// The binary: the system's, or one under `.tools/prometheus` of the repository at `root`.
///
/// # Errors
/// When there is neither the program nor a way to fetch it, or what was fetched does not run here.
pub fn ensure(root: &Path) -> Result<PathBuf> {
    PROMTOOL.ensure(root)
}

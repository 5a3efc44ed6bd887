//! Which policy decides, and what it must prove first.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which policy decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// A file of Cedar policies. Unset: the policy Rowhouse ships with, for the three roles of the demo.
    pub file: Option<PathBuf>,
    /// Serve the file's new text when it changes. On, so that a right can be taken away without a restart; a text that
    /// cannot be served leaves the last good one in force.
    pub watch: bool,
    /// A file of decisions the policy must give (`rowhouse policy test` explains the form). A policy that decides one
    /// of them otherwise is not served. Unset: none is asked for.
    pub cases: Option<PathBuf>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { file: None, watch: true, cases: None }
    }
}

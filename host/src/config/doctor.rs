//! What an operator knows of and lives with.

use serde::{Deserialize, Serialize};

/// How `rowhouse doctor` and `rowhouse db check` judge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Doctor {
    /// Findings that are weak and stay so, each by its rule, word for word: on a managed server
    /// `["set_config may be called"]`. They are printed as accepted, and the exit code does not count them. What is
    /// unsafe cannot be accepted.
    pub accept: Vec<String>,
}

impl Doctor {
    /// Whether a finding of this rule is lived with.
    pub fn accepts(&self, rule: &str) -> bool {
        self.accept.iter().any(|accepted| accepted == rule)
    }
}

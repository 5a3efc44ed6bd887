//! Keys that come from elsewhere than the state directory.

use super::Secret;
use serde::{Deserialize, Serialize};

/// The host's keys. Each unset one is a file in the state directory, made on first use. A key is 32 bytes, in
/// hexadecimal or base64.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// Signs the tickets that open a tenant's context in the database. With it, set `login`, too.
    #[serde(skip_serializing)]
    pub ticket: Option<Secret>,
    /// The ticket key before this one, while a rotation is under way: this host then knows it for its own. Its grace
    /// is what the database says.
    #[serde(skip_serializing)]
    pub ticket_previous: Option<Secret>,
    /// Signs the demo's tokens.
    #[serde(skip_serializing)]
    pub issuer: Option<Secret>,
    /// The issuer key before this one: tokens signed with it are good as long as this is set.
    #[serde(skip_serializing)]
    pub issuer_previous: Option<Secret>,
    /// Chains the audit trail.
    #[serde(skip_serializing)]
    pub audit: Option<Secret>,
    /// What the passwords of the login roles follow from.
    #[serde(skip_serializing)]
    pub login: Option<Secret>,
}

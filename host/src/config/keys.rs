//! Keys that come from elsewhere than the state directory.

use super::Secret;
use serde::{Deserialize, Serialize};

/// The host's keys. Each unset one is a file in the state directory, made on first use. A key is 32 bytes, in
/// hexadecimal or base64.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// Signs the tickets that open a tenant's context in the database. With it, set `login`, too.
    #[serde(skip_serializing)]
    pub ticket: Option<Secret>,
    /// The ticket key before this one, while a rotation is under way: this host then knows it for its own, and gives it
    /// its end in the database. It may be left out once it has one.
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
    /// Seconds `ticket_previous` stays good after the first start with it, at most a month. A day: long enough to
    /// restart every host of a database with the new key. Another start does not put it off.
    pub previous_grace_seconds: u64,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            ticket: None,
            ticket_previous: None,
            issuer: None,
            issuer_previous: None,
            audit: None,
            login: None,
            previous_grace_seconds: 24 * 60 * 60,
        }
    }
}

//! Registries that plugins come from: how each is reached, and with what proof.

use super::Secret;
use serde::{Deserialize, Serialize};

/// One registry, by the host (and port) that references name it with.
///
/// Without a proof of its own here, what `docker login` wrote into Docker's `config.json` is used.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// Whose account. Needs a password.
    pub username: Option<String>,
    /// Its password, or an access token that is used as one, as most registries give out.
    #[serde(skip_serializing)]
    pub password: Option<Secret>,
    /// A bearer token, in place of both.
    #[serde(skip_serializing)]
    pub token: Option<Secret>,
    /// Speak HTTP without TLS. Unset: on this machine's own addresses only. Digests and signatures hold either way; a
    /// password does not.
    pub plaintext: Option<bool>,
}

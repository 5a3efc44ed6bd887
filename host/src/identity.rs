//! Who is asking.
//!
//! A [`Principal`] can only be made here, from a proof: a bearer token that verifies, or the name an operator gave on
//! the command line of a local (stdio) server. Everything after this room takes the `Principal` as given.

mod demo;

pub use demo::{DemoIssuer, Known, TOKEN_AUDIENCE};

use std::sync::Arc;
use uuid::Uuid;

/// Someone whose identity was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    subject: String,
    display_name: String,
    roles: Vec<String>,
    tenants: Vec<Uuid>,
    regions: Vec<String>,
}

impl Principal {
    /// The stable name at the issuer (`sub`).
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// For people to read.
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// Role names, as the issuer vouches for them. What a role may do is the policy's business.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Tenants the issuer names as this principal's own.
    pub fn tenants(&self) -> &[Uuid] {
        &self.tenants
    }

    /// Regions the issuer names as this principal's own.
    pub fn regions(&self) -> &[String] {
        &self.regions
    }
}

/// Why a proof was not accepted. One text for every reason: a caller who forges must not learn how far it came. The
/// reason itself is for the log.
#[derive(Debug, thiserror::Error)]
#[error("a valid bearer token is required")]
pub struct Unproven(#[source] pub(crate) crate::error::BoxError);

/// Verifies proofs. One for the whole process; cheap to clone.
#[derive(Clone)]
pub struct Identity {
    issuer: Arc<DemoIssuer>,
}

impl Identity {
    /// Accept the tokens of this issuer and no other.
    pub fn new(issuer: DemoIssuer) -> Self {
        Self { issuer: Arc::new(issuer) }
    }

    /// The principal a bearer token proves.
    ///
    /// # Errors
    /// [`Unproven`] for a token that is malformed, not signed by the issuer, for another audience, expired or not yet
    /// valid.
    pub fn from_bearer(&self, token: &str) -> Result<Principal, Unproven> {
        self.issuer.verify(token)
    }

    /// The principal an operator named for a local server, who needs no token: whoever can start the process can read
    /// its files.
    ///
    /// # Errors
    /// [`Unproven`] when there is no such identity.
    pub fn local(&self, name: &str) -> Result<Principal, Unproven> {
        self.issuer.local(name)
    }

    /// A token for one of the demo's identities.
    ///
    /// # Errors
    /// [`Unproven`] when there is no such identity.
    pub fn issue(&self, name: &str, lifetime: std::time::Duration) -> Result<String, Unproven> {
        self.issuer.issue(name, lifetime)
    }

    /// The names [`Identity::local`] and [`Identity::issue`] know.
    pub fn names(&self) -> Vec<String> {
        self.issuer.names()
    }
}

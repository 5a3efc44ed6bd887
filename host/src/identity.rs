//! Who is asking.
//!
//! A [`Principal`] can only be made here, from a proof: a bearer token that verifies, or the name an operator gave on
//! the command line of a local (stdio) server. Everything after this room takes the `Principal` as given.

mod demo;

pub use demo::{DemoIssuer, Known, TOKEN_AUDIENCE};

use moka::sync::Cache;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
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

/// Proofs remembered at once. A proof takes some 500 bytes; more callers than this only pay for the signature again.
const REMEMBERED: u64 = 10_000;

/// How long a proof is remembered. Checking a signature costs a tenth of a call; a minute later it is checked again.
const MEMORY: Duration = Duration::from_secs(60);

/// A token that was verified, and when it ends.
#[derive(Clone)]
struct Proved {
    principal: Principal,
    expires: SystemTime,
}

/// Verifies proofs. One for the whole process; cheap to clone.
#[derive(Clone)]
pub struct Identity {
    issuer: Arc<DemoIssuer>,
    /// By SHA-256 of the token, so that the token itself is kept nowhere.
    proved: Cache<[u8; 32], Proved>,
}

impl Identity {
    /// Accept the tokens of this issuer and no other.
    pub fn new(issuer: DemoIssuer) -> Self {
        let proved = Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build();
        Self { issuer: Arc::new(issuer), proved }
    }

    /// The principal a bearer token proves.
    ///
    /// # Errors
    /// [`Unproven`] for a token that is malformed, not signed by the issuer, for another audience, expired or not yet
    /// valid.
    pub fn from_bearer(&self, token: &str) -> Result<Principal, Unproven> {
        let key: [u8; 32] = Sha256::digest(token).into();
        if let Some(proved) = self.proved.get(&key)
            && proved.expires > SystemTime::now()
        {
            return Ok(proved.principal);
        }
        let (principal, expires) = self.issuer.verify(token)?;
        self.proved.insert(key, Proved { principal: principal.clone(), expires });
        Ok(principal)
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
    pub fn issue(&self, name: &str, lifetime: Duration) -> Result<String, Unproven> {
        self.issuer.issue(name, lifetime)
    }

    /// The names [`Identity::local`] and [`Identity::issue`] know.
    pub fn names(&self) -> Vec<String> {
        self.issuer.names()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_ends_with_the_token() {
        let person = Known {
            name: "ann".to_owned(),
            display_name: "Ann".to_owned(),
            roles: Vec::new(),
            tenants: Vec::new(),
            regions: Vec::new(),
        };
        let identity = Identity::new(DemoIssuer::new(&[7; 32], [person]));
        let token = identity.issue("ann", Duration::from_secs(60)).unwrap();
        let key: [u8; 32] = Sha256::digest(&token).into();
        let ann = identity.from_bearer(&token).unwrap();
        assert!(identity.proved.get(&key).is_some_and(|proved| proved.expires > SystemTime::now()));
        assert_eq!(identity.from_bearer(&token).unwrap(), ann);
        // Remembered and over: verified again, not believed.
        let forged = "not a token";
        let key: [u8; 32] = Sha256::digest(forged).into();
        identity.proved.insert(key, Proved { principal: ann, expires: SystemTime::now() - Duration::from_secs(1) });
        assert!(identity.from_bearer(forged).is_err());
        assert!(identity.from_bearer("never seen").is_err());
    }
}

//! The signed word by which the host tells the database whose rows a transaction may see.
//!
//! A ticket names a scope, a principal, an expiry and the one backend that may use it. It is a bind parameter, never
//! part of a statement, and only the host's key makes one.

use crate::policy::{Permit, Scope};
use bytes::BytesMut;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

/// The key the host signs with and the database verifies with.
pub struct TicketKey {
    /// Which of the live keys it is. Letters and digits.
    pub kid: String,
    /// The key itself, 32 bytes or more.
    pub key: SecretSlice<u8>,
}

/// Signs tickets.
pub(super) struct Signer {
    kid: String,
    keyed: Hmac<Sha256>,
    lifetime: Duration,
}

/// What a ticket says of a call; the same for all its statements.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    scope: String,
    principal: String,
}

/// A ticket. Not to be printed: whoever reads one may be on the backend it is for.
pub(super) struct Ticket(String);

impl Signer {
    /// Sign with this key; a ticket is good for `lifetime`.
    pub(super) fn new(key: &TicketKey, lifetime: Duration) -> Self {
        let keyed = Hmac::new_from_slice(key.key.expose_secret()).expect("HMAC takes a key of any length");
        Self { kid: key.kid.clone(), keyed, lifetime }
    }

    /// What a permit comes to.
    pub(super) fn claims(&self, permit: &Permit) -> Claims {
        let scope = match permit.scope() {
            Scope::One(tenant) => format!("one:{tenant}"),
            Scope::Some(tenants) => {
                let tenants: Vec<String> = tenants.iter().map(Uuid::to_string).collect();
                format!("some:{}", tenants.join(","))
            }
            Scope::All => "all".to_owned(),
        };
        // Keyed, so that the database's logs cannot be searched for a subject by guessing.
        let principal = self.mac(&format!("principal|{}", permit.principal().subject()));
        Claims { scope, principal }
    }

    /// A ticket for the backend with this process id.
    pub(super) fn sign(&self, claims: &Claims, backend: i32) -> Ticket {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let expiry = (now + self.lifetime).as_secs();
        let (kid, Claims { scope, principal }, nonce) = (&self.kid, claims, Uuid::new_v4().simple());
        let body = format!("v1|{kid}|{scope}|{principal}|{expiry}|{backend}|{nonce}");
        let mac = self.mac(&body);
        Ticket(format!("{body}|{mac}"))
    }

    fn mac(&self, text: &str) -> String {
        let mut keyed = self.keyed.clone();
        keyed.update(text.as_bytes());
        hex::encode(keyed.finalize().into_bytes())
    }
}

impl fmt::Debug for Ticket {
    // The driver logs parameters at its debug level.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

impl ToSql for Ticket {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, crate::error::BoxError> {
        self.0.as_str().to_sql(of, out)
    }

    fn accepts(of: &Type) -> bool {
        <&str as ToSql>::accepts(of)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_has_eight_fields_and_hides_itself() {
        let key = TicketKey { kid: "t1".into(), key: vec![7; 32].into() };
        let signer = Signer::new(&key, Duration::from_secs(30));
        let claims = Claims { scope: "all".into(), principal: "ab".into() };
        let (one, two) = (signer.sign(&claims, 42), signer.sign(&claims, 42));
        let fields: Vec<&str> = one.0.split('|').collect();
        assert_eq!((fields.len(), &fields[..4], fields[5]), (8, &["v1", "t1", "all", "ab"][..], "42"));
        assert_eq!(fields[7], signer.mac(&fields[..7].join("|")));
        assert_ne!(one.0, two.0, "a nonce is used once");
        assert_eq!(format!("{one:?}"), "Ticket(..)");
    }
}

//! The host's own issuer: a handful of known people and one signing key, kept in the state directory.
//!
//! Its tokens are access tokens like any other (RFC 9068), signed with Ed25519 (RFC 8037). It serves the demo, tests
//! and operators without an identity provider; it has no login, so it is not one.

use super::issuer::Issuer;
use super::key::Key;
use super::unproven::{Reason, Unproven};
use super::{Principal, Seeds};
use crate::config::Person;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use secrecy::ExposeSecret;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Who these tokens are for (`aud`). Not the host's URL: they are printed before anyone knows on which port it listens.
const AUDIENCE: &str = "rowhouse";

/// Who issues them (`iss`). Not a URL, so no configured issuer can have the same name.
const ISSUER: &str = "rowhouse-demo";

/// Seconds two clocks may disagree. Issuer and verifier are one machine here; this covers a step of its clock.
const LEEWAY: u64 = 30;

/// The start of an Ed25519 private key in PKCS #8 (RFC 8410, section 7); the 32 bytes of the key follow.
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: Uuid,
    name: &'a str,
    roles: &'a [String],
    tenants: &'a [Uuid],
    regions: &'a [String],
    scope: String,
}

/// The people the host vouches for, and the key it signs their tokens with.
pub(super) struct Demo {
    people: BTreeMap<String, Person>,
    signing: EncodingKey,
    /// What verifies them: the public half of the key that signs, and of the one before it.
    issuer: Issuer,
}

impl Demo {
    /// These people, with these private keys. Of two with one name the later counts.
    pub(super) fn new(seeds: Seeds<'_>, people: impl IntoIterator<Item = Person>) -> Self {
        Self::of(people.into_iter().map(|person| (person.name.clone(), person)).collect(), seeds)
    }

    /// The same people, with these private keys.
    pub(super) fn with(&self, seeds: Seeds<'_>) -> Self {
        Self::of(self.people.clone(), seeds)
    }

    fn of(people: BTreeMap<String, Person>, seeds: Seeds<'_>) -> Self {
        let public = |seed: &crate::keys::Key| {
            let public = ed25519_dalek::SigningKey::from_bytes(seed.expose_secret()).verifying_key();
            // Named by itself: what was proved with a key is asked for by this when it is recalled.
            Key::own(hex::encode(public.as_bytes()), DecodingKey::from_ed_der(public.as_bytes()), Algorithm::EdDSA)
        };
        let signing = EncodingKey::from_ed_der(&[&PKCS8_ED25519[..], seeds.current.expose_secret()].concat());
        let verifying = [Some(seeds.current), seeds.previous].into_iter().flatten().map(public);
        Self { people, signing, issuer: Issuer::own(ISSUER, AUDIENCE, LEEWAY, verifying.collect()) }
    }

    /// What verifies these tokens.
    pub(super) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.people.keys().cloned().collect()
    }

    pub(super) fn local(&self, name: &str) -> Result<Principal, Unproven> {
        let person = self.person(name)?.clone();
        Ok(Principal {
            issuer: ISSUER.to_owned(),
            subject: person.name,
            display_name: person.display_name,
            roles: person.roles,
            tenants: person.tenants,
            regions: person.regions,
            scopes: person.scopes,
        })
    }

    pub(super) fn issue(&self, name: &str, lifetime: Duration) -> Result<String, Unproven> {
        let person = self.person(name)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: &person.name,
            iat: now,
            nbf: now,
            exp: now.saturating_add(lifetime.as_secs()),
            jti: Uuid::new_v4(),
            name: &person.display_name,
            roles: &person.roles,
            tenants: &person.tenants,
            regions: &person.regions,
            scope: person.scopes.join(" "),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        // RFC 9068, section 2.1: says that this is an access token and no other kind of JWT.
        header.typ = Some("at+jwt".to_owned());
        jsonwebtoken::encode(&header, &claims, &self.signing)
            .map_err(|error| Unproven::new(Reason::Malformed, format!("the token cannot be signed: {error}")))
    }

    fn person(&self, name: &str) -> Result<&Person, Unproven> {
        self.people.get(name).ok_or_else(|| Unproven::new(Reason::UnknownPerson, format!("no identity named {name:?}")))
    }
}

//! The demo's own issuer: a handful of known identities and one signing key, kept in the state directory.
//!
//! Tokens are JWTs (RFC 7519) signed with Ed25519 (RFC 8037). The algorithm is fixed here and never read from the
//! token. It proves that the seam holds; it is not an identity provider.

use super::{Principal, Unproven};
use crate::error::BoxError;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Who the demo's tokens are for (`aud`).
pub const TOKEN_AUDIENCE: &str = "rowhouse";

/// Who issues them (`iss`).
const ISSUER: &str = "rowhouse-demo";

/// Seconds two clocks may disagree. Issuer and verifier are one machine here; this covers a step of its clock.
const LEEWAY: u64 = 30;

/// The longest token looked at, in bytes. Ours have some 500; parsing is not for free.
const MAX_TOKEN: usize = 8 << 10;

/// The start of an Ed25519 private key in PKCS #8 (RFC 8410, section 7); the 32 bytes of the key follow.
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Someone the demo knows.
#[derive(Clone, Debug)]
pub struct Known {
    /// The name on the command line and the token's subject.
    pub name: String,
    /// For people to read.
    pub display_name: String,
    /// Role names.
    pub roles: Vec<String>,
    /// Its own tenants.
    pub tenants: Vec<Uuid>,
    /// Its own regions.
    pub regions: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: Uuid,
    name: String,
    roles: Vec<String>,
    #[serde(default)]
    tenants: Vec<Uuid>,
    #[serde(default)]
    regions: Vec<String>,
}

/// Issues and verifies the demo's tokens.
pub struct DemoIssuer {
    known: BTreeMap<String, Known>,
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

impl DemoIssuer {
    /// An issuer with this private key (an Ed25519 seed) for these identities.
    pub fn new(seed: &[u8; 32], known: impl IntoIterator<Item = Known>) -> Self {
        let public = ed25519_dalek::SigningKey::from_bytes(seed).verifying_key();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[TOKEN_AUDIENCE]);
        validation.required_spec_claims = HashSet::from(["exp", "nbf", "aud", "iss", "sub"].map(str::to_owned));
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        Self {
            known: known.into_iter().map(|k| (k.name.clone(), k)).collect(),
            signing: EncodingKey::from_ed_der(&[&PKCS8_ED25519[..], seed].concat()),
            verifying: DecodingKey::from_ed_der(public.as_bytes()),
            validation,
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.known.keys().cloned().collect()
    }

    pub(super) fn local(&self, name: &str) -> Result<Principal, Unproven> {
        let known = self.known(name)?;
        Ok(Principal {
            subject: known.name.clone(),
            display_name: known.display_name.clone(),
            roles: known.roles.clone(),
            tenants: known.tenants.clone(),
            regions: known.regions.clone(),
        })
    }

    pub(super) fn issue(&self, name: &str, lifetime: Duration) -> Result<String, Unproven> {
        let known = self.known(name)?.clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|e| Unproven(e.into()))?.as_secs();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: TOKEN_AUDIENCE.to_owned(),
            sub: known.name,
            iat: now,
            nbf: now,
            exp: now + lifetime.as_secs(),
            jti: Uuid::new_v4(),
            name: known.display_name,
            roles: known.roles,
            tenants: known.tenants,
            regions: known.regions,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        // RFC 9068: says that this is an access token and no other kind of JWT.
        header.typ = Some("at+jwt".to_owned());
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(|e| Unproven(e.into()))
    }

    /// Whom a token proves, and when it ends.
    pub(super) fn verify(&self, token: &str) -> Result<(Principal, SystemTime), Unproven> {
        if token.len() > MAX_TOKEN {
            return Err(Unproven("the token is too long".into()));
        }
        let token =
            jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation).map_err(|e| Unproven(e.into()))?;
        if token.header.typ.as_deref() != Some("at+jwt") {
            return Err(Unproven("the token is not an access token".into()));
        }
        let claims = token.claims;
        let expires = UNIX_EPOCH
            .checked_add(Duration::from_secs(claims.exp))
            .ok_or_else(|| Unproven("the token never expires".into()))?;
        let principal = Principal {
            subject: claims.sub,
            display_name: claims.name,
            roles: claims.roles,
            tenants: claims.tenants,
            regions: claims.regions,
        };
        Ok((principal, expires))
    }

    fn known(&self, name: &str) -> Result<&Known, Unproven> {
        self.known.get(name).ok_or_else(|| Unproven(BoxError::from(format!("no identity named {name:?}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(seed: u8) -> DemoIssuer {
        let known = Known {
            name: "seattle".to_owned(),
            display_name: "Seattle store manager".to_owned(),
            roles: vec!["store_manager".to_owned()],
            tenants: vec![Uuid::nil()],
            regions: Vec::new(),
        };
        DemoIssuer::new(&[seed; 32], [known])
    }

    #[test]
    fn a_token_proves_what_the_issuer_knows() {
        let issuer = issuer(1);
        let token = issuer.issue("seattle", Duration::from_secs(60)).unwrap();
        assert_eq!(issuer.verify(&token).unwrap().0, issuer.local("seattle").unwrap());
    }

    /// Every forgery is refused with the same text.
    #[test]
    fn forgeries_are_refused() {
        let ours = issuer(1);
        let good = ours.issue("seattle", Duration::from_secs(60)).unwrap();
        let (head, rest) = good.split_once('.').unwrap();
        let (body, signature) = rest.split_once('.').unwrap();
        let b64 = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text);
        let past = ours.validation.leeway + 10;
        let expired = {
            let mut claims: Claims = jsonwebtoken::dangerous::insecure_decode(&good).unwrap().claims;
            claims.exp -= 60 + past;
            claims.nbf -= 60 + past;
            let mut header = Header::new(Algorithm::EdDSA);
            header.typ = Some("at+jwt".to_owned());
            jsonwebtoken::encode(&header, &claims, &ours.signing).unwrap()
        };
        let cases = [
            ("empty", String::new()),
            ("garbage", "a.b.c".to_owned()),
            ("another key", issuer(2).issue("seattle", Duration::from_secs(60)).unwrap()),
            ("no signature", format!("{head}.{body}.")),
            ("alg none", format!("{}.{body}.", b64(r#"{"alg":"none","typ":"at+jwt"}"#))),
            ("HMAC", format!("{}.{body}.{signature}", b64(r#"{"alg":"HS256","typ":"at+jwt"}"#))),
            ("another body", format!("{head}.{}.{signature}", b64(r#"{"sub":"head-office"}"#))),
            ("expired", expired),
            ("too long", "x".repeat(MAX_TOKEN + 1)),
        ];
        for (name, token) in cases {
            let refused = ours.verify(&token).expect_err(name);
            assert_eq!(refused.to_string(), "a valid bearer token is required", "{name}");
        }
    }
}

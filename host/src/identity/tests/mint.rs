//! Tokens, good and forged, and the keys that sign them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// A tenant of the tokens made here.
pub(super) const TENANT: &str = "6f1c2a5e-0000-4000-8000-000000000001";

/// A private key, with the name and the algorithm it is published under.
pub(super) struct Signer {
    key: EncodingKey,
    pub(super) algorithm: Algorithm,
    pub(super) id: &'static str,
}

// Made for these tests, used for nothing else.
const RSA_1: &[u8] = include_bytes!("rsa-1.pem");
const RSA_2: &[u8] = include_bytes!("rsa-2.pem");
const RSA_WEAK: &[u8] = include_bytes!("rsa-weak.pem");
const P256: &[u8] = include_bytes!("p256.pem");
const P384: &[u8] = include_bytes!("p384.pem");
const ED25519_PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

pub(super) fn rsa(id: &'static str) -> Signer {
    Signer { key: EncodingKey::from_rsa_pem(RSA_1).unwrap(), algorithm: Algorithm::RS256, id }
}

pub(super) fn other_rsa(id: &'static str) -> Signer {
    Signer { key: EncodingKey::from_rsa_pem(RSA_2).unwrap(), algorithm: Algorithm::RS256, id }
}

pub(super) fn weak_rsa(id: &'static str) -> Signer {
    Signer { key: EncodingKey::from_rsa_pem(RSA_WEAK).unwrap(), algorithm: Algorithm::RS256, id }
}

pub(super) fn p256(id: &'static str) -> Signer {
    Signer { key: EncodingKey::from_ec_pem(P256).unwrap(), algorithm: Algorithm::ES256, id }
}

pub(super) fn p384(id: &'static str) -> Signer {
    Signer { key: EncodingKey::from_ec_pem(P384).unwrap(), algorithm: Algorithm::ES384, id }
}

pub(super) fn ed25519(id: &'static str, seed: u8) -> Signer {
    let key = EncodingKey::from_ed_der(&[&ED25519_PKCS8[..], &[seed; 32]].concat());
    Signer { key, algorithm: Algorithm::EdDSA, id }
}

impl Signer {
    /// The public key, as its issuer publishes it.
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The header of a good token.
    pub(super) fn header(&self) -> Value {
        json!({ "alg": format!("{:?}", self.algorithm), "kid": self.id, "typ": "at+jwt" })
    }

    /// A token with this header and these claims, whatever they are.
    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub(super) fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", b64(header), b64(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// A good token with some claims changed; `null` takes one away.
    pub(super) fn token(&self, issuer: &str, changes: &Value) -> String {
        self.sign(&self.header(), &claims(issuer, changes))
    }
}

/// A token whose signature is HMAC-SHA-256 with this secret.
pub(super) fn hmac(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

/// The claims of a good token, with some changed.
pub(super) fn claims(issuer: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": issuer, "aud": "https://host.example/mcp", "sub": "ann", "jti": "token-1", "scope": "mcp:tools more",
        "iat": now(), "exp": now() + 300, "name": "Ann", "roles": ["store_manager"], "tenants": [TENANT],
        "regions": ["Here"],
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(super) fn b64(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

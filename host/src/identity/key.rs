//! An issuer's public key, and what it may be used for (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use super::strict;
use super::token::{self, MAX_NAME};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// Bits of an RSA modulus: RFC 7518, section 3.3 wants 2048; above 4096 a check takes so long that it invites abuse.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Keys one issuer may publish. Two or three are the rule; each is tried against nothing but its own id.
pub(super) const MAX_KEYS: usize = 100;

/// A public key.
pub(super) struct Key {
    id: String,
    key: DecodingKey,
    /// What it may be used with: one where the key says so, else whatever its type and the settings allow.
    algorithms: Vec<Algorithm>,
}

impl Key {
    /// A key of our own.
    pub(super) fn own(id: String, key: DecodingKey, algorithm: Algorithm) -> Self {
        Self { id, key, algorithms: vec![algorithm] }
    }

    /// Its name.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether it goes by this name.
    pub(super) fn is_called(&self, id: &str) -> bool {
        self.id == id
    }

    /// The key, if it may be used with this algorithm.
    pub(super) fn used_with(&self, algorithm: Algorithm) -> Option<&DecodingKey> {
        self.algorithms.contains(&algorithm).then_some(&self.key)
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a JWK Set that can verify a signature by one of the `allowed` algorithms. Others are left out: an
/// issuer may publish keys for other readers. Keys without an id are left out too, for a token could not name them.
///
/// # Errors
/// When it is no JWK Set, or a set of more keys than [`MAX_KEYS`].
pub(super) fn usable(set: &[u8], allowed: &[Algorithm]) -> Result<Vec<Key>, String> {
    let Some(Value::Array(keys)) = strict::object(set).and_then(|mut set| set.remove("keys")) else {
        return Err("its key set is not a JWK Set, or can be read in two ways".to_owned());
    };
    if keys.len() > MAX_KEYS {
        return Err(format!("its key set has {} keys, more than {MAX_KEYS}", keys.len()));
    }
    Ok(keys.into_iter().filter_map(|key| read(key, allowed)).collect())
}

fn read(key: Value, allowed: &[Algorithm]) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let signs = jwk.r#use.as_deref().is_none_or(|it| it == "sig")
        && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|it| it == "verify"));
    if !signs || jwk.kid.len() > MAX_NAME {
        return None;
    }
    let (key, fits) = material(&jwk)?;
    let mut algorithms: Vec<Algorithm> = fits.iter().copied().filter(|it| allowed.contains(it)).collect();
    if let Some(named) = &jwk.alg {
        let named = token::asymmetric(named)?;
        algorithms.retain(|it| *it == named);
    }
    (!algorithms.is_empty()).then_some(Key { id: jwk.kid, key, algorithms })
}

/// The key itself, and the algorithms its type fits.
fn material(jwk: &Jwk) -> Option<(DecodingKey, &'static [Algorithm])> {
    use Algorithm::*;
    let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let (n, e) = (bytes(&jwk.n)?, bytes(&jwk.e)?);
            // A leading zero is not minimal, yet some issuers write one.
            let n = n.strip_prefix(&[0]).unwrap_or(&n);
            let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
            // 65537 has three bytes; a longer exponent is legal, unheard of, and slow.
            let odd = e.len() <= 4 && e != [1] && e.last()? & 1 == 1;
            (RSA_BITS.contains(&bits) && odd)
                .then(|| DecodingKey::from_rsa_raw_components(n, &e))
                .map(|key| (key, &[RS256, RS384, RS512, PS256, PS384, PS512][..]))
        }
        ("EC", Some("P-256")) => curve(jwk, 32).map(|key| (key, &[ES256][..])),
        ("EC", Some("P-384")) => curve(jwk, 48).map(|key| (key, &[ES384][..])),
        ("OKP", Some("Ed25519")) => {
            let x = bytes(&jwk.x).filter(|x| x.len() == 32)?;
            Some((DecodingKey::from_ed_der(&x), &[EdDSA]))
        }
        _ => None,
    }
}

/// A point on a curve whose coordinates have `size` bytes (RFC 7518, section 6.2.1.2).
fn curve(jwk: &Jwk, size: usize) -> Option<DecodingKey> {
    let coordinate =
        |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok().filter(|it| it.len() == size);
    // SEC 1, section 2.3.3: an uncompressed point.
    Some(DecodingKey::from_ec_der(&[&[4][..], &coordinate(&jwk.x)?, &coordinate(&jwk.y)?].concat()))
}

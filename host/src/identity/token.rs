//! A JSON Web Token in compact form (RFC 7515, section 7.1; RFC 7519), read but not believed.

use super::strict;
use super::unproven::{Reason, Unproven};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

/// The longest token looked at, in bytes. HTTP servers commonly bound a header at 8 KiB; parsing is not for free.
const MAX_TOKEN: usize = 8 << 10;

/// The longest name a token may carry (`sub`, `jti`, `kid`, a role, a region, a scope), in bytes.
pub(super) const MAX_NAME: usize = 256;

/// The parts of a token. Its signature was not checked.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// What is signed.
    message: &'a str,
    signature: &'a str,
    /// How it says it is signed.
    pub(super) algorithm: Algorithm,
    /// The key it says it is signed with.
    pub(super) key_id: Option<String>,
    /// What kind of token it says it is (`typ`).
    kind: Option<String>,
    claims: Map<String, Value>,
}

impl<'a> Token<'a> {
    /// Take a token apart.
    ///
    /// Members that carry or point to a key (`jwk`, `jku`, `x5c`, `x5u`) are not looked at: keys come from the issuer.
    pub(super) fn read(text: &'a str) -> Result<Self, Unproven> {
        let malformed = |what: &str| Unproven::new(Reason::Malformed, what);
        if text.len() > MAX_TOKEN {
            return Err(Unproven::new(Reason::TooLong, format!("more than {MAX_TOKEN} bytes")));
        }
        let (message, signature) = text.rsplit_once('.').ok_or_else(|| malformed("not a JWT"))?;
        let (header, claims) = message.split_once('.').ok_or_else(|| malformed("not a JWT"))?;
        // Five parts would be an encrypted token (RFC 7516): the '.' is not base64url.
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| strict::object(&bytes));
        let header = part(header).ok_or_else(|| malformed("the header cannot be read, or in two ways"))?;
        let claims = part(claims).ok_or_else(|| malformed("the claims cannot be read, or in two ways"))?;
        let kind = match header.get("typ") {
            None => None,
            Some(Value::String(kind)) => Some(kind.clone()),
            Some(_) => return Err(malformed("`typ` is not a string")),
        };
        // RFC 7515, section 4.1.11: what must be understood and is not. We understand no extension.
        if header.contains_key("crit") {
            return Err(malformed("`crit` asks for an extension"));
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(asymmetric);
        let algorithm = algorithm
            .ok_or_else(|| Unproven::new(Reason::WrongAlgorithm, "`alg` is no asymmetric algorithm known here"))?;
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= MAX_NAME => Some(id.clone()),
            Some(_) => return Err(malformed("`kid` is not a short string")),
        };
        Ok(Self { message, signature, algorithm, key_id, kind, claims })
    }

    /// Whether this is an access token: of one of these kinds (`typ`; an empty one is a token without), and with none of
    /// the marks of an ID token, for an issuer may give both the same kind.
    pub(super) fn is_access_token(&self, kinds: &[String]) -> Result<(), Unproven> {
        // RFC 7515, section 4.1.9: letter case means nothing, and `application/` may be left out.
        let bare = |kind: &str| kind.to_ascii_lowercase().trim_start_matches("application/").to_owned();
        let kind = bare(self.kind.as_deref().unwrap_or_default());
        if !kinds.iter().any(|known| bare(known) == kind) {
            return Err(Unproven::new(Reason::NotAccessToken, format!("`typ` is none of {kinds:?}")));
        }
        // OpenID Connect Core, section 3.3.2.11: hashes of what came beside it. Keycloak writes `typ` in the claims.
        let id_token = ["at_hash", "c_hash"].iter().any(|claim| self.claims.contains_key(*claim))
            || self.claims.get("typ").is_some_and(|kind| kind == "ID");
        match id_token {
            true => Err(Unproven::new(Reason::NotAccessToken, "its claims are those of an ID token")),
            false => Ok(()),
        }
    }

    /// Whether this key made the signature, with the algorithm the token names. That the key may be used with it is
    /// the caller's to know.
    pub(super) fn is_signed_by(&self, key: &DecodingKey) -> bool {
        let verified = jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), key, self.algorithm);
        verified.unwrap_or(false)
    }

    /// A claim by its name, or by a path with dots where no claim has that name.
    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        let path = || {
            let (first, rest) = name.split_once('.')?;
            rest.split('.').try_fold(self.claims.get(first)?, |inside, step| inside.get(step))
        };
        self.claims.get(name).or_else(path)
    }

    /// A claim that must be there and be a name.
    pub(super) fn name(&self, claim: &str) -> Result<&str, Unproven> {
        let name = self.claim(claim).and_then(Value::as_str).filter(|name| is_name(name));
        name.ok_or_else(|| bad(claim, "must be a string of 1 to 256 bytes without control characters"))
    }

    /// A point in time, in seconds since 1970, where the claim is there. Whole seconds only: RFC 7519 allows
    /// fractions, no issuer known to us writes them.
    pub(super) fn time(&self, claim: &str) -> Result<Option<u64>, Unproven> {
        let time = |it: &Value| it.as_u64().ok_or_else(|| bad(claim, "must be a whole number of seconds"));
        self.claim(claim).map(time).transpose()
    }

    /// A list of at most `most` names; one string is a list of one. Absent: empty.
    pub(super) fn names(&self, claim: &str, most: usize) -> Result<Vec<String>, Unproven> {
        let items = match self.claim(claim) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        if items.len() > most {
            return Err(bad(claim, &format!("has more than {most} entries")));
        }
        let name = |it: &Value| it.as_str().filter(|it| is_name(it)).map(str::to_owned);
        items.iter().map(name).collect::<Option<_>>().ok_or_else(|| bad(claim, "must be a list of short strings"))
    }
}

/// Whether this is fit to be a name: not empty, short, and safe in a log line.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME && !text.contains(char::is_control)
}

/// A claim that refuses its token.
pub(super) fn bad(claim: &str, what: &str) -> Unproven {
    Unproven::new(Reason::BadClaim, format!("`{claim}` {what}"))
}

/// An algorithm by its name in a token or a key. `none` and HMAC do not exist here. `Ed25519` is the name RFC 9864
/// gives to what RFC 8037 called `EdDSA` on that curve.
pub(super) fn asymmetric(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" | "Ed25519" => Algorithm::EdDSA,
        _ => return None,
    })
}

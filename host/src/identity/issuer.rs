//! What makes an issuer's token a proof: the checks of RFC 9068, section 4 and RFC 8725.

use super::key::Key;
use super::keyset::{KeySet, Pace};
use super::source::Source;
use super::token::{Token, bad, is_name};
use super::unproven::{Reason, Unproven};
use super::{Error, Principal};
use crate::config;
use jsonwebtoken::Algorithm;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// How much one token may carry. A principal is compared, hashed and shown to the policy on each call.
const MAX_ROLES: usize = 100;
const MAX_TENANTS: usize = 1_000;
const MAX_REGIONS: usize = 100;
const MAX_SCOPES: usize = 100;

/// Clocks further apart than this are broken, not different.
const MAX_LEEWAY: u64 = 300;

/// Someone whose tokens are believed, and how far.
pub(super) struct Issuer {
    name: String,
    audiences: Vec<String>,
    types: Vec<String>,
    leeway: u64,
    longest: Option<u64>,
    claims: config::Claims,
    keys: Keys,
}

enum Keys {
    Own(Vec<Key>),
    Published(Arc<KeySet>),
}

/// What a token proves.
pub(super) struct Grant {
    /// Who.
    pub(super) principal: Principal,
    /// Until when it is accepted: its end and what two clocks may differ by.
    pub(super) until: SystemTime,
    /// Which token of its issuer this is (`jti`).
    pub(super) id: String,
    /// The key of ours it is signed with, if it is of our own issuer.
    pub(super) own_key: Option<String>,
}

impl Issuer {
    /// An issuer as the settings describe it. `resource` is this host's own URL, the audience of tokens for it.
    ///
    /// # Errors
    /// A setting that cannot be used.
    pub(super) fn configured(settings: &config::Issuer, resource: &str, pace: Pace) -> Result<Self, Error> {
        let about = |what: &str| Error(format!("identity.issuers: {}: {what}", settings.url));
        if settings.algorithms.is_empty() {
            return Err(about("algorithms is empty; name at least one, such as \"RS256\""));
        }
        if settings.leeway_seconds > MAX_LEEWAY {
            return Err(about("leeway_seconds is more than 300; set the clocks instead"));
        }
        if settings.types.is_empty() {
            return Err(about("types is empty; leave it out for \"at+jwt\", or name what its tokens carry in `typ`"));
        }
        if settings.claims.id.is_empty() {
            return Err(about("claims.id is empty; without a name a token could not be taken back"));
        }
        let audiences = match settings.audiences.as_slice() {
            [] => vec![resource.to_owned()],
            some => some.to_vec(),
        };
        if audiences.iter().any(String::is_empty) {
            return Err(about("an audience is empty; write what its tokens carry in `aud`"));
        }
        let algorithms = settings.algorithms.iter().copied().map(algorithm).collect();
        Ok(Self {
            name: settings.url.clone(),
            audiences,
            types: settings.types.clone(),
            leeway: settings.leeway_seconds,
            longest: settings.max_token_seconds,
            claims: settings.claims.clone(),
            keys: Keys::Published(Arc::new(KeySet::new(Source::new(settings, algorithms)?, pace))),
        })
    }

    /// The host's own issuer.
    pub(super) fn own(name: &str, audience: &str, leeway: u64, keys: Vec<Key>) -> Self {
        Self {
            name: name.to_owned(),
            audiences: vec![audience.to_owned()],
            types: config::usual_types(),
            leeway,
            longest: None,
            claims: config::Claims::default(),
            keys: Keys::Own(keys),
        }
    }

    /// The `iss` of its tokens.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where its keys are published, if they are.
    pub(super) fn published(&self) -> Option<Arc<KeySet>> {
        match &self.keys {
            Keys::Published(keys) => Some(Arc::clone(keys)),
            Keys::Own(_) => None,
        }
    }

    /// Seconds its clock and ours may disagree.
    pub(super) fn leeway(&self) -> u64 {
        self.leeway
    }

    /// What a token of this issuer proves. Its `iss` was matched already; nothing else of it is believed before the
    /// signature is checked.
    pub(super) async fn prove(&self, token: &Token<'_>, now: SystemTime) -> Result<Grant, Unproven> {
        // RFC 9068, section 4: an ID token of the same issuer for the same audience is not a key to the door.
        token.is_access_token(&self.types)?;
        let own_key = match &self.keys {
            Keys::Published(keys) => {
                keys.check(token).await?;
                None
            }
            Keys::Own(keys) => {
                let public = |key| Some((key, Key::used_with(key, token.algorithm)?));
                let mut fit = keys.iter().filter_map(public).peekable();
                if fit.peek().is_none() {
                    return Err(Unproven::new(Reason::WrongAlgorithm, "not what our own key is for"));
                }
                let signer = fit.find(|(_, public)| token.is_signed_by(public));
                let foreign = || Unproven::new(Reason::BadSignature, "not made by our own key");
                Some(signer.ok_or_else(foreign)?.0.id().to_owned())
            }
        };
        self.is_for_us(token)?;
        let until = self.is_valid_at(token, now)?;
        let id = token.name(&self.claims.id)?.to_owned();
        Ok(Grant { principal: self.principal(token)?, until, id, own_key })
    }

    /// Whether this is one of our own keys.
    pub(super) fn has_own(&self, key: &str) -> bool {
        matches!(&self.keys, Keys::Own(keys) if keys.iter().any(|own| own.id() == key))
    }

    /// `aud` is one string or a list (RFC 7519, section 4.1.3).
    fn is_for_us(&self, token: &Token<'_>) -> Result<(), Unproven> {
        let ours = |it: &Value| it.as_str().is_some_and(|it| self.audiences.iter().any(|ours| ours == it));
        let meant = match token.claim("aud") {
            Some(Value::Array(several)) => several.iter().all(Value::is_string) && several.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        };
        match meant {
            true => Ok(()),
            false => Err(Unproven::new(Reason::WrongAudience, format!("`aud` is none of {:?}", self.audiences))),
        }
    }

    /// Until when it is accepted, if it has begun and not ended.
    fn is_valid_at(&self, token: &Token<'_>, now: SystemTime) -> Result<SystemTime, Unproven> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let needed = |claim: &str| token.time(claim)?.ok_or_else(|| bad(claim, "is absent"));
        // RFC 9068, section 2.2 requires both.
        let (expires, issued) = (needed("exp")?, needed("iat")?);
        if expires.saturating_add(self.leeway) <= now {
            return Err(Unproven::new(Reason::Expired, format!("{} seconds ago", now - expires)));
        }
        let soonest = now.saturating_add(self.leeway);
        if issued > soonest || token.time("nbf")?.is_some_and(|begins| begins > soonest) {
            return Err(Unproven::new(Reason::NotYetValid, "issued or valid from a time to come; compare the clocks"));
        }
        if self.longest.is_some_and(|longest| expires.saturating_sub(issued) > longest) {
            return Err(Unproven::new(Reason::LivesTooLong, "longer than max_token_seconds"));
        }
        let until = Duration::from_secs(expires.saturating_add(self.leeway));
        UNIX_EPOCH.checked_add(until).ok_or_else(|| bad("exp", "is beyond the calendar"))
    }

    fn principal(&self, token: &Token<'_>) -> Result<Principal, Unproven> {
        let subject = token.name("sub")?;
        let display_name = match token.claim(&self.claims.name) {
            Some(_) => token.name(&self.claims.name)?,
            None => subject,
        };
        let tenants = token.names(&self.claims.tenants, MAX_TENANTS)?;
        let tenants = tenants.iter().map(|it| Uuid::try_parse(it)).collect::<Result<_, _>>();
        Ok(Principal {
            issuer: self.name.clone(),
            subject: subject.to_owned(),
            display_name: display_name.to_owned(),
            roles: token.names(&self.claims.roles, MAX_ROLES)?,
            tenants: tenants.map_err(|_| bad(&self.claims.tenants, "must be a list of UUIDs"))?,
            regions: token.names(&self.claims.regions, MAX_REGIONS)?,
            scopes: scopes(token)?,
        })
    }
}

/// `scope` is one string with spaces (RFC 8693, section 4.2); some issuers write `scp`, as a list or the same way.
fn scopes(token: &Token<'_>) -> Result<Vec<String>, Unproven> {
    let (claim, value) = match (token.claim("scope"), token.claim("scp")) {
        (Some(scope), _) => ("scope", scope),
        (None, Some(scp)) => ("scp", scp),
        (None, None) => return Ok(Vec::new()),
    };
    let Value::String(text) = value else {
        return match claim {
            "scp" => token.names(claim, MAX_SCOPES),
            _ => Err(bad(claim, "must be one string")),
        };
    };
    let scopes: Vec<String> = text.split(' ').filter(|it| !it.is_empty()).map(str::to_owned).collect();
    match scopes.len() <= MAX_SCOPES && scopes.iter().all(|it| is_name(it)) {
        true => Ok(scopes),
        false => Err(bad(claim, "must be at most 100 short names")),
    }
}

fn algorithm(configured: config::Algorithm) -> Algorithm {
    match configured {
        config::Algorithm::RS256 => Algorithm::RS256,
        config::Algorithm::RS384 => Algorithm::RS384,
        config::Algorithm::RS512 => Algorithm::RS512,
        config::Algorithm::PS256 => Algorithm::PS256,
        config::Algorithm::PS384 => Algorithm::PS384,
        config::Algorithm::PS512 => Algorithm::PS512,
        config::Algorithm::ES256 => Algorithm::ES256,
        config::Algorithm::ES384 => Algorithm::ES384,
        config::Algorithm::EdDSA => Algorithm::EdDSA,
    }
}

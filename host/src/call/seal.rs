//! What lasts from one round of a call to the next, in the hands of a client: sealed, so that it can neither be read nor
//! changed, and bound, so that it opens for the same caller, the same item of the same component, the same arguments and
//! the same tenants only, and not for long (MCP 2026-07-28, multi round-trip requests, "Server Requirements").
//!
//! Sealed with AES-256-GCM. The key follows from the ticket key, which all hosts of a database share: the next round may
//! come to another one.

use crate::error::{BoxError, CallError, Code};
use crate::identity::Principal;
use crate::keys::{Key, Keys};
use arc_swap::ArcSwap;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// What a sealed state begins with: the first form there is.
const FORM: &str = "rh1.";

/// How long a person may take to answer. A form that lay open longer is asked again from the start.
const LIFETIME: Duration = Duration::from_secs(600);

/// Seals and opens. One for the whole process.
pub struct Seal(ArcSwap<Vec<LessSafeKey>>);

/// What a round left for the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Rounds there have been.
    pub(super) rounds: u32,
    /// The plugin's own state.
    pub(super) state: Option<String>,
}

impl Seal {
    /// Seal with these keys, and open what the ones before sealed while their grace lasts.
    ///
    /// # Errors
    /// Where the cipher takes no key.
    pub fn new(keys: &Keys) -> Result<Self, BoxError> {
        Ok(Self(ArcSwap::from_pointee(derive(keys)?)))
    }

    /// Go on with other keys.
    ///
    /// # Errors
    /// As [`Seal::new`]; the keys there were stay.
    pub fn set_keys(&self, keys: &Keys) -> Result<(), BoxError> {
        self.0.store(derive(keys)?.into());
        Ok(())
    }

    /// Seal what a round left, bound to the call.
    ///
    /// # Errors
    /// Where the machine gives no randomness.
    pub(super) fn seal(&self, kept: &Kept, binding: &[u8]) -> Result<String, CallError> {
        let until = SystemTime::now() + LIFETIME;
        let mut body = seconds(until).to_be_bytes().to_vec();
        body.extend(kept.rounds.to_be_bytes());
        body.push(u8::from(kept.state.is_some()));
        body.extend(kept.state.as_deref().unwrap_or_default().as_bytes());
        // Random, and never used twice: 2^32 states under one key are far beyond what ten minutes can hold.
        let nonce: [u8; NONCE_LEN] = rand::random();
        let keys = self.0.load();
        let key = keys.first().ok_or_else(|| CallError::internal("no key to seal with"))?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(binding), &mut body)
            .map_err(|_| CallError::internal("a state could not be sealed"))?;
        Ok(format!("{FORM}{}", BASE64_URL_SAFE_NO_PAD.encode([nonce.as_slice(), &body].concat())))
    }

    /// What the round before left.
    ///
    /// # Errors
    /// [`Code::RequestState`], one text for whatever is wrong.
    pub(super) fn open(&self, sealed: &str, binding: &[u8]) -> Result<Kept, CallError> {
        self.opened(sealed, binding).ok_or_else(|| {
            let text = "the request state was changed, is too old or belongs to another call; begin again without it";
            CallError::new(Code::RequestState, text)
        })
    }

    fn opened(&self, sealed: &str, binding: &[u8]) -> Option<Kept> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed.strip_prefix(FORM)?).ok()?;
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().ok()?;
        let body = self.0.load().iter().find_map(|key| {
            let mut body = body.to_vec();
            let plain = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(binding), &mut body).ok()?;
            Some(plain.to_vec())
        })?;
        let (until, body) = body.split_first_chunk::<8>()?;
        let (rounds, body) = body.split_first_chunk::<4>()?;
        let (there, state) = body.split_first()?;
        if u64::from_be_bytes(*until) < seconds(SystemTime::now()) {
            return None;
        }
        let state = (*there == 1).then(|| String::from_utf8(state.to_vec())).transpose().ok()?;
        Some(Kept { rounds: u32::from_be_bytes(*rounds), state })
    }
}

/// What a state is bound to. Each part has its length before it, so that no two calls share a binding.
pub(super) fn binding(
    who: &Principal,
    digest: &str,
    item: &str,
    arguments: &str,
    tenants: Option<&[Uuid]>,
) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for text in [who.issuer(), who.subject(), digest, item, arguments] {
        part(text.as_bytes());
    }
    part(&[u8::from(tenants.is_some())]);
    tenants.unwrap_or_default().iter().for_each(|tenant| part(tenant.as_bytes()));
    hash.finalize().into()
}

/// A key for nothing else, from the ticket key and the one before it.
fn derive(keys: &Keys) -> Result<Vec<LessSafeKey>, BoxError> {
    let one = |key: &Key| -> Result<LessSafeKey, BoxError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret())?;
        mac.update(b"rowhouse request state 1");
        let derived = mac.finalize().into_bytes();
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &derived).map_err(|_| "a key of another length")?))
    };
    [Some(&keys.ticket), keys.ticket_previous.as_ref()].into_iter().flatten().map(one).collect()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;

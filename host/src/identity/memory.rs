//! Proofs that were verified, remembered for a while: checking one costs a tenth of a call, an API key's far more.

use super::Principal;
use super::api_key::Entry;
use super::revoked::Mark;
use moka::Expiry;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Bytes of proofs remembered at once. A usual one takes a kilobyte; callers beyond it only pay for the check again.
const REMEMBERED: u64 = 32 << 20;

/// How long a token is remembered. A minute later it is checked again, so a signing key that was withdrawn is believed
/// for no more than that after the host has heard of it.
const TOKEN: Duration = Duration::from_secs(60);

/// How long an API key is remembered after it was last used. What it proves is compared with the table at each use, so
/// forgetting it makes nothing safer; it would only send its caller back among those who guess.
const API_KEY: Duration = Duration::from_secs(60 * 60);

/// A proof that was verified.
pub(super) struct Proved {
    pub(super) principal: Principal,
    /// When it ends by itself.
    pub(super) until: Option<SystemTime>,
    pub(super) basis: Basis,
    /// Bytes it takes, more or less.
    pub(super) weight: u32,
}

/// What a proof stands on: what is looked at again each time.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Basis {
    /// A token that may be taken back.
    Token(Mark),
    /// The same, of our own issuer: signed with the key of this name.
    Own(Mark, String),
    /// An API key, by its id, as the table had it.
    ApiKey(String, Arc<Entry>),
}

/// What is remembered, by SHA-256 of the proof, so that the proof itself is kept nowhere.
pub(super) struct Memory(Cache<[u8; 32], Arc<Proved>>);

impl Memory {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(REMEMBERED)
            .weigher(|_, proved: &Arc<Proved>| proved.weight)
            .expire_after(Terms)
            .build();
        Self(cache)
    }

    /// What this text proved, if it did so lately and has not ended.
    pub(super) fn recall(&self, text: &str, now: SystemTime) -> Option<Arc<Proved>> {
        self.0.get(&digest(text)).filter(|proved| proved.until.is_none_or(|end| end > now))
    }

    /// Remember what this text proved.
    pub(super) fn keep(&self, text: &str, proved: Proved) -> Arc<Proved> {
        let proved = Arc::new(proved);
        self.0.insert(digest(text), Arc::clone(&proved));
        proved
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// How long each kind is remembered.
struct Terms;

impl Expiry<[u8; 32], Arc<Proved>> for Terms {
    fn expire_after_create(&self, _: &[u8; 32], proved: &Arc<Proved>, _: Instant) -> Option<Duration> {
        Some(match proved.basis {
            Basis::Token(_) | Basis::Own(..) => TOKEN,
            Basis::ApiKey(..) => API_KEY,
        })
    }

    fn expire_after_read(
        &self,
        _: &[u8; 32],
        proved: &Arc<Proved>,
        _: Instant,
        left: Option<Duration>,
        _: Instant,
    ) -> Option<Duration> {
        match proved.basis {
            // A use does not put off the next check of a signature.
            Basis::Token(_) | Basis::Own(..) => left,
            Basis::ApiKey(..) => Some(API_KEY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::api_key;
    use super::*;

    #[test]
    fn a_use_keeps_an_api_key_and_no_token() {
        let (now, left) = (Instant::now(), Some(Duration::from_secs(1)));
        let check = |basis: Basis, first: Duration, used: Option<Duration>| {
            let entry = api_key::tests::entry("x", None);
            let proved = Arc::new(Proved { principal: entry.principal, until: None, basis, weight: 1 });
            assert_eq!(Terms.expire_after_create(&[0; 32], &proved, now), Some(first));
            assert_eq!(Terms.expire_after_read(&[0; 32], &proved, now, left, now), used);
        };
        check(Basis::Token(1), TOKEN, left);
        check(Basis::Own(1, "k".to_owned()), TOKEN, left);
        let entry = Arc::new(api_key::tests::entry("x", None));
        check(Basis::ApiKey("id".to_owned(), entry), API_KEY, Some(API_KEY));
    }
}

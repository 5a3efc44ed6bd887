//! API keys, for callers without an identity provider.
//!
//! A key reads `rh_<id>_<secret>`. It is shown once; the database keeps Argon2id of the secret, so that a stolen copy
//! of the table opens nothing. What a key may do is fixed when it is made: it is a principal like any other.

mod books;

pub use books::{Created, Listed, New, create, list, revoke};

use super::Principal;
use super::copy::{Changes, Copy, Table};
use super::unproven::{Reason, Unproven};
use crate::clerk::{Clerk, Topic};
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::Semaphore;
use tokio_postgres::Client;

/// The issuer of a principal that an API key proved.
pub const ISSUER: &str = "rowhouse-keys";

/// How a key begins, so that a scanner for lost secrets can know it.
const PREFIX: &str = "rh_";

/// Letters of an id: 71 bits, so that two never meet.
const ID: usize = 12;

/// Letters of a secret, of 62: 256 bits.
const SECRET: usize = 43;

/// Keys in force at once. Some 600 bytes each; beyond it no key is believed, for which would be left out?
const MAX_KEYS: usize = 10_000;

/// Argon2id as the OWASP Password Storage Cheat Sheet asks at least: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Secrets checked at once, 19 MiB and a core each, and how many more may wait for their turn.
const AT_ONCE: usize = 2;
const WAITING: usize = 64;

/// What a secret is checked against where there is no such key, so that the answer takes as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IG5vYm9keSBubw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A key in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) principal: Principal,
    hash: String,
    pub(super) expires: Option<SystemTime>,
}

/// The keys in force, by id; nothing where there are too many to hold.
pub(super) struct Entries(Option<HashMap<String, Arc<Entry>>>);

impl Table for Entries {
    const TOPIC: Topic = Topic::ApiKeys;

    async fn read(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let select = "SELECT id, hash, display_name, roles, tenants, regions, scopes, expires_at FROM rowhouse.api_keys
                      WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) LIMIT $1";
        let bound = i64::try_from(MAX_KEYS + 1).unwrap_or(i64::MAX);
        let rows = client.query(select, &[&bound]).await?;
        let entry = |row: &tokio_postgres::Row| -> Result<_, tokio_postgres::Error> {
            let id: String = row.try_get(0)?;
            let principal = Principal {
                issuer: ISSUER.to_owned(),
                subject: format!("key:{id}"),
                display_name: row.try_get(2)?,
                roles: row.try_get(3)?,
                tenants: row.try_get(4)?,
                regions: row.try_get(5)?,
                scopes: row.try_get(6)?,
            };
            Ok((id, Entry { principal, hash: row.try_get(1)?, expires: row.try_get(7)? }))
        };
        Ok(Self::new(rows.iter().map(entry).collect::<Result<_, _>>()?))
    }
}

impl Entries {
    pub(super) fn new(entries: Vec<(String, Entry)>) -> Self {
        if entries.len() > MAX_KEYS {
            tracing::error!(bound = MAX_KEYS, "more API keys are in force than this host can hold; none is believed");
            return Self(None);
        }
        let sound = entries.into_iter().filter(|(id, entry)| {
            let sound = is_bounded(&entry.hash);
            if !sound {
                tracing::warn!(id, "the hash of an API key is not one this host makes; the key is not believed");
            }
            sound
        });
        Self(Some(sound.map(|(id, entry)| (id, Arc::new(entry))).collect()))
    }
}

/// Whether checking against this hash takes no more than ours do.
fn is_bounded(hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    let Ok(params) = Params::try_from(&hash) else { return false };
    hash.algorithm == argon2::ARGON2ID_IDENT
        && params.m_cost() <= MEMORY_KIB
        && params.t_cost() <= PASSES
        && params.p_cost() <= LANES
}

/// The two parts of a key, if it has the form of one.
pub(super) fn parts(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let letters = |text: &str, count: usize| text.len() == count && text.bytes().all(|it| it.is_ascii_alphanumeric());
    (letters(id, ID) && letters(secret, SECRET)).then_some((id, secret))
}

/// Whether this is meant to be an API key.
pub(super) fn is_meant(token: &str) -> bool {
    // A JWT begins with a base64url `{`, never with these letters.
    token.starts_with(PREFIX)
}

/// Verifies keys.
pub(super) struct ApiKeys {
    entries: Copy<Entries>,
    /// Everyone who is in here, waiting or not.
    doors: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl ApiKeys {
    pub(super) fn follow(clerk: Clerk) -> Self {
        Self::over(Copy::follow(clerk))
    }

    pub(super) fn over(entries: Copy<Entries>) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { entries, doors: semaphore(AT_ONCE + WAITING), turns: semaphore(AT_ONCE) }
    }

    /// Word of newer tables.
    pub(super) fn changes(&self) -> Changes<Entries> {
        self.entries.changes()
    }

    /// The key in force with this id and secret. An id that does not exist costs what a wrong secret costs.
    pub(super) async fn prove(&self, token: &str) -> Result<(String, Arc<Entry>), Unproven> {
        let malformed = || Unproven::new(Reason::Malformed, "not in the form of an API key");
        let (id, secret) = parts(token).ok_or_else(malformed)?;
        let busy = |_| Unproven::new(Reason::Busy, "too many API keys are being checked");
        let door = Arc::clone(&self.doors).try_acquire_owned().map_err(busy)?;
        let entries = self.entries().await?;
        let entry = entries.get(id).cloned();
        let hash = entry.as_ref().map_or(NOBODY, |entry| &entry.hash).to_owned();
        let secret = secret.to_owned();
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let fits = tokio::task::spawn_blocking(move || {
            // Given back when the work is done, not when its caller leaves.
            let _held = (door, turn);
            verify(&secret, &hash)
        });
        let fits = fits.await.unwrap_or(false);
        match entry.filter(|entry| fits && !is_over(entry)) {
            Some(entry) => Ok((id.to_owned(), entry)),
            None => Err(wrong()),
        }
    }

    /// Whether a key that was proved before is still in force, and still means the same.
    pub(super) async fn check(&self, id: &str, proved: &Entry) -> Result<(), Unproven> {
        match self.entries().await?.get(id) {
            Some(entry) if **entry == *proved && !is_over(entry) => Ok(()),
            _ => Err(wrong()),
        }
    }

    async fn entries(&self) -> Result<EntriesById, Unproven> {
        let unknown = |what: &str| Unproven::new(Reason::ApiKeysUnknown, what);
        let entries = self.entries.now().await.ok_or_else(|| unknown("the host's own tables were not read lately"))?;
        match entries.0 {
            Some(_) => Ok(EntriesById(entries)),
            None => Err(unknown("there are more than this host holds")),
        }
    }
}

/// The entries, known to be there.
struct EntriesById(Arc<Entries>);

impl EntriesById {
    fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        self.0.0.as_ref()?.get(id)
    }
}

fn wrong() -> Unproven {
    Unproven::new(Reason::WrongApiKey, "no such key in force, or another secret")
}

fn is_over(entry: &Entry) -> bool {
    entry.expires.is_some_and(|expires| expires <= SystemTime::now())
}

fn argon2id() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("constants within the bounds of Argon2");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(secret: &str) -> Result<String, argon2::password_hash::Error> {
    let mut salt = [0u8; 16];
    rand::fill(&mut salt);
    Ok(argon2id().hash_password(secret.as_bytes(), &SaltString::encode_b64(&salt)?)?.to_string())
}

fn verify(secret: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon2id().verify_password(secret.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
pub(super) mod tests;

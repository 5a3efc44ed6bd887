//! Vectors that were made before: in memory, and in Redis where hosts share one.
//!
//! Kept by model, account and text. By account, because whether a text is found here can be timed: nobody learns what
//! another tenant asked. Keys are digests, so that no text is in Redis; a vector says roughly what its text was about,
//! and whoever reads that Redis is the operator's to choose.

use crate::commons::{BadAddress, Commons};
use moka::sync::Cache as Memory;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bytes an entry takes besides its numbers.
const ENTRY: usize = 128;

/// Names a text of an account under a model.
pub(super) type Key = [u8; 32];

/// Both caches.
pub(super) struct Cache {
    memory: Memory<Key, Arc<[f32]>>,
    shared: Option<Shared>,
    hits: AtomicU64,
    misses: AtomicU64,
}

struct Shared {
    commons: Commons,
    life: u64,
}

/// The key of a text. Lengths first: no two inputs read alike.
pub(super) fn key(fingerprint: &str, account: &str, text: &str) -> Key {
    let mut hash = Sha256::new();
    for part in [fingerprint, account, text] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

impl Cache {
    /// # Errors
    /// [`BadAddress`].
    pub(super) fn new(bytes: u64, life: Duration, redis: Option<&SecretString>) -> Result<Self, BadAddress> {
        let weight = |_: &Key, vector: &Arc<[f32]>| u32::try_from(vector.len() * 4 + ENTRY).unwrap_or(u32::MAX);
        let memory = Memory::builder().max_capacity(bytes).weigher(weight).time_to_live(life).build();
        let commons = redis.map(|url| Commons::new(url, "embedding.redis", "vectors")).transpose()?;
        let shared = commons.map(|commons| Shared { commons, life: life.as_secs().max(1) });
        Ok(Self { memory, shared, hits: AtomicU64::new(0), misses: AtomicU64::new(0) })
    }

    /// What is known of these texts, in their order.
    pub(super) async fn get(&self, keys: &[Key], dimensions: usize) -> Vec<Option<Arc<[f32]>>> {
        let mut found: Vec<Option<Arc<[f32]>>> = keys.iter().map(|key| self.memory.get(key)).collect();
        let missing: Vec<usize> = (0..keys.len()).filter(|at| found[*at].is_none()).collect();
        if let Some(shared) = self.shared.as_ref().filter(|_| !missing.is_empty()) {
            let asked: Vec<&Key> = missing.iter().map(|at| &keys[*at]).collect();
            for (at, vector) in missing.iter().zip(shared.get(&asked, dimensions).await) {
                if let Some(vector) = vector {
                    self.memory.insert(keys[*at], Arc::clone(&vector));
                    found[*at] = Some(vector);
                }
            }
        }
        let hits = found.iter().flatten().count() as u64;
        self.hits.fetch_add(hits, Ordering::Relaxed);
        self.misses.fetch_add(keys.len() as u64 - hits, Ordering::Relaxed);
        found
    }

    /// Keep what was made.
    pub(super) async fn put(&self, made: &[(Key, Arc<[f32]>)]) {
        for (key, vector) in made {
            self.memory.insert(*key, Arc::clone(vector));
        }
        if let Some(shared) = &self.shared {
            shared.put(made).await;
        }
    }

    /// Texts that were found, and that were not, since the start.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

impl Shared {
    fn name(key: &Key) -> String {
        format!("rowhouse:embedding:{}", hex::encode(key))
    }

    /// Nothing where it is away, or holds something else.
    async fn get(&self, keys: &[&Key], dimensions: usize) -> Vec<Option<Arc<[f32]>>> {
        let names: Vec<String> = keys.iter().map(|key| Self::name(key)).collect();
        let mut pipe = redis::pipe();
        pipe.mget(names);
        match self.commons.ask::<(Vec<Option<Vec<u8>>>,)>(&pipe).await {
            Some((found,)) => found.into_iter().map(|bytes| unpack(&bytes?, dimensions)).collect(),
            None => vec![None; keys.len()],
        }
    }

    async fn put(&self, made: &[(Key, Arc<[f32]>)]) {
        let mut pipe = redis::pipe();
        for (key, vector) in made {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            pipe.set_ex(Self::name(key), bytes, self.life).ignore();
        }
        // What is not kept there is made again.
        let _: Option<()> = self.commons.ask(&pipe).await;
    }
}

/// Of the right length and direction, or nothing.
fn unpack(bytes: &[u8], dimensions: usize) -> Option<Arc<[f32]>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || numbers.len() != dimensions {
        return None;
    }
    let vector = numbers.iter().map(|four| f32::from_le_bytes(*four)).collect();
    super::provider::normalised(vector).map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_accounts_models_or_texts_share_a_key() {
        let keys = [key("m", "a", "t"), key("m", "at", ""), key("ma", "", "t"), key("m", "", "at"), key("m", "b", "t")];
        for (at, one) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(one), "{at}");
        }
    }

    #[tokio::test]
    async fn what_was_made_is_found_and_counted() {
        let cache = Cache::new(1 << 20, Duration::from_secs(60), None).unwrap();
        let (a, b) = (key("m", "t", "a"), key("m", "t", "b"));
        cache.put(&[(a, vec![1.0, 0.0].into())]).await;
        assert_eq!(cache.get(&[a, b], 2).await, [Some(vec![1.0, 0.0].into()), None]);
        assert_eq!(cache.counts(), (1, 1));
    }

    #[test]
    fn a_shared_cache_is_not_believed_blindly() {
        assert_eq!(unpack(&1.0_f32.to_le_bytes(), 1), Some(vec![1.0].into()));
        for (bytes, dimensions) in [(&1.0_f32.to_le_bytes()[..], 2), (&[0; 4], 1), (&[0; 3], 1), (&[0xff; 4], 1)] {
            assert_eq!(unpack(bytes, dimensions), None);
        }
    }
}

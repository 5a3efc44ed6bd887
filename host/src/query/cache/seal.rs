//! Answers as they lie in Redis: encrypted with AES-256-GCM, and bound to their question.
//!
//! The keys follow from the ticket key, which all hosts of a database share, and from the one before it while its grace
//! lasts: what was sealed with that one is still read, and nothing is sealed with it any more. Each question has a key of
//! its own, so that no key meets enough messages for two random nonces to meet. A sealed answer that is moved under
//! another question's name does not open, twice over: its key is another, and so is what it is bound to.

use super::key::Key as Question;
use crate::error::BoxError;
use crate::keys::{Key, Keys};
use arc_swap::ArcSwap;
use hmac::{Hmac, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;

/// What the bytes are, and their form.
const FORM: &[u8] = b"rowhouse sealed answer 1";

/// Seals and opens.
pub(super) struct Seal(ArcSwap<Vec<Key>>);

fn mac(key: &Key, purpose: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).expect("HMAC takes a key of any length");
    // No purpose begins with another one.
    mac.update(purpose);
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn masters(keys: &Keys) -> Vec<Key> {
    let live = [Some(&keys.ticket), keys.ticket_previous.as_ref()];
    live.into_iter().flatten().map(|key| SecretBox::new(Box::new(mac(key, b"rowhouse answers 1", b"")))).collect()
}

fn cipher(master: &Key, question: &Question) -> Result<LessSafeKey, BoxError> {
    let key = UnboundKey::new(&AES_256_GCM, &mac(master, b"seal", question)).map_err(|_| "a key of another length")?;
    Ok(LessSafeKey::new(key))
}

/// What a sealed answer is bound to.
fn bound(question: &Question) -> Aad<Vec<u8>> {
    Aad::from([FORM, &question[..]].concat())
}

impl Seal {
    pub(super) fn new(keys: &Keys) -> Self {
        Self(ArcSwap::from_pointee(masters(keys)))
    }

    /// Go on with other keys.
    pub(super) fn set_keys(&self, keys: &Keys) {
        self.0.store(masters(keys).into());
    }

    /// What an answer to this question may be called, the name to keep it under first. Keyed: whoever reads names learns
    /// nothing of questions by guessing.
    pub(super) fn names(&self, question: &Question) -> Vec<String> {
        self.0.load().iter().map(|master| hex::encode(mac(master, b"name", question))).collect()
    }

    /// # Errors
    /// Where there is no key, or the cipher takes no more.
    pub(super) fn seal(&self, question: &Question, mut body: Vec<u8>) -> Result<Vec<u8>, BoxError> {
        let masters = self.0.load();
        let cipher = cipher(masters.first().ok_or("no key to seal with")?, question)?;
        let nonce: [u8; NONCE_LEN] = rand::random();
        cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound(question), &mut body)
            .map_err(|_| "an answer could not be sealed")?;
        Ok([nonce.as_slice(), &body].concat())
    }

    /// What was sealed for this question. None for anything else.
    pub(super) fn open(&self, question: &Question, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        self.0.load().iter().find_map(|master| {
            let mut body = body.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let plain = cipher(master, question).ok()?.open_in_place(nonce, bound(question), &mut body).ok()?.len();
            body.truncate(plain);
            Some(body)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{self, Name};
    use std::time::Duration;

    #[test]
    fn what_was_sealed_opens_for_its_own_question_only() {
        let state = tempfile::tempdir().unwrap();
        let seal = Seal::new(&Keys::open(state.path()).unwrap());
        let (one, other) = ([1; 32], [2; 32]);
        let sealed = seal.seal(&one, b"rows of Seattle".to_vec()).unwrap();
        assert_eq!(seal.open(&one, &sealed).as_deref(), Some(&b"rows of Seattle"[..]));
        assert_eq!(seal.open(&other, &sealed), None, "moved");
        assert!(!sealed.windows(7).any(|part| part == b"Seattle"), "read");
        assert_ne!(seal.seal(&one, b"rows of Seattle".to_vec()).unwrap(), sealed, "a nonce is used once");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open(&one, &changed), None, "changed at {at}");
        }
        assert!((0..sealed.len()).all(|to| seal.open(&one, &sealed[..to]).is_none()), "cut");
        assert_ne!(seal.names(&one), seal.names(&other));
        let elsewhere = tempfile::tempdir().unwrap();
        let stranger = Seal::new(&Keys::open(elsewhere.path()).unwrap());
        assert_eq!(stranger.open(&one, &sealed), None, "another host's key");
        assert_ne!(stranger.names(&one), seal.names(&one));
    }

    #[test]
    fn what_an_old_key_sealed_is_read_while_its_grace_lasts() {
        let state = tempfile::tempdir().unwrap();
        let seal = Seal::new(&Keys::open(state.path()).unwrap());
        let (question, sealed) = ([1; 32], seal.seal(&[1; 32], b"rows".to_vec()).unwrap());
        let name = seal.names(&question).remove(0);
        let replace = |grace| {
            let settings = crate::config::Keys::default();
            keys::replace(state.path(), &settings, Name::Ticket, &keys::fresh(), Duration::from_secs(grace)).unwrap();
            seal.set_keys(&Keys::open(state.path()).unwrap());
        };
        replace(3_600);
        assert_eq!(seal.open(&question, &sealed).as_deref(), Some(&b"rows"[..]));
        let names = seal.names(&question);
        assert!(names.len() == 2 && names[1] == name, "found under its old name, kept under a new one");
        let fresh = seal.seal(&question, b"rows".to_vec()).unwrap();
        // No grace means none: a key that was stolen reads nothing any more.
        replace(0);
        assert_eq!(seal.open(&question, &sealed), None);
        assert_eq!(seal.open(&question, &fresh), None);
        assert_eq!(seal.names(&question).len(), 1);
    }
}

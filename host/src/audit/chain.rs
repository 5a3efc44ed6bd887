//! Each record sealed together with everything before it.
//!
//! `mac(n) = HMAC-SHA-256(chain key, mac(n-1) ‖ n as 8 bytes, big end first ‖ record)`, and `mac(0)` is made of the
//! node's id: a record cannot be changed, left out, moved, or taken over from another node's chain without the key.

use super::Error;
use crate::keys::Key;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::Sha256;
use std::sync::Arc;
use uuid::Uuid;

/// A seal: HMAC-SHA-256.
pub(super) type Seal = [u8; 32];

/// The longest line of a spool that is read, in bytes. A record's bounds keep it shorter; a longer line is damage, and
/// must not be read into memory whole.
pub(super) const MAX_LINE: usize = 256 << 10;

/// HMAC-SHA-256 over the parts, one after the other.
pub(super) fn hmac(key: &Key, parts: &[&[u8]]) -> Seal {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// A key for one purpose: what is sealed for one can be passed off as nothing else.
pub(super) fn derive(key: &Key, purpose: &str) -> Key {
    SecretBox::new(Box::new(hmac(key, &[b"rowhouse audit v1: ", purpose.as_bytes()])))
}

/// One record in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) mac: Seal,
    /// The record's JSON, letter for letter as it was sealed.
    pub(super) record: String,
}

/// A link as a line of JSON.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    seq: u64,
    mac: String,
    #[serde(borrow)]
    record: &'a RawValue,
}

impl Link {
    /// The line, its end included.
    pub(super) fn to_line(&self) -> Result<String, Error> {
        let record: &RawValue = serde_json::from_str(&self.record).map_err(Error::Encode)?;
        let line = Line { seq: self.seq, mac: hex::encode(self.mac), record };
        Ok(serde_json::to_string(&line).map_err(Error::Encode)? + "\n")
    }

    /// The link a line holds; none if the line is damaged.
    pub(super) fn from_line(line: &[u8]) -> Option<Self> {
        let line: Line<'_> = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
        let mut mac = Seal::default();
        hex::decode_to_slice(&line.mac, &mut mac).ok()?;
        Some(Self { seq: line.seq, mac, record: line.record.get().to_owned() })
    }
}

/// The last record of a chain: its place and its seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) mac: Seal,
}

/// Seals and verifies the records of one node.
#[derive(Clone)]
pub(super) struct Chain {
    key: Arc<Key>,
    node: Uuid,
    head: Head,
}

impl Chain {
    /// A chain without records. `key` is the audit key itself.
    pub(super) fn begin(key: &Key, node: Uuid) -> Self {
        let key = derive(key, "chain");
        let mac = hmac(&key, &[b"node:", node.as_bytes()]);
        Self { key: Arc::new(key), node, head: Head { seq: 0, mac } }
    }

    /// The same node's chain, after this record.
    #[must_use]
    pub(super) fn after(mut self, head: Head) -> Self {
        self.head = head;
        self
    }

    /// Another node's chain without records, under the same key.
    pub(super) fn sibling(&self, node: Uuid) -> Self {
        let mac = hmac(&self.key, &[b"node:", node.as_bytes()]);
        Self { key: Arc::clone(&self.key), node, head: Head { seq: 0, mac } }
    }

    /// What the key goes by in files: a digest, so that a chain is never carried on with another key.
    pub(super) fn key_name(&self) -> String {
        hex::encode(&hmac(&self.key, &[b"name"])[..8])
    }

    pub(super) fn node(&self) -> Uuid {
        self.node
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// Seal a record and take it as the new head.
    pub(super) fn add(&mut self, record: String) -> Link {
        let seq = self.head.seq + 1;
        let mac = self.seal(&self.head.mac, seq, &record);
        self.head = Head { seq, mac };
        Link { seq, mac, record }
    }

    /// Whether this link follows the head.
    pub(super) fn fits(&self, link: &Link) -> bool {
        link.seq == self.head.seq + 1 && self.seal(&self.head.mac, link.seq, &link.record) == link.mac
    }

    /// Take a link as the head, whether it fits or not.
    pub(super) fn pass(&mut self, link: &Link) {
        self.head = Head { seq: link.seq, mac: link.mac };
    }

    fn seal(&self, before: &Seal, seq: u64, record: &str) -> Seal {
        hmac(&self.key, &[before, &seq.to_be_bytes(), record.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        SecretBox::new(Box::new([byte; 32]))
    }

    #[test]
    fn a_line_gives_back_the_record_letter_for_letter() {
        let mut chain = Chain::begin(&key(1), Uuid::from_u128(7));
        for record in [r#"{"a":1}"#, r#"{ "b" : 1.50, "a":"\u0000é\n" }"#, "{}"] {
            let link = chain.add(record.to_owned());
            let line = link.to_line().unwrap();
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert_eq!(Link::from_line(line.as_bytes()), Some(link));
            assert_eq!(Link::from_line(line.trim_end().as_bytes()), None, "a line without its end is torn");
            assert_eq!(Link::from_line(&line.as_bytes()[1..]), None);
        }
    }

    #[test]
    fn a_link_fits_in_one_place_of_one_chain_only() {
        let mut chain = Chain::begin(&key(1), Uuid::from_u128(7));
        let empty = chain.clone();
        let (one, two) = (chain.add("{}".to_owned()), chain.add("{}".to_owned()));
        let after = |link: &Link| empty.clone().after(Head { seq: link.seq, mac: link.mac });
        assert!(empty.fits(&one) && after(&one).fits(&two));
        assert!(!empty.fits(&two), "one was left out");
        assert!(!after(&one).fits(&Link { seq: 2, ..one.clone() }), "moved");
        assert!(!empty.fits(&Link { record: "{ }".to_owned(), ..one.clone() }), "edited");
        assert!(!Chain::begin(&key(2), Uuid::from_u128(7)).fits(&one), "another key");
        assert!(!empty.sibling(Uuid::from_u128(8)).fits(&one), "another node");
        assert!(empty.sibling(Uuid::from_u128(7)).fits(&one));
    }
}

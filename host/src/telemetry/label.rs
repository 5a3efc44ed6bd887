//! What metrics may be told apart by: types whose values are few, whatever callers send.

use crate::error::{Blame, Code};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// Pairs of plugin and item that become labels in the life of a process. A host serves some dozens; a developer's, whose
/// tools are renamed all day, stays within a few megabytes of series.
const MOST: usize = 2_000;

/// The name of whatever has none of its own.
const OTHER: &str = "other";

/// Something that offers items under a name: a plugin. What it does not offer is no label.
pub trait Offers {
    /// Its name.
    fn plugin(&self) -> &str;
    /// Whether this is an item of it.
    fn offers(&self, item: &str) -> bool;
}

/// A name that something served has. Only [`Telemetry::item`](super::Telemetry::item) makes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn other() -> Self {
        static NAME: OnceLock<Arc<str>> = OnceLock::new();
        Self(Arc::clone(NAME.get_or_init(|| OTHER.into())))
    }
}

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&&*self.0, encoder)
    }
}

/// An item of a plugin: a tool by its name, `prompt:NAME`, `resource:URI`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct Item {
    /// The plugin.
    pub plugin: Name,
    /// What of it.
    pub tool: Name,
}

impl Item {
    /// What is nobody's.
    pub(super) fn other() -> Self {
        Self { plugin: Name::other(), tool: Name::other() }
    }
}

/// The names that were seen.
#[derive(Default)]
pub(super) struct Names(RwLock<Known>);

#[derive(Default)]
struct Known {
    plugins: HashMap<Arc<str>, HashSet<Arc<str>>>,
    pairs: usize,
}

impl Known {
    fn find(&self, plugin: &str, item: &str) -> Option<Item> {
        let (plugin, items) = self.plugins.get_key_value(plugin)?;
        Some(Item { plugin: Name(Arc::clone(plugin)), tool: Name(Arc::clone(items.get(item)?)) })
    }
}

impl Names {
    pub(super) fn item(&self, of: &impl Offers, item: &str) -> Item {
        let item = if of.offers(item) { item } else { OTHER };
        if let Some(found) = self.0.read().unwrap_or_else(PoisonError::into_inner).find(of.plugin(), item) {
            return found;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.pairs >= MOST {
            return Item::other();
        }
        let (plugin, item): (Arc<str>, Arc<str>) = (of.plugin().into(), item.into());
        if known.plugins.entry(Arc::clone(&plugin)).or_default().insert(Arc::clone(&item)) {
            known.pairs += 1;
        }
        Item { plugin: Name(plugin), tool: Name(item) }
    }
}

impl EncodeLabelValue for Code {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

impl EncodeLabelValue for Blame {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let word = match self {
            Blame::Caller => "caller",
            Blame::Plugin => "plugin",
            Blame::Host => "host",
        };
        EncodeLabelValue::encode(&word, encoder)
    }
}

/// How something ended: with an answer, or with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome(pub Option<Code>);

impl Outcome {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        self.0.map_or("OK", Code::as_str)
    }
}

impl<T> From<&Result<T, crate::error::CallError>> for Outcome {
    fn from(outcome: &Result<T, crate::error::CallError>) -> Self {
        Self(outcome.as_ref().err().map(|error| error.code))
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

/// Labels that are a handful of words.
macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
                EncodeLabelValue::encode(&self.as_str(), encoder)
            }
        }
    )*};
}

words! {
    /// Where a call's time goes.
    Phase {
        /// Deciding whether it may.
        Policy = "policy",
        /// Waiting for a place among the calls that run.
        Place = "place",
        /// Waiting for a place in the audit trail.
        Trail = "trail",
        /// Its statements, waiting for connections, all of them together.
        Connection = "connection",
        /// Its statements, holding connections, all of them together.
        Statement = "statement",
        /// The rest of the guest's run.
        Guest = "guest",
    }
    /// What became of a version of a plugin.
    Swap {
        /// It serves.
        Published = "published",
        /// It waits for somebody's approval.
        Parked = "parked",
        /// It does not hold.
        Refused = "refused",
        /// It served, or was tried, and one before it serves instead.
        RolledBack = "rolled_back",
    }
    /// How a breaker stands: before the database, or before an embedding model.
    Breaker {
        /// What is behind it is asked.
        Closed = "closed",
        /// It is left alone.
        Open = "open",
        /// It is found out whether it is back.
        HalfOpen = "half_open",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plugin(&'static str, Vec<String>);

    impl Offers for Plugin {
        fn plugin(&self) -> &str {
            self.0
        }
        fn offers(&self, item: &str) -> bool {
            self.1.iter().any(|known| known == item)
        }
    }

    #[test]
    fn only_what_is_offered_becomes_a_label() {
        let names = Names::default();
        let plugin = Plugin("sales", vec!["top".to_owned()]);
        let check = |item: &str, tool: &str| {
            let found = names.item(&plugin, item);
            assert_eq!((found.plugin.as_str(), found.tool.as_str()), ("sales", tool), "{item}");
        };
        check("top", "top");
        check("'; DROP TABLE labels; --", OTHER);
        check("3f2c0d0e-5a41-4d7e-9d5c-0a0b8a4f1c11", OTHER);
        check("top", "top");
        assert_eq!(names.0.read().unwrap().pairs, 2);
    }

    #[test]
    fn names_have_an_end() {
        let names = Names::default();
        let items: Vec<String> = (0..2 * MOST).map(|n| format!("t{n}")).collect();
        let plugin = Plugin("dev", items.clone());
        let made: HashSet<Item> = items.iter().map(|item| names.item(&plugin, item)).collect();
        assert_eq!(made.len(), MOST + 1);
        assert_eq!(names.item(&plugin, &items[2 * MOST - 1]), Item::other());
        assert_eq!(names.item(&plugin, &items[0]).tool.as_str(), "t0", "what was known stays known");
    }
}

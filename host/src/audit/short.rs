//! Text and lists that are cut where they enter the trail. A record waits in a queue of thousands before it is written:
//! what a caller can make long must be short there already, not only in the file.

use serde::{Serialize, Serializer};
use std::fmt;

/// Characters kept of a text. Subjects are 255 at most (OpenID Connect Core, section 2).
pub const TEXT: usize = 256;

/// Entries kept of a list; the rest is counted.
pub const LIST: usize = 64;

/// A text of at most [`TEXT`] characters (1 KiB in memory). There is no way to make a longer one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Short(Box<str>);

impl Short {
    /// The beginning of a text, cut between two characters.
    pub fn new(text: &str) -> Self {
        let end = text.char_indices().nth(TEXT).map_or(text.len(), |(at, _)| at);
        Self(text[..end].into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Short {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<&String> for Short {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

// Never the string's own memory: its capacity is the caller's.
impl From<String> for Short {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first [`LIST`] of several things, and how many more there were: written as `+<count>` at the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List<T> {
    kept: Vec<T>,
    more: usize,
}

impl<T> List<T> {
    /// The beginning of a list.
    pub fn of(all: impl ExactSizeIterator<Item = T>) -> Self {
        let more = all.len().saturating_sub(LIST);
        Self { kept: all.take(LIST).collect(), more }
    }

    /// Whether there was nothing.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

impl List<Short> {
    /// The beginning of a list of texts, each cut.
    pub fn texts<S: AsRef<str>>(all: &[S]) -> Self {
        Self::of(all.iter().map(|one| Short::new(one.as_ref())))
    }
}

impl<T: fmt::Display> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let more = (self.more > 0).then(|| format!("+{}", self.more));
        to.collect_seq(self.kept.iter().map(ToString::to_string).chain(more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_is_cut_between_characters_and_keeps_no_more_memory() {
        let check = |text: String, bytes: usize| {
            let short = Short::from(text.clone());
            assert_eq!((short.as_str().len(), text.starts_with(short.as_str())), (bytes, true));
            assert_eq!(Short::new(&text), short);
        };
        check(String::new(), 0);
        check("ann".to_owned(), 3);
        check("x".repeat(TEXT), TEXT);
        check("x".repeat(1 << 20), TEXT);
        check("é".repeat(1 << 20), 2 * TEXT);
        check(format!("x{}", "😀".repeat(1 << 18)), 1 + 4 * (TEXT - 1));
    }

    #[test]
    fn a_list_says_how_many_more_there_were() {
        let write = |count: usize| serde_json::to_value(List::of((0..count).map(|n| n.to_string()))).unwrap();
        assert_eq!(write(0), json!([]));
        assert_eq!(write(2), json!(["0", "1"]));
        let all = write(100);
        assert_eq!(
            (all.as_array().unwrap().len(), &all[LIST - 1], &all[LIST]),
            (LIST + 1, &json!("63"), &json!("+36"))
        );
    }
}

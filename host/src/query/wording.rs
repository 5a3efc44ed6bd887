//! The text of a statement, for its operator, without what its caller wrote into it.

use std::fmt;
use std::sync::Arc;

/// Characters of a text that are told: the shape of a statement is in its first lines, and logs cut long ones.
const TOLD: usize = 2_000;

/// A statement's text. Neither `Debug` nor `Display` has any of it: it may hold values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Wording(Arc<str>);

impl Wording {
    pub(super) fn new(statement: &str) -> Self {
        Self(statement.into())
    }

    /// The text with `$n` for each of its constants, and without comments; none where it cannot be had so. Takes some
    /// tenths of a millisecond, and the stack of a thread: not for a guest's.
    pub fn without_values(&self) -> Option<String> {
        let plain = pg_query::normalize(&self.0).ok()?;
        // Written anew from what was understood of it: comments are no part of that.
        let tree = pg_query::parse(&plain, 0).ok()?;
        let text = tree.deparse(pg_query::DeparseOptions::default()).ok()?;
        Some(text.chars().take(TOLD).collect())
    }
}

impl fmt::Debug for Wording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wording(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_told() {
        let check = |sql: &str, told: &str| {
            let wording = Wording::new(sql);
            assert_eq!(wording.without_values().as_deref(), Some(told), "{sql}");
            assert!(!format!("{wording:?}").contains("canary"));
        };
        check("SELECT 'canary'", "SELECT $1");
        check("SELECT a FROM t WHERE b = 'canary' AND c > 17", "SELECT a FROM t WHERE b = $1 AND c > $2");
        check("SELECT a -- canary\nFROM t /* canary */ WHERE b = $1", "SELECT a FROM t WHERE b = $1");
        check("SELECT e'canary', $$canary$$, interval '1 day'", "SELECT $1, $2, $3::interval");
        check("SELECT a FROM t WHERE b IN ('canary', 'two') LIMIT 5", "SELECT a FROM t WHERE b IN ($1, $2) LIMIT $3");
        assert_eq!(Wording::new("no statement at all").without_values(), None);
    }
}

//! Whether a version that was proved takes the place of the one that serves, or waits for an operator.

use super::lock::Entry;
use super::surface::Surface;
use crate::config::Approval;

/// What becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Served at once, by this rule.
    Serve(&'static str),
    /// Waits, for these reasons.
    Park(Vec<String>),
}

/// Decide about a version that is not the one of the lock. The newest is not better for being new: what is asked is
/// whether anybody but the operator can tell it from the one that was approved.
pub(super) fn decide(approval: Approval, entry: Option<&Entry>, fresh: &Surface) -> Verdict {
    let park = |why: String| Verdict::Park(vec![why]);
    if let Some(hold) = entry.and_then(|entry| entry.hold.as_ref()) {
        return park(format!("held by {} since {}: {}", hold.by, hold.since, hold.why));
    }
    let seen = entry.filter(|entry| !entry.serving.is_empty());
    match (approval, seen, seen.and_then(Entry::current)) {
        (Approval::None, ..) => Verdict::Serve("no approval needed"),
        (Approval::All, None, _) => park("it was never approved".to_owned()),
        (Approval::Changed, None, _) => Verdict::Serve("first sight"),
        (_, Some(_), None) => park("the lock file does not say what was approved of it".to_owned()),
        (approval, Some(_), Some(pin)) => match (pin.surface.asks(fresh), approval) {
            (asks, Approval::All) if asks.is_empty() => park("another build; callers see no difference".to_owned()),
            (asks, _) if asks.is_empty() => Verdict::Serve("unchanged surface"),
            (asks, _) => Verdict::Park(asks),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::lock::{Hold, Pin};
    use super::*;

    fn surface(tool: &str) -> Surface {
        Surface { items: [("tool/x".to_owned(), tool.to_owned())].into(), ..Surface::default() }
    }

    fn entry(held: bool) -> Entry {
        let pin = Pin {
            digest: "a".into(),
            version: "1".into(),
            approved_at: String::new(),
            approved_by: String::new(),
            taken_back: None,
            surface: surface("same"),
        };
        let hold = held.then(|| Hold { since: "then".into(), by: "ann".into(), why: "it failed".into() });
        Entry { serving: "a".into(), versions: vec![pin], hold, canary: None }
    }

    #[test]
    fn who_may_tell_the_difference_decides() {
        use Approval::{All, Changed, None as Never};
        let (fresh, held, broken) = (entry(false), entry(true), Entry { versions: Vec::new(), ..entry(false) });
        let check = |approval, entry: Option<&Entry>, tool: &str, expected: Result<&'static str, &str>| {
            let expected = match expected {
                Ok(rule) => Verdict::Serve(rule),
                Err(why) => Verdict::Park(vec![why.to_owned()]),
            };
            assert_eq!(decide(approval, entry, &surface(tool)), expected, "{approval:?} {tool}");
        };
        check(Never, None, "same", Ok("no approval needed"));
        check(Never, Some(&fresh), "other", Ok("no approval needed"));
        check(Changed, None, "same", Ok("first sight"));
        check(Changed, Some(&fresh), "same", Ok("unchanged surface"));
        check(Changed, Some(&fresh), "other", Err("tool x reads otherwise"));
        check(All, None, "same", Err("it was never approved"));
        check(All, Some(&fresh), "same", Err("another build; callers see no difference"));
        check(All, Some(&fresh), "other", Err("tool x reads otherwise"));
        check(Never, Some(&held), "same", Err("held by ann since then: it failed"));
        check(Changed, Some(&held), "same", Err("held by ann since then: it failed"));
        check(Changed, Some(&broken), "same", Err("the lock file does not say what was approved of it"));
        check(All, Some(&broken), "same", Err("the lock file does not say what was approved of it"));
    }
}

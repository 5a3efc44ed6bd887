//! What is news: what began and lasts, what lasts still, what is over.

use crate::health::{Component, Severity, moment};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// What is said of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// It is there.
    Firing,
    /// It is over.
    Resolved,
    /// Nothing is wrong: somebody tries whether messages arrive.
    Test,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What is said.
    pub word: Word,
    /// Names the problem, the same in every message about it: host, component, code, and subject where it has one.
    pub key: String,
    /// For people.
    pub what: String,
    /// How bad it is, or was.
    pub severity: Severity,
    /// The worst it was: whoever was told that it is critical is told that it is over.
    pub(super) worst: Severity,
    host: String,
    component: &'static str,
    code: &'static str,
    subject: Option<String>,
    since: SystemTime,
    at: SystemTime,
}

impl Notice {
    /// One that says it is a test.
    pub(super) fn test(host: &str, at: SystemTime) -> Self {
        Self {
            word: Word::Test,
            key: format!("{host}/alerts/test"),
            what: "a test: nothing is wrong".to_owned(),
            severity: Severity::Info,
            worst: Severity::Info,
            host: host.to_owned(),
            component: "alerts",
            code: "alerts.test",
            subject: None,
            since: at,
            at,
        }
    }

    /// What is posted.
    pub fn to_json(&self) -> Value {
        json!({
            "state": self.word, "key": self.key, "severity": self.severity, "what": self.what, "host": self.host,
            "component": self.component, "code": self.code, "subject": self.subject,
            "since": moment(self.since), "at": moment(self.at), "version": env!("CARGO_PKG_VERSION"),
        })
    }
}

/// Remembers what was told.
pub(super) struct Judge {
    host: String,
    hold: Duration,
    repeat: Duration,
    /// By key. As many as there are problems: a few for each component and plugin.
    known: BTreeMap<String, Known>,
}

/// One problem.
struct Known {
    notice: Notice,
    /// When it was first seen, by the steady clock.
    seen: Duration,
    /// Since when it is gone.
    gone: Option<Duration>,
    /// When it was last told.
    told: Option<Duration>,
}

impl Judge {
    pub(super) fn new(host: String, hold: Duration, repeat: Duration) -> Self {
        Self { host, hold, repeat, known: BTreeMap::new() }
    }

    /// What is news after this look. `now` is a steady clock's, `at` the calendar's.
    pub(super) fn hear(&mut self, now: Duration, at: SystemTime, components: &[Component]) -> Vec<Notice> {
        let mut news = Vec::new();
        let mut there: BTreeMap<String, Notice> =
            self.wrong(at, components).map(|notice| (notice.key.clone(), notice)).collect();
        self.known.retain(|key, known| match there.remove(key) {
            Some(fresh) => {
                // As it began, and as bad as it ever was.
                let (since, worst) = (known.notice.since, known.notice.worst);
                known.notice = Notice { since, worst: worst.max(fresh.severity), ..fresh };
                known.gone = None;
                let lasts = now.saturating_sub(known.seen) >= self.hold;
                let due = match known.told {
                    None => lasts,
                    Some(told) => known.notice.worst > worst || now.saturating_sub(told) >= self.repeat,
                };
                if due {
                    known.told = Some(now);
                    news.push(known.notice.clone());
                }
                true
            }
            // Nobody heard of it.
            None if known.told.is_none() => false,
            None => {
                let over = now.saturating_sub(*known.gone.get_or_insert(now)) >= self.hold;
                if over {
                    news.push(Notice { word: Word::Resolved, at, ..known.notice.clone() });
                }
                !over
            }
        });
        for (key, notice) in there {
            let told = self.hold.is_zero().then_some(now);
            if told.is_some() {
                news.push(notice.clone());
            }
            self.known.insert(key, Known { notice, seen: now, gone: None, told });
        }
        news
    }

    /// What is wrong at this look.
    fn wrong(&self, at: SystemTime, components: &[Component]) -> impl Iterator<Item = Notice> {
        components.iter().flat_map(move |component| {
            component.problems.iter().map(move |problem| {
                // A code begins with its component, so it says both.
                let subject = problem.subject.as_ref().map(|subject| format!("/{subject}")).unwrap_or_default();
                Notice {
                    word: Word::Firing,
                    key: format!("{}/{}{subject}", self.host, problem.code),
                    what: problem.what.clone(),
                    severity: problem.severity,
                    worst: problem.severity,
                    host: self.host.clone(),
                    component: component.name,
                    code: problem.code,
                    subject: problem.subject.clone(),
                    since: problem.since.unwrap_or(at),
                    at,
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: u64 = 30;
    const REPEAT: u64 = 300;

    fn disk(severity: Severity) -> Component {
        Component::new("disk", json!({})).with(true, severity, "disk.low", "little is left")
    }

    fn plugins(names: &[&str]) -> Component {
        names.iter().fold(Component::new("plugins", json!({})), |told, name| {
            told.of(Some(name), Severity::Warning, "plugins.refused", "it is refused")
        })
    }

    /// A look at this second, what it found, and what that made news: word and key after the host.
    type Look<'a> = (u64, Vec<Component>, &'a [(Word, &'a str)]);

    #[track_caller]
    fn check(hold: u64, looks: &[Look<'_>]) {
        let mut judge = Judge::new("h".to_owned(), Duration::from_secs(hold), Duration::from_secs(REPEAT));
        for (seconds, components, expected) in looks {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(*seconds);
            let news = judge.hear(Duration::from_secs(*seconds), at, components);
            let told: Vec<_> = news.iter().map(|it| (it.word, it.key.strip_prefix("h/").unwrap())).collect();
            assert_eq!(told, *expected, "at {seconds}");
        }
    }

    #[test]
    fn what_lasts_is_told_once_then_again_then_over() {
        use Severity::{Critical, Warning};
        use Word::{Firing, Resolved};
        let (low, fine) = (|| vec![disk(Warning)], Vec::new);
        // A blip is no news, and what comes back within the hold is the same one.
        check(
            HOLD,
            &[
                (0, low(), &[]),
                (15, fine(), &[]),
                (30, low(), &[]),
                (45, low(), &[]),
                (60, low(), &[(Firing, "disk.low")]),
                (75, low(), &[]),
                (90, fine(), &[]),
                (105, low(), &[]),
                (359, low(), &[]),
                (360, low(), &[(Firing, "disk.low")]),
                (375, fine(), &[]),
                (390, fine(), &[]),
                (405, fine(), &[(Resolved, "disk.low")]),
                (420, fine(), &[]),
                (435, low(), &[]),
                (465, low(), &[(Firing, "disk.low")]),
            ],
        );
        // What gets worse is told at once; what gets better is not over.
        check(
            0,
            &[
                (0, low(), &[(Firing, "disk.low")]),
                (15, vec![disk(Critical)], &[(Firing, "disk.low")]),
                (30, low(), &[]),
                (45, vec![disk(Critical)], &[]),
                (60, fine(), &[(Resolved, "disk.low")]),
            ],
        );
    }

    #[test]
    fn subjects_are_apart() {
        use Word::{Firing, Resolved};
        let (sales, search) = ("plugins.refused/sales", "plugins.refused/search");
        check(
            0,
            &[
                (0, vec![plugins(&["sales"])], &[(Firing, sales)]),
                (
                    15,
                    vec![plugins(&["sales", "search"]), disk(Severity::Info)],
                    &[(Firing, "disk.low"), (Firing, search)],
                ),
                (30, vec![plugins(&["search"])], &[(Resolved, "disk.low"), (Resolved, sales)]),
                (45, vec![], &[(Resolved, search)]),
            ],
        );
    }

    #[test]
    fn a_message_says_since_when_and_no_more_than_it_must() {
        let mut judge = Judge::new("h".to_owned(), Duration::ZERO, Duration::from_secs(REPEAT));
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut component = plugins(&["sales"]);
        component.problems[0].since = Some(at(60));
        let fired = judge.hear(Duration::ZERO, at(90), &[component]).remove(0).to_json();
        let over = judge.hear(Duration::from_secs(30), at(120), &[]).remove(0).to_json();
        let expected = |state: &str, at: &str| {
            json!({
                "state": state, "key": "h/plugins.refused/sales", "severity": "warning", "what": "it is refused",
                "host": "h", "component": "plugins", "code": "plugins.refused", "subject": "sales",
                "since": "1970-01-01T00:01:00Z", "at": at, "version": env!("CARGO_PKG_VERSION"),
            })
        };
        assert_eq!(fired, expected("firing", "1970-01-01T00:01:30Z"));
        assert_eq!(over, expected("resolved", "1970-01-01T00:02:00Z"));
    }
}

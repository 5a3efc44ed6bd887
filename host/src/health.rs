//! How a host is doing: its components, what is wrong with each, and since when.
//!
//! Here are the words, what is remembered between two looks, and what the machine says. Who looks at the rest of the host
//! is [`crate::mcp`], where it is asked for.

mod machine; // Disk and memory, as the system tells them.
mod recent; // How calls ended lately, and whether the trail moves.

pub use machine::{Disk, Memory};

use crate::audit;
use crate::config::{self, Settings};
use crate::keys;
use crate::plugin::Accounts;
use recent::{Calls, Moves};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody has to decide something; callers notice nothing.
    Info,
    /// Callers notice, or soon will.
    Warning,
    /// Calls are not answered, or soon will not be.
    Critical,
}

/// Something that is wrong with a component. Nothing in it is of a tenant: codes, names of plugins and keys, numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable name: what alerts are told apart by, with the subject.
    pub code: &'static str,
    /// Of several of its kind, which: a plugin, a key.
    pub subject: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// For people, with what to do where there is one thing to do.
    pub what: String,
    /// Since when it is so, as far as this host looked. Set by [`Board::note`].
    pub since: Option<SystemTime>,
}

/// How one component is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Its stable name.
    pub name: &'static str,
    /// What is wrong; nothing where all is well.
    pub problems: Vec<Problem>,
    /// How long it took to answer, where it was asked.
    pub took: Option<Duration>,
    /// The last problem it had, still there or not, and when it was last seen. Set by [`Board::note`].
    pub last: Option<(String, SystemTime)>,
    facts: Map<String, Value>,
}

impl Component {
    /// One that is well; `facts` is an object of what there is to say about it.
    pub fn new(name: &'static str, facts: Value) -> Self {
        let facts = if let Value::Object(facts) = facts { facts } else { Map::new() };
        Self { name, problems: Vec::new(), took: None, last: None, facts }
    }

    /// Something is wrong with it, if `there`.
    #[must_use]
    pub fn with(self, there: bool, severity: Severity, code: &'static str, what: impl Into<String>) -> Self {
        if there { self.of(None, severity, code, what) } else { self }
    }

    /// Something is wrong with one part of it.
    #[must_use]
    pub fn of(
        mut self,
        subject: Option<&str>,
        severity: Severity,
        code: &'static str,
        what: impl Into<String>,
    ) -> Self {
        let subject = subject.map(str::to_owned);
        self.problems.push(Problem { code, subject, severity, what: what.into(), since: None });
        self
    }

    /// `ok`, `degraded` (callers notice, and are answered) or `down`: what its worst problem makes of it.
    pub fn status(&self) -> &'static str {
        match self.problems.iter().map(|problem| problem.severity).max() {
            None | Some(Severity::Info) => "ok",
            Some(Severity::Warning) => "degraded",
            Some(Severity::Critical) => "down",
        }
    }

    /// All there is to say about it.
    pub fn to_json(&self) -> Value {
        let mut told = self.facts.clone();
        let problem = |it: &Problem| {
            json!({ "code": it.code, "subject": it.subject, "severity": it.severity, "what": it.what,
                    "since": it.since.map(moment) })
        };
        told.insert("status".to_owned(), json!(self.status()));
        told.insert("problems".to_owned(), self.problems.iter().map(problem).collect());
        if let Some(took) = self.took {
            told.insert("ms".to_owned(), json!(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)));
        }
        let last = self.last.as_ref().map(|(code, at)| json!({ "code": code, "at": moment(*at) }));
        told.insert("lastError".to_owned(), json!(last));
        Value::Object(told)
    }
}

/// A moment, as RFC 3339 writes it, in UTC and to the second.
pub fn moment(at: SystemTime) -> String {
    chrono::DateTime::<chrono::Utc>::from(at).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Of several components, how the host is doing.
pub fn worst(components: &[Component]) -> &'static str {
    let any = |word| components.iter().any(|component| component.status() == word);
    if any("down") {
        "down"
    } else if any("degraded") {
        "degraded"
    } else {
        "ok"
    }
}

/// What is remembered between two looks, and the bounds things are held against. One for the whole process.
pub struct Board {
    settings: config::Health,
    keys: config::Keys,
    state: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Since when each problem is there, by component, code and subject.
    since: BTreeMap<(&'static str, &'static str, Option<String>), SystemTime>,
    last: BTreeMap<&'static str, (String, SystemTime)>,
    calls: Calls,
    trail: Moves,
}

impl Board {
    /// Nothing seen yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.health.clone(),
            keys: settings.keys.clone(),
            state: settings.state_dir(),
            known: Mutex::default(),
        }
    }

    /// The machine: the disk under the state directory, memory, and the age of the host's keys. Reads files: a thread that
    /// may wait should.
    pub fn machine(&self) -> Vec<Component> {
        vec![
            machine::disk(Disk::of(&self.state), self.settings.disk_free),
            machine::memory(Memory::own(), self.settings.memory),
            self.key_ages(SystemTime::now()),
        ]
    }

    /// Keys that are due to be replaced. Those of the settings have no age here: whoever keeps them knows it. The trail's is
    /// never replaced: its chains stand on it.
    fn key_ages(&self, now: SystemTime) -> Component {
        let Ok(kept) = keys::kept(&self.state, &self.keys) else {
            let what = "the directory of keys cannot be read; `rowhouse doctor` says why";
            return Component::new("keys", json!({})).with(true, Severity::Warning, "keys.unreadable", what);
        };
        let days = |since: SystemTime| now.duration_since(since).unwrap_or_default().as_secs() / 86_400;
        let kept = kept.iter().filter(|key| key.name != keys::Name::Audit);
        let aged: Vec<_> = kept.filter_map(|key| Some((key.name.as_str(), days(key.since?)))).collect();
        let ages: Map<String, Value> = aged.iter().map(|(name, days)| ((*name).to_owned(), json!(days))).collect();
        let most = u64::from(self.settings.key_days);
        let old = aged.into_iter().filter(|(_, days)| most > 0 && *days >= most);
        old.fold(Component::new("keys", json!({ "days": ages })), |told, (name, days)| {
            let what =
                format!("the {name} key is {days} days old, health.key_days are over: `rowhouse keys rotate {name}`");
            told.of(Some(name), Severity::Warning, "keys.old", what)
        })
    }

    /// How calls ended lately, by what each plugin's calls came to since it is served. A caller's own mistakes are no
    /// errors here.
    pub fn calls(&self, now: Instant, accounts: &Accounts, facts: Value) -> Component {
        let mut known = self.lock();
        known.calls.note(now, accounts);
        known.calls.told(self.settings.error_rate, facts)
    }

    /// Whether records still reach the database.
    pub fn trail(&self, now: Instant, found: Option<audit::Status>) -> Component {
        let Some(found) = found else { return Component::new("audit", json!({ "kept": false })) };
        let facts = json!({ "spooled": found.spooled, "lost": found.lost, "conflicts": found.conflicts,
                            "stuck": found.stuck });
        let still = self.lock().trail.still(now, found.spooled > 0, found.shipped);
        let late = still >= Duration::from_secs(self.settings.audit_lag_seconds);
        let lag = format!("records wait on disk; none reached the database for {} s", still.as_secs());
        Component::new("audit", facts)
            .with(found.stuck, Severity::Critical, "audit.stuck", "records can be written nowhere")
            .with(found.lost > 0, Severity::Warning, "audit.lost", "records could be written nowhere and are lost")
            .with(
                found.conflicts > 0,
                Severity::Warning,
                "audit.conflicts",
                "the database has other records under this host's numbers",
            )
            .with(late, Severity::Warning, "audit.lag", lag)
    }

    /// Say since when each problem is there, and what each component's last one was.
    pub fn note(&self, at: SystemTime, components: &mut [Component]) {
        let mut known = self.lock();
        let before = std::mem::take(&mut known.since);
        for component in components {
            for problem in &mut component.problems {
                let key = (component.name, problem.code, problem.subject.clone());
                let since = before.get(&key).copied().unwrap_or(at);
                problem.since = Some(since);
                known.since.insert(key, since);
                known.last.insert(component.name, (problem.code.to_owned(), at));
            }
            component.last = known.last.get(component.name).cloned();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

//! How backups stand, for whoever asks the host how it is doing.

use super::manifest::Manifest;
use crate::config;
use chrono::{DateTime, Utc};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Backups of a running host: what is known of them.
#[derive(Debug, Default)]
pub struct Standing {
    every: Option<Duration>,
    known: Mutex<Known>,
}

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The newest backup that is whole, its time and its size.
    pub last: Option<(String, DateTime<Utc>, u64)>,
    /// Why none could be made, if the last try failed.
    pub trouble: Option<String>,
    /// One is missing: the last is older than two of them should be apart.
    pub late: bool,
}

impl Standing {
    /// Nothing is known yet.
    pub fn of(settings: &config::Backup) -> Self {
        Self { every: settings.every.map(|every| every.0), known: Mutex::default() }
    }

    /// What is known now; nothing where this host makes none.
    pub fn look(&self, now: DateTime<Utc>) -> Option<Known> {
        let every = self.every?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let age = |at: &DateTime<Utc>| now.signed_duration_since(at).to_std().unwrap_or_default();
        known.late = known.last.as_ref().is_some_and(|(_, at, _)| age(at) > every * 2);
        Some(known)
    }

    /// This is the newest one.
    pub fn made(&self, manifest: &Manifest) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.last = Some((manifest.id.clone(), manifest.at(), manifest.size()));
    }

    /// None could be made.
    pub fn failed(&self, why: String) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).trouble = Some(why);
    }

    /// The last look found nothing wrong.
    pub fn is_well(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).trouble = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Kind;
    use crate::backup::manifest::tests::example;
    use crate::config::Every;

    #[test]
    fn a_backup_that_fails_or_is_overdue_is_seen() {
        let off = Standing::of(&config::Backup::default());
        assert_eq!(off.look(Utc::now()), None);
        let settings = config::Backup { every: Some(Every(Duration::from_secs(3_600))), ..config::Backup::default() };
        let on = Standing::of(&settings);
        let at = |time: &str| on.look(time.parse().unwrap()).unwrap();
        assert_eq!(at("2026-11-01T00:00:00Z"), Known::default());
        on.failed("the place is away".to_owned());
        assert_eq!(at("2026-11-01T00:00:00Z").trouble.as_deref(), Some("the place is away"));
        on.made(&example("a-1", Kind::Full, None, "2026-11-01T00:00:00Z"));
        on.is_well();
        for (time, late) in [("00:30:00", false), ("01:59:59", false), ("02:00:01", true)] {
            let known = at(&format!("2026-11-01T{time}Z"));
            assert_eq!((known.late, known.trouble), (late, None), "{time}");
        }
    }
}

//! The lock file: which version of each plugin serves, who approved it, and which served before.
//!
//! Commands and hosts change it alike, each under a lock of the operating system on the directory (a rename would take a
//! lock on the file along), and a host looks again when it changed. A decision that cannot be written down is not taken.

use super::shelf::{OURS, Shelf};
use super::surface::Surface;
use crate::disk;
use crate::error::BoxError;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Versions kept of a plugin. What serves, what served before, and three more for a fault that is found late; a Python
/// guest takes 18 MB a version.
const KEPT: usize = 5;

/// The form written here. Another one is not read: what a later host meant by it is not for an earlier one to guess.
const FORM: u32 = 1;

const HEAD: &str = "\
# Which version of each plugin serves. Written by rowhouse (`rowhouse plugin approve`, `rollback`, `release`, `canary`);
# may be kept under version control.
";

/// The file's contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    form: u32,
    /// By plugin.
    #[serde(default)]
    pub plugins: BTreeMap<String, Entry>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { form: FORM, plugins: BTreeMap::new() }
    }
}

/// What is decided about one plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// SHA-256 of the version that serves. Empty as long as none was approved.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub serving: String,
    /// Set while nothing else may take its place unasked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// A version that some of the calls go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Versions that served and are kept, the last to be taken up last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Pin>,
}

/// A version that was approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// SHA-256 of its component.
    pub digest: String,
    /// The version it says it is.
    pub version: String,
    /// When, in UTC (RFC 3339).
    pub approved_at: String,
    /// By whom: an operator's name, or the rule that needed none.
    pub approved_by: String,
    /// Why it was taken back, if it was: it is no version to go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<String>,
    /// What was approved.
    pub surface: Surface,
}

/// Nothing takes a version's place unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Since when, in UTC (RFC 3339).
    pub since: String,
    /// By whom: an operator's name, or `rowhouse` where the host did it.
    pub by: String,
    /// Why.
    pub why: String,
}

/// A version some of the calls go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// SHA-256 of its component.
    pub digest: String,
    /// Since when, in UTC (RFC 3339).
    pub since: String,
    /// Who began it.
    pub by: String,
    /// Whose calls.
    pub share: Share,
}

/// Whose calls go to a canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// Those of this many callers in a hundred.
    Percent(u8),
    /// Those of callers who see no tenant but these, by name or id.
    Tenants(BTreeSet<String>),
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent} % of callers"),
            Self::Tenants(names) => write!(f, "{}", names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl Entry {
    /// The version of this digest, where it is kept.
    pub fn pin(&self, digest: &str) -> Option<&Pin> {
        self.versions.iter().find(|pin| pin.digest == digest)
    }

    /// The version that serves.
    pub fn current(&self) -> Option<&Pin> {
        self.pin(&self.serving)
    }

    /// The version to go back to: the last before the one that serves that was not taken back itself.
    pub fn previous(&self) -> Option<&Pin> {
        let at = self.versions.iter().position(|pin| pin.digest == self.serving)?;
        self.versions[..at].iter().rev().find(|pin| pin.taken_back.is_none())
    }

    /// Serve a version from now on.
    pub(super) fn serve(&mut self, pin: Pin) {
        self.serving.clone_from(&pin.digest);
        self.versions.retain(|known| known.digest != pin.digest);
        self.versions.push(pin);
        let needed = |entry: &Self, pin: &Pin| {
            pin.digest == entry.serving || entry.canary.as_ref().is_some_and(|canary| canary.digest == pin.digest)
        };
        while self.versions.len() > KEPT {
            let oldest = self.versions.iter().position(|pin| !needed(self, pin)).unwrap_or_default();
            self.versions.remove(oldest);
        }
    }

    /// Serve a kept version again, and nothing else until that is released.
    ///
    /// # Errors
    /// Where it is not kept, or serves already.
    pub(super) fn go_back(&mut self, to: &str, by: &str, why: &str) -> Result<(), BoxError> {
        if to == self.serving {
            return Err("that version serves already".into());
        }
        if self.pin(to).is_none() {
            return Err("no such version is kept".into());
        }
        let left = std::mem::replace(&mut self.serving, to.to_owned());
        for pin in &mut self.versions {
            if pin.digest == left {
                pin.taken_back = Some(why.to_owned());
            } else if pin.digest == to {
                pin.taken_back = None;
            }
        }
        self.canary = None;
        self.hold = Some(Hold { since: now(), by: by.to_owned(), why: why.to_owned() });
        Ok(())
    }

    /// Every digest this entry needs the bytes of.
    fn digests(&self) -> impl Iterator<Item = &str> {
        let canary = self.canary.iter().map(|canary| canary.digest.as_str());
        self.versions.iter().map(|pin| pin.digest.as_str()).chain(canary)
    }
}

/// This moment, as the lock writes it.
pub(super) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// How long ago a moment of the lock was. None: it is not readable, or yet to come.
pub(super) fn since(moment: &str) -> Option<std::time::Duration> {
    (Utc::now() - DateTime::parse_from_rfc3339(moment).ok()?.to_utc()).to_std().ok()
}

/// The lock file and the components it speaks of.
#[derive(Clone)]
pub(super) struct Pins {
    path: PathBuf,
    pub(super) shelf: Shelf,
}

impl Pins {
    pub(super) fn new(path: PathBuf, kept: PathBuf) -> Self {
        Self { path, shelf: Shelf::new(kept) }
    }

    /// Where the lock lies.
    pub(super) fn directory(&self) -> &Path {
        disk::above(&self.path)
    }

    /// What is decided now. No file: nothing yet.
    ///
    /// # Errors
    /// A file that cannot be read, that others may write, or that is no lock. Nothing is guessed then.
    pub(super) fn read(&self) -> Result<Lock, BoxError> {
        let about = |what: &dyn std::fmt::Display| format!("the lock file {}: {what}", self.path.display());
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Lock::default()),
            Err(error) => return Err(about(&error).into()),
        };
        let found = fs::metadata(&self.path).map_err(|e| about(&e))?;
        let user = rustix::process::geteuid().as_raw();
        if found.mode() & 0o022 != 0 || ![0, user].contains(&found.uid()) {
            return Err(about(&"others may write it, and so decide what runs; run `chmod go-w` on it").into());
        }
        let lock: Lock = toml::from_str(&text).map_err(|e| about(&e))?;
        if lock.form != FORM {
            return Err(about(&format_args!("its form is {}, and this host knows {FORM}", lock.form)).into());
        }
        let hex = |digest: &str| digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if let Some(odd) = lock.plugins.values().flat_map(Entry::digests).find(|digest| !hex(digest)) {
            return Err(about(&format_args!("{odd:?} is no SHA-256 in lower-case hex")).into());
        }
        Ok(lock)
    }

    /// Make the lock's directory, where it is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(super) fn prepare(&self) -> std::io::Result<()> {
        disk::private_directory(self.directory())
    }

    /// Change what is decided, one writer at a time. Where `work` fails, nothing changes. Versions that are named no
    /// more are no longer kept. Blocks while another writes.
    ///
    /// # Errors
    /// What `work` says, and where the file cannot be written.
    pub(super) fn change<T>(&self, work: impl FnOnce(&mut Lock, &Shelf) -> Result<T, BoxError>) -> Result<T, BoxError> {
        let about = |what: &dyn std::fmt::Display| format!("the lock file {}: {what}", self.path.display());
        self.prepare().map_err(|e| about(&e))?;
        let directory = File::open(self.directory()).map_err(|e| about(&e))?;
        directory.lock().map_err(|e| about(&e))?;
        let before = self.read()?;
        let mut after = before.clone();
        let done = work(&mut after, &self.shelf)?;
        if after == before {
            return Ok(done);
        }
        let text = format!("{HEAD}\n{}", toml::to_string(&after)?);
        disk::write(&self.path, text.as_bytes(), OURS).map_err(|e| about(&e))?;
        let named = |lock: &Lock| -> BTreeSet<String> {
            lock.plugins.values().flat_map(Entry::digests).map(str::to_owned).collect()
        };
        named(&before).difference(&named(&after)).for_each(|digest| self.shelf.drop(digest));
        Ok(done)
    }
}

#[cfg(test)]
mod tests;

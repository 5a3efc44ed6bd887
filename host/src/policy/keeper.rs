//! The snapshot in force, and how another takes its place: proved first, then swapped.

mod watch;

use super::rules::Rules;
use super::{Cases, Fault, Faults, Policy, SHIPPED, Tenant, config};
use crate::error::BoxError;
use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch::{Receiver, Sender};
use tokio_util::sync::CancellationToken;

/// The longest file read, in bytes. A policy has some 300 bytes, and a thousand of them are more than anybody reviews.
const MAX_FILE: u64 = 1 << 20;

/// Keeps the policy in force. One for the whole process.
pub struct Keeper {
    settings: config::Policy,
    current: ArcSwap<Policy>,
    /// What the next snapshot is made of. Held while one is made, so that two changes at once both count.
    parts: Mutex<Parts>,
    fault: Mutex<Option<Faults>>,
    generation: Sender<u64>,
    refused: Sender<u64>,
}

struct Parts {
    rules: Arc<Rules>,
    directory: Vec<Tenant>,
}

impl Keeper {
    /// Read the policy the settings name and put it in force over these tenants.
    ///
    /// # Errors
    /// What is wrong with the file or its text; which cases it decides otherwise.
    pub fn open(settings: &config::Policy, mut directory: Vec<Tenant>) -> Result<Self, Faults> {
        directory.sort_unstable();
        let (rules, policy) = prove(settings, &directory)?;
        for warning in policy.warnings() {
            tracing::warn!("the policy is served, but look at this: {warning}");
        }
        Ok(Self {
            settings: settings.clone(),
            current: ArcSwap::from_pointee(policy),
            parts: Mutex::new(Parts { rules, directory }),
            fault: Mutex::default(),
            generation: Sender::new(0),
            refused: Sender::new(0),
        })
    }

    /// The policy in force. What began with it ends with it.
    pub fn current(&self) -> Policy {
        Policy::clone(&self.current.load())
    }

    /// Read the file again and put its text in force, if it is another one and holds. Reads a file: not for a thread
    /// that serves calls.
    ///
    /// # Errors
    /// As [`Keeper::open`]. The last good policy stays in force, and [`Keeper::fault`] tells why.
    pub fn reload(&self) -> Result<(), Faults> {
        let mut parts = self.parts();
        let proved = prove(&self.settings, &parts.directory);
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = proved.as_ref().err().cloned();
        if proved.is_err() {
            self.refused.send_modify(|refused| *refused += 1);
        }
        let (rules, policy) = proved?;
        if rules.text != parts.rules.text {
            parts.rules = rules;
            self.publish(policy);
        }
        Ok(())
    }

    /// Put these tenants in the place of the directory. Takes some 10 ms for a thousand.
    ///
    /// # Errors
    /// Two of them have one id. The last good directory stays in force.
    pub fn set_directory(&self, mut directory: Vec<Tenant>) -> Result<(), Faults> {
        directory.sort_unstable();
        let mut parts = self.parts();
        if parts.directory != directory {
            let policy = Policy::of(Arc::clone(&parts.rules), directory.clone())?;
            parts.directory = directory;
            self.publish(policy);
        }
        Ok(())
    }

    /// Why the file as it is now is not in force, if it is not.
    pub fn fault(&self) -> Option<Faults> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ticks when another policy or directory is in force: what a caller may see can be another, too.
    pub fn generation(&self) -> Receiver<u64> {
        self.generation.subscribe()
    }

    /// Ticks when a text was not put in force.
    pub fn refusals(&self) -> Receiver<u64> {
        self.refused.subscribe()
    }

    /// SHA-256 of the text in force, in hexadecimal.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.parts().rules.text))
    }

    /// Reload whenever the file changes, until told to stop. Returns once the watch stands. Does nothing where the
    /// settings name no file or do not want it watched.
    ///
    /// # Errors
    /// Where the operating system gives no watch on the file's directory.
    pub fn watch(self: &Arc<Self>, stop: CancellationToken) -> Result<(), BoxError> {
        match &self.settings.file {
            Some(file) if self.settings.watch => watch::start(Arc::clone(self), file, stop),
            _ => Ok(()),
        }
    }

    fn publish(&self, policy: Policy) {
        self.current.store(Arc::new(policy));
        self.generation.send_modify(|generation| *generation += 1);
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text the settings name.
///
/// # Errors
/// A file that cannot be read, is too long, or holds nothing: an editor or a copy may empty a file for a moment, and
/// that must not take everybody's rights away.
fn text(settings: &config::Policy) -> Result<String, Faults> {
    let Some(file) = &settings.file else {
        return Ok(SHIPPED.to_owned());
    };
    let text = read(file)?;
    if text.trim().is_empty() {
        let message =
            "the file is empty; to deny everything, write `@id(\"nobody\") forbid (principal, action, resource);`";
        return Err(Faults::whole(message));
    }
    Ok(text)
}

/// A bounded file.
fn read(path: &Path) -> Result<String, Faults> {
    let failed = |error: std::io::Error| Faults::whole(format!("read {}: {error}", path.display()));
    let mut text = String::new();
    let length = File::open(path).map_err(failed)?.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if length as u64 > MAX_FILE {
        return Err(Faults::whole(format!("{} has more than {MAX_FILE} bytes", path.display())));
    }
    Ok(text)
}

/// Rules that hold together and decide every case as it says.
fn prove(settings: &config::Policy, directory: &[Tenant]) -> Result<(Arc<Rules>, Policy), Faults> {
    let rules = Arc::new(Rules::read(&text(settings)?)?);
    let policy = Policy::of(Arc::clone(&rules), directory.to_vec())?;
    if let Some(path) = &settings.cases {
        let unusable = |error: &dyn std::fmt::Display| Faults::whole(format!("{}: {error}", path.display()));
        let cases = Cases::read(&read(path)?).map_err(|error| unusable(&error))?;
        let tried = match cases.directory() {
            Some(own) => cases.run(&Policy::of(Arc::clone(&rules), own)?),
            None => cases.run(&policy),
        };
        let outcome = tried.map_err(|error| unusable(&error))?;
        if outcome.missed() > 0 {
            let message = |line: &str| Fault { at: None, message: format!("{}: {line}", path.display()) };
            return Err(Faults::new(outcome.misses().lines().map(message).collect()));
        }
    }
    Ok((rules, policy))
}

#[cfg(test)]
mod tests;

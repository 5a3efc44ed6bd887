//! The snapshot in force, and how another takes its place: proved first, then swapped.

mod text; // What is read.
mod watch; // When it is read again.

pub use text::{Unread, read as read_text};

use super::rules::Rules;
use super::{Cases, Fault, Faults, Policy, Tenant, config};
use crate::error::BoxError;
use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use text::Texts;
use tokio::sync::watch::{Receiver, Sender};
use tokio_util::sync::CancellationToken;

/// Keeps the policy in force. One for the whole process.
pub struct Keeper {
    settings: config::Policy,
    current: ArcSwap<Policy>,
    /// What the next snapshot is made of. Held while one is made, so that two changes at once both count.
    parts: Mutex<Parts>,
    fault: Mutex<Option<Faults>>,
    generation: Sender<u64>,
    refused: Sender<Refused>,
}

struct Parts {
    rules: Arc<Rules>,
    directory: Vec<Tenant>,
    /// Whose grants narrow what it allows.
    plugins: config::Plugins,
    /// What was proved last, well or badly, over this directory: proving it again would find the same.
    proved: Option<Texts>,
}

/// The last text that was not put in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// SHA-256 of it, in hexadecimal. Empty where the file held no text that could be looked at.
    pub digest: String,
}

impl Keeper {
    /// Read the policy the settings name and put it in force over these tenants.
    ///
    /// # Errors
    /// What is wrong with the file or its text; which cases it decides otherwise.
    pub fn open(settings: &config::Policy, directory: Vec<Tenant>) -> Result<Self, Faults> {
        Self::open_for(settings, &config::Plugins::default(), directory)
    }

    /// The same, narrowed for each plugin to the tables and tenants of its grant.
    ///
    /// # Errors
    /// As [`Keeper::open`].
    pub fn open_for(
        settings: &config::Policy,
        plugins: &config::Plugins,
        mut directory: Vec<Tenant>,
    ) -> Result<Self, Faults> {
        directory.sort_unstable();
        let texts = Texts::read(settings)?;
        let (rules, policy) = prove(settings, plugins, &texts, &directory)?;
        for warning in policy.warnings() {
            tracing::warn!("the policy is served, but look at this: {warning}");
        }
        Ok(Self {
            settings: settings.clone(),
            current: ArcSwap::from_pointee(policy),
            parts: Mutex::new(Parts { rules, directory, plugins: plugins.clone(), proved: Some(texts) }),
            fault: Mutex::default(),
            generation: Sender::new(0),
            refused: Sender::default(),
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
        let texts = match Texts::read(&self.settings) {
            Ok(texts) => texts,
            Err(unread) => {
                parts.proved = None;
                return self.refuse(unread.into(), String::new());
            }
        };
        if parts.proved.as_ref() == Some(&texts) {
            return self.fault().map_or(Ok(()), Err);
        }
        let proved = prove(&self.settings, &parts.plugins, &texts, &parts.directory);
        let digest = digest(&texts.policy);
        parts.proved = Some(texts);
        let (rules, policy) = match proved {
            Ok(good) => good,
            Err(faults) => return self.refuse(faults, digest),
        };
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if rules.text != parts.rules.text {
            parts.rules = rules;
            self.publish(policy);
        }
        Ok(())
    }

    /// Leave the last good one in force, and say so once: a file that stays bad is looked at again and again.
    fn refuse(&self, faults: Faults, digest: String) -> Result<(), Faults> {
        let refused = Refused { digest };
        let before = self.fault.lock().unwrap_or_else(PoisonError::into_inner).replace(faults.clone());
        if before.as_ref() != Some(&faults) || *self.refused.borrow() != refused {
            tracing::error!("the policy file is not served, the last good one is:\n{faults}");
            self.refused.send_replace(refused);
        }
        Err(faults)
    }

    /// Put these tenants in the place of the directory. Takes some 10 ms for a thousand.
    ///
    /// # Errors
    /// Two of them have one id. The last good directory stays in force.
    pub fn set_directory(&self, mut directory: Vec<Tenant>) -> Result<(), Faults> {
        directory.sort_unstable();
        let mut parts = self.parts();
        if parts.directory != directory {
            let policy = Policy::of(Arc::clone(&parts.rules), directory.clone(), &parts.plugins)?;
            parts.directory = directory;
            // Cases may be about tenants: what was proved was proved over others.
            parts.proved = None;
            self.publish(policy);
        }
        Ok(())
    }

    /// Narrow by these grants from now on.
    ///
    /// # Errors
    /// They do not fit the directory. The last good ones stay in force.
    pub fn set_grants(&self, plugins: &config::Plugins) -> Result<(), Faults> {
        let mut parts = self.parts();
        let same = parts.plugins.grants == plugins.grants && parts.plugins.default_grant == plugins.default_grant;
        if !same {
            let policy = Policy::of(Arc::clone(&parts.rules), parts.directory.clone(), plugins)?;
            parts.plugins = plugins.clone();
            // Cases may be about plugins.
            parts.proved = None;
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

    /// Ticks when a text was not put in force that is another one, or for another reason, than the one before.
    pub fn refusals(&self) -> Receiver<Refused> {
        self.refused.subscribe()
    }

    /// SHA-256 of the text in force, in hexadecimal.
    pub fn digest(&self) -> String {
        digest(&self.parts().rules.text)
    }

    /// Reload whenever the file changes, until told to stop: within a second where it changes in its own directory,
    /// within ten where it is a link and changes elsewhere. Returns once the watch stands. Does nothing where the
    /// settings name no file or do not want it watched.
    ///
    /// # Errors
    /// Where the operating system gives no watch on the file's directory.
    pub fn watch(self: &Arc<Self>, stop: CancellationToken) -> Result<(), BoxError> {
        match &self.settings.file {
            Some(file) if self.settings.watch => watch::start(Arc::clone(self), file, watch::ROUND, stop),
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

/// SHA-256 of a text, in hexadecimal.
fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// Rules that hold together and decide every case as it says.
fn prove(
    settings: &config::Policy,
    plugins: &config::Plugins,
    texts: &Texts,
    directory: &[Tenant],
) -> Result<(Arc<Rules>, Policy), Faults> {
    let rules = Arc::new(Rules::read(&texts.policy)?);
    let policy = Policy::of(Arc::clone(&rules), directory.to_vec(), plugins)?;
    if let (Some(path), Some(cases)) = (&settings.cases, &texts.cases) {
        let unusable = |error: &dyn std::fmt::Display| Faults::whole(format!("{}: {error}", path.display()));
        let cases = Cases::read(cases).map_err(|error| unusable(&error))?;
        let tried = match cases.directory() {
            Some(own) => cases.run(&Policy::of(Arc::clone(&rules), own, plugins)?),
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

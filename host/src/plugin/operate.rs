//! What an operator does about versions: the same for commands, for the admin endpoint, and for the host itself.
//!
//! Each changes the lock file and looks again. A host that runs beside a command sees the file change and looks by itself.

use super::loader::{Candidate, Loaded};
use super::lock::{Canary, Entry, Hold, Lock, Pin, Pins, Share, now};
use super::published::Published;
use super::record::pin;
use super::registry::{Registry, blocking};
use super::shelf::Shelf;
use crate::error::BoxError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who holds a version that the host itself took back.
pub const HOST: &str = "rowhouse";

/// A version that could be approved, and what it would take the place of.
pub struct Waiting {
    /// What serves now.
    pub serving: Option<Arc<Loaded>>,
    /// The version.
    pub fresh: Arc<Loaded>,
    /// Why it is not served.
    pub why: Vec<String>,
}

impl Registry {
    /// The version that waits: the parked one, or the canary; with `prefix`, the one whose digest begins so.
    ///
    /// # Errors
    /// Nothing waits, or not that.
    pub fn waiting(&self, name: &str, prefix: Option<&str>) -> Result<Waiting, BoxError> {
        let published = self.published();
        let serving = published.plugins.get(name).cloned();
        let parked = published.parked.get(name).map(|it| (Arc::clone(&it.loaded), it.why.clone()));
        let tried = published.canaries.get(name).map(|it| {
            let why = format!("on trial with {} since {}", it.terms.share, it.terms.since);
            (Arc::clone(&it.loaded), vec![why])
        });
        let prefix = prefix.map(bare);
        let fits = |digest: &str| prefix.is_none_or(|prefix| digest.starts_with(prefix));
        if let Some((fresh, why)) = [parked, tried].into_iter().flatten().find(|(it, _)| fits(&it.digest)) {
            return Ok(Waiting { serving, fresh, why });
        }
        let which = prefix.map_or(String::new(), |prefix| format!(" whose digest begins with {prefix}"));
        Err(format!("no version of {name}{which} waits (`rowhouse plugin list`, `rowhouse plugin history {name}`)")
            .into())
    }

    /// Serve this version from now on: ends its trial, and whatever held another one. It is held where another version
    /// lies in the directory, which would take its place at once.
    ///
    /// # Errors
    /// It is not there any more, or the lock cannot be written.
    pub async fn approve(&self, name: &str, fresh: &Arc<Loaded>, by: &str) -> Result<Arc<Published>, BoxError> {
        let candidate = self.candidate(name, &fresh.digest).await?;
        let (pin, by) = (pin(fresh, by), by.to_owned());
        let lies_there = self.loader.read(name, &self.file(name)).await;
        let there = lies_there.is_ok_and(|there| there.digest == fresh.digest);
        let why = "approved while another version lies in the directory".to_owned();
        let hold = (!there).then(|| Hold { since: now(), by, why });
        self.decide(name, move |entry, shelf| {
            candidate.map_or(Ok(()), |candidate| shelf.keep(&candidate))?;
            (entry.hold, entry.canary) = (hold, None);
            entry.serve(pin);
            Ok(())
        })
        .await
    }

    /// Go back: end a trial, or serve the version before, or the kept one whose digest begins with `to`. Nothing else is
    /// taken up until [`Registry::release`]. What is gone back to is proved first.
    ///
    /// # Errors
    /// There is none to go back to, it no longer holds, or the lock cannot be written.
    pub async fn rollback(
        &self,
        name: &str,
        to: Option<&str>,
        by: &str,
        why: &str,
    ) -> Result<Arc<Published>, BoxError> {
        let lock = self.lock().await?;
        let found = entry(&lock, name)?;
        let (by, why) = (by.to_owned(), why.to_owned());
        if let (Some(canary), None) = (found.canary.clone(), to) {
            return self
                .decide(name, move |entry, _| {
                    if entry.canary.as_ref().is_none_or(|now| now.digest != canary.digest) {
                        return Err("that trial is over".into());
                    }
                    entry.canary = None;
                    entry.hold = Some(Hold { since: now(), by, why });
                    Ok(())
                })
                .await;
        }
        let target = match to {
            Some(prefix) => kept(found, prefix)?,
            None => found.previous().ok_or_else(|| format!("{name}: no earlier version is kept"))?,
        };
        let (target, left) = (target.digest.clone(), found.serving.clone());
        self.last_good(name, &target, &self.published()).await.map_err(|why| why.to_string())?;
        self.decide(name, move |entry, _| {
            if entry.serving != left {
                return Err("another version serves by now".into());
            }
            entry.go_back(&target, &by, &why)
        })
        .await
    }

    /// Hold it no longer: the version in the directory is judged as any other.
    ///
    /// # Errors
    /// It is not held, or the lock cannot be written.
    pub async fn release(&self, name: &str) -> Result<Arc<Published>, BoxError> {
        let lock = self.lock().await?;
        if entry(&lock, name)?.hold.is_none() {
            return Err(format!("{name} is not held").into());
        }
        self.decide(name, |entry, _| {
            entry.hold = None;
            Ok(())
        })
        .await
    }

    /// Give this version some of the calls. One that is on trial already gets another share.
    ///
    /// # Errors
    /// It is not there any more, or the lock cannot be written.
    pub async fn canary(
        &self,
        name: &str,
        fresh: &Arc<Loaded>,
        share: Share,
        by: &str,
    ) -> Result<Arc<Published>, BoxError> {
        let candidate = self.candidate(name, &fresh.digest).await?;
        let canary = Canary { digest: fresh.digest.clone(), since: now(), by: by.to_owned(), share };
        self.decide(name, move |entry, shelf| {
            if entry.serving == canary.digest {
                return Err("that version serves already".into());
            }
            candidate.map_or(Ok(()), |candidate| shelf.keep(&candidate))?;
            entry.canary = Some(canary);
            Ok(())
        })
        .await
    }

    /// Forget a plugin: what was approved of it and what was kept. Its next version is seen for the first time.
    ///
    /// # Errors
    /// The lock cannot be written.
    pub async fn forget(&self, name: &str) -> Result<Arc<Published>, BoxError> {
        let (pins, name) = (self.needed()?, name.to_owned());
        let forget = move |lock: &mut Lock, _: &Shelf| {
            lock.plugins.remove(&name);
            Ok(())
        };
        blocking(move || pins.change(forget)).await?;
        self.look().await
    }

    /// What is decided about a plugin.
    ///
    /// # Errors
    /// Nothing is, or the lock cannot be read.
    pub async fn decided(&self, name: &str) -> Result<Entry, BoxError> {
        entry(&self.lock().await?, name).cloned()
    }

    /// Take back every version on trial that fails too often.
    pub(super) async fn take_back_failing(&self) {
        let published = self.published();
        let tried = published.canaries.values().map(|tried| &tried.loaded);
        let failing: Vec<_> = published
            .plugins
            .values()
            .chain(tried)
            .filter_map(|version| Some((Arc::clone(version), version.tally.verdict()?)))
            .collect();
        for (version, why) in failing {
            let name = &*version.name;
            // A canary goes first, and where one is, it is the one that is new.
            let canary = published.canaries.get(name).is_some_and(|tried| tried.loaded.digest == version.digest);
            let to = match self.decided(name).await {
                Ok(entry) if !canary && entry.serving == version.digest => {
                    entry.previous().map(|pin| pin.digest.clone())
                }
                _ => None,
            };
            if !canary && to.is_none() {
                version.tally.rest();
                continue;
            }
            let why = format!("{} {why}", version.version);
            match self.rollback(name, to.as_deref(), HOST, &why).await {
                Ok(_) => tracing::error!(plugin.name = %name, plugin.version = %version.version, "taken back: {why}"),
                Err(error) => {
                    version.tally.unheard();
                    tracing::error!(plugin.name = %name, plugin.version = %version.version, "fails and could not be taken back ({why}): {error}");
                }
            }
        }
    }

    /// Keep the component in a file, to give it some of the calls before it lies in the directory.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub async fn keep(&self, name: &str, file: &Path) -> Result<(), BoxError> {
        let candidate = self.loader.read(name, file).await.map_err(|why| why.to_string())?;
        let shelf = self.needed()?.shelf;
        blocking(move || Ok(shelf.keep(&candidate)?)).await
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory().join(format!("{name}.wasm"))
    }

    /// The bytes of a version that is in the directory; none for one that is kept.
    async fn candidate(&self, name: &str, digest: &str) -> Result<Option<Candidate>, BoxError> {
        if self.needed()?.shelf.has(digest) {
            return Ok(None);
        }
        let path = self.file(name);
        let candidate = self.loader.read(name, &path).await.map_err(|why| why.to_string())?;
        if candidate.digest != digest {
            return Err(format!("{} is another version by now; look again", path.display()).into());
        }
        Ok(Some(candidate))
    }

    /// Change what is decided about one plugin, and look.
    async fn decide(
        &self,
        name: &str,
        work: impl FnOnce(&mut Entry, &Shelf) -> Result<(), BoxError> + Send + 'static,
    ) -> Result<Arc<Published>, BoxError> {
        let (pins, owned) = (self.needed()?, name.to_owned());
        let change = move || {
            pins.change(|lock, shelf| {
                let entry = lock.plugins.entry(owned.clone()).or_default();
                work(entry, shelf).map_err(|why| format!("{owned}: {why}").into())
            })
        };
        blocking(change).await?;
        self.look().await
    }

    fn needed(&self) -> Result<Pins, BoxError> {
        self.pins().cloned().ok_or_else(|| "nothing is decided here".into())
    }
}

fn entry<'a>(lock: &'a Lock, name: &str) -> Result<&'a Entry, BoxError> {
    lock.plugins
        .get(name)
        .ok_or_else(|| format!("nothing is known of a plugin {name:?} (`rowhouse plugin list`)").into())
}

/// A digest as people copy it.
fn bare(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}

/// The kept version whose digest begins so.
fn kept<'a>(entry: &'a Entry, prefix: &str) -> Result<&'a Pin, BoxError> {
    let prefix = bare(prefix);
    let mut fit = entry.versions.iter().filter(|pin| pin.digest.starts_with(prefix));
    match (fit.next(), fit.next()) {
        (Some(pin), None) => Ok(pin),
        (None, _) => Err(format!("no kept version has a digest that begins with {prefix}").into()),
        (Some(_), Some(_)) => Err(format!("several kept versions have a digest that begins with {prefix}").into()),
    }
}

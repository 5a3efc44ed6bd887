//! Looks at the directory and the lock file, and publishes what both say.

use super::loader::{COMPILE, Candidate, Loaded, Loader, Refused, SIGNATURE};
use super::lock::{Entry, Lock, Pins};
use super::published::{Found, NAMES, Parked, Published, Tried};
use super::record::{Taken, record};
use super::surface::Surface;
use super::verdict::{Verdict, decide};
use crate::config::{Approval, Plugins};
use crate::error::BoxError;
use arc_swap::ArcSwap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use tokio::sync::{Mutex, Notify, watch};

/// Looks before one gives up on a lock that others change all the time: the next change brings another look.
const TRIES: usize = 3;

/// The step at which a kept version turns out to be none. Its file may come back.
const KEPT: &str = "kept";

/// What a registry has to do with the lock file.
pub(super) enum Pinning {
    /// Serves: what it decides is written down.
    Host(Pins),
    /// Shows what a host would serve, and changes only what an operator orders.
    View(Pins),
    /// Has none: whatever holds is taken as it is.
    Alone,
}

/// Publishes plugins from a directory.
pub struct Registry {
    pub(super) loader: Loader,
    directory: PathBuf,
    approval: Approval,
    pinning: Pinning,
    published: ArcSwap<Published>,
    changed: watch::Sender<u64>,
    looked: watch::Sender<u64>,
    one_at_a_time: Mutex<()>,
    /// Why the lock could not be written, so that it is said once.
    unwritten: std::sync::Mutex<Option<String>>,
}

impl Registry {
    pub(super) fn new(loader: Loader, directory: PathBuf, approval: Approval, pinning: Pinning) -> Self {
        Self {
            loader,
            directory,
            approval,
            pinning,
            published: ArcSwap::default(),
            changed: watch::Sender::new(0),
            looked: watch::Sender::new(0),
            one_at_a_time: Mutex::new(()),
            unwritten: std::sync::Mutex::default(),
        }
    }

    /// What is served now.
    pub fn published(&self) -> Arc<Published> {
        self.published.load_full()
    }

    /// Ticks each time a caller would see another set of tools, prompts or documents.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Ticks after each look at the directory, whether it found something or not.
    pub fn looks(&self) -> watch::Receiver<u64> {
        self.looked.subscribe()
    }

    /// Tell callers to look again: what they may see changed for another reason than a plugin.
    pub fn announce(&self) {
        self.changed.send_modify(|generation| *generation += 1);
    }

    /// Calls that begin from now on have the bounds of these settings; grants stay as they are.
    pub fn set_limits(&self, settings: &Plugins) {
        self.loader.set_limits(settings);
    }

    /// Where plugins come from.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Told when a version on trial fails too often.
    pub(super) fn alarm(&self) -> Arc<Notify> {
        Arc::clone(&self.loader.alarm)
    }

    pub(super) fn pins(&self) -> Option<&Pins> {
        match &self.pinning {
            Pinning::Host(pins) | Pinning::View(pins) => Some(pins),
            Pinning::Alone => None,
        }
    }

    /// Look at the directory and the lock file: prove what is new or changed, forget what is gone, publish in one step
    /// what was approved. A file that is refused, or that nobody approved, leaves the last good version serving.
    ///
    /// # Errors
    /// Only where the directory or the lock cannot be read, and then all stays as it is; a refused plugin is in
    /// [`Published::refused`], not here.
    pub async fn look(&self) -> Result<Arc<Published>, BoxError> {
        let _turn = self.one_at_a_time.lock().await;
        let before = self.published();
        let mut tries = 0;
        let next = loop {
            tries += 1;
            if let Some(next) = self.survey(&before, tries == TRIES).await? {
                break Arc::new(next);
            }
        };
        tell(&before, &next);
        watch_trials(&next);
        let differs = !before.alike(&next);
        self.published.store(Arc::clone(&next));
        self.looked.send_modify(|looks| *looks += 1);
        if differs {
            self.announce();
        }
        Ok(next)
    }

    /// What should be served. None: the lock was changed by somebody else on the way, and that was not the `last` try.
    async fn survey(&self, before: &Published, last: bool) -> Result<Option<Published>, BoxError> {
        let files = self.files()?;
        let lock = self.lock().await?;
        let (mut found, mut taken) = (Found::default(), Vec::new());
        for (name, path) in &files {
            let entry = lock.plugins.get(name);
            self.sort(name, path, entry, before, &mut found, &mut taken).await;
        }
        let mut next = found.clone().arrange(before);
        taken.retain(|it| next.plugins.get(&it.loaded.name).is_some_and(|now| now.digest == it.loaded.digest));
        let Pinning::Host(pins) = &self.pinning else { return Ok(Some(next)) };
        if taken.is_empty() {
            return Ok(Some(next));
        }
        let written = blocking({
            let (pins, taken) = (pins.clone(), taken.clone());
            move || record(&pins, &taken)
        });
        let fault = match written.await {
            Ok(Some(written)) => {
                self.say_once(None);
                let there = |(name, _): &(String, Entry)| files.iter().any(|(file, _)| file == name);
                next.decided = written.plugins.into_iter().filter(there).collect();
                return Ok(Some(next));
            }
            Ok(None) if !last => return Ok(None),
            Ok(None) => "the lock file is being changed by others".to_owned(),
            Err(error) => error.to_string(),
        };
        self.say_once(Some(&fault));
        for Taken { loaded, entry, .. } in taken.into_iter().filter(|it| it.by.is_some()) {
            found.plugins.remove(&loaded.name);
            if let Some(entry) = entry.filter(|entry| !entry.serving.is_empty())
                && let Ok(good) = self.last_good(&loaded.name, &entry.serving, before).await
            {
                found.plugins.insert(Arc::clone(&good.name), good);
            }
            let why = vec![format!("that it serves cannot be written down: {fault}")];
            found.parked.insert(loaded.name.to_string(), Arc::new(Parked { loaded, why }));
        }
        Ok(Some(found.arrange(before)))
    }

    /// Find a place for one file's plugin.
    async fn sort(
        &self,
        name: &str,
        path: &Path,
        entry: Option<&Entry>,
        before: &Published,
        found: &mut Found,
        taken: &mut Vec<Taken>,
    ) {
        let tries = |digest: &str| entry.and_then(|it| it.canary.as_ref()).filter(|canary| canary.digest == digest);
        match self.fresh(name, path, before).await {
            Ok((loaded, candidate)) => {
                let surface = Surface::of(&loaded);
                let take = |by| Taken {
                    loaded: Arc::clone(&loaded),
                    candidate: Arc::new(candidate),
                    entry: entry.cloned(),
                    by,
                };
                if let Some(entry) = entry.filter(|entry| entry.serving == loaded.digest) {
                    // Looked at once: a kept version is needed on the day its file is gone.
                    let looked = before.plugins.get(name).is_some_and(|it| it.digest == loaded.digest);
                    let kept = self.pins().is_none_or(|pins| {
                        if looked { pins.shelf.has(&loaded.digest) } else { pins.shelf.holds(&loaded.digest) }
                    });
                    if !kept || entry.current().is_none_or(|pin| pin.surface != surface) {
                        taken.push(take(None));
                    }
                    found.plugins.insert(Arc::clone(&loaded.name), loaded);
                } else if let Some(terms) = tries(&loaded.digest) {
                    let tried = Tried { loaded: Arc::clone(&loaded), terms: terms.clone() };
                    found.canaries.insert(Arc::clone(&loaded.name), Arc::new(tried));
                } else {
                    match decide(self.approval, entry, &surface) {
                        _ if self.pins().is_none() => drop(found.plugins.insert(Arc::clone(&loaded.name), loaded)),
                        Verdict::Serve(by) => {
                            taken.push(take(Some(by)));
                            found.plugins.insert(Arc::clone(&loaded.name), loaded);
                        }
                        Verdict::Park(why) => {
                            found.parked.insert(name.to_owned(), Arc::new(Parked { loaded, why }));
                        }
                    }
                }
            }
            Err(why) => {
                found.refused.insert(name.to_owned(), why);
                if let Some(serving) = before.plugins.get(name).filter(|_| self.pins().is_none()) {
                    found.plugins.insert(Arc::clone(&serving.name), Arc::clone(serving));
                }
            }
        }
        let Some(entry) = entry else { return };
        found.decided.insert(name.to_owned(), entry.clone());
        if !found.plugins.contains_key(name) && !entry.serving.is_empty() {
            match self.last_good(name, &entry.serving, before).await {
                Ok(good) => drop(found.plugins.insert(Arc::clone(&good.name), good)),
                Err(why) => drop(found.refused.entry(name.to_owned()).or_insert(why)),
            }
        }
        if let Some(terms) = entry.canary.as_ref().filter(|_| !found.canaries.contains_key(name)) {
            match self.last_good(name, &terms.digest, before).await {
                Ok(loaded) => {
                    let tried = Tried { loaded: Arc::clone(&loaded), terms: terms.clone() };
                    found.canaries.insert(Arc::clone(&loaded.name), Arc::new(tried));
                }
                Err(why) => drop(found.refused.entry(name.to_owned()).or_insert(why)),
            }
        }
    }

    /// The plugin in a file, proved now or before.
    async fn fresh(
        &self,
        name: &str,
        path: &Path,
        before: &Published,
    ) -> Result<(Arc<Loaded>, Candidate), Arc<Refused>> {
        let candidate = self.loader.read(name, path).await?;
        if let Some(known) = before.known(name, &candidate.digest) {
            return Ok((known, candidate));
        }
        // A name that was taken may have become free, a compiler that ran out of time may have more of it, a signature may
        // have come to lie beside, and what is wrong with a kept version is not wrong with its file; everything else a
        // component is refused for is in its bytes.
        if let Some(why) = before
            .refused
            .get(name)
            .filter(|why| why.digest == candidate.digest && ![NAMES, COMPILE, SIGNATURE, KEPT].contains(&why.step))
        {
            return Err(Arc::clone(why));
        }
        let loaded = self.loader.load(name, &candidate).await.inspect_err(|why| {
            tracing::warn!(plugin.name = %name, still_serving = before.plugins.contains_key(name), "{why}");
        })?;
        tracing::info!(
            plugin.name = %name,
            plugin.version = %loaded.version,
            plugin.digest = %&loaded.digest[..12],
            plugin.publisher = loaded.publisher.as_deref().unwrap_or("-"),
            tools = loaded.tools.len(),
            "plugin proved"
        );
        Ok((Arc::new(loaded), candidate))
    }

    /// A version of the lock that its file no longer has: the one that is known, or the kept one, proved like any other.
    pub(super) async fn last_good(
        &self,
        name: &str,
        digest: &str,
        before: &Published,
    ) -> Result<Arc<Loaded>, Arc<Refused>> {
        if let Some(known) = before.known(name, digest) {
            return Ok(known);
        }
        let refuse =
            |reason: String| Refused { plugin: name.to_owned(), step: KEPT, reason, digest: digest.to_owned() };
        let pins = self.pins().ok_or_else(|| refuse("nothing is kept".to_owned()))?;
        if !pins.shelf.has(digest) {
            let place = pins.shelf.path(digest);
            return Err(Arc::new(refuse(format!(
                "the version that was approved is not kept any more in {}",
                place.display()
            ))));
        }
        let candidate = self.loader.read(name, &pins.shelf.path(digest)).await?;
        if candidate.digest != digest {
            return Err(Arc::new(refuse("the kept version was changed".to_owned())));
        }
        Ok(Arc::new(self.loader.load(name, &candidate).await?))
    }

    /// What is decided, as the lock file has it now.
    pub(super) async fn lock(&self) -> Result<Lock, BoxError> {
        let Some(pins) = self.pins().cloned() else { return Ok(Lock::default()) };
        blocking(move || pins.read()).await
    }

    fn say_once(&self, fault: Option<&str>) {
        let fault = fault.map(str::to_owned);
        let mut said = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != fault {
            if let Some(fault) = &fault {
                tracing::error!("no new version is taken up, the last good ones serve: {fault}");
            }
            *said = fault;
        }
    }

    fn files(&self) -> Result<Vec<(String, PathBuf)>, BoxError> {
        let unreadable = |e| {
            let dir = self.directory.display();
            format!(
                "the plugin directory {dir}: {e}; name one with --plugins DIR (`cargo xtask plugins` builds the demo's into target/plugins)"
            )
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
            if path.extension().is_some_and(|ending| ending == "wasm")
                && let Some(name) = name
            {
                files.push((name, path));
            }
        }
        files.sort();
        Ok(files)
    }
}

/// Run what waits for a disk or for another writer.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BoxError> + Send + 'static,
) -> Result<T, BoxError> {
    tokio::task::spawn_blocking(work).await?
}

/// New versions that replaced one, and canaries, are watched; the rest is not.
fn watch_trials(next: &Published) {
    for (name, loaded) in &next.plugins {
        let entry =
            next.decided.get(&**name).filter(|entry| entry.serving == loaded.digest && entry.previous().is_some());
        match entry.and_then(Entry::current).filter(|_| entry.is_some_and(|entry| entry.hold.is_none())) {
            Some(pin) => loaded.tally.watch_new(&pin.approved_at),
            None => loaded.tally.rest(),
        }
    }
    for tried in next.canaries.values() {
        tried.loaded.tally.watch_canary(&tried.terms.since);
    }
}

/// The log hears once that a version waits.
fn tell(before: &Published, next: &Published) {
    for (name, parked) in &next.parked {
        let known = before.parked.get(name);
        if known.is_none_or(|known| known.loaded.digest != parked.loaded.digest || known.why != parked.why) {
            let serving = next.plugins.get(name.as_str()).map_or("nothing", |it| it.version.as_str());
            tracing::warn!(plugin.name = %name, serving, "a new version is not served: {parked}; see `rowhouse plugin approve {name}`");
        }
    }
}

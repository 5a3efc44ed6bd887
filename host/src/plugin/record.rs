//! What a look decided, written down before it is served.

use super::loader::{Candidate, Loaded};
use super::lock::{Entry, Lock, Pin, Pins, now};
use super::surface::Surface;
use crate::error::BoxError;
use std::sync::Arc;

/// A version that a look takes up, and what it was decided on.
#[derive(Clone)]
pub(super) struct Taken {
    pub(super) loaded: Arc<Loaded>,
    pub(super) candidate: Arc<Candidate>,
    pub(super) entry: Option<Entry>,
    /// By which rule. None: it was approved before, and the lock or the shelf lacks something of it.
    pub(super) by: Option<&'static str>,
}

/// Write down what a look decided. None: somebody else decided something meanwhile.
pub(super) fn record(pins: &Pins, taken: &[Taken]) -> Result<Option<Lock>, BoxError> {
    pins.change(|lock, shelf| {
        if taken.iter().any(|it| lock.plugins.get(&*it.loaded.name) != it.entry.as_ref()) {
            return Ok(None);
        }
        for Taken { loaded, candidate, by, .. } in taken {
            shelf.keep(candidate)?;
            let entry = lock.plugins.entry(loaded.name.to_string()).or_default();
            let before = entry.current().filter(|pin| by.is_none() && pin.digest == loaded.digest).cloned();
            let fresh = pin(loaded, by.unwrap_or("the lock file"));
            entry.serve(match before {
                Some(known) => Pin { surface: fresh.surface, ..known },
                None => fresh,
            });
        }
        Ok(Some(lock.clone()))
    })
}

/// A version, approved now.
pub(super) fn pin(loaded: &Loaded, by: &str) -> Pin {
    Pin {
        digest: loaded.digest.clone(),
        version: loaded.version.clone(),
        approved_at: now(),
        approved_by: by.to_owned(),
        taken_back: None,
        surface: Surface::of(loaded),
    }
}

//! Backups that an open house makes by itself.
//!
//! Every host of a database may be told to. The place says when the last one was made, whoever made it, and a lock in the
//! database says who makes one now; so hosts need not know of each other.

use super::{Ground, ground};
use crate::backup::{self, Error, Origin, Standing, Wanted, meter};
use crate::config::Settings;
use anyhow::Result;
use chrono::Utc;
use std::sync::Arc;
use std::time::Duration;

/// After a failure: a place that is away comes back in minutes or is away for the night.
const AGAIN: Duration = Duration::from_secs(300);

/// While another host is at it.
const TURN: Duration = Duration::from_secs(60);

/// The longest sleep: a clock that was set, or a backup that somebody removed, is noticed within an hour.
const LONGEST: Duration = Duration::from_secs(3_600);

impl Ground {
    /// What backups of this database are made of.
    ///
    /// # Errors
    /// A setting that cannot be used.
    pub fn origin(&self, settings: &Settings) -> Result<Origin, Error> {
        Ok(match backup::operators(settings)? {
            Some(admin) => Origin { admin, embedded: None },
            None => Origin { admin: self.copied(), embedded: Some(ground::options(settings)) },
        })
    }
}

/// Make one whenever it is time, until the caller ends it.
pub(super) async fn keep(origin: Origin, settings: Settings, standing: Arc<Standing>) {
    let Some(every) = settings.backup.every else { return };
    loop {
        let wait = match round(&origin, &settings, every.0, &standing).await {
            Ok(wait) => {
                standing.is_well();
                wait
            }
            Err(Error::Busy) => TURN,
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(%error, "no backup was made; trying again in five minutes");
                standing.failed(error);
                AGAIN.min(every.0)
            }
        };
        tokio::time::sleep(wait.min(LONGEST)).await;
    }
}

/// Look whether it is time, and make one if it is. How long until the next look.
async fn round(origin: &Origin, settings: &Settings, every: Duration, standing: &Standing) -> Result<Duration, Error> {
    let catalog = backup::shelf(&settings.backup, None, true)?.catalog().await?;
    if let Some(latest) = catalog.latest() {
        standing.made(latest);
        let age = Utc::now().signed_duration_since(latest.at()).to_std().unwrap_or_default();
        if let Some(left) = every.checked_sub(age).filter(|left| !left.is_zero()) {
            return Ok(left);
        }
    }
    let taken = backup::take(origin, settings, &Wanted::default(), &meter()).await?;
    let manifest = &taken.manifest;
    standing.made(manifest);
    tracing::info!(
        backup = manifest.id,
        kind = manifest.kind.as_str(),
        bytes = manifest.size(),
        removed = taken.removed.len(),
        "a backup was made"
    );
    if taken.open {
        tracing::warn!(backup = manifest.id, "it is not encrypted: whoever can read the place can read the database");
    }
    Ok(every)
}

//! SIGHUP: the settings are read again, and what can change while calls run does.

use super::run::{refuse_unfit, settings};
use super::signals::Again;
use super::{Common, log, manager};
use crate::config::Settings;
use crate::house::{self, House, Reloaded};
use anyhow::Result;

/// Reads the settings again whenever somebody asks.
pub(super) struct Reload<'a> {
    common: &'a Common,
    /// As they were read at the start: what waits for a restart is told by these.
    started: Settings,
    /// As they were read last.
    now: Settings,
    again: Again,
}

impl<'a> Reload<'a> {
    /// Begin to listen. `settings`: as they were read, before the command line's own words.
    ///
    /// # Errors
    /// Where the system gives no signals.
    pub(super) fn listen(common: &'a Common, settings: &Settings) -> Result<Self> {
        Ok(Self { common, started: settings.clone(), now: settings.clone(), again: Again::listen()? })
    }

    /// Follow, until the caller ends it.
    pub(super) async fn follow(&mut self, house: &House) {
        loop {
            self.again.asked().await;
            manager::reloading();
            match self.once(house).await {
                Ok(done) => tell(&done),
                Err(error) => {
                    tracing::error!(error = %format!("{error:#}"), "the settings are not used; all stays as it was");
                }
            }
            manager::ready();
        }
    }

    async fn once(&mut self, house: &House) -> Result<Reloaded> {
        // Everything that can be wrong with them stops here, as it would stop a start.
        let fresh = settings(self.common)?;
        refuse_unfit(&fresh)?;
        house::refuse_own_issuer(&fresh)?;
        let done = house.reload(&self.started, &self.now, &fresh).await?;
        log::follow(self.common, fresh.log.as_deref())?;
        self.now = fresh;
        Ok(done)
    }
}

/// Loud enough for the usual log: somebody asked, and looks there.
fn tell(done: &Reloaded) {
    for key in &done.changed {
        tracing::warn!(setting = %key, "a setting was read again and is in force");
    }
    for key in &done.waiting {
        tracing::warn!(setting = %key, "this setting needs a restart; until then the one before holds");
    }
    tracing::warn!(changed = done.changed.len(), waiting = done.waiting.len(), "the settings were read again");
}

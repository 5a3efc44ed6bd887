//! Whom a host tells when something is wrong with it.
//!
//! Every few seconds its components are looked at, as for `/health`. What is wrong for long enough is posted to the
//! webhooks of the settings once, again after the repeat interval, and once more when it is over. Nothing waits for a
//! webhook: each has a task and a bounded box of its own. No message holds anything of a tenant; see
//! [`Problem`](crate::health::Problem).

mod judge; // What is news.
mod outbox; // What waits to be posted.
mod webhook; // One receiver.

pub use judge::{Notice, Word};

use crate::call::Host;
use crate::config;
use crate::health::Component;
use crate::mcp;
use judge::Judge;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use webhook::Webhook;

/// Why nobody could be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A secret of the settings cannot be had.
    #[error("webhook[{at}].{key}")]
    Secret {
        /// Which webhook, from 0.
        at: usize,
        /// Which of its settings.
        key: &'static str,
        /// Why.
        #[source]
        source: config::SecretError,
    },
    /// Its address or header cannot be used. Neither is shown: both may be secrets.
    #[error("webhook[{at}].{why}")]
    Unusable {
        /// Which webhook, from 0.
        at: usize,
        /// What is wrong and what would do.
        why: &'static str,
    },
}

/// Knows what was told, and to whom.
pub struct Alerts {
    judge: Judge,
    webhooks: Vec<Arc<Webhook>>,
    check: Duration,
}

impl Alerts {
    /// Fetch what the settings name, and stand ready until `stop`. Nothing is posted yet. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// A secret that cannot be had, an address that cannot be used.
    pub fn open(settings: &config::Alerts, stop: CancellationToken) -> Result<Self, Error> {
        let webhooks = webhooks(settings)?;
        for webhook in &webhooks {
            let serving = Arc::clone(webhook).serve();
            drop(tokio::spawn(stop.clone().run_until_cancelled_owned(serving)));
        }
        let seconds = Duration::from_secs;
        let judge = Judge::new(name(settings), seconds(settings.hold_seconds), seconds(settings.repeat_seconds));
        Ok(Self { judge, webhooks, check: seconds(settings.check_seconds) })
    }

    /// One look was had, this long after the first: tell what is news. Waits for nobody.
    pub fn hear(&mut self, now: Duration, at: SystemTime, components: &[Component]) {
        for notice in self.judge.hear(now, at, components) {
            match notice.word {
                Word::Resolved => tracing::info!(alert = %notice.key, "over: {}", notice.what),
                _ => tracing::warn!(alert = %notice.key, "{}", notice.what),
            }
            let notice = Arc::new(notice);
            self.webhooks.iter().for_each(|webhook| webhook.put(&notice));
        }
    }
}

/// Look again and again, until the caller ends it.
pub async fn watch(host: Arc<Host>, mut alerts: Alerts) {
    let start = Instant::now();
    let mut round = tokio::time::interval(alerts.check);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        round.tick().await;
        let components = mcp::health::look(&host).await;
        alerts.hear(start.elapsed(), SystemTime::now(), &components);
    }
}

/// Post a message that says it is a test to every webhook, once each; how each took it, in the order of the settings.
///
/// # Errors
/// As [`Alerts::open`].
pub async fn test(settings: &config::Alerts) -> Result<Vec<Result<(), String>>, Error> {
    let notice = Notice::test(&name(settings), SystemTime::now());
    let mut taken = Vec::new();
    for webhook in webhooks(settings)? {
        taken.push(webhook.post(&notice).await.map_err(|failure| failure.to_string()));
    }
    Ok(taken)
}

fn webhooks(settings: &config::Alerts) -> Result<Vec<Arc<Webhook>>, Error> {
    settings.webhook.iter().enumerate().map(|(at, webhook)| Ok(Arc::new(Webhook::open(at, webhook)?))).collect()
}

/// What this host is called.
fn name(settings: &config::Alerts) -> String {
    let machine = || fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    settings.host.clone().unwrap_or_else(machine)
}

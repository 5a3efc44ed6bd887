//! What an open house keeps up with: new tenants, keys, policies and plugins, and the record of them.

use super::{ground, ticket_key};
use crate::audit::{Event, Short};
use crate::call::Host;
use crate::clerk::{Clerk, Topic};
use crate::identity::Seeds;
use crate::keys::{Keys, Name};
use crate::plugin::{self, Loaded, Published};
use crate::policy::Tenant;
use crate::telemetry::Swap;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long to wait for the host's own connection: the next tick asks again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Start every round. They end with `stop`.
pub(super) fn start(
    host: &Arc<Host>,
    clerk: &Clerk,
    keys: watch::Receiver<Arc<Keys>>,
    state: PathBuf,
    stop: &CancellationToken,
) {
    // Ends by itself, with a last word.
    drop(tokio::spawn(plugin::keep_accounts(Arc::clone(&host.plugins), state, stop.clone())));
    let rounds = [
        tokio::spawn(stop.clone().run_until_cancelled_owned(tenants(Arc::clone(host), clerk.clone()))),
        tokio::spawn(stop.clone().run_until_cancelled_owned(rotate(Arc::clone(host), clerk.clone(), keys))),
        tokio::spawn(stop.clone().run_until_cancelled_owned(policies(Arc::clone(host)))),
        tokio::spawn(stop.clone().run_until_cancelled_owned(plugins(Arc::clone(host)))),
    ];
    // Nobody waits for them: each says in the log what it could not do, and goes on.
    drop(rounds);
}

/// A tenant that is added to the directory is known without a restart, and one that is removed is gone.
async fn tenants(host: Arc<Host>, clerk: Clerk) {
    let mut changes = clerk.changes(Topic::Tenants);
    while changes.changed().await.is_ok() {
        let read = async {
            let client = clerk.client(PATIENCE).await.map_err(anyhow::Error::from)?;
            let rows = client.query("SELECT id, name, region FROM rowhouse.tenants_directory", &[]).await?;
            let tenant = |row: tokio_postgres::Row| Tenant { id: row.get(0), name: row.get(1), region: row.get(2) };
            host.policy.set_directory(rows.into_iter().map(tenant).collect()).map_err(anyhow::Error::from)
        };
        if let Err(error) = read.await {
            tracing::warn!(error = %format!("{error:#}"), "the directory of tenants was not read again; the last one stays");
        }
    }
}

/// New keys are signed and logged in with as soon as they are there.
async fn rotate(host: Arc<Host>, clerk: Clerk, mut told: watch::Receiver<Arc<Keys>>) {
    // Once unasked: a key may have been replaced between the first reading and the watch.
    let mut before: Option<Arc<Keys>> = None;
    loop {
        let keys = Arc::clone(&told.borrow_and_update());
        host.database.set_ticket_key(&ticket_key(&keys));
        if let Err(error) = host.seal.set_keys(&keys) {
            tracing::error!(%error, "states of calls are sealed with the key before");
        }
        host.database.set_logins(&ground::logins(&keys));
        if let Some(answers) = host.database.answers() {
            answers.set_keys(&keys);
        }
        clerk.set_password(&keys.password(rowhouse_migrations::CLERK_ROLE));
        host.identity.set_seeds(Seeds { current: &keys.issuer, previous: keys.issuer_previous.as_ref() });
        for name in before.map(|before| keys.replaced_since(&before)).into_iter().flatten() {
            let key = match name {
                Name::Ticket => format!("ticket {}", keys.ticket_name()),
                name => name.as_str().to_owned(),
            };
            tracing::info!(name = key, "a new key is in use");
            host.audit.event(Event::KeyRotated { key: key.into() });
        }
        before = Some(keys);
        if told.changed().await.is_err() {
            return;
        }
    }
}

/// Callers are told to look again when the policy or the directory is another.
async fn policies(host: Arc<Host>) {
    let (mut generation, mut refusals) = (host.policy.generation(), host.policy.refusals());
    loop {
        tokio::select! {
            changed = generation.changed() => {
                if changed.is_err() {
                    return;
                }
                host.plugins.announce();
                host.audit.event(Event::PolicyReloaded { digest: host.policy.digest().into() });
            }
            refused = refusals.changed() => {
                if refused.is_err() {
                    return;
                }
                let digest = refusals.borrow_and_update().digest.as_str().into();
                host.audit.event(Event::PolicyRefused { digest });
            }
        }
    }
}

/// Which plugins are served, and which were refused, is in the trail.
async fn plugins(host: Arc<Host>) {
    let mut changes = host.plugins.looks();
    let mut before = Published::default();
    loop {
        let now = host.plugins.published();
        tell(&host, &before, &now);
        before = Published::clone(&now);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// What is new in `now`.
fn tell(host: &Host, before: &Published, now: &Published) {
    let digests: BTreeMap<&str, &str> = before.plugins.values().map(|p| (&*p.name, p.digest.as_str())).collect();
    for version in now.plugins.values().filter(|p| digests.get(&*p.name) != Some(&p.digest.as_str())) {
        let pin = now.decided.get(&*version.name).and_then(|entry| entry.pin(&version.digest));
        let (plugin, plugin_version, digest) = names(version);
        let by = pin.map_or("", |pin| &pin.approved_by).into();
        host.audit.event(Event::PluginPublished { plugin, plugin_version, digest, by });
        host.telemetry.swap(&**version, Swap::Published);
    }
    for (name, parked) in &now.parked {
        if before.parked.get(name).is_none_or(|known| known.loaded.digest != parked.loaded.digest) {
            let (plugin, plugin_version, digest) = names(&parked.loaded);
            host.audit.event(Event::PluginParked { plugin, plugin_version, digest });
            host.telemetry.swap(&*parked.loaded, Swap::Parked);
        }
    }
    for (name, tried) in &now.canaries {
        if before.canaries.get(name).is_none_or(|known| known.terms != tried.terms) {
            let (plugin, plugin_version, digest) = names(&tried.loaded);
            let by = (&tried.terms.by).into();
            host.audit.event(Event::PluginTried { plugin, plugin_version, digest, by });
        }
    }
    for (name, hold) in now.decided.iter().filter_map(|(name, entry)| Some((name, entry.hold.as_ref()?))) {
        let known = before.decided.get(name).and_then(|entry| entry.hold.as_ref());
        if known != Some(hold)
            && let Some(version) = now.plugins.get(name.as_str())
        {
            let (plugin, plugin_version, digest) = names(version);
            let (by, why) = ((&hold.by).into(), (&hold.why).into());
            host.audit.event(Event::PluginHeld { plugin, plugin_version, digest, by, why });
            // A version is also held when it is approved while another lies in the directory: that one is new here.
            if before.decided.get(name).is_some_and(|entry| entry.pin(&version.digest).is_some()) {
                host.telemetry.swap(&**version, Swap::RolledBack);
            }
        }
    }
    for (name, why) in &now.refused {
        if before.refused.get(name).is_none_or(|known| known.digest != why.digest || known.step != why.step) {
            host.audit.event(Event::PluginRefused {
                plugin: (&why.plugin).into(),
                plugin_version: "".into(),
                digest: (&why.digest).into(),
                step: why.step.into(),
            });
            host.telemetry.swap(&**why, Swap::Refused);
        }
    }
}

/// Name, version and digest.
fn names(version: &Loaded) -> (Short, Short, Short) {
    ((&*version.name).into(), (&version.version).into(), (&version.digest).into())
}

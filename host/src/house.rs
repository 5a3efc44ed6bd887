//! Opening the house: from settings to a [`Host`] that answers calls.
//!
//! Nothing is served before everything is proved: the database is migrated, its walls are up and checked, the pool
//! has connected, the policy holds, the plugins were looked at. What fails on the way is undone by dropping what was
//! made.

mod answers; // Answers that are kept.
mod backups; // Copies of it, made in time.
mod ground; // The database it stands on.
mod reload; // Other settings while it is open.
mod rounds; // What an open house keeps up with.
mod sources; // Plugins from elsewhere.
mod vectors; // Texts searched by meaning.
mod walls; // What it does not serve without.

pub use ground::Ground;
pub use reload::Reloaded;
pub use walls::{Unsafe, note_refusal};

use crate::alerts::{self, Alerts};
use crate::audit::{Audit, Event};
use crate::backup::Standing;
use crate::call::{Host, Seal};
use crate::clerk::Clerk;
use crate::config::{self, Person, Settings};
use crate::embedding::Embeddings;
use crate::health::Board;
use crate::identity::{self, Identity};
use crate::keys::{self, Keys};
use crate::plugin;
use crate::policy::{Keeper, Tenant};
use crate::query::gate::Gate;
use crate::query::{Database, TicketKey, catalog};
use crate::telemetry::Telemetry;
use crate::traffic::Traffic;
use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use rowhouse_migrations as shape;
use rowhouse_migrations::retail;
use secrecy::{ExposeSecret, SecretSlice};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What opening tells whoever waits for it.
pub trait Watcher: Send {
    /// A step is done.
    fn step(&mut self, name: &str, detail: &str);
    /// A step has come this far.
    fn count(&mut self, name: &str, what: &str, done: u64, total: u64);
}

/// An open house.
pub struct House {
    /// Answers calls.
    pub host: Arc<Host>,
    ground: Ground,
    stop: CancellationToken,
}

/// Whom the settings believe, with everyone the demo and the settings know. Without a `clerk` for printing tokens only.
///
/// # Errors
/// A setting that cannot be used.
pub fn identity(keys: &Keys, settings: &Settings, clerk: Option<Clerk>) -> Result<Identity, identity::Error> {
    let demo = settings.serves_demo().then(retail::demo_identities).into_iter().flatten();
    let people = demo.map(|person| Person {
        name: person.key.to_string(),
        display_name: person.display_name.to_string(),
        roles: person.roles.iter().map(ToString::to_string).collect(),
        tenants: person.tenants.to_vec(),
        regions: person.regions.iter().map(ToString::to_string).collect(),
        scopes: settings.identity.scopes.clone(),
    });
    let seeds = identity::Seeds { current: &keys.issuer, previous: keys.issuer_previous.as_ref() };
    Identity::open(&settings.identity, &settings.http.resource(), seeds, people.collect(), clerk)
}

/// The host's own issuer has no login: whoever can read the state directory prints tokens. Fine on one machine, and
/// refused where others can reach the host, unless the operator asks for it by name.
///
/// # Errors
/// What to set.
pub fn refuse_own_issuer(settings: &Settings) -> Result<()> {
    let wanted = settings.identity.demo == Some(true);
    if settings.identity.trusts_own_issuer() && !settings.http.is_local() && !wanted {
        bail!(
            "this host would be reachable from elsewhere and believes tokens that `rowhouse token` prints. Name a real \
             issuer in [[identity.issuers]], or turn those tokens off (`identity.demo = false`) and use API keys \
             (`rowhouse api-key create`); to serve with them all the same, set `identity.demo = true`"
        );
    }
    Ok(())
}

/// The key tickets are signed with.
fn ticket_key(keys: &Keys) -> TicketKey {
    TicketKey { kid: keys.ticket_name(), key: SecretSlice::from(keys.ticket.expose_secret().to_vec()) }
}

/// Tenants that grants and bounds of plugins name and the directory does not list. No error: they may come.
fn strangers<'a>(plugins: &'a config::Plugins, directory: &[Tenant]) -> BTreeSet<&'a str> {
    let grants = plugins.grants.values().chain([&plugins.default_grant]);
    let named = grants.flat_map(|grant| grant.tenants.iter().flatten()).chain(plugins.tenant_limits.keys());
    named.map(String::as_str).filter(|name| !directory.iter().any(|tenant| tenant.is_called(name))).collect()
}

/// The directory of tenants, as policies see it.
pub fn tenants(rows: Vec<shape::TenantRow>) -> Vec<Tenant> {
    rows.into_iter().map(|t| Tenant { id: t.id, name: t.name, region: t.region }).collect()
}

impl House {
    /// Open the house on prepared ground. `compiler` is the executable of the compiler process.
    ///
    /// # Errors
    /// What cannot be used, and what to do. What was started by then is stopped, a database of ours included.
    pub async fn open(
        settings: &Settings,
        keys: &Keys,
        ground: Ground,
        compiler: PathBuf,
        watch: &mut dyn Watcher,
    ) -> Result<Self> {
        match furnish(settings, keys, &ground, compiler, watch).await {
            Ok((host, stop)) => Ok(Self { host, ground, stop }),
            Err(error) => {
                if let Err(stuck) = ground.leave().await {
                    tracing::error!(error = %format!("{stuck:#}"), "the database was left as it is");
                }
                Err(error)
            }
        }
    }

    /// Which database this house stands on.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Close the pool, write what is left of books and trail, then close the database where it is ours.
    ///
    /// # Errors
    /// Where the server does not stop.
    pub async fn close(self) -> Result<()> {
        self.host.database.close().await;
        self.host.traffic.close().await;
        self.host.audit.event(Event::HostStopped {});
        self.host.audit.close().await;
        self.stop.cancel();
        self.ground.leave().await
    }
}

/// Everything of a house but the ground it stands on, and what ends its rounds. Ends what it started where it fails.
async fn furnish(
    settings: &Settings,
    keys: &Keys,
    ground: &Ground,
    compiler: PathBuf,
    watch: &mut dyn Watcher,
) -> Result<(Arc<Host>, CancellationToken)> {
    if let Some(fault) = settings.database.fault() {
        bail!("{fault}");
    }
    let admin = ground.admin().await?;
    let catalog = catalog::read(&admin, &settings.database.schemas).await?;
    let directory = tenants(shape::tenants(&admin).await?);
    drop(admin);
    let stop = CancellationToken::new();
    // What was started ends with an opening that fails.
    let undo = stop.clone().drop_guard();
    let alerts = Alerts::open(&settings.alerts, stop.clone()).context("[alerts]")?;
    let clerk = Clerk::start(ground.clerk(keys), stop.clone());
    let identity = identity(keys, settings, Some(clerk.clone()))?;
    let policy = Keeper::open_for(&settings.policy, &settings.plugins, directory);
    let policy = Arc::new(policy.context("the policy cannot be used")?);
    watch.step(
        "policy",
        &format!("{} policies over {} tenants", policy.current().len(), policy.current().directory().len()),
    );
    let calls = settings.plugins.concurrent_calls;
    let traffic = Traffic::open(settings.traffic.clone(), calls as usize, Some(clerk.clone())).context("[traffic]")?;
    watch.step("limits", &traffic.terms().await);
    let audit = Audit::open(&settings.audit, &settings.state_dir(), &keys.audit, Some(clerk.clone()))?;
    let gate = Gate::new(shape::ALLOWED_FUNCTIONS, catalog.relations()).with_names(catalog.names().clone());
    let gate = Arc::new(gate.with_functions(&settings.functions()));
    let target = ground.target(keys, catalog.search_path().to_vec());
    let pool = settings.database.pool.clone();
    let database = Database::connect(target, ticket_key(keys), gate, pool).await?;
    answers::open(settings, keys, &database).context("[cache]")?;
    sources::fetch(settings, &compiler, watch).await.context("[plugins.sources]")?;
    let plugins =
        plugin::open(&settings.plugins, settings.requires_signatures(), compiler, &settings.state_dir(), stop.clone())
            .await
            .map_err(|e| anyhow::anyhow!(e))?;
    let published = plugins.published();
    let names: Vec<String> = published.plugins.values().map(|p| format!("{} {}", p.name, p.version)).collect();
    let listed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    watch.step("plugins", &format!("{listed} ({} tools)", published.tools().count()));
    let served = |name: &str| published.tools().any(|(plugin, tool)| format!("{}/{}", plugin.name, tool.name) == name);
    for name in settings.traffic.tools.keys().filter(|name| !served(name)) {
        watch.step("limits", &format!("traffic.tools: there is no tool {name} now"));
    }
    for tenant in strangers(&settings.plugins, policy.current().directory()) {
        watch.step("limits", &format!("[plugins]: there is no tenant {tenant} now"));
    }
    for (name, parked) in &published.parked {
        watch.step("waits", &format!("{parked} (rowhouse plugin approve {name})"));
    }
    for why in published.refused.values() {
        watch.step("refused", &why.to_string());
    }
    let embeddings = Embeddings::open(&settings.embedding, &settings.state_dir());
    let embeddings = embeddings.map_err(|e| anyhow::anyhow!(e)).context("[embedding]")?;
    let telemetry = Telemetry::open(&settings.telemetry);
    embeddings.tell(&telemetry);
    let host = Arc::new(Host {
        identity,
        policy,
        traffic,
        plugins,
        database,
        catalog: ArcSwap::from_pointee(catalog),
        embeddings,
        audit,
        seal: Seal::new(keys).map_err(|e| anyhow::anyhow!(e))?,
        backups: Arc::new(Standing::of(&settings.backup)),
        board: Arc::new(Board::new(settings)),
        telemetry,
    });
    host.audit.event(Event::HostStarted { version: env!("CARGO_PKG_VERSION") });
    host.policy.watch(stop.clone()).map_err(|e| anyhow::anyhow!(e)).context("watch the policy's file")?;
    let told = keys::watch(&settings.state_dir(), &settings.keys, stop.clone())?;
    drop(tokio::spawn(stop.clone().run_until_cancelled_owned(alerts::watch(Arc::clone(&host), alerts))));
    rounds::start(&host, &clerk, told, settings.state_dir(), &stop);
    let walls =
        walls::watch(Arc::clone(&host), ground.watched(), settings.functions(), settings.database.check_period());
    drop(tokio::spawn(stop.clone().run_until_cancelled_owned(walls)));
    answers::start(&host, &clerk, ground.watched(), settings, &stop);
    let followed = vectors::follow(host.embeddings.clone(), clerk, ground.upkeep());
    drop(tokio::spawn(stop.clone().run_until_cancelled_owned(followed)));
    if settings.backup.every.is_some() {
        let origin = ground.origin(settings).context("[backup]")?;
        let kept = backups::keep(origin, settings.clone(), Arc::clone(&host.backups));
        drop(tokio::spawn(stop.clone().run_until_cancelled_owned(kept)));
    }
    undo.disarm();
    Ok((host, stop))
}

//! Opening the house: from settings to a [`Host`] that answers calls.
//!
//! Nothing is served before everything is proved: the database is migrated, its walls are up and checked, the pool
//! has connected, the plugins were looked at. What fails on the way is undone by dropping what was made.

use crate::call::Host;
use crate::config::Settings;
use crate::embedded;
use crate::identity::{DemoIssuer, Identity, Known};
use crate::keys::Keys;
use crate::plugin;
use crate::policy::{Policy, Tenant};
use crate::query::gate::Gate;
use crate::query::{Database, Logins, Target, TicketKey, catalog};
use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use rowhouse_migrations as shape;
use rowhouse_migrations::retail;
use secrecy::{ExposeSecret, SecretSlice};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use tokio_util::sync::CancellationToken;

/// What opening tells whoever waits for it.
pub trait Watcher: Send {
    /// A step is done.
    fn step(&mut self, name: &str, detail: &str);
    /// A step has come this far.
    fn count(&mut self, name: &str, what: &str, done: u64, total: u64);
}

/// A database that is there, and the server behind it where it is our own.
pub struct Ground {
    server: Option<embedded::Server>,
    admin: Config,
    /// For people: which database this is.
    pub name: String,
}

/// An open house.
pub struct House {
    /// Answers calls.
    pub host: Arc<Host>,
    ground: Ground,
    stop: CancellationToken,
}

impl Ground {
    /// Find the database: start the embedded one, or reach the operator's. With `share`, an embedded one that another
    /// host of this user runs will do; it ends with that host.
    ///
    /// # Errors
    /// What is missing, and what to do.
    pub async fn find(settings: &Settings, share: bool, watch: &mut dyn Watcher) -> Result<Self> {
        let Some(url) = settings.database.url.as_ref() else {
            return Self::embedded(settings, share, watch).await;
        };
        // A URL holds a password: the parser's own error would quote it.
        let admin: Config = url.expose_secret().parse().map_err(|_| {
            anyhow::anyhow!("DATABASE_URL is not a PostgreSQL URL; write postgres://user:password@host:5432/database")
        })?;
        if admin.get_dbname().is_none() {
            bail!("DATABASE_URL names no database; add its name: postgres://user:password@host:5432/database");
        }
        let ground = Self { server: None, admin, name: "your PostgreSQL".to_owned() };
        let client = ground.admin().await?;
        let version: String = client.query_one("SHOW server_version", &[]).await?.get(0);
        watch.step("database", &format!("your PostgreSQL {version}"));
        Ok(Self { name: format!("your PostgreSQL {version}"), ..ground })
    }

    async fn embedded(settings: &Settings, share: bool, watch: &mut dyn Watcher) -> Result<Self> {
        let database = &settings.database;
        let options = embedded::Options {
            state_dir: Some(settings.state_dir()),
            archive: database.postgres_archive.clone(),
            bin_dir: std::env::var_os("ROWHOUSE_PG_BIN_DIR").map(PathBuf::from),
            backend_memory: database.backend_memory,
            durable: database.durable,
            ..embedded::Options::default()
        };
        let mut on = |event| match event {
            embedded::Event::Step { .. } => {}
            embedded::Event::Bytes { done, total } => watch.count("database", "bytes fetched", done, total),
            embedded::Event::Count { done, total } => watch.count("database", "files unpacked", done, total),
        };
        let server = match embedded::Server::start(&options, &mut on).await {
            // Another host of this user runs it: a client that starts its own host joins in.
            Err(embedded::Error::Locked(dir)) if share => {
                let admin = embedded::join(&options).await.map_err(|_| embedded::Error::Locked(dir))?;
                let name = "embedded PostgreSQL, run by another rowhouse".to_owned();
                watch.step("database", &name);
                return Ok(Self { server: None, admin, name });
            }
            other => other.context("start the embedded PostgreSQL")?,
        };
        let name = format!("embedded PostgreSQL {} (data: {})", server.version(), server.data_dir().display());
        watch.step("database", &name);
        Ok(Self { admin: server.admin(), server: Some(server), name })
    }

    /// A connection of the administrator. It ends when the client is dropped.
    ///
    /// # Errors
    /// Where the database cannot be reached.
    pub async fn admin(&self) -> Result<Client> {
        let (client, connection) = self.admin.connect(NoTls).await.with_context(|| {
            "reach the database; check that it runs and that DATABASE_URL (or --database) is right".to_owned()
        })?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Bring the schema up to date, raise the walls, set the logins, and refuse what is unsafe.
    ///
    /// # Errors
    /// A migration that failed, or every unsafe thing found, each with the statement that mends it.
    pub async fn prepare(&self, settings: &Settings, keys: &Keys, watch: &mut dyn Watcher) -> Result<()> {
        let mut admin = self.admin().await?;
        let domains = if settings.serves_demo() { shape::Domains::CoreAndRetail } else { shape::Domains::Core };
        let report = shape::migrate(&mut admin, domains).await?;
        watch.step("migrations", &format!("{} applied now, {} in all", report.applied.len(), report.total));
        let harden = settings.database.harden.unwrap_or(self.server.is_some());
        if harden {
            shape::harden(&admin).await?;
        }
        adopt_or_refuse(&admin, keys, settings.database.adopt).await?;
        if !settings.database.adopt {
            self.refuse_foreign_logins(&admin, keys).await?;
        }
        let ticket = keys.ticket.expose_secret();
        shape::install_ticket_key(&admin, &keys.ticket_name(), ticket).await?;
        // Room for two hosts at once (a rolling restart, a stdio host beside a served one) and for connections that
        // are being closed, which still count for a moment.
        let connections = u16::try_from(2 * settings.database.pool.most() + 2).unwrap_or(u16::MAX);
        for role in shape::AGENT_ROLES {
            shape::set_login(&admin, role, keys.password(role).expose_secret(), connections).await?;
        }
        let walls = if shape::is_hardened(&admin).await? {
            "up"
        } else {
            "up, without the grants inside PostgreSQL (`rowhouse db migrate --harden` as a superuser adds them)"
        };
        refuse_unsafe(&admin).await?;
        watch.step("walls", walls);
        Ok(())
    }

    /// The login roles belong to the whole server, and so do their passwords, which follow from the ticket key: a host
    /// of another database there, with another key, would be locked out. Only a superuser can see whether a role has
    /// a password at all.
    async fn refuse_foreign_logins(&self, admin: &Client, keys: &Keys) -> Result<()> {
        let superuser: String = admin.query_one("SHOW is_superuser", &[]).await?.get(0);
        if superuser != "on" {
            return Ok(());
        }
        let taken =
            "SELECT rolname::text FROM pg_catalog.pg_authid WHERE rolname = ANY($1) AND rolpassword IS NOT NULL";
        for row in admin.query(taken, &[&shape::AGENT_ROLES.as_slice()]).await? {
            let role: String = row.get(0);
            let mut login = self.admin.clone();
            login.user(&role).password(keys.password(&role).expose_secret());
            let refused = match login.connect(NoTls).await {
                Ok(_) => false,
                Err(error) => error.code() == Some(&SqlState::INVALID_PASSWORD),
            };
            if refused {
                bail!(
                    "the role {role} of this server has the password of a host with another ticket key. To serve from \
                     here, too, copy `keys/ticket.key` from that host's state directory into this one's; to lock that \
                     host out, run `rowhouse db migrate --adopt`"
                );
            }
        }
        Ok(())
    }

    /// Fill the demo's tables, unless they are filled.
    ///
    /// # Errors
    /// Where the data cannot be written.
    pub async fn seed(&self, scale: f64, watch: &mut dyn Watcher) -> Result<()> {
        let mut admin = self.admin().await?;
        if retail::is_seeded(&admin).await? {
            watch.step("data", "there already");
            return Ok(());
        }
        let mut on = |at: retail::Progress| watch.count("seeding", at.step, at.done, at.total);
        let seeded = retail::seed(&mut admin, scale, &mut on).await?;
        watch.step(
            "data",
            &format!("{} products, {} customers, {} orders", seeded.products, seeded.customers, seeded.orders),
        );
        Ok(())
    }

    /// Waits until a database of our own ends by itself, which it should not, and says why. For ever where the
    /// database is the operator's: that one may come back.
    pub async fn ended(&self) -> anyhow::Error {
        match &self.server {
            Some(server) => server.ended().await.into(),
            None => std::future::pending().await,
        }
    }

    /// Stop the database, where it is ours.
    ///
    /// # Errors
    /// Where the server does not stop.
    pub async fn leave(self) -> Result<()> {
        match self.server {
            Some(server) => Ok(server.stop().await?),
            None => Ok(()),
        }
    }
}

/// Stop at the first start on a database whose walls have a hole.
async fn refuse_unsafe(admin: &Client) -> Result<()> {
    let findings = shape::lint(admin).await?;
    let (fatal, rest): (Vec<_>, Vec<_>) = findings.into_iter().partition(|finding| finding.fatal);
    for finding in rest {
        // Some name hundreds of functions; `rowhouse db check` tells them all, with what to run.
        let object: String = finding.object.chars().take(80).collect();
        tracing::warn!(rule = %finding.rule, object = %object, "the database could be safer; see `rowhouse db check`");
    }
    if fatal.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = fatal
        .iter()
        .map(|found| format!("\n  {}: {}\n    mend it with: {}", found.rule, found.object, found.mend))
        .collect();
    bail!("the database is not safe to serve from:{}", lines.concat())
}

/// Every host of a database shares one ticket key. A database that knows another belongs to another host: going on
/// would lock that one out.
async fn adopt_or_refuse(admin: &Client, keys: &Keys, adopt: bool) -> Result<()> {
    let others = shape::other_ticket_keys(admin, &keys.ticket_name()).await?;
    if others.is_empty() {
        return Ok(());
    }
    if !adopt {
        bail!(
            "this database is served by a host with another ticket key ({}). To serve it from here, too, copy \
             `keys/ticket.key` from that host's state directory into this one's; to take it over, and lock that host \
             out, run `rowhouse db migrate --adopt`",
            others.join(", ")
        );
    }
    for kid in others {
        shape::retire_ticket_key(admin, &kid, 0).await?;
    }
    Ok(())
}

/// The demo's issuer, with everyone the demo and the settings know.
pub fn identity(keys: &Keys, settings: &Settings) -> Identity {
    let people = settings.identity.people.iter().map(|person| Known {
        name: person.name.clone(),
        display_name: person.display_name.clone(),
        roles: person.roles.clone(),
        tenants: person.tenants.clone(),
        regions: person.regions.clone(),
    });
    let demo = settings.serves_demo().then(retail::demo_identities).into_iter().flatten();
    let known = demo.map(|person| Known {
        name: person.key.to_string(),
        display_name: person.display_name.to_string(),
        roles: person.roles.iter().map(ToString::to_string).collect(),
        tenants: person.tenants.to_vec(),
        regions: person.regions.iter().map(ToString::to_string).collect(),
    });
    Identity::new(DemoIssuer::new(keys.issuer.expose_secret(), known.chain(people)))
}

impl House {
    /// Open the house on prepared ground. `compiler` is the executable of the compiler process.
    ///
    /// # Errors
    /// What cannot be used, and what to do.
    pub async fn open(
        settings: &Settings,
        keys: &Keys,
        ground: Ground,
        compiler: PathBuf,
        watch: &mut dyn Watcher,
    ) -> Result<Self> {
        let admin = ground.admin().await?;
        let catalog = catalog::read(&admin, &settings.database.schemas).await?;
        let directory = shape::tenants(&admin).await?;
        drop(admin);
        let gate = Gate::new(shape::ALLOWED_FUNCTIONS, catalog.relations());
        let target = Target {
            search_path: catalog.search_path().to_vec(),
            config: ground.admin.clone(),
            logins: Logins {
                one: keys.password("rowhouse_one"),
                some: keys.password("rowhouse_some"),
                all: keys.password("rowhouse_all"),
            },
        };
        let ticket =
            TicketKey { kid: keys.ticket_name(), key: SecretSlice::from(keys.ticket.expose_secret().to_vec()) };
        let database = Database::connect(target, ticket, Arc::new(gate), settings.database.pool.clone()).await?;
        let stop = CancellationToken::new();
        let plugins = plugin::open(&settings.plugins, compiler, &settings.state_dir(), stop.clone())
            .await
            .map_err(|e| anyhow::anyhow!(e))?;
        let published = plugins.published();
        let names: Vec<String> = published.plugins.values().map(|p| format!("{} {}", p.name, p.version)).collect();
        let listed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        watch.step("plugins", &format!("{listed} ({} tools)", published.tools().count()));
        for why in published.refused.values() {
            watch.step("refused", &why.to_string());
        }
        let tenants = directory.into_iter().map(|t| Tenant { id: t.id, name: t.name, region: t.region }).collect();
        let rules = if settings.policy.is_empty() { Policy::default_rules() } else { settings.policy.clone() };
        let host = Host {
            identity: identity(keys, settings),
            policy: ArcSwap::from_pointee(Policy::new(rules, tenants)),
            plugins,
            database,
            catalog: ArcSwap::from_pointee(catalog),
            limits: settings.plugins.limits.clone(),
            slots: Arc::new(Semaphore::new(settings.plugins.concurrent_calls as usize)),
        };
        Ok(Self { host: Arc::new(host), ground, stop })
    }

    /// Which database this house stands on.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Close the pool, then the database where it is ours.
    ///
    /// # Errors
    /// Where the server does not stop.
    pub async fn close(self) -> Result<()> {
        self.stop.cancel();
        self.host.database.close().await;
        self.ground.leave().await
    }
}

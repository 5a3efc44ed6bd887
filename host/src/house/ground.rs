//! The database a house stands on: found or started, given its shape, its walls raised and looked at.

use super::{Watcher, walls};
use crate::config::Settings;
use crate::embedded;
use crate::hosts;
use crate::keys::Keys;
use crate::query::{Logins, Target};
use anyhow::{Context, Result, bail};
use rowhouse_migrations as shape;
use rowhouse_migrations::retail;
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};

/// Connections of clerks on one server: one for each host, of a dozen databases and more.
const CLERKS: u16 = 64;

/// How long a statement of the clerk may take. Its largest, a batch of the audit trail, takes milliseconds; a lock that
/// somebody holds must not hold it up for ever.
const CLERK_TIMEOUT: &str = "-c statement_timeout=10s";

/// How long one statement of a look at the walls may take. Whoever waits for it has gone by then.
const LOOK_TIMEOUT: &str = "-c statement_timeout=20s";

/// How long reaching the database may take a command or a start, over all hosts of the URL. Far more than a login takes; a
/// network that swallows packets would hold one up for minutes.
pub(super) const REACHING: Duration = Duration::from_secs(10);

/// How long the clerk's connection may be silent before the other side is asked for a sign of life, and half of how long
/// it may owe one. A connection that was dropped without a word is made anew within a minute, well before the five after
/// which what was taken back counts as unknown and no token is believed.
const SILENCE: Duration = Duration::from_secs(30);

/// A database that is there, and the server behind it where it is our own.
pub struct Ground {
    server: Option<embedded::Server>,
    /// The administrator's, as the URL has it. All but statements of callers go by [`Ground::writing`].
    admin: Config,
    /// For people: which database this is.
    pub name: String,
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
        let url = url.resolve().context("the setting database.url")?;
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
        let options = options(settings);
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
        let (client, connection) = hosts::connect(&self.writing(), REACHING)
            .await
            .context("reach the database; check that it runs and that DATABASE_URL (or --database) is right")?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The administrator's login where it may write: of several hosts, the one that is no replica.
    fn writing(&self) -> Config {
        hosts::writing(&self.admin)
    }

    /// How the host's own books are reached.
    pub fn clerk(&self, keys: &Keys) -> Config {
        let mut config = self.writing();
        config.user(shape::CLERK_ROLE).password(keys.password(shape::CLERK_ROLE).expose_secret());
        config.application_name("rowhouse-clerk").options(CLERK_TIMEOUT);
        config
            .keepalives_idle(SILENCE)
            .keepalives_interval(SILENCE / 3)
            .keepalives_retries(3)
            .tcp_user_timeout(2 * SILENCE);
        config
    }

    /// How the administrator reaches it, for looks at the walls: a look that hangs ends by itself.
    pub(super) fn watched(&self) -> Config {
        let mut config = self.writing();
        config.application_name("rowhouse-walls").options(LOOK_TIMEOUT);
        config
    }

    /// How the administrator reaches it to copy it.
    pub(super) fn copied(&self) -> Config {
        let mut config = self.admin.clone();
        config.application_name("rowhouse-backup");
        config
    }

    /// How the administrator reaches it to store vectors. Building an index may take minutes.
    pub(super) fn upkeep(&self) -> Config {
        let mut config = self.writing();
        config.application_name("rowhouse-embedding");
        config
    }

    /// How statements reach it, looked up in this order: replicas, too, where the URL lets them.
    pub(super) fn target(&self, keys: &Keys, search_path: Vec<String>) -> Target {
        Target { search_path, config: self.admin.clone(), logins: logins(keys) }
    }

    /// Bring the schema up to date, raise the walls, set the logins, and refuse what is unsafe.
    ///
    /// # Errors
    /// A migration that failed, or [`super::Unsafe`]: every unsafe thing found, each with the statement that mends it.
    pub async fn prepare(&self, settings: &Settings, keys: &Keys, watch: &mut dyn Watcher) -> Result<()> {
        let mut admin = self.admin().await?;
        let domains = if settings.serves_demo() { shape::Domains::CoreAndRetail } else { shape::Domains::Core };
        let report = shape::migrate(&mut admin, domains).await?;
        watch.step("migrations", &format!("{} applied now, {} in all", report.applied.len(), report.total));
        if settings.database.repair {
            let repaired = shape::repair(&admin).await?;
            watch.step("repair", &if repaired.is_empty() { "nothing to do".to_owned() } else { repaired.join(", ") });
        }
        let harden = settings.database.harden.unwrap_or(self.server.is_some());
        if harden {
            shape::harden(&admin, &settings.functions()).await?;
        }
        adopt_or_refuse(&admin, keys, settings.database.adopt).await?;
        if !settings.database.adopt {
            self.refuse_foreign_logins(&admin, keys).await?;
        }
        let ticket = keys.ticket.expose_secret();
        shape::install_ticket_key(&admin, &keys.ticket_name(), ticket).await?;
        // Where a replacement stopped half-way, this is its last step: the key before this one gets its end.
        if let Some((kid, left)) = keys.retiring() {
            shape::retire_ticket_key(&admin, &kid, left).await?;
        }
        let connections = settings.database.pool.role_limit();
        for role in shape::AGENT_ROLES {
            shape::set_login(&admin, role, keys.password(role).expose_secret(), connections).await?;
        }
        let clerk = keys.password(shape::CLERK_ROLE);
        shape::set_login(&admin, shape::CLERK_ROLE, clerk.expose_secret(), CLERKS).await?;
        let walls = if shape::is_hardened(&admin, &settings.functions()).await? {
            "up"
        } else {
            "up, without the grants inside PostgreSQL (`rowhouse db migrate --harden` as a superuser adds them)"
        };
        walls::refuse_unsafe(&admin, &settings.functions()).await?;
        watch.step("walls", walls);
        Ok(())
    }

    /// The login roles belong to the whole server, and so do their passwords, which follow from the ticket key: a host
    /// of another database there, with another key, would be locked out. Only a superuser can see whether a role has
    /// a password at all.
    async fn refuse_foreign_logins(&self, admin: &Client, keys: &Keys) -> Result<()> {
        let superuser: String = admin.query_one("SHOW is_superuser", &[]).await?.get(0);
        let taken: Vec<String> = if superuser == "on" {
            let taken =
                "SELECT rolname::text FROM pg_catalog.pg_authid WHERE rolname = ANY($1) AND rolpassword IS NOT NULL";
            admin.query(taken, &[&shape::AGENT_ROLES.as_slice()]).await?.iter().map(|row| row.get(0)).collect()
        } else if shape::host_keys(admin).await?.iter().any(|key| key.kid == keys.ticket_name()) {
            // A host with our ticket key was here, so there are passwords, and they should be ours.
            shape::AGENT_ROLES.map(str::to_owned).into()
        } else {
            Vec::new()
        };
        for role in taken {
            let mut ours = [Some(keys.password(&role)), keys.previous_password(&role)].into_iter().flatten();
            let known = loop {
                match ours.next() {
                    None => break false,
                    Some(password) if self.admits(&role, &password).await => break true,
                    Some(_) => {}
                }
            };
            if !known {
                bail!(
                    "the role {role} of this server has the password of a host with another login key. To serve from \
                     here, too, copy `keys/ticket.key` and `keys/login.key` from that host's state directory into this \
                     one's; to lock that host out, run `rowhouse db migrate --adopt`"
                );
            }
        }
        Ok(())
    }

    /// Whether a login role has this password. Any other failure counts as yes: it says nothing of the password.
    pub async fn admits(&self, role: &str, password: &SecretString) -> bool {
        let mut login = self.writing();
        login.user(role).password(password.expose_secret());
        match hosts::connect(&login, REACHING).await {
            Ok(_) => true,
            Err(error) => error.code() != Some(&SqlState::INVALID_PASSWORD),
        }
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

/// How the embedded database is found, kept and run by these settings.
pub(super) fn options(settings: &Settings) -> embedded::Options {
    let database = &settings.database;
    embedded::Options {
        state_dir: Some(settings.state_dir()),
        archive: database.postgres_archive.clone(),
        bin_dir: std::env::var_os("ROWHOUSE_PG_BIN_DIR").map(PathBuf::from),
        programs: database.postgres_programs.clone(),
        backend_memory: database.backend_memory,
        durable: database.durable,
        ..embedded::Options::default()
    }
}

/// The passwords of the login roles.
pub(super) fn logins(keys: &Keys) -> Logins {
    Logins {
        one: keys.password("rowhouse_one"),
        some: keys.password("rowhouse_some"),
        all: keys.password("rowhouse_all"),
    }
}

/// Every host of a database shares one ticket key. A database that knows another belongs to another host: going on
/// would lock that one out.
async fn adopt_or_refuse(admin: &Client, keys: &Keys, adopt: bool) -> Result<()> {
    let others = shape::other_ticket_keys(admin, &keys.ticket_names()).await?;
    if others.is_empty() {
        return Ok(());
    }
    if !adopt {
        bail!(
            "this database is served by a host with another ticket key ({}). To serve it from here, too, copy \
             `keys/ticket.key` and `keys/login.key` from that host's state directory into this one's; to take it over, and lock that host \
             out, run `rowhouse db migrate --adopt`",
            others.join(", ")
        );
    }
    for kid in others {
        shape::retire_ticket_key(admin, &kid, 0).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five minutes without word, and no token is believed: a connection that was dropped silently is found out before.
    #[test]
    fn a_connection_that_was_dropped_silently_is_soon_made_anew() {
        let state = tempfile::tempdir().unwrap();
        let admin = "postgres://admin@db.example/shop".parse().unwrap();
        let ground = Ground { server: None, admin, name: String::new() };
        let clerk = ground.clerk(&Keys::open(state.path()).unwrap());
        let asked = clerk.get_keepalives_interval().unwrap() * clerk.get_keepalives_retries().unwrap();
        let minute = Duration::from_secs(60);
        assert!(clerk.get_keepalives() && clerk.get_keepalives_idle() + asked <= minute);
        assert!(*clerk.get_tcp_user_timeout().unwrap() <= minute);
    }
}

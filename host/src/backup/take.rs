//! Making a backup: physical where the files are ours, a dump where they are not.

use super::local::Lists;
use super::manifest::{FORMAT, Kind, Manifest, Object, fresh_id, stamp};
use super::seal::Seal;
use super::shelf::{Pipe, Shelf};
use super::{Catalog, Error, Meter, Origin, clients, connect, facts, pipe, shelf};
use crate::config::Settings;
use crate::embedded::{self, Programs};
use chrono::{DateTime, TimeDelta, Utc};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// One backup of a database at a time, whichever host makes it; the letters `rowhobak` in ASCII.
const LOCK: i64 = 0x726f_7768_6f62_616b;

/// The first version that makes incremental backups.
const INCREMENTAL: u32 = 17;

/// How long something without a manifest may lie before it is taken for what a killed host left. An upload takes hours
/// at the most, and each of its parts is a sign of life.
const FORSAKEN: TimeDelta = TimeDelta::days(2);

/// Which kind is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Want {
    /// Incremental if there is one to stand on, else full.
    #[default]
    Any,
    /// All of it.
    Full,
    /// What changed, or an error.
    Incremental,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Which kind.
    pub kind: Want,
    /// Where to; unset: as the settings say.
    pub to: Option<String>,
    /// With the host's keys and the plugins that were approved.
    pub state: bool,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The backup.
    pub manifest: Manifest,
    /// Why it is a full one although an incremental one would have done.
    pub full_because: Option<String>,
    /// Backups that went because no rule keeps them.
    pub removed: Vec<String>,
    /// It lies open.
    pub open: bool,
}

/// What all objects of one backup share.
struct Work<'a> {
    settings: &'a Settings,
    shelf: &'a Shelf,
    seal: Seal,
    id: String,
    salt: i64,
    meter: &'a Arc<Meter>,
}

/// Make a backup. It is there when this returns, and nothing of it is there when this fails.
///
/// # Errors
/// [`Error::Busy`] where another host is at it; [`Error::Open`] where it would lie open; what else is in the way.
pub async fn take(origin: &Origin, settings: &Settings, wanted: &Wanted, meter: &Arc<Meter>) -> Result<Taken, Error> {
    let seal = Seal::of(&settings.backup.recipients)?;
    let demo = origin.embedded.is_some() && settings.serves_demo();
    if seal.is_open() && settings.backup.encrypt && !demo {
        return Err(Error::Open);
    }
    if seal.is_open() && wanted.state {
        let why = "--with-state has keys in it, and is for encrypted backups only: put a key into [backup] recipients";
        return Err(Error::Setting(why.to_owned()));
    }
    let shelf = shelf(&settings.backup, wanted.to.as_deref(), true)?;
    let admin = connect(&origin.admin).await?;
    let lock = admin.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await;
    if !lock.map_err(|error| sighted(origin, error.into()))?.get::<_, bool>(0) {
        return Err(Error::Busy);
    }
    let catalog = shelf.catalog().await?;
    let now = Utc::now();
    let newest = catalog.entries.last().map(|entry| entry.manifest.id.as_str());
    let work = Work { settings, shelf: &shelf, seal, id: fresh_id(now, newest), salt: rand::random(), meter };
    let taken = match work.all(origin, &admin, &catalog, wanted, now).await {
        Ok(taken) => taken,
        Err(error) => {
            // What is left where even this fails is swept after two days, and never taken for a backup.
            if let Err(left) = shelf.remove(&work.id).await {
                tracing::warn!(backup = work.id, error = %left, "what is left of a failed backup was not removed");
            }
            Lists::of(&settings.state_dir()).forget(&work.id);
            unlock(&admin).await;
            return Err(sighted(origin, error));
        }
    };
    let removed = match prune(settings, &shelf, now).await {
        Ok(removed) => removed,
        Err(error) => {
            tracing::warn!(error = %format!("{:#}", anyhow::Error::from(error)), "old backups were not removed");
            Vec::new()
        }
    };
    unlock(&admin).await;
    Ok(Taken { removed, ..taken })
}

/// Let the next one begin. The lock would go with its connection as well, a moment later.
async fn unlock(admin: &Client) {
    let _ = admin.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await;
}

/// What a role may not that makes dumps is said with the role that may.
fn sighted(origin: &Origin, error: Error) -> Error {
    match error {
        Error::Database(why) if origin.embedded.is_none() && why.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            Error::Setting(BLIND.to_owned())
        }
        other => other,
    }
}

/// Who can make a dump.
const BLIND: &str = "the role that makes backups must see every tenant's rows, and this one does not: have a superuser run \
                     `CREATE ROLE rowhouse_backup LOGIN BYPASSRLS PASSWORD '…' IN ROLE pg_read_all_data, \
                     rowhouse_trusted`, and name it in backup.url";

impl Work<'_> {
    async fn all(
        &self,
        origin: &Origin,
        admin: &Client,
        catalog: &Catalog,
        wanted: &Wanted,
        now: DateTime<Utc>,
    ) -> Result<Taken, Error> {
        let began = Instant::now();
        let row = admin
            .query_one(
                "SELECT current_setting('server_version'), current_setting('server_version_num')::int4 / 10000,
                   current_database()::text, (SELECT sum(pg_database_size(oid))::int8 FROM pg_database WHERE has_database_privilege(oid, 'CONNECT')),
                   to_regclass('rowhouse.core_history') IS NOT NULL",
                &[],
            )
            .await?;
        let (server, major): (String, i32) = (row.get(0), row.get(1));
        let (database, size): (String, Option<i64>) = (row.get(2), row.get(3));
        let size = u64::try_from(size.unwrap_or_default()).unwrap_or_default();
        let schema = match row.get(4) {
            true => admin.query_one("SELECT max(version)::int4 FROM rowhouse.core_history", &[]).await?.get(0),
            false => None,
        };
        let mut manifest = Manifest {
            format: FORMAT,
            id: self.id.clone(),
            kind: Kind::Dump,
            parent: None,
            time: stamp(now),
            seconds: 0,
            rowhouse: env!("CARGO_PKG_VERSION").to_owned(),
            server: server.split(' ').next().unwrap_or_default().to_owned(),
            system: None,
            database,
            schema,
            recipients: self.seal.keys(),
            objects: Vec::new(),
            tables: Vec::new(),
            roles: Vec::new(),
            base: None,
        };
        let major = u32::try_from(major).unwrap_or_default();
        let full_because = match &origin.embedded {
            Some(options) => {
                let place = Place { origin, options, admin, catalog, major, size };
                self.physical(&place, wanted.kind, &mut manifest).await?
            }
            None if wanted.kind == Want::Incremental => {
                let why = "a database of yours is dumped, since its files are not Rowhouse's";
                return Err(Error::NoParent(why.to_owned()));
            }
            None => {
                self.dump(origin, admin, major, size, &mut manifest).await?;
                None
            }
        };
        manifest.objects.push(self.small("salt", self.salt.to_string().into_bytes()).await?);
        if wanted.state {
            manifest.objects.push(self.state().await?);
        }
        manifest.seconds = began.elapsed().as_secs();
        self.shelf.publish(&manifest).await?;
        Ok(Taken { manifest, full_because, removed: Vec::new(), open: self.seal.is_open() })
    }

    /// Files of the cluster. Why it is full, where that was not asked for.
    async fn physical(&self, place: &Place<'_>, want: Want, manifest: &mut Manifest) -> Result<Option<String>, Error> {
        let system: String =
            place.admin.query_one("SELECT system_identifier::text FROM pg_control_system()", &[]).await?.get(0);
        let lists = Lists::of(&self.settings.state_dir());
        let parent = match want {
            Want::Full => Err(String::new()),
            _ if place.major < INCREMENTAL => Err(format!("PostgreSQL {} makes none", place.major)),
            _ => lists.parent(place.catalog, &system, self.settings.backup.chain),
        };
        let parent = match (parent, want) {
            (Err(why), Want::Incremental) => return Err(Error::NoParent(why)),
            (parent, _) => parent,
        };
        let (options, major) = (place.options.clone(), place.major);
        let programs = super::blocking(move || Ok(Programs::find(&options, Some(major), &mut |_| {})?)).await?;
        // What the log has from here on stays until the copy has it. It goes with this connection.
        let slot = format!("rowhouse_backup_{}", self.id.to_lowercase().replace('-', "_"));
        place.admin.execute("SELECT pg_create_physical_replication_slot($1, true, true)", &[&slot]).await?;
        let counting = connect(&place.origin.admin).await?;
        let (_, seen) = facts::begin(&counting).await?;
        let before = facts::tables(&counting, self.salt, |_, _| ()).await?;
        facts::end(&counting).await?;
        let command = |list: Option<&Path>| {
            let mut command = pipe::program(programs.bin_dir(), "pg_basebackup");
            pipe::connect(&mut command, &place.origin.admin);
            command.args(["--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast", "--progress"]);
            command.arg("--no-password").arg(format!("--label=rowhouse {}", self.id));
            if let Some(list) = list {
                let mut word = std::ffi::OsString::from("--incremental=");
                word.push(list);
                command.arg(word);
            }
            command
        };
        let (object, list, because) = match parent {
            Ok((parent, list)) => match self.files(command(Some(&list)), place.size).await {
                Ok((object, list)) => {
                    (manifest.kind, manifest.parent) = (Kind::Incremental, Some(parent.id.clone()));
                    (object, list, None)
                }
                // Such as notes of changed blocks that PostgreSQL has thrown away after ten days.
                Err(Error::Program { said, .. }) if want == Want::Any => {
                    let (object, list) = self.files(command(None), place.size).await?;
                    (object, list, Some(said))
                }
                Err(error) => return Err(error),
            },
            Err(why) => {
                let (object, list) = self.files(command(None), place.size).await?;
                (object, list, (want == Want::Any).then_some(why))
            }
        };
        if manifest.parent.is_none() {
            manifest.kind = Kind::Full;
        }
        let (_, now_seen) = facts::begin(&counting).await?;
        manifest.tables = match now_seen == seen {
            // Nobody wrote anything anywhere.
            true => before,
            false => facts::between(&before, facts::tables(&counting, self.salt, |_, _| ()).await?),
        };
        facts::end(&counting).await?;
        manifest.base = Some(lists.keep(&self.id, &list)?);
        manifest.system = Some(system);
        manifest.objects.push(object);
        Ok(because.filter(|why| !why.is_empty()))
    }

    /// What `pg_basebackup` writes, and its list of files.
    async fn files(&self, command: Command, size: u64) -> Result<(Object, Vec<u8>), Error> {
        let gzip = pipe::of_system("gzip");
        let name = self.seal.name(if gzip.is_some() { "base.tar.gz" } else { "base.tar" });
        let (object, list) = self
            .stream(&name, size, move |meter, out| pipe::send(command, gzip, Some("backup_manifest"), meter, out))
            .await?;
        let no_list = || Error::Program {
            program: "pg_basebackup".to_owned(),
            status: "exit status: 0".to_owned(),
            said: "it left no list of files".to_owned(),
        };
        Ok((object, list.ok_or_else(no_list)?))
    }

    /// Statements and rows, of the very snapshot that is counted.
    async fn dump(
        &self,
        origin: &Origin,
        admin: &Client,
        major: u32,
        size: u64,
        manifest: &mut Manifest,
    ) -> Result<(), Error> {
        let sees = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
        if !admin.query_one(sees, &[]).await?.get::<_, bool>(0) {
            return Err(Error::Setting(BLIND.to_owned()));
        }
        let options = clients(self.settings);
        let bin = super::blocking(move || embedded::client(&options, "pg_dump", major).map_err(Error::Tools)).await?;
        let counting = connect(&origin.admin).await?;
        let (snapshot, _) = facts::begin(&counting).await?;
        manifest.roles = facts::roles(&counting).await?;
        let mut tables = facts::tables(&counting, self.salt, |_, _| ()).await?;
        tables.retain(|table| table.name != facts::KEYS);
        manifest.tables = tables;
        let mut command = pipe::program(&bin, "pg_dump");
        pipe::connect(&mut command, &origin.admin);
        command.args(["--format=custom", "--no-password", "--no-sync"]);
        command.arg(format!("--snapshot={snapshot}")).arg(format!("--exclude-table-data={}", facts::KEYS));
        let name = self.seal.name("dump.pgdump");
        let (object, _) =
            self.stream(&name, size, move |meter, out| pipe::send(command, None, None, meter, out)).await?;
        facts::end(&counting).await?;
        manifest.objects.push(object);
        Ok(())
    }

    /// Keys, what was approved, and the versions that speaks of.
    async fn state(&self) -> Result<Object, Error> {
        let tar =
            pipe::of_system("tar").ok_or_else(|| Error::Tools("--with-state needs the program tar".to_owned()))?;
        let state = self.settings.state_dir();
        let parts: Vec<PathBuf> =
            super::restore::STATE.map(PathBuf::from).into_iter().filter(|it| state.join(it).exists()).collect();
        let mut command = pipe::program(Path::new("/"), &tar.to_string_lossy());
        command.arg("-cf").arg("-").arg("-C").arg(&state).args(parts);
        let name = self.seal.name("state.tar");
        let (object, _) = self.stream(&name, 0, move |meter, out| pipe::send(command, None, None, meter, out)).await?;
        Ok(object)
    }

    /// A few bytes.
    async fn small(&self, name: &str, bytes: Vec<u8>) -> Result<Object, Error> {
        let name = self.seal.name(name);
        let (object, ()) =
            self.stream(&name, 0, move |_, out| out.write_all(&bytes).map_err(Error::io("write the backup"))).await?;
        Ok(object)
    }

    /// Encrypt and store what `work` writes.
    async fn stream<T: Send + 'static>(
        &self,
        name: &str,
        size: u64,
        work: impl FnOnce(&Arc<Meter>, &mut super::seal::Sealed<Pipe>) -> Result<T, Error> + Send + 'static,
    ) -> Result<(Object, T), Error> {
        let (seal, meter) = (self.seal.clone(), Arc::clone(self.meter));
        let sealed = move |pipe: Pipe| {
            let mut out = seal.wrap(pipe).map_err(Error::io("encrypt the backup"))?;
            let done = work(&meter, &mut out)?;
            let ended = out.finish().and_then(Pipe::end);
            ended.map_err(Error::io("write the backup")).map(|()| done)
        };
        self.shelf.put(&self.id, name, size, sealed).await
    }
}

/// What a physical backup is of.
struct Place<'a> {
    origin: &'a Origin,
    options: &'a embedded::Options,
    admin: &'a Client,
    catalog: &'a Catalog,
    major: u32,
    size: u64,
}

/// Remove what no rule keeps, and what killed hosts left. Returns the names of the backups that went.
///
/// # Errors
/// Where the place does not answer.
pub async fn prune(settings: &Settings, shelf: &Shelf, now: DateTime<Utc>) -> Result<Vec<String>, Error> {
    let catalog = shelf.catalog().await?;
    let mut removed = Vec::new();
    for manifest in catalog.expired(&settings.backup.keep) {
        shelf.remove(&manifest.id).await?;
        removed.push(manifest.id.clone());
    }
    for (id, _) in catalog.partial.iter().filter(|(_, last)| now.signed_duration_since(last) > FORSAKEN) {
        shelf.remove(id).await?;
    }
    let mut left = catalog;
    left.entries.retain(|entry| !removed.contains(&entry.manifest.id));
    Lists::of(&settings.state_dir()).forget_others(&left);
    Ok(removed)
}

//! Back again: a chain of copied files into a new state directory, or a dump into an empty database.

use super::manifest::{Kind, Manifest};
use super::seal::{self, Opener};
use super::shelf::{Shelf, Source};
use super::{Catalog, Error, Meter, blocking, clients, connect, facts, opener, pipe, shelf};
use crate::config::Settings;
use crate::embedded::{self, Programs, Restoring, Server};
use rowhouse_migrations as shape;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_postgres::Config;

/// What of the state directory goes along with `--with-state`: the host's keys, which versions of plugins were approved,
/// and these versions.
pub(super) const STATE: [&str; 2] = ["keys", "plugins"];

/// The first version whose `pg_combinebackup` takes over whole files without copying them.
const LINKS: u32 = 18;

/// A backup that was brought back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Which.
    pub id: String,
    /// How it was made.
    pub kind: Kind,
    /// Backups that were read for it.
    pub chain: usize,
    /// With the host's keys and approved plugins.
    pub state: bool,
    /// Roles that were not there and have no password.
    pub roles: Vec<String>,
}

/// Where to.
enum Target {
    /// A state directory that is empty or not there yet.
    Directory(PathBuf),
    /// A database that is empty.
    Database(Box<Config>),
}

/// Bring back the backup `name` (or `latest`): one of files into the state directory `to`, a dump into the database `to`,
/// or into that of the settings.
///
/// # Errors
/// What is missing, damaged or in the way. Nothing half is left.
pub async fn restore(
    settings: &Settings,
    name: &str,
    from: Option<&str>,
    to: Option<&str>,
    identity: Option<&Path>,
    meter: &Arc<Meter>,
) -> Result<Restored, Error> {
    let (shelf, opener) = (shelf(&settings.backup, from, false)?, opener(&settings.backup, identity)?);
    let catalog = shelf.catalog().await?;
    let manifest = catalog.find(name)?;
    match (manifest.kind, target(settings, to)?) {
        (Kind::Dump, Some(Target::Database(config))) => {
            let roles = dump(settings, &shelf, &catalog, manifest, &opener, &config, meter).await?;
            Ok(Restored { id: manifest.id.clone(), kind: Kind::Dump, chain: 1, state: false, roles })
        }
        (Kind::Dump, Some(Target::Directory(_)) | None) => {
            let why = "this one is a dump: it goes into an empty database, named by DATABASE_URL or by --to with a \
                       postgres:// URL without a password";
            Err(Error::Setting(why.to_owned()))
        }
        (_, Some(Target::Directory(dir))) => {
            let options = embedded::Options {
                state_dir: Some(dir),
                // Unpacked already, as a rule: the copy lies beside what it is of.
                programs: Some(settings.database.postgres_programs.clone().unwrap_or_else(|| settings.state_dir())),
                durable: settings.database.durable,
                ..clients(settings)
            };
            files(&shelf, &catalog, manifest, &opener, &options, meter).await?;
            // It comes up, and opens with its key.
            Server::start(&options, &mut |_| {}).await?.stop().await?;
            let (chain, state) = (catalog.chain(manifest)?.len(), manifest.object("state").is_ok());
            Ok(Restored { id: manifest.id.clone(), kind: manifest.kind, chain, state, roles: Vec::new() })
        }
        (_, Some(Target::Database(_)) | None) => {
            let why = "this one is a copy of files: name a state directory that is empty or absent with --to";
            Err(Error::Setting(why.to_owned()))
        }
    }
}

/// Where a restore goes: what was named, or the database of the settings.
fn target(settings: &Settings, to: Option<&str>) -> Result<Option<Target>, Error> {
    match to {
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            let wrong = |_| Error::Setting("--to is not a PostgreSQL URL".to_owned());
            let config: Config = url.parse().map_err(wrong)?;
            if config.get_password().is_some() {
                let why = "--to has a password in it, and every account of this machine can read a command line: set \
                           DATABASE_URL instead, and leave --to out";
                return Err(Error::Setting(why.to_owned()));
            }
            Ok(Some(Target::Database(Box::new(config))))
        }
        Some(dir) => Ok(Some(Target::Directory(PathBuf::from(dir)))),
        None => {
            let mut own = settings.clone();
            own.backup.url = None;
            Ok(super::operators(&own)?.map(|config| Target::Database(Box::new(config))))
        }
    }
}

/// What of a chain is read.
fn bytes(chain: &[&Manifest]) -> u64 {
    chain.iter().map(|manifest| manifest.size()).sum()
}

/// Read an object as it was before it was stored.
async fn plain<T: Send + 'static>(
    shelf: &Shelf,
    manifest: &Manifest,
    start: &str,
    opener: &Opener,
    meter: &Meter,
    work: impl FnOnce(&mut dyn Read, &str) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let object = manifest.object(start)?.clone();
    let (opener, recipients) = (opener.clone(), manifest.recipients.clone());
    let name = format!("{}/{}", manifest.id, object.name);
    let plain = object.name.trim_end_matches(seal::ENDING).to_owned();
    let sealed = object.name.ends_with(seal::ENDING);
    let read = move |source: Source| match sealed {
        true => work(&mut opener.open(source, &name, &recipients)?, &plain),
        false => {
            let mut source = source;
            work(&mut source, &plain)
        }
    };
    shelf.get(&manifest.id, &object, meter, read).await
}

/// The salt of a backup's checksums.
pub(super) async fn salt(shelf: &Shelf, manifest: &Manifest, opener: &Opener, meter: &Meter) -> Result<i64, Error> {
    let id = manifest.id.clone();
    plain(shelf, manifest, "salt", opener, meter, move |from, _| {
        let mut text = String::new();
        from.take(64).read_to_string(&mut text).map_err(Error::io("read the salt"))?;
        text.parse().map_err(|_| Error::Manifest(id, "its salt is no number".to_owned()))
    })
    .await
}

/// Copied files into the state directory of `options`, whole and ready to be served.
pub(super) async fn files(
    shelf: &Shelf,
    catalog: &Catalog,
    manifest: &Manifest,
    opener: &Opener,
    options: &embedded::Options,
    meter: &Arc<Meter>,
) -> Result<(), Error> {
    let chain = catalog.chain(manifest)?;
    meter.expect(bytes(&chain));
    let major = manifest.server.split('.').next().and_then(|major| major.parse().ok());
    let place = options.clone();
    let restoring = blocking(move || {
        let programs = Programs::find(&place, major, &mut |_| {})?;
        Ok(Arc::new(Restoring::begin(&place, programs)?))
    })
    .await?;
    let tar = pipe::of_system("tar").ok_or_else(|| Error::Tools("restoring needs the program tar".to_owned()))?;
    let mut layers = Vec::new();
    for (at, link) in chain.iter().enumerate() {
        let layer = restoring.make(&at.to_string())?;
        let mut command = restoring.program(&tar);
        command.arg("-C").arg(&layer);
        plain(shelf, link, "base", opener, meter, move |from, name| {
            command.arg(if name.ends_with(".gz") { "-xzf" } else { "-xf" }).arg("-");
            pipe::receive(command, from)
        })
        .await?;
        layers.push(layer);
    }
    if manifest.object("state").is_ok() {
        let into = restoring.state_dir().to_owned();
        plain(shelf, manifest, "state", opener, meter, move |from, _| {
            let mut command = pipe::program(Path::new("/"), &tar.to_string_lossy());
            command.arg("-C").arg(into).arg("-xf").arg("-");
            pipe::receive(command, from)
        })
        .await?;
    }
    blocking(move || assemble(restoring, layers)).await
}

/// Hold every layer against PostgreSQL's own list of its files, lay them over one another, and make the whole a cluster.
fn assemble(restoring: Arc<Restoring>, layers: Vec<PathBuf>) -> Result<(), Error> {
    for layer in &layers {
        check(&restoring, layer)?;
    }
    let data = match &layers[..] {
        [only] => only.clone(),
        _ => {
            let data = restoring.work().join("whole");
            let mut command = restoring.program("pg_combinebackup");
            if restoring.programs().major() >= LINKS {
                command.arg("--link");
            }
            pipe::run({
                command.arg("-o").arg(&data).args(&layers);
                command
            })?;
            check(&restoring, &data)?;
            data
        }
    };
    // Nobody else has it any more.
    let restoring = Arc::into_inner(restoring).ok_or(Error::Abandoned)?;
    Ok(restoring.finish(&data)?)
}

/// Names, sizes and checksums of files, and a log that can be read from the copy's beginning to its end.
fn check(restoring: &Restoring, dir: &Path) -> Result<(), Error> {
    let mut command = restoring.program("pg_verifybackup");
    command.arg("--quiet").arg(dir);
    pipe::run(command)
}

/// Whether there is anything in a database but what every new one has.
const TAKEN: &str = "
    SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n
                   WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'public'))
      OR EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'public')";

/// A dump into an empty database. Returns roles that were made.
pub(super) async fn dump(
    settings: &Settings,
    shelf: &Shelf,
    catalog: &Catalog,
    manifest: &Manifest,
    opener: &Opener,
    into: &Config,
    meter: &Arc<Meter>,
) -> Result<Vec<String>, Error> {
    meter.expect(bytes(&catalog.chain(manifest)?));
    let admin = connect(into).await?;
    let row = admin
        .query_one("SELECT current_setting('server_version_num')::int4 / 10000, current_database()::text", &[])
        .await?;
    let (server, database): (i32, String) = (row.get(0), row.get(1));
    if admin.query_one(TAKEN, &[]).await?.get(0) {
        return Err(Error::Occupied(PathBuf::from(format!("the database {database}"))));
    }
    // As new as what wrote the dump, and as the server it goes to.
    let wrote = manifest.server.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default();
    let (major, options) = (u32::try_from(server).unwrap_or_default().max(wrote), clients(settings));
    let bin = blocking(move || embedded::client(&options, "pg_restore", major).map_err(Error::Tools)).await?;
    let made = facts::make_roles(&admin, &manifest.roles).await?;
    let mut command = pipe::program(&bin, "pg_restore");
    pipe::connect(&mut command, into);
    // All of it or nothing.
    command.args(["--exit-on-error", "--single-transaction", "--no-password"]);
    command.arg(format!("--dbname={database}"));
    plain(shelf, manifest, "dump", opener, meter, move |from, _| pipe::receive(command, from)).await?;
    let keys = admin.query_one("SELECT to_regclass($1) IS NOT NULL", &[&facts::KEYS]).await?;
    if keys.get(0) {
        // The key contexts are signed with is in no dump: this database makes one of its own.
        shape::rotate_context_key(&admin).await?;
    }
    Ok(made)
}

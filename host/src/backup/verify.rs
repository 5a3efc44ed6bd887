//! Is a backup any good? It is restored where nobody sees it, and what comes out is counted.

use super::manifest::{Kind, Manifest};
use super::{Error, Meter, clients, connect, facts, opener, restore, shelf};
use crate::config::Settings;
use crate::embedded::{self, Server};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres::Config;

/// What a trial found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The backup.
    pub manifest: Manifest,
    /// Backups that were read for it.
    pub chain: usize,
    /// Tables that were compared.
    pub compared: usize,
    /// Tables that were written to while the backup ran, and are only there.
    pub moving: Vec<String>,
    /// What is not as it was: a line each, beginning with the table's name.
    pub differences: Vec<String>,
}

/// Restore the backup `name` (or `latest`) into a cluster of its own in a temporary directory, with a socket nobody else
/// can reach, compare every table with the manifest, and remove it all.
///
/// # Errors
/// What is missing, damaged, or does not come up.
pub async fn verify(
    settings: &Settings,
    name: &str,
    from: Option<&str>,
    identity: Option<&Path>,
    meter: &Arc<Meter>,
) -> Result<Report, Error> {
    let (shelf, opener) = (shelf(&settings.backup, from, false)?, opener(&settings.backup, identity)?);
    let catalog = shelf.catalog().await?;
    let manifest = catalog.find(name)?;
    let chain = catalog.chain(manifest)?.len();
    let scratch = tempfile::Builder::new().prefix("rowhouse-verify-").tempdir();
    let scratch = scratch.map_err(Error::io("make a temporary directory"))?;
    // The account PostgreSQL runs as must get through; what is in it is closed to others.
    let open = fs::set_permissions(scratch.path(), Permissions::from_mode(0o711));
    open.map_err(Error::io("open the temporary directory"))?;
    let options = embedded::Options {
        state_dir: Some(scratch.path().join("state")),
        programs: Some(settings.database.postgres_programs.clone().unwrap_or_else(|| settings.state_dir())),
        // It lives for minutes.
        durable: false,
        ..clients(settings)
    };
    let salt = restore::salt(&shelf, manifest, &opener, meter).await?;
    if manifest.kind != Kind::Dump {
        restore::files(&shelf, &catalog, manifest, &opener, &options, meter).await?;
    }
    let server = Server::start(&options, &mut |_| {}).await?;
    let counted = async {
        let mut admin: Config = server.admin();
        match manifest.kind {
            Kind::Dump => {
                restore::dump(settings, &shelf, &catalog, manifest, &opener, &admin, meter).await?;
            }
            Kind::Full | Kind::Incremental => {
                admin.dbname(&manifest.database);
            }
        }
        let client = connect(&admin).await?;
        facts::begin(&client).await?;
        let mut found = facts::tables(&client, salt, |_, _| ()).await?;
        if manifest.kind == Kind::Dump {
            found.retain(|table| table.name != facts::KEYS);
        }
        Ok::<_, Error>(found)
    }
    .await;
    server.stop().await?;
    let found = counted?;
    let moving: Vec<String> = manifest.tables.iter().filter(|it| it.moving).map(|it| it.name.clone()).collect();
    Ok(Report {
        chain,
        compared: manifest.tables.len() - moving.len(),
        differences: facts::differences(&manifest.tables, &found),
        moving,
        manifest: manifest.clone(),
    })
}

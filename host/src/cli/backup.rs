//! `rowhouse db backup`, `list`, `restore`, `verify`: copies of the database, elsewhere.

use super::progress::Progress;
use crate::backup::{self, Catalog, Kind, Manifest, Meter, Report, Taken, Want, Wanted, meter};
use crate::config::Settings;
use crate::house::Ground;
use anyhow::Result;
use chrono::Utc;
use clap::Subcommand;
use indicatif::BinaryBytes;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How often a bar moves.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Subcommand)]
pub(crate) enum BackupCommand {
    /// Make a backup while the database serves: of the embedded one's files, or a dump of yours.
    ///
    /// Incremental if there is one to stand on, else full. It counts as made when this ends with exit code 0.
    #[command(after_help = "Example:  rowhouse db backup --to s3://zava-backups/rowhouse")]
    Backup {
        /// All of it.
        #[arg(long, conflicts_with = "incremental")]
        full: bool,
        /// What changed since the last one, or nothing.
        #[arg(long)]
        incremental: bool,
        /// A directory, or file:///, s3://, az://, gs://. Unset: backup.to of the settings.
        #[arg(long, value_name = "URL")]
        to: Option<String>,
        /// With the host's keys and the plugins that were approved. For encrypted backups only.
        #[arg(long)]
        with_state: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The backups there are, and whether each can be restored.
    ///
    /// Exit code 0: there is one that can. 1: there is none.
    #[command(after_help = "Example:  rowhouse db list --json")]
    List {
        /// Where they lie. Unset: backup.to of the settings.
        #[arg(long, value_name = "URL")]
        from: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Bring a backup back, beside what is there: files into a new state directory, a dump into an empty database.
    #[command(after_help = "Example:  rowhouse db restore latest --to /srv/rowhouse-restored --identity backup.key")]
    Restore {
        /// As `list` has it, or `latest`.
        name: String,
        /// A state directory that is empty or absent; for a dump a postgres:// URL. Unset, a dump goes into the database
        /// of the settings, which must be empty.
        #[arg(long, value_name = "DIR|URL")]
        to: Option<String>,
        /// Where backups lie. Unset: backup.to of the settings.
        #[arg(long, value_name = "URL")]
        from: Option<String>,
        /// The file with the private key. Unset: backup.identity of the settings.
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
    },
    /// Restore a backup where nobody sees it, count what comes out, and remove it again.
    ///
    /// Exit code 0: every table is as it was. 1: some are not, or it cannot be restored.
    #[command(after_help = "Example:  rowhouse db verify latest --identity backup.key")]
    Verify {
        /// As `list` has it, or `latest`.
        name: String,
        /// Where backups lie. Unset: backup.to of the settings.
        #[arg(long, value_name = "URL")]
        from: Option<String>,
        /// The file with the private key. Unset: backup.identity of the settings.
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a key for backups: the private one into a new file, the public one to standard output.
    #[command(after_help = "Example:  rowhouse db backup-key backup.key   # then keep that file elsewhere")]
    BackupKey {
        /// Where the private key goes.
        file: PathBuf,
    },
}

/// Do it.
///
/// # Errors
/// What stood in the way.
pub(crate) async fn run(command: BackupCommand, settings: &Settings) -> Result<ExitCode> {
    match command {
        BackupCommand::Backup { full, incremental, to, with_state, json } => {
            let kind = match (full, incremental) {
                (true, _) => Want::Full,
                (_, true) => Want::Incremental,
                _ => Want::Any,
            };
            let wanted = Wanted { kind, to, state: with_state };
            let ground = Ground::find(settings, true, &mut Progress::new(json)).await?;
            let taken = take(settings, &ground, &wanted, json).await;
            ground.leave().await?;
            tell(&taken?, json);
            Ok(ExitCode::SUCCESS)
        }
        BackupCommand::List { from, json } => {
            let catalog = backup::shelf(&settings.backup, from.as_deref(), false)?.catalog().await?;
            list(&catalog, json);
            Ok(if catalog.latest().is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        BackupCommand::Restore { name, to, from, identity } => {
            let meter = meter();
            let work = backup::restore(settings, &name, from.as_deref(), to.as_deref(), identity.as_deref(), &meter);
            let done = watched("restore", false, &meter, work).await?;
            println!("{} is back ({}, {} read)", done.id, done.kind.as_str(), count(done.chain, "backup"));
            if !done.roles.is_empty() {
                println!("roles that were made, without a password: {}", done.roles.join(", "));
            }
            match (done.kind, to) {
                (Kind::Dump, _) => println!("now run `rowhouse db migrate`: it lets the host in and raises the walls"),
                (_, Some(dir)) if done.state => println!("serve it with `--state-dir {dir}`"),
                (_, Some(dir)) => println!(
                    "put the host's keys into {dir}/keys, then serve it with `--state-dir {dir}`; without them, \
                     `rowhouse db migrate --adopt --state-dir {dir}` takes it over with new ones"
                ),
                (_, None) => {}
            }
            Ok(ExitCode::SUCCESS)
        }
        BackupCommand::Verify { name, from, identity, json } => {
            let meter = meter();
            let work = backup::verify(settings, &name, from.as_deref(), identity.as_deref(), &meter);
            let report = watched("verify", json, &meter, work).await?;
            judge(&report, json);
            Ok(if report.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        BackupCommand::BackupKey { file } => {
            println!("{}", backup::make_key(&file)?);
            eprintln!(
                "  {:<11} {}: keep it elsewhere; without it no backup can be read",
                "private key",
                file.display()
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn take(settings: &Settings, ground: &Ground, wanted: &Wanted, quiet: bool) -> Result<Taken> {
    let (origin, meter) = (ground.origin(settings)?, meter());
    Ok(watched("backup", quiet, &meter, backup::take(&origin, settings, wanted, &meter)).await?)
}

/// Show how far it is until it is done.
async fn watched<T>(name: &str, quiet: bool, meter: &Arc<Meter>, work: impl Future<Output = T>) -> T {
    let mut watch = Progress::new(quiet);
    let mut look = tokio::time::interval(LOOK);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = look.tick() => {
                let (done, total) = meter.read();
                if done > 0 {
                    watch.bytes(name, done, total);
                }
            }
        }
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn tell(taken: &Taken, json: bool) {
    let Taken { manifest, full_because, removed, open } = taken;
    if json {
        let mut told = summary(manifest);
        told["seconds"] = manifest.seconds.into();
        told["tables"] = manifest.tables.len().into();
        told["removed"] = removed.clone().into();
        println!("{told}");
        return;
    }
    let rows: i64 = manifest.tables.iter().map(|table| table.rows).sum();
    println!(
        "{} {} {}, {} rows in {}",
        manifest.id,
        manifest.kind.as_str(),
        BinaryBytes(manifest.size()),
        rows,
        count(manifest.tables.len(), "table")
    );
    if let Some(parent) = &manifest.parent {
        println!("stands on {parent}");
    }
    if let Some(why) = full_because {
        println!("a full one: {why}");
    }
    if !removed.is_empty() {
        println!("no rule keeps, and so removed: {}", removed.join(", "));
    }
    if *open {
        eprintln!("  {:<11} it is not encrypted: whoever can read the place can read the database", "note");
    }
}

/// A backup in a few words.
fn summary(manifest: &Manifest) -> Value {
    json!({
        "id": manifest.id, "kind": manifest.kind, "parent": manifest.parent, "time": manifest.time,
        "bytes": manifest.size(), "server": manifest.server, "schema": manifest.schema,
        "encrypted": manifest.is_sealed(),
    })
}

fn list(catalog: &Catalog, json: bool) {
    let now = Utc::now();
    let age = |manifest: &Manifest| now.signed_duration_since(manifest.at()).num_seconds().max(0);
    if json {
        let told = catalog.entries.iter().map(|entry| {
            let trouble = catalog.chain(&entry.manifest).err().map(|error| error.to_string());
            let mut told = summary(&entry.manifest);
            told["age_seconds"] = age(&entry.manifest).into();
            told["whole"] = trouble.is_none().into();
            told["trouble"] = trouble.into();
            told
        });
        let names = |list: &[(String, String)]| list.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        let partial: Vec<&String> = catalog.partial.iter().map(|(id, _)| id).collect();
        let told: Vec<Value> = told.collect();
        println!(
            "{}",
            json!({ "place": catalog.place, "backups": told, "interrupted": partial, "unreadable": names(&catalog.unreadable) })
        );
        return;
    }
    if !catalog.entries.is_empty() {
        println!("{:<24} {:<12} {:<24} {:>8} {:>12}  CAN BE RESTORED", "ID", "KIND", "STANDS ON", "AGE", "SIZE");
    }
    for entry in &catalog.entries {
        let manifest = &entry.manifest;
        let whole = catalog.chain(manifest).map_or_else(|error| format!("no: {error}"), |_| "yes".to_owned());
        println!(
            "{:<24} {:<12} {:<24} {:>8} {:>12}  {whole}",
            manifest.id,
            manifest.kind.as_str(),
            manifest.parent.as_deref().unwrap_or("-"),
            short(age(manifest)),
            BinaryBytes(manifest.size()).to_string(),
        );
    }
    for (id, why) in &catalog.unreadable {
        println!("{id}: its manifest cannot be read: {why}");
    }
    for (id, _) in &catalog.partial {
        println!("{id}: interrupted, or under way; no backup");
    }
    if catalog.entries.is_empty() {
        println!("there is no backup in {}", catalog.place);
    }
}

/// Seconds as people say them.
fn short(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn judge(report: &Report, json: bool) {
    let Report { manifest, chain, compared, moving, differences } = report;
    if json {
        let mut told = summary(manifest);
        told["good"] = differences.is_empty().into();
        told["chain"] = (*chain).into();
        told["compared"] = (*compared).into();
        told["moving"] = moving.clone().into();
        told["differences"] = differences.clone().into();
        println!("{told}");
        return;
    }
    if !moving.is_empty() {
        println!("written to while the backup ran, and so not compared: {}", moving.join(", "));
    }
    for line in differences {
        println!("{line}");
    }
    let verdict = if differences.is_empty() { "is good" } else { "is not what it was" };
    let (tables, read) = (count(*compared, "table"), count(*chain, "backup"));
    println!("{} {verdict}: {tables} compared, {read} read", manifest.id);
}

//! Which version of a plugin serves: approve, try on some callers, go back.
//!
//! Each command changes the lock file, whether a host runs or not; one that runs sees it change and swaps. So the right to
//! decide is the right to write one file, no command needs a way into a process, and none is lost with it.

use super::{files, prove, show, view};
use crate::config::Settings;
use crate::plugin::{Published, Registry, Share, Waiting, changes, printable};
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Commands about the versions of one plugin. A host that runs follows within a second.
#[derive(Subcommand)]
pub(crate) enum VersionsCommand {
    /// Show what a waiting version would change for callers, and serve it if you agree.
    ///
    /// Ends its trial, and whatever held another version. Without a terminal it takes --yes.
    #[command(after_help = "Example:  rowhouse plugin approve sales --digest 3fa4c1")]
    Approve {
        /// The plugin.
        name: String,
        /// The version, by the beginning of its SHA-256. Unset: the one in the directory, or else the one on trial.
        #[arg(long, value_name = "PREFIX")]
        digest: Option<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        by: By,
    },
    /// Serve the version before, or end a trial; nothing takes its place until it is released.
    #[command(after_help = "Example:  rowhouse plugin rollback sales --why 'wrong totals'")]
    Rollback {
        /// The plugin.
        name: String,
        /// The kept version to serve, by the beginning of its SHA-256. Unset: the last good one before.
        #[arg(long, value_name = "PREFIX")]
        to: Option<String>,
        /// Why, for whoever finds it held.
        #[arg(long, default_value = "rolled back")]
        why: String,
        #[command(flatten)]
        by: By,
    },
    /// Hold a version no longer: the one in the directory is judged as any other.
    #[command(after_help = "Example:  rowhouse plugin release sales")]
    Release {
        /// The plugin.
        name: String,
    },
    /// Give a waiting version some of the calls: `approve` makes it the one that serves, `rollback` ends it.
    ///
    /// A caller always gets one version, in calls and in lists.
    #[command(after_help = "Example:  rowhouse plugin canary sales --percent 10
          rowhouse plugin canary sales --file build/sales.wasm --tenant 'Seattle'")]
    Canary {
        /// The plugin.
        name: String,
        /// Of a hundred callers, so many.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=99), conflicts_with = "tenants", required_unless_present = "tenants")]
        percent: Option<u8>,
        /// Callers who see no tenant but these, by name or id. May be given several times.
        #[arg(long = "tenant", value_name = "NAME")]
        tenants: Vec<String>,
        /// A component to put into the directory for it. Unset: the version that waits.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        by: By,
    },
    /// The versions of a plugin that served, the last first, and who approved them.
    #[command(after_help = "Example:  rowhouse plugin history sales --json")]
    History {
        /// The plugin.
        name: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Who decides.
#[derive(Args)]
pub(crate) struct By {
    /// Who decides, for the record. Unset: the name of this account.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl By {
    fn name(self) -> String {
        let account = || ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        let number = || format!("uid {}", rustix::process::getuid().as_raw());
        self.by.or_else(account).unwrap_or_else(number)
    }
}

pub(super) async fn run(settings: &Settings, compiler: PathBuf, command: VersionsCommand) -> Result<ExitCode> {
    let registry = view(settings, compiler.clone()).await?;
    match command {
        VersionsCommand::Approve { name, digest, yes, by } => {
            let waiting = registry.waiting(&name, digest.as_deref()).map_err(|e| anyhow!(e))?;
            show_waiting(&waiting);
            if !yes && !agreed()? {
                println!("nothing was changed");
                return Ok(ExitCode::FAILURE);
            }
            let published = registry.approve(&name, &waiting.fresh, &by.name()).await.map_err(|e| anyhow!(e))?;
            said("approved", &published, &name);
        }
        VersionsCommand::Rollback { name, to, why, by } => {
            let done = registry.rollback(&name, to.as_deref(), &by.name(), &why).await;
            let published = done.map_err(|e| anyhow!(e))?;
            said("rolled back", &published, &name);
            println!("held until `rowhouse plugin release {name}`");
        }
        VersionsCommand::Release { name } => {
            let published = registry.release(&name).await.map_err(|e| anyhow!(e))?;
            said("released", &published, &name);
        }
        VersionsCommand::Canary { name, percent, tenants, file, by } => {
            let share = percent.map_or_else(|| Share::Tenants(tenants.into_iter().collect()), Share::Percent);
            canary(settings, compiler, &registry, &name, share, file, by.name()).await?;
        }
        VersionsCommand::History { name, json } => {
            let entry = registry.decided(&name).await.map_err(|e| anyhow!(e))?;
            if json { show::history_json(&name, &entry) } else { show::history(&name, &entry) }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn canary(
    settings: &Settings,
    compiler: PathBuf,
    registry: &Arc<Registry>,
    name: &str,
    share: Share,
    file: Option<PathBuf>,
    by: String,
) -> Result<()> {
    let published = match file {
        None => {
            let waiting = registry.waiting(name, None).map_err(|e| anyhow!(e))?;
            show_waiting(&waiting);
            registry.canary(name, &waiting.fresh, share, &by).await.map_err(|e| anyhow!(e))?
        }
        Some(file) => {
            let (own, alone, there) = prove(settings, compiler, &file).await?;
            if own != name {
                bail!("{} is the plugin {own}: the file's name is the plugin's", file.display());
            }
            let proved = alone.published();
            let fresh = proved
                .plugins
                .get(name)
                .with_context(|| proved.refused.values().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
            // The lock first: lying in the directory, it might take the place of the one that serves.
            let copy = there.path().join(format!("{name}.wasm"));
            registry.keep(name, &copy).await.map_err(|e| anyhow!(e))?;
            registry.canary(name, fresh, share, &by).await.map_err(|e| anyhow!(e))?;
            files::place(settings, &copy, name)?;
            registry.look().await.map_err(|e| anyhow!(e))?
        }
    };
    said("on trial", &published, name);
    Ok(())
}

/// What a version would change, for whoever decides. Its texts are its author's: none may move the cursor.
fn show_waiting(waiting: &Waiting) {
    let Waiting { serving, fresh, why } = waiting;
    let before = serving.as_ref().map_or("nothing", |it| it.version.as_str());
    println!("{}  {} -> {}  sha256:{}", fresh.name, printable(before), printable(&fresh.version), fresh.digest);
    for reason in why {
        println!("  {}", printable(reason));
    }
    match serving {
        Some(before) => {
            println!("\nAgainst the version that serves:");
            let changes = changes(before, fresh);
            if changes.is_empty() {
                println!("  the same to callers");
            }
            changes.iter().for_each(show::change);
        }
        None => {
            println!("\nNo version serves now. It imports {}, and offers:", fresh.imports.join(", "));
            for tool in &fresh.tools {
                println!("  {:<28} {}", tool.name, printable(&tool.title));
                tool.description.lines().for_each(|line| println!("    {}", printable(line)));
            }
        }
    }
    println!();
}

/// Ask.
fn agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to ask; look at the difference above, then run it again with --yes");
    }
    print!("Serve it? [y/N] ");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// What serves by now.
fn said(what: &str, published: &Published, name: &str) {
    match published.plugins.get(name) {
        Some(now) => {
            println!("{what}  {name}: {} sha256:{} serves", printable(&now.version), &now.digest[..16]);
        }
        None => println!("{what}  {name}: no version serves"),
    }
    if let Some(tried) = published.canaries.get(name) {
        println!("  {} goes to {}", tried.terms.share, printable(&tried.loaded.version));
    }
    if let Some(parked) = published.parked.get(name) {
        println!("  {}", printable(&parked.to_string()));
    }
}

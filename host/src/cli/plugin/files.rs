//! Plugins into the plugin directory, and out of it.

use super::{beside_of, prove, view};
use crate::config::Settings;
use crate::distribution;
use anyhow::{Result, anyhow, bail};
use clap::Subcommand;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Commands that change the plugin directory. A host that watches it notices.
#[derive(Subcommand)]
pub(crate) enum FilesCommand {
    /// Prove a component and put it into the plugin directory, with the signature beside it (FILE.sig), if there is one.
    ///
    /// Exit code 1: this host would refuse it, and nothing was changed.
    #[command(after_help = "Example:  rowhouse plugin install sales.wasm --plugins plugins.d")]
    Install {
        /// The component. Its name, without the ending, is the plugin's.
        file: PathBuf,
    },
    /// Take a plugin out of the plugin directory: it is served no more.
    ///
    /// What was approved of it stays in the lock file, so that another one of its name is held to it.
    #[command(after_help = "Example:  rowhouse plugin remove sales --forget")]
    Remove {
        /// The plugin.
        name: String,
        /// Forget what was approved and what is kept, too: the next one of its name is seen for the first time.
        #[arg(long)]
        forget: bool,
    },
}

pub(super) async fn run(settings: &Settings, compiler: PathBuf, command: FilesCommand) -> Result<ExitCode> {
    match command {
        FilesCommand::Install { file } => install(settings, compiler, &file).await,
        FilesCommand::Remove { name, forget } => remove(settings, compiler, &name, forget).await,
    }
}

async fn install(settings: &Settings, compiler: PathBuf, file: &Path) -> Result<ExitCode> {
    let (name, registry, alone) = prove(settings, compiler.clone(), file).await?;
    let proved = registry.published();
    let Some(loaded) = proved.plugins.get(name.as_str()) else {
        proved.refused.values().for_each(|why| println!("REFUSED  {why}"));
        return Ok(ExitCode::FAILURE);
    };
    // What was proved is what is installed, whatever became of the file meanwhile.
    let path = place(settings, &alone.path().join(format!("{name}.wasm")), &name)?;
    println!("installed  {}  {} sha256:{}", path.display(), loaded.version, &loaded.digest[..16]);
    let published = view(settings, compiler).await?.published();
    match (published.parked.get(&name), published.refused.get(&name)) {
        (_, Some(why)) => println!("REFUSED  {why}"),
        (Some(parked), None) => println!("WAITS    {parked}\n  rowhouse plugin approve {name}"),
        (None, None) => {}
    }
    Ok(if published.refused.contains_key(&name) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Put a component, and the signature beside it, into the plugin directory.
pub(super) fn place(settings: &Settings, file: &Path, name: &str) -> Result<PathBuf> {
    let path = settings.plugins.directory.join(format!("{name}.wasm"));
    let signature = beside_of(file);
    let signature = if signature.exists() { Some(fs::read(&signature)?) } else { None };
    distribution::lay(&path, &fs::read(file)?, signature.as_deref())?;
    Ok(path)
}

async fn remove(settings: &Settings, compiler: PathBuf, name: &str, forget: bool) -> Result<ExitCode> {
    if name.contains(['/', '\\']) {
        bail!("{name:?} is no plugin's name");
    }
    let path = settings.plugins.directory.join(format!("{name}.wasm"));
    match fs::remove_file(&path) {
        Ok(()) => println!("removed  {}", path.display()),
        Err(error) if forget && error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(anyhow!(error).context(format!("remove {}", path.display()))),
    }
    if beside_of(&path).exists() {
        fs::remove_file(beside_of(&path))?;
    }
    if forget {
        let registry = view(settings, compiler).await?;
        registry.forget(name).await.map_err(|e| anyhow!(e))?;
        println!("forgotten  {name}");
    }
    Ok(ExitCode::SUCCESS)
}

//! `rowhouse plugin`: what would be served, what one component wants, who signed it.

mod author;
mod envelope;
mod files;
mod registry;
mod show;
mod versions;

use crate::config::Settings;
use crate::disk;
use crate::distribution::Sources;
use crate::plugin::{self, Accounts, Registry, changes};
use anyhow::{Context, Result, anyhow, bail};
use clap::Subcommand;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The file a secret key is read from, where the command line has none.
const KEY_VARIABLE: &str = "ROWHOUSE_SIGNING_KEY";

/// Commands about plugins. None but an author's needs a database.
#[derive(Subcommand)]
pub(crate) enum PluginCommand {
    /// Prove every plugin of the directory and list what is served with its tools, what waits for approval, what is on
    /// trial, held or refused.
    #[command(after_help = "Example:  rowhouse plugin list --plugins plugins.d --json")]
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// What one component is: digest, signature, imports, exports, producers, tools, and what would change; what it wants
    /// against what it is granted, its bounds, and how much of them its latest calls used.
    ///
    /// Use is what a host with this state directory wrote last. It is compared with the plugin of the same name in the plugin directory, where there is one. Exit code 1: this host
    /// would refuse it, and why is the last line.
    #[command(
        after_help = "Example:  rowhouse plugin inspect sales.wasm --plugins plugins.d\n          rowhouse plugin inspect sales"
    )]
    Inspect {
        /// The component, whose name without the ending is the plugin's; or the name of one in the plugin directory.
        #[arg(value_name = "FILE or NAME")]
        file: PathBuf,
        /// With the schemas of its tools.
        #[arg(long)]
        schemas: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a pair of keys to sign plugins with: NAME.key, to keep, and NAME.pub, to give to operators.
    #[command(after_help = "Example:  rowhouse plugin keygen zava")]
    Keygen {
        /// What the files are called; a path is as good.
        name: PathBuf,
    },
    /// Sign a component in its place: the signature goes into the file.
    #[command(after_help = "Example:  rowhouse plugin sign --key zava.key sales.wasm")]
    Sign {
        /// The secret key, in PEM; `-` reads it from standard input.
        #[arg(long, value_name = "FILE", env = KEY_VARIABLE)]
        key: PathBuf,
        /// Leave the component as it is, and put the signature beside it (FILE.sig).
        #[arg(long)]
        beside: bool,
        /// The component.
        file: PathBuf,
    },
    #[command(flatten)]
    Author(author::AuthorCommand),
    #[command(flatten)]
    Registry(registry::RegistryCommand),
    #[command(flatten)]
    Files(files::FilesCommand),
    #[command(flatten)]
    Versions(versions::VersionsCommand),
}

impl PluginCommand {
    /// What goes to the log beside what the command line asks for.
    pub(crate) const fn log(&self) -> Option<&'static str> {
        match self {
            Self::Author(command) => command.log(),
            _ => None,
        }
    }
}

/// Do it.
///
/// # Errors
/// What stopped it.
pub(crate) async fn run(settings: &Settings, compiler: PathBuf, command: PluginCommand) -> Result<ExitCode> {
    match command {
        PluginCommand::List { json } => {
            let published = view(settings, compiler).await?.published();
            let sources = Sources::new(&settings.plugins).map_err(anyhow::Error::msg)?;
            let missing: Vec<_> = sources.missing().collect();
            if json {
                show::list_json(&published, &settings.plugins, accounts(settings).as_ref(), &missing)
            } else {
                show::list(&published, &missing)
            }
            Ok(if published.refused.is_empty() && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        PluginCommand::Inspect { file, schemas, json } => inspect(settings, compiler, &file, schemas, json).await,
        PluginCommand::Keygen { name } => keygen(&name),
        PluginCommand::Sign { key, beside, file } => sign(&key, &file, beside),
        PluginCommand::Author(command) => author::run(settings, compiler, command).await,
        PluginCommand::Files(command) => files::run(settings, compiler, command).await,
        PluginCommand::Versions(command) => versions::run(settings, compiler, command).await,
        PluginCommand::Registry(command) => registry::run(settings, compiler, command).await,
    }
}

/// What a host with these settings serves.
async fn view(settings: &Settings, compiler: PathBuf) -> Result<Arc<Registry>> {
    let (signed, state) = (settings.requires_signatures(), settings.state_dir());
    plugin::view(&settings.plugins, signed, compiler, &state).await.map_err(|e| anyhow!(e))
}

/// A registry of one directory, which is looked at once, whatever was decided about its plugins.
async fn open(settings: &Settings, directory: PathBuf, compiler: PathBuf) -> Result<Arc<Registry>> {
    let mut plugins = settings.plugins.clone();
    plugins.directory = directory;
    let (signed, state) = (settings.requires_signatures(), settings.state_dir());
    plugin::alone(&plugins, signed, compiler, &state).await.map_err(|e| anyhow!(e))
}

/// A registry of one file alone, proved as it would be in the plugin directory, with the name of its plugin. The directory
/// it lies in lives as long as what is given back.
async fn prove(
    settings: &Settings,
    compiler: PathBuf,
    file: &Path,
) -> Result<(String, Arc<Registry>, tempfile::TempDir)> {
    let name = file.file_stem().and_then(|stem| stem.to_str()).context("the file needs a name that is text")?;
    let alone = tempfile::tempdir().context("a directory to prove it in")?;
    let place = alone.path().join(format!("{name}.wasm"));
    fs::copy(file, &place).with_context(|| format!("read {}", file.display()))?;
    let signature = beside_of(file);
    if signature.exists() {
        fs::copy(&signature, beside_of(&place))?;
    }
    let registry = open(settings, alone.path().to_owned(), compiler).await?;
    Ok((name.to_owned(), registry, alone))
}

async fn inspect(settings: &Settings, compiler: PathBuf, file: &Path, schemas: bool, json: bool) -> Result<ExitCode> {
    let there = settings.plugins.directory.join(file.with_added_extension("wasm"));
    let by_name = !file.exists() && file.components().count() == 1 && there.is_file();
    let file = if by_name { there.as_path() } else { file };
    let bytes = fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let inspected = plugin::inspect(&bytes).map_err(|e| anyhow!("{}: {e}", file.display()))?;
    let (name, registry, _alone) = prove(settings, compiler.clone(), file).await?;
    let name = name.as_str();
    let proved = registry.published();
    let fresh = proved.plugins.get(name).cloned();
    let serving = match settings.plugins.directory.join(format!("{name}.wasm")) {
        path if path.is_file() && fs::canonicalize(&path).ok() != fs::canonicalize(file).ok() => {
            view(settings, compiler).await?.published().plugins.get(name).cloned()
        }
        _ => None,
    };
    let refused = proved.refused.get(name).cloned();
    let accounts = accounts(settings);
    let shown = show::Shown {
        name,
        envelope: envelope::Envelope::new(&settings.plugins, accounts.as_ref(), name, &inspected.digest),
        inspected: &inspected,
        proved: fresh.as_deref(),
        refused: refused.as_deref(),
        changes: match (&serving, &fresh) {
            (Some(before), Some(after)) => Some(changes(before, after)),
            _ => None,
        },
        schemas,
    };
    if json {
        show::inspect_json(&shown)
    } else {
        show::inspect(&shown)
    }
    Ok(if refused.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What a host with this state directory wrote last. None is no fault: perhaps none ever served.
fn accounts(settings: &Settings) -> Option<Accounts> {
    let read = Accounts::read(&settings.state_dir());
    read.inspect_err(|error| eprintln!("what plugins use could not be read: {error}")).ok().flatten()
}

fn keygen(name: &Path) -> Result<ExitCode> {
    let (secret, public) = plugin::keygen();
    let (kept, given) = (name.with_added_extension("key"), name.with_added_extension("pub"));
    for (path, text, mode) in [(&kept, secret, 0o600), (&given, public, 0o644)] {
        // A key that is there signed something: it is never written over.
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)
            .with_context(|| format!("write {}: choose another name if it is there already", path.display()))?;
        file.write_all(text.trim_end().as_bytes())?;
        file.write_all(b"\n")?;
    }
    let publisher = name.file_name().unwrap_or_default().to_string_lossy();
    println!("secret  {}   keep it; whoever has it signs in your name", kept.display());
    println!("public  {}   give it away; an operator believes it with", given.display());
    println!("\n  [plugins.publishers]\n  {publisher} = {{ file = \"{}\" }}", given.display());
    Ok(ExitCode::SUCCESS)
}

fn sign(key: &Path, file: &Path, beside: bool) -> Result<ExitCode> {
    let secret = if key == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read the key from standard input")?;
        text
    } else {
        fs::read_to_string(key).with_context(|| format!("read the key {}", key.display()))?
    };
    let bytes = fs::read(file).with_context(|| format!("read {}", file.display()))?;
    if beside && plugin::is_signed(&bytes) {
        bail!(
            "{} has a signature inside already, which would count as part of it; sign it in its place",
            file.display()
        );
    }
    let (whole, alone) = plugin::sign(&bytes, &secret).map_err(|e| anyhow!("{}: {e}", file.display()))?;
    let (path, content) = if beside { (beside_of(file), alone) } else { (file.to_owned(), whole) };
    let mode = fs::metadata(file)?.permissions().mode();
    disk::write(&path, &content, mode).with_context(|| format!("write {}", path.display()))?;
    println!("signed  {}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// Where the signature beside a component lies.
fn beside_of(file: &Path) -> PathBuf {
    file.with_added_extension(plugin::BESIDE)
}

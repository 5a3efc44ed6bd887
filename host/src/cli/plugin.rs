//! `rowhouse plugin`: what would be served, what one component wants, who signed it.

mod registry;
mod show;

use crate::config::Settings;
use crate::distribution::Sources;
use crate::plugin::{self, Loaded, Registry};
use anyhow::{Context, Result, anyhow, bail};
use clap::Subcommand;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The file a secret key is read from, where the command line has none.
const KEY_VARIABLE: &str = "ROWHOUSE_SIGNING_KEY";

/// Commands about plugins. None needs a database.
#[derive(Subcommand)]
pub(crate) enum PluginCommand {
    /// Prove every plugin of the directory and list it with its tools.
    #[command(after_help = "Example:  rowhouse plugin list --plugins plugins.d --json")]
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// What one component is: digest, signature, imports, exports, producers, tools, and what would change.
    ///
    /// It is compared with the plugin of the same name in the plugin directory, where there is one. Exit code 1: this host
    /// would refuse it, and why is the last line.
    #[command(after_help = "Example:  rowhouse plugin inspect sales.wasm --plugins plugins.d")]
    Inspect {
        /// The component. Its name, without the ending, is the plugin's.
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
    Registry(registry::RegistryCommand),
}

/// Do it.
///
/// # Errors
/// What stopped it.
pub(crate) async fn run(settings: &Settings, compiler: PathBuf, command: PluginCommand) -> Result<ExitCode> {
    match command {
        PluginCommand::List { json } => {
            let registry = open(settings, settings.plugins.directory.clone(), compiler).await?;
            let published = registry.published();
            let sources = Sources::new(&settings.plugins).map_err(anyhow::Error::msg)?;
            let missing: Vec<_> = sources.missing().collect();
            if json {
                show::list_json(&published, &missing)
            } else {
                show::list(&published, &missing)
            }
            Ok(if published.refused.is_empty() && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        PluginCommand::Inspect { file, schemas, json } => inspect(settings, compiler, &file, schemas, json).await,
        PluginCommand::Keygen { name } => keygen(&name),
        PluginCommand::Sign { key, beside, file } => sign(&key, &file, beside),
        PluginCommand::Registry(command) => registry::run(settings, compiler, command).await,
    }
}

/// A registry of one directory, which is looked at once.
async fn open(settings: &Settings, directory: PathBuf, compiler: PathBuf) -> Result<Arc<Registry>> {
    let mut plugins = settings.plugins.clone();
    (plugins.watch, plugins.directory) = (false, directory);
    let (signed, state) = (settings.requires_signatures(), settings.state_dir());
    plugin::open(&plugins, signed, compiler, &state, CancellationToken::new()).await.map_err(|e| anyhow!(e))
}

async fn inspect(settings: &Settings, compiler: PathBuf, file: &Path, schemas: bool, json: bool) -> Result<ExitCode> {
    let bytes = fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let inspected = plugin::inspect(&bytes).map_err(|e| anyhow!("{}: {e}", file.display()))?;
    let name = file.file_stem().and_then(|stem| stem.to_str()).context("the file needs a name that is text")?;
    // Proved as it would be in the plugin directory, in one of its own.
    let alone = tempfile::tempdir().context("a directory to prove it in")?;
    let place = alone.path().join(format!("{name}.wasm"));
    fs::write(&place, &bytes)?;
    let signature = beside_of(file);
    if signature.exists() {
        fs::copy(&signature, beside_of(&place))?;
    }
    let registry = open(settings, alone.path().to_owned(), compiler.clone()).await?;
    let proved = registry.published();
    let fresh = proved.plugins.get(name).cloned();
    let serving = match settings.plugins.directory.join(format!("{name}.wasm")) {
        path if path.is_file() && fs::canonicalize(&path).ok() != fs::canonicalize(file).ok() => {
            let there = open(settings, settings.plugins.directory.clone(), compiler).await?;
            there.published().plugins.get(name).cloned()
        }
        _ => None,
    };
    let refused = proved.refused.get(name).cloned();
    let shown = show::Shown {
        name,
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

/// What a new version does otherwise, a line each. Texts and schemas count: a model goes by them.
fn changes(before: &Loaded, after: &Loaded) -> Vec<String> {
    let mut found = Vec::new();
    if before.version != after.version {
        found.push(format!("version {} -> {}", before.version, after.version));
    }
    if before.publisher != after.publisher {
        let name = |plugin: &Loaded| plugin.publisher.clone().unwrap_or_else(|| "nobody".to_owned());
        found.push(format!("signed by {} -> {}", name(before), name(after)));
    }
    // A rebuild for a later version of the contract reaches no further.
    let reach = |plugin: &Loaded| -> std::collections::BTreeSet<String> {
        plugin.imports.iter().map(|it| it.split('@').next().unwrap_or(it).to_owned()).collect()
    };
    let (old, new) = (reach(before), reach(after));
    found.extend(new.difference(&old).map(|it| format!("WIDER: also imports {it}")));
    found.extend(old.difference(&new).map(|it| format!("no longer imports {it}")));
    for tool in &after.tools {
        let Some(known) = before.tools.iter().find(|it| it.name == tool.name) else {
            found.push(format!("new tool {}", tool.name));
            continue;
        };
        for (what, differs) in [
            ("title", known.title != tool.title),
            ("description", known.description != tool.description),
            ("input schema", known.input_schema != tool.input_schema),
            ("output schema", known.output_schema != tool.output_schema),
            ("annotations", known.annotations != tool.annotations),
        ] {
            if differs {
                found.push(format!("{what} of {} differs", tool.name));
            }
        }
    }
    let gone = before.tools.iter().filter(|it| after.tools.iter().all(|now| now.name != it.name));
    found.extend(gone.map(|it| format!("tool {} is gone", it.name)));
    found
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
    // Written beside and renamed: a host that watches never sees half a file.
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(directory).with_context(|| format!("write {}", path.display()))?;
    fresh.write_all(&content)?;
    fs::set_permissions(fresh.path(), fs::metadata(file)?.permissions())?;
    fresh.persist(&path).with_context(|| format!("write {}", path.display()))?;
    println!("signed  {}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// Where the signature beside a component lies.
fn beside_of(file: &Path) -> PathBuf {
    file.with_added_extension(plugin::BESIDE)
}

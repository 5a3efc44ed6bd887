//! `rowhouse plugin push`, `publish`, `pull`, `tags`, `update`: to registries and from them.

use super::super::progress::Progress;
use super::{beside_of, open};
use crate::config::Settings;
use crate::distribution::{Artifact, Digest, Fetcher, Outcome, Place, Pushed, Reference, Remote, Sources, put};
use crate::plugin;
use anyhow::{Context, Result, anyhow, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long a person waits for a transfer: the largest component accepted (32 MiB) on a line of half a megabit.
const PATIENCE: Duration = Duration::from_secs(600);

/// To registries and from them.
#[derive(Subcommand)]
pub(crate) enum RegistryCommand {
    /// Push a component, and the signature beside it, to a registry. A tag that is there moves.
    ///
    /// What is pushed is the CNCF's WebAssembly artifact, which `wkg` reads, too. Any component will do, also the published
    /// form of the contract. `publish` is for plugins: it looks before it pushes.
    #[command(after_help = "Example:  rowhouse plugin push sales.wasm oci://registry.example.com/zava/sales:0.1.0")]
    Push {
        /// The component.
        file: PathBuf,
        /// Where to: oci://HOST/REPOSITORY:TAG.
        reference: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prove a plugin and push it as the version it says it is.
    ///
    /// It must be signed, and this host must take it. A tag that is there with another content stays as it is.
    #[command(after_help = "Example:  rowhouse plugin publish sales.wasm oci://registry.example.com/zava/sales")]
    Publish {
        /// The component. Its name, without the ending, is the plugin's.
        file: PathBuf,
        /// Where to: oci://HOST/REPOSITORY. A tag, if there is one, must be the plugin's own version.
        reference: String,
        /// Call this version otherwise than the plugin does.
        #[arg(long)]
        tag: Option<String>,
        /// Move a tag that is there.
        #[arg(long)]
        force: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetch a component, and the signature beside it, into the plugin directory.
    ///
    /// A host that watches the directory serves it if its signature, its grant and its proof hold, as with any file there:
    /// pulling gives no rights.
    #[command(after_help = "Example:  rowhouse plugin pull oci://registry.example.com/zava/sales:0.1.0 --to plugins.d")]
    Pull {
        /// Where from: oci://HOST/REPOSITORY:TAG, oci://HOST/REPOSITORY@sha256:DIGEST, file:/PATH or a path.
        reference: String,
        /// Into this directory. Unset: the plugin directory.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// What the plugin is called. Unset: the last part of the repository.
        #[arg(long)]
        name: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the versions of a repository.
    #[command(after_help = "Example:  rowhouse plugin tags oci://registry.example.com/zava/sales")]
    Tags {
        /// oci://HOST/REPOSITORY.
        reference: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetch what `plugins.sources` names. Exit code 1: not all of it could be had.
    #[command(after_help = "Example:  rowhouse plugin update sales")]
    Update {
        /// Only this plugin.
        name: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Do it.
///
/// # Errors
/// What stopped it.
pub(super) async fn run(settings: &Settings, program: PathBuf, command: RegistryCommand) -> Result<ExitCode> {
    match command {
        RegistryCommand::Push { file, reference, json } => {
            let at = reference_of(&reference)?;
            if at.tag.is_none() || at.digest.is_some() {
                bail!("{at}: a push needs a tag, and nothing else");
            }
            let pushed = push(settings, &at, &artifact(&file, settings)?, json).await?;
            told(&at, &pushed, "pushed", json);
        }
        RegistryCommand::Publish { file, reference, tag, force, json } => {
            publish(settings, program, &file, &reference_of(&reference)?, tag, force, json).await?;
        }
        RegistryCommand::Pull { reference, to, name, json } => {
            let place = Place::read(&reference).map_err(anyhow::Error::msg)?;
            pull(settings, program, &place, to, name, json).await?;
        }
        RegistryCommand::Tags { reference, json } => {
            let tags = Remote::open(&reference_of(&reference)?, &settings.plugins).await?.tags().await?;
            match json {
                true => println!("{}", json!(tags)),
                false => tags.iter().for_each(|tag| println!("{tag}")),
            }
        }
        RegistryCommand::Update { name, json } => return update(settings, program, name.as_deref(), json).await,
    }
    Ok(ExitCode::SUCCESS)
}

fn reference_of(text: &str) -> Result<Reference> {
    Reference::read(text).map_err(anyhow::Error::msg)
}

/// A file, and what its bytes say of it.
fn artifact(file: &Path, settings: &Settings) -> Result<Artifact> {
    let about = || format!("read {}", file.display());
    let size = fs::metadata(file).with_context(about)?.len();
    if size > settings.plugins.max_bytes {
        bail!("{} has {size} bytes; nobody accepts more than plugins.max_bytes", file.display());
    }
    let component = fs::read(file).with_context(about)?;
    let read = plugin::inspect(&component).map_err(|e| anyhow!("{}: {e}", file.display()))?;
    let beside = beside_of(file);
    let signature =
        beside.exists().then(|| fs::read(&beside)).transpose().with_context(|| format!("read {}", beside.display()))?;
    Ok(Artifact {
        component,
        signature,
        file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        version: None,
        imports: read.imports.into_iter().map(|import| import.name).collect(),
        exports: read.exports,
    })
}

async fn push(settings: &Settings, at: &Reference, artifact: &Artifact, quiet: bool) -> Result<Pushed> {
    let remote = Remote::open(at, &settings.plugins).await?;
    let mut progress = Progress::new(quiet);
    Ok(remote.push(artifact, |done, total| progress.count("pushing", &artifact.file, done, total)).await?)
}

fn told(at: &Reference, pushed: &Pushed, verb: &str, json: bool) {
    let pinned = Reference { tag: None, digest: Some(pushed.manifest.clone()), ..at.clone() };
    if json {
        println!(
            "{}",
            json!({
                "reference": at.to_string(), "pinned": pinned.to_string(), "manifest": pushed.manifest,
                "component": pushed.component, "sent": pushed.sent, "pushed": verb == "pushed",
            })
        );
        return;
    }
    println!("{verb}  {at}  ({} bytes of the component sent)", pushed.sent);
    println!("pinned  {pinned}");
}

async fn publish(
    settings: &Settings,
    compiler: PathBuf,
    file: &Path,
    at: &Reference,
    tag: Option<String>,
    force: bool,
    json: bool,
) -> Result<()> {
    let mut artifact = artifact(file, settings)?;
    if artifact.signature.is_none() && !plugin::is_signed(&artifact.component) {
        bail!("{} is not signed: `rowhouse plugin sign --key KEY {}` first", file.display(), file.display());
    }
    let version = version(settings, compiler, file, &artifact).await?;
    let wanted = match (tag, &at.tag) {
        (Some(tag), _) => tag,
        (None, Some(tag)) if *tag != version => {
            bail!("{} calls itself {version}, and the reference {tag}; `--tag {tag}` if that is meant", file.display())
        }
        (None, _) => version.clone(),
    };
    let at = Reference::read(&at.with_tag(&wanted).to_string())
        .map_err(|_| anyhow!("{wanted:?} cannot be a tag; choose one with --tag"))?;
    artifact.version = Some(version);
    let there = Remote::open(&at, &settings.plugins).await?.current().await?;
    let (ours, component) = (Remote::would_be(&artifact), Digest::of(&artifact.component));
    match there {
        Some(there) if there == ours => {
            let pushed = Pushed { manifest: ours, component, sent: 0 };
            told(&at, &pushed, "is there already", json);
            return Ok(());
        }
        Some(there) if !force => bail!(
            "{at} is there and is another ({there}); a version that was published is what others pinned. Give yours \
             another version, or --force"
        ),
        _ => {}
    }
    let pushed = push(settings, &at, &artifact, json).await?;
    told(&at, &pushed, "pushed", json);
    Ok(())
}

/// The version a plugin gives itself, proved as it would be in the plugin directory.
async fn version(settings: &Settings, compiler: PathBuf, file: &Path, artifact: &Artifact) -> Result<String> {
    let name = file.file_stem().and_then(|stem| stem.to_str()).context("the file needs a name that is text")?;
    let alone = tempfile::tempdir().context("a directory to prove it in")?;
    let place = alone.path().join(format!("{name}.wasm"));
    fs::write(&place, &artifact.component)?;
    if let Some(signature) = &artifact.signature {
        fs::write(beside_of(&place), signature)?;
    }
    let proved = open(settings, alone.path().to_owned(), compiler).await?.published();
    match (proved.plugins.get(name), proved.refused.get(name)) {
        (Some(plugin), _) => Ok(plugin.version.clone()),
        (None, Some(why)) => bail!("not published: {why}"),
        (None, None) => bail!("{}: not a component", file.display()),
    }
}

async fn pull(
    settings: &Settings,
    program: PathBuf,
    place: &Place,
    to: Option<PathBuf>,
    name: Option<String>,
    json: bool,
) -> Result<()> {
    if matches!(place, Place::Registry(at) if at.tag.is_none() && at.digest.is_none()) {
        bail!("{place}: which version? `rowhouse plugin tags {place}` lists them");
    }
    let name = match name {
        Some(name) => name,
        None => place.name().map_err(|e| anyhow!("{e}; give one with --name"))?,
    };
    let fetcher = Fetcher::new(program, &settings.plugins, &settings.state_dir())?;
    let mut progress = Progress::new(json);
    let mut count = |done, total| progress.count("pulling", &name, done, total);
    let had = fetcher.fetch(place, PATIENCE, &mut count).await?;
    drop(progress);
    let directory = to.unwrap_or_else(|| settings.plugins.directory.clone());
    fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let put = put(&had, &name, &directory)?;
    if json {
        println!(
            "{}",
            json!({
                "name": name, "path": put.path, "changed": put.changed, "component": had.digest,
                "manifest": had.manifest, "version": had.version, "transferred": had.transferred,
                "signed": had.signature.is_some() || plugin::is_signed(&had.bytes),
            })
        );
        return Ok(());
    }
    let how = match (had.transferred, had.manifest.is_some()) {
        (0, true) => "from the copy kept here".to_owned(),
        (0, false) => "copied".to_owned(),
        (bytes, _) => format!("{bytes} bytes"),
    };
    println!("pulled  {}  {}  ({how})", put.path.display(), had.digest);
    Ok(())
}

async fn update(settings: &Settings, program: PathBuf, only: Option<&str>, json: bool) -> Result<ExitCode> {
    let sources = Sources::new(&settings.plugins).map_err(anyhow::Error::msg)?;
    let wanted: Vec<_> = sources.all().iter().filter(|it| only.is_none_or(|name| it.name == name)).collect();
    if wanted.is_empty() {
        match only {
            Some(name) => bail!("plugins.sources does not name {name}"),
            None => bail!("plugins.sources names nothing: [plugins.sources] NAME = \"oci://HOST/REPOSITORY:TAG\""),
        }
    }
    let fetcher = Fetcher::new(program, &settings.plugins, &settings.state_dir())?;
    fs::create_dir_all(&settings.plugins.directory).context("make the plugin directory")?;
    let (mut progress, mut failed, mut told) = (Progress::new(json), false, Vec::<Value>::new());
    for source in wanted {
        let mut count = |done, total| progress.count("pulling", &source.name, done, total);
        let outcome = sources.look(source, &fetcher, PATIENCE, &mut count).await;
        let (word, detail) = match &outcome {
            Outcome::Fetched { digest, version } => {
                ("fetched", format!("{} {digest}", version.as_deref().unwrap_or_default()))
            }
            Outcome::Unchanged => ("unchanged", String::new()),
            Outcome::Kept { why } => ("kept", why.to_string()),
            Outcome::Missing { why } => ("missing", why.to_string()),
        };
        failed |= matches!(outcome, Outcome::Kept { .. } | Outcome::Missing { .. });
        match json {
            true => told.push(json!({
                "name": source.name, "from": source.place.to_string(), "outcome": word, "detail": detail.trim(),
            })),
            false => progress.step(word, &format!("{} {}", source.name, detail.trim())),
        }
    }
    if json {
        println!("{}", json!(told));
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

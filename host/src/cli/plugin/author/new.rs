//! Files to begin with: a template, and copies of all it takes to build it far from here.

mod vendor; // What the SDK takes from its workspace, written out.

use super::build::Language;
use crate::disk;
use anyhow::{Context, Result, bail};
use rust_embed::Embed;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The longest name: a tool is called after it, and has 64 characters.
const MAX_NAME: usize = 40;

/// Names that are no crate's: words of the language, what cargo keeps for itself, and what a plugin depends on. The same
/// for all languages, so that a plugin can be written anew in another one.
const TAKEN: [&str; 22] = [
    "alloc",
    "as",
    "build",
    "core",
    "crate",
    "deps",
    "enum",
    "examples",
    "fn",
    "impl",
    "incremental",
    "loop",
    "mod",
    "proc-macro",
    "rowhouse-plugin",
    "schemars",
    "self",
    "serde",
    "std",
    "super",
    "test",
    "use",
];

/// What `plugin new` is told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What it is written in.
    #[arg(long, value_enum)]
    lang: Language,
    /// What it is called: lower-case letters, digits and hyphens.
    name: String,
    /// Where it goes; a directory that is there must be empty. Unset: NAME.
    dir: Option<PathBuf>,
}

#[derive(Embed)]
#[folder = "templates"]
#[exclude = "*.pyc"]
#[exclude = "*/node_modules/*"]
#[exclude = "*/target/*"]
struct Templates;

#[derive(Embed)]
#[folder = "../sdk"]
#[include = "Cargo.toml"]
#[include = "build.rs"]
#[include = "README.md"]
#[include = "src/*"]
#[include = "wit/*.wit"]
#[include = "macros/Cargo.toml"]
#[include = "macros/src/*"]
#[include = "python/rowhouse_plugin/*.py"]
#[include = "js/rowhouse-plugin/*"]
struct Sdk;

const WORKSPACE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
const LOCK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
/// Copies go with the licences of what was copied.
const LICENSES: [(&str, &str); 2] = [
    ("LICENSE-APACHE", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../LICENSE-APACHE"))),
    ("LICENSE-MIT", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../LICENSE-MIT"))),
];

/// By path below the new directory.
type Files = BTreeMap<String, Cow<'static, [u8]>>;

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    fit(&args.name)?;
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    write(&dir, &files(args.lang, &args.name)?)?;
    let shown = dir.display();
    println!("made  {shown}, a plugin in {}\n", args.lang.as_str());
    println!("  cd {shown}");
    println!("  {}", args.lang.install());
    println!("  rowhouse plugin dev        # builds, serves, swaps in what you save");
    println!("\nREADME.md has the rest.");
    Ok(ExitCode::SUCCESS)
}

/// Whether it can be a plugin's name, and a crate's, and the beginning of a tool's.
fn fit(name: &str) -> Result<()> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !plain || !begins || name.ends_with('-') || name.contains("--") || name.len() > MAX_NAME {
        bail!(
            "{name:?} cannot be a plugin's name: use up to {MAX_NAME} lower-case letters, digits and single hyphens, and \
             begin with a letter"
        );
    }
    if TAKEN.contains(&name) {
        bail!("the name {name:?} is taken by a tool or a library that builds plugins: choose another one");
    }
    Ok(())
}

/// The contract: the text of each file, by its name.
pub(super) fn contract() -> impl Iterator<Item = (String, Cow<'static, [u8]>)> {
    Sdk::iter().filter_map(|path| {
        let file = path.strip_prefix("wit/")?.to_owned();
        Some((file, content::<Sdk>(&path)))
    })
}

/// Everything the new directory holds.
fn files(lang: Language, name: &str) -> Result<Files> {
    let mut files = Files::new();
    let below = format!("{}/", lang.template());
    for path in Templates::iter() {
        if let Some(inner) = path.strip_prefix(&below) {
            let text = String::from_utf8(content::<Templates>(&path).into_owned()).context("a template is text")?;
            let text = text.replace("{{name}}", name).replace("{{snake}}", &name.replace('-', "_"));
            files.insert(inner.to_owned(), Cow::Owned(text.into_bytes()));
        }
    }
    let library = match lang {
        Language::Rust => "rowhouse-plugin/",
        Language::Python => "rowhouse_plugin/",
        Language::Javascript => "rowhouse-plugin/",
    };
    for path in Sdk::iter() {
        let (place, foreign) = match lang {
            Language::Rust => {
                (Some(format!("{library}{path}")), path.starts_with("python/") || path.starts_with("js/"))
            }
            Language::Python => (path.strip_prefix("python/").map(str::to_owned), false),
            Language::Javascript => (path.strip_prefix("js/").map(str::to_owned), false),
        };
        // The contract lies beside the library where the library is no crate of its own.
        let contract = path.starts_with("wit/") && lang != Language::Rust;
        match place.or_else(|| contract.then(|| path.to_string())) {
            Some(place) if !foreign => drop(files.insert(place, content::<Sdk>(&path))),
            _ => {}
        }
    }
    for (file, text) in LICENSES {
        files.insert(format!("{library}{file}"), Cow::Borrowed(text.as_bytes()));
    }
    if lang == Language::Rust {
        for manifest in ["rowhouse-plugin/Cargo.toml", "rowhouse-plugin/macros/Cargo.toml"] {
            let inherits = files.get(manifest).context("the SDK has its manifests")?;
            let own = vendor::manifest(std::str::from_utf8(inherits)?, WORKSPACE)?;
            files.insert(manifest.to_owned(), Cow::Owned(own.into_bytes()));
        }
        files.insert("Cargo.lock".to_owned(), Cow::Owned(vendor::lock(LOCK, name)?.into_bytes()));
    }
    Ok(files)
}

fn content<E: Embed>(path: &str) -> Cow<'static, [u8]> {
    E::get(path).expect("the list of files is that of what was embedded").data
}

/// Write them all, or nothing.
fn write(dir: &Path, files: &Files) -> Result<()> {
    let occupied = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| format!("look into {}", dir.display())),
    };
    if occupied {
        bail!("{} is not empty: name another directory, or move away what is in it", dir.display());
    }
    let parent = disk::above(dir);
    fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
    // Written beside and renamed: what is interrupted leaves no half of a plugin.
    let beside = tempfile::Builder::new().prefix(".new-").tempdir_in(parent);
    let beside = beside.with_context(|| format!("make a directory in {}", parent.display()))?;
    for (path, bytes) in files {
        let path = beside.path().join(path);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
    }
    // A temporary directory is private; a plugin's sources are not.
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(beside.path(), fs::Permissions::from_mode(0o755))?;
    fs::rename(beside.path(), dir).with_context(|| format!("make {}", dir.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_plugins_a_crates_and_the_beginning_of_a_tools() {
        for (name, good) in [
            ("stock", true),
            ("left-over-2", true),
            ("", false),
            ("Stock", false),
            ("left_over", false),
            ("2stock", false),
            ("-stock", false),
            ("stock-", false),
            ("left--over", false),
            ("../stock", false),
            ("größe", false),
            ("serde", false),
            ("test", false),
            (&"a".repeat(MAX_NAME), true),
            (&"a".repeat(MAX_NAME + 1), false),
        ] {
            assert_eq!(fit(name).is_ok(), good, "{name:?}");
        }
    }

    #[test]
    fn a_template_has_its_library_its_contract_and_nothing_of_the_others() {
        for (lang, needed) in [
            (Language::Rust, &["Cargo.lock", "rowhouse-plugin/wit/tools.wit", "rowhouse-plugin/macros/src/lib.rs"][..]),
            (Language::Python, &["wit/tools.wit", "rowhouse_plugin/component.py", "pyproject.toml"]),
            (Language::Javascript, &["wit/tools.wit", "rowhouse-plugin/component.js", "package.json"]),
        ] {
            let files = files(lang, "left-over").expect("a plugin");
            let common = ["README.md", ".gitignore", "rowhouse.test.toml", "tests/snapshots/few-left.json"];
            for file in needed.iter().chain(&common) {
                assert!(files.contains_key(*file), "{lang:?}: {file} of {:?}", files.keys());
            }
            let foreign = |path: &&String| path.ends_with(".pyc") || path.contains("node_modules");
            assert_eq!(files.keys().find(foreign), None, "{lang:?}");
            for (path, bytes) in &files {
                let text = std::str::from_utf8(bytes).expect("text");
                assert!(!text.contains("{{name}}") && !text.contains("{{snake}}"), "{lang:?}: {path}");
            }
        }
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let place = tempfile::tempdir().expect("a directory");
        let files = files(Language::Javascript, "stock").expect("a plugin");
        let (full, empty) = (place.path().join("full"), place.path().join("empty"));
        fs::create_dir_all(&full).expect("a directory");
        fs::create_dir_all(&empty).expect("a directory");
        fs::write(full.join("mine"), "mine").expect("a file");
        assert!(write(&full, &files).expect_err("something is there").to_string().contains("not empty"));
        assert_eq!(fs::read_dir(&full).expect("a directory").count(), 1);
        write(&empty, &files).expect("an empty directory will do");
        write(&place.path().join("a/b"), &files).expect("and one that is not there");
        assert!(empty.join("rowhouse-plugin/index.js").is_file() && place.path().join("a/b/app.js").is_file());
        assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 3, "nothing is left beside it");
    }
}

//! From a directory of sources to a component.

mod cargo; // Rust.
mod tool; // Programs that are there or not.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};
use tokio::process::Command;
use tool::Tool;

/// What `plugin build` is told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of the sources.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where the component goes. Unset: NAME.wasm in the directory of the sources.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let project = Project::find(&args.dir)?;
    let output = args.output.clone().unwrap_or_else(|| project.component());
    eprintln!("  {:<11} {} ({})", "building", project.name, project.language.as_str());
    let began = Instant::now();
    project.build(&output).await?;
    let (bytes, seconds) = (fs::metadata(&output)?.len(), began.elapsed().as_secs_f32());
    println!("built  {} ({:.2} MB) in {seconds:.1} s", output.display(), bytes as f64 / 1e6);
    Ok(ExitCode::SUCCESS)
}

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Language {
    /// Rust, by cargo.
    Rust,
    /// Python, by componentize-py.
    Python,
    /// JavaScript, by componentize-qjs.
    #[value(name = "js", alias = "javascript")]
    Javascript,
}

impl Language {
    const ALL: [Self; 3] = [Self::Rust, Self::Python, Self::Javascript];

    /// For people.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Javascript => "JavaScript",
        }
    }

    /// The directory of its template.
    pub(super) const fn template(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Javascript => "js",
        }
    }

    /// The file that tells it from the others.
    const fn mark(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "app.py",
            Self::Javascript => "app.js",
        }
    }

    /// What installs its tool, in a plugin's directory.
    pub(super) const fn install(self) -> &'static str {
        match self {
            Self::Rust => "rustup target add wasm32-unknown-unknown",
            Self::Python => "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
            Self::Javascript => "npm install",
        }
    }
}

/// A plugin's sources.
#[derive(Clone, Debug)]
pub(super) struct Project {
    /// Where they are.
    pub(super) directory: PathBuf,
    /// The plugin's name.
    pub(super) name: String,
    /// What they are written in.
    pub(super) language: Language,
}

impl Project {
    /// See what a directory holds.
    ///
    /// # Errors
    /// A directory without a plugin's sources, or whose manifest cannot be read.
    pub(super) fn find(directory: &Path) -> Result<Self> {
        let mut marked = Language::ALL.into_iter().filter(|language| directory.join(language.mark()).is_file());
        let Some(language) = marked.next() else {
            let marks = Language::ALL.map(Language::mark).join(", ");
            bail!(
                "{} holds no plugin: there is none of {marks}. `rowhouse plugin new --lang rust NAME` begins one",
                directory.display()
            );
        };
        let name = match language {
            Language::Rust => toml_name(&directory.join("Cargo.toml"), "package")?,
            // Without a manifest the directory is called as the plugin is.
            Language::Python => match directory.join("pyproject.toml") {
                manifest if manifest.is_file() => toml_name(&manifest, "project")?,
                _ => directory_name(directory)?,
            },
            Language::Javascript => {
                let manifest = directory.join("package.json");
                let read = || serde_json::from_slice::<Value>(&fs::read(&manifest)?).map_err(anyhow::Error::from);
                let manifest = read().with_context(|| format!("read {}", manifest.display()))?;
                manifest["name"].as_str().map_or_else(|| directory_name(directory), |name| Ok(name.to_owned()))?
            }
        };
        Ok(Self { directory: directory.to_owned(), name, language })
    }

    /// Where its component goes unless somebody says otherwise.
    pub(super) fn component(&self) -> PathBuf {
        self.directory.join(format!("{}.wasm", self.name))
    }

    /// Make the component. A reader of `output` sees the one before or the new one, never half of it.
    ///
    /// # Errors
    /// A tool that is missing, with the command that installs it; or what the tool said of the sources.
    pub(super) async fn build(&self, output: &Path) -> Result<()> {
        let began = SystemTime::now();
        let name = output.file_name().context("the component needs a file name")?;
        let part = output.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        let made = match self.language {
            Language::Rust => cargo::build(self, &part).await,
            Language::Python => self.python(&part).await,
            Language::Javascript => self.javascript(&part).await,
        };
        if made.is_err() {
            let _ = fs::remove_file(&part);
        }
        made?;
        // As old as its build's beginning: a source that was saved meanwhile is newer than the component.
        fs::File::options().write(true).open(&part).and_then(|file| file.set_modified(began))?;
        fs::rename(&part, output).with_context(|| format!("write {}", output.display()))
    }

    /// Whether a file below the directory is one that the component is made of: tests are not, and neither is what a build
    /// leaves behind.
    pub(super) fn is_source(&self, path: &Path) -> bool {
        let other = ["target", "node_modules", ".venv", "__pycache__", ".git", "test", "tests"].map(OsStr::new);
        let inner = path.strip_prefix(&self.directory).unwrap_or(path);
        let elsewhere = inner.components().any(|part| matches!(part, Component::Normal(part) if other.contains(&part)));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Editors write beside and rename; locks are written by the build itself.
        let passing =
            name.ends_with('~') || name.starts_with(".#") || name.ends_with(".swp") || name.ends_with(".part");
        let written = name.ends_with(".wasm") || name.ends_with(".wasm.sig") || name == "Cargo.lock";
        let read = name.ends_with(".md") || name == super::cases::FILE;
        !elsewhere && !passing && !written && !read
    }

    /// Whether the component beside the sources is made of them as they are. Cargo knows by itself, and better.
    pub(super) fn is_fresh(&self) -> bool {
        let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
        let Ok(made) = changed(&self.component()) else { return false };
        let older = |path: &PathBuf| changed(path).is_ok_and(|saved| saved < made);
        self.language != Language::Rust && self.sources(&self.directory).is_ok_and(|paths| paths.iter().all(older))
    }

    /// The files a component is made of, below a directory.
    fn sources(&self, directory: &Path) -> std::io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if !self.is_source(&path) {
                continue;
            }
            match path.is_dir() {
                true => found.extend(self.sources(&path)?),
                false => found.push(path),
            }
        }
        Ok(found)
    }

    /// `-s`: no WASI.
    async fn python(&self, output: &Path) -> Result<()> {
        let program = self.tool(".venv/bin", "componentize-py")?;
        let mut command = Command::new(program);
        command.args(["-q", "-d", "wit", "-w", "plugin", "componentize", "-s", "app", "-o"]);
        // Sources are not littered with compiled ones.
        command.arg(std::path::absolute(output)?).env("PYTHONDONTWRITEBYTECODE", "1");
        self.run(command).await
    }

    /// `--sync`: the host has no component-model async. `--stub-wasi`: no WASI.
    async fn javascript(&self, output: &Path) -> Result<()> {
        let program = self.tool("node_modules/.bin", "componentize-qjs")?;
        let mut command = Command::new(program);
        command.args(["--sync", "--stub-wasi", "--wit", "wit", "--world", "plugin", "--module-root", "."]);
        command.args(["--js", "app.js", "--output"]).arg(std::path::absolute(output)?);
        self.run(command).await
    }

    fn tool(&self, own: &str, name: &'static str) -> Result<PathBuf> {
        let tool = Tool { name, own: self.directory.join(own), install: self.language.install() };
        tool.find(&self.directory)
    }

    /// Run a tool in the directory.
    async fn run(&self, mut command: Command) -> Result<()> {
        let done = command.current_dir(&self.directory).stdin(std::process::Stdio::null()).kill_on_drop(true);
        let done = done.output().await.with_context(|| format!("start {command:?}"))?;
        if done.status.success() {
            return Ok(());
        }
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        // What a script says whose interpreter is not there.
        if done.status.code() == Some(127) && said.contains("node") {
            bail!("node is not on the PATH: install Node 22.19 or newer (https://nodejs.org)");
        }
        bail!("`{}` did not become a component:\n{}", self.name, said.trim())
    }
}

/// The name in a section of a manifest.
fn toml_name(manifest: &Path, section: &str) -> Result<String> {
    let text = fs::read_to_string(manifest).with_context(|| format!("read {}", manifest.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("read {}", manifest.display()))?;
    let name = table.get(section).and_then(|it| it.get("name")).and_then(toml::Value::as_str);
    name.map(str::to_owned).with_context(|| format!("{} has no name under [{section}]", manifest.display()))
}

fn directory_name(directory: &Path) -> Result<String> {
    let whole = fs::canonicalize(directory).with_context(|| format!("find {}", directory.display()))?;
    let name = whole.file_name().and_then(OsStr::to_str).context("the directory needs a name that is text")?;
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Project>) {
        let place = tempfile::tempdir().expect("a directory");
        let directory = place.path().join("stock");
        fs::create_dir(&directory).expect("a directory");
        for (file, text) in files {
            fs::write(directory.join(file), text).expect("a file");
        }
        let found = Project::find(&directory);
        (place, found)
    }

    #[test]
    fn a_directory_says_what_it_is_written_in_and_what_it_is_called() {
        for (files, want) in [
            (&[("Cargo.toml", "[package]\nname = \"few\"")][..], Some((Language::Rust, "few"))),
            (&[("app.py", ""), ("pyproject.toml", "[project]\nname = \"few\"")], Some((Language::Python, "few"))),
            (&[("app.py", "")], Some((Language::Python, "stock"))),
            (&[("app.js", ""), ("package.json", "{\"name\":\"few\"}")], Some((Language::Javascript, "few"))),
            (&[("app.js", ""), ("package.json", "{}")], Some((Language::Javascript, "stock"))),
            (&[("app.js", "")], None),
            (&[("Cargo.toml", "[workspace]")], None),
            (&[("main.go", "")], None),
        ] {
            let (_place, found) = project(files);
            let found = found.ok().map(|it| (it.language, it.name));
            assert_eq!(found, want.map(|(language, name)| (language, name.to_owned())), "{files:?}");
        }
    }

    #[test]
    fn what_is_made_of_sources_is_none() {
        let (_place, found) = project(&[("app.py", "")]);
        let project = found.expect("a project");
        for (path, source) in [
            ("app.py", true),
            ("tests/test_tools.py", false),
            ("rowhouse.test.toml", false),
            ("stock.wasm", false),
            (".stock.wasm.12.part", false),
            ("stock.wasm.sig", false),
            ("target/x.rs", false),
            ("__pycache__/app.pyc", false),
            ("node_modules/a/index.js", false),
            (".venv/lib/a.py", false),
            ("tests/snapshots/a.json", false),
            ("app.py~", false),
            ("README.md", false),
            ("Cargo.lock", false),
        ] {
            assert_eq!(project.is_source(&project.directory.join(path)), source, "{path}");
        }
    }

    #[test]
    fn a_component_is_fresh_until_a_source_is_saved() {
        let (_place, found) = project(&[("app.py", "1")]);
        let project = found.expect("a project");
        let touch = |name: &str, after: u64| {
            let file = fs::File::create(project.directory.join(name)).expect("a file");
            let when = SystemTime::now() + std::time::Duration::from_secs(after);
            file.set_modified(when).expect("a time");
        };
        assert!(!project.is_fresh(), "there is none");
        for (name, after, fresh) in [
            ("stock.wasm", 10, true),
            ("app.py", 20, false),
            ("stock.wasm", 30, true),
            ("tools.py", 40, false),
            ("stock.wasm", 50, true),
            ("stock.wasm.sig", 60, true),
        ] {
            touch(name, after);
            assert_eq!(project.is_fresh(), fresh, "{name} after {after} s");
        }
        let rust = Project { language: Language::Rust, ..project.clone() };
        assert!(!rust.is_fresh(), "cargo is asked");
    }

    #[tokio::test]
    async fn a_tool_that_is_missing_is_named_with_what_installs_it() {
        for (files, parts) in [
            (&[("app.py", "")][..], ["componentize-py", ".venv/bin/pip install -r requirements.txt"]),
            (&[("app.js", ""), ("package.json", "{}")], ["componentize-qjs", "npm install"]),
        ] {
            let (place, found) = project(files);
            let project = found.expect("a project");
            let tool = Tool { name: parts[0], own: place.path().to_owned(), install: parts[1] };
            let said = tool.find_in(&project.directory, "/nowhere".as_ref()).expect_err("it is nowhere").to_string();
            assert!(parts.iter().all(|part| said.contains(part)) && said.contains("stock"), "{said}");
        }
    }
}

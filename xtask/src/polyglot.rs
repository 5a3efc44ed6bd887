//! Plugins that are not in Rust: a Python or JavaScript source, an interpreter and a snapshot of it, as one component.
//!
//! Both are built without WASI: what of it the interpreter would import is replaced by traps, so these plugins need no
//! grant that a Rust one does not. What that costs is said in `docs/plugins.md`.

use std::{
    ffi::OsStr,
    fs,
    hash::{DefaultHasher, Hasher as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    guests::{Built, Which},
    node, pip,
};

/// Python, and the snapshot of it. The wheel holds everything; it is tried with exactly this version.
pub const COMPONENTIZE_PY: &str = "0.25.1";
/// QuickJS, and the snapshot of it. Through its own package, not `jco`, which brings 200 others along.
pub const COMPONENTIZE_QJS: &str = "0.4.5";

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// By componentize-py.
    Python,
    /// By componentize-qjs.
    JavaScript,
}

/// One plugin: what to componentize, and where its sources are.
#[derive(Clone, Debug)]
pub struct Project {
    /// The component's name.
    pub name: String,
    /// Its language.
    pub language: Language,
    /// The directory of `app.py` or `app.js`.
    pub directory: PathBuf,
    /// The directory of the library: on Python's path, or imported from `app.js` by a relative path.
    pub library: PathBuf,
    /// The contract.
    pub wit: PathBuf,
}

/// The projects of this repository: plugins that serve, or guests of the test suite.
pub fn projects(root: &Path, which: Which) -> [Project; 2] {
    let project = |name: &str, place: &str, language, library: &str| Project {
        name: name.to_owned(),
        language,
        directory: root.join(place),
        library: root.join(library),
        wit: root.join("wit"),
    };
    let python = |name, place| project(name, place, Language::Python, "sdk/python");
    let javascript = |name, place| project(name, place, Language::JavaScript, "sdk/js");
    match which {
        Which::Plugins => [python("basket", "plugins/basket"), javascript("report", "plugins/report")],
        Which::Tests => {
            [python("in_python", "tests/guests/python"), javascript("in_javascript", "tests/guests/javascript")]
        }
    }
}

/// Build projects of this repository into `directory`. One whose sources did not change is left as it is.
///
/// # Errors
/// See [`Tools::ensure`] and [`Tools::componentize`]; or a directory that cannot be written.
pub fn build(root: &Path, which: Which, directory: &Path, on: &mut dyn FnMut(&str)) -> Result<Vec<Built>> {
    // Two threads of one process must not write one file at once.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let stamps = root.join("target/polyglot");
    fs::create_dir_all(&stamps).with_context(|| format!("create {}", stamps.display()))?;
    let mut built = Vec::new();
    for project in projects(root, which) {
        let path = directory.join(format!("{}.wasm", project.name));
        let stamp = stamps.join(&project.name);
        let sources = project.digest()?;
        if fs::read_to_string(&stamp).ok() != Some(seal(sources, &path)) {
            on(&format!("Componentizing {} ({:?})", project.name, project.language));
            let beside = path.with_extension(format!("{}.part", std::process::id()));
            Tools::ensure(root)?.componentize(&project, &beside)?;
            fs::rename(&beside, &path).with_context(|| format!("rename {}", beside.display()))?;
            fs::write(&stamp, seal(sources, &path)).with_context(|| format!("write {}", stamp.display()))?;
        }
        built.push(Built { name: project.name, path });
    }
    Ok(built)
}

/// What a stamp says: from which sources, and that the component is still the one that was made of them.
fn seal(sources: u64, component: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(component).unwrap_or_default());
    format!("{sources:016x} {:016x}\n", hasher.finish())
}

impl Project {
    /// A digest of everything the component is made of. Against change, not against attack.
    fn digest(&self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        hasher.write(format!("{COMPONENTIZE_PY} {COMPONENTIZE_QJS} {:?}", self.language).as_bytes());
        for directory in [&self.directory, &self.library, &self.wit] {
            let mut files = Vec::new();
            collect(directory, &mut files)?;
            files.sort();
            for file in files {
                let bytes = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
                hasher.write(file.strip_prefix(directory).unwrap_or(&file).as_os_str().as_encoded_bytes());
                hasher.write_usize(bytes.len());
                hasher.write(&bytes);
            }
        }
        Ok(hasher.finish())
    }
}

/// The files below a directory that a component can be made of.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let path = entry.with_context(|| format!("read {}", directory.display()))?.path();
        if path.is_dir() {
            // What running the tests leaves, and the tests themselves.
            let skipped = ["__pycache__", "node_modules", "test", "tests"].map(OsStr::new);
            if !path.file_name().is_some_and(|name| skipped.contains(&name)) {
                collect(&path, files)?;
            }
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The two tools, installed below `.tools/`.
#[derive(Clone, Debug)]
pub struct Tools {
    python: PathBuf,
    javascript: PathBuf,
    node: node::Node,
}

impl Tools {
    /// Find the tools below `.tools/` of the repository at `root`, or install them there: by pip and npm, at fixed
    /// versions. Without network when they are there.
    ///
    /// # Errors
    /// When Python or pip is missing, or an index cannot be reached; with what to install.
    pub fn ensure(root: &Path) -> Result<Tools> {
        // Two threads of one process must not install into one directory at once.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let python = root.join(format!(".tools/componentize-py-{COMPONENTIZE_PY}"));
        if !python.join("bin/componentize-py").is_file() {
            pip::install(&python, &format!("componentize-py=={COMPONENTIZE_PY}"))?;
        }
        let node = node::ensure(root)?;
        let javascript = root.join(".tools/componentize-qjs");
        node.npm_install(&javascript, &[&format!("componentize-qjs@{COMPONENTIZE_QJS}")])?;
        Ok(Tools { python, javascript, node })
    }

    /// What was found or installed, for people.
    pub fn versions() -> String {
        format!("componentize-py {COMPONENTIZE_PY}, componentize-qjs {COMPONENTIZE_QJS}")
    }

    /// Node, which runs one of them.
    pub fn node(&self) -> &node::Node {
        &self.node
    }

    /// Make a component of a project.
    ///
    /// # Errors
    /// What the tool said: a source that does not parse, an import that is not there, an export that is missing.
    pub fn componentize(&self, project: &Project, output: &Path) -> Result<()> {
        let mut command = match project.language {
            Language::Python => self.python(project),
            Language::JavaScript => self.javascript(project)?,
        };
        let command = command.arg("-o").arg(output).stdin(Stdio::null());
        let done = command.output().with_context(|| format!("start {}", command.get_program().display()))?;
        if !done.status.success() || !output.is_file() {
            let said = [done.stdout, done.stderr].concat();
            bail!("`{}` did not become a component:\n{}", project.name, String::from_utf8_lossy(&said).trim());
        }
        Ok(())
    }

    /// componentize-py on a project. `-s`: no WASI.
    fn python(&self, project: &Project) -> Command {
        let mut command = self.componentize_py();
        command.args(["-q", "-w", "plugin", "-d"]).arg(&project.wit).args(["componentize", "-s", "app", "-p"]);
        command.arg(&project.directory).arg("-p").arg(&project.library);
        command
    }

    /// componentize-py. Sources are not littered with compiled ones, and a virtual environment that happens to be
    /// active is not searched for packages.
    pub fn componentize_py(&self) -> Command {
        let mut command = Command::new("python3");
        command.arg(self.python.join("bin/componentize-py")).env("PYTHONPATH", &self.python);
        command.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("VIRTUAL_ENV");
        command
    }

    /// componentize-qjs on a project. `--sync`: the host has no component-model async.
    fn javascript(&self, project: &Project) -> Result<Command> {
        let mut command = self.node.run(&self.node_modules().join("componentize-qjs/cli.mjs"))?;
        // What both the plugin and the library are below: imports from elsewhere are not followed.
        let together = project.directory.ancestors().find(|place| project.library.starts_with(place));
        command.args(["--sync", "--stub-wasi", "-n", "plugin", "--wit"]).arg(&project.wit);
        command.arg("--module-root").arg(together.unwrap_or(&project.directory));
        command.arg("--js").arg(project.directory.join("app.js"));
        Ok(command)
    }

    /// Where npm put componentize-qjs.
    pub fn node_modules(&self) -> PathBuf {
        self.javascript.join("node_modules")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_built_again_when_what_it_is_made_of_changes() {
        let directory = std::env::temp_dir().join(format!("xtask-polyglot-{}", std::process::id()));
        for place in ["plugin/tests", "plugin/__pycache__", "library", "wit"] {
            fs::create_dir_all(directory.join(place)).expect("a directory in the temporary directory");
        }
        let project = Project {
            name: "a".to_owned(),
            language: Language::Python,
            directory: directory.join("plugin"),
            library: directory.join("library"),
            wit: directory.join("wit"),
        };
        let mut before = project.digest().expect("a digest");
        for (file, text, changes) in [
            ("plugin/app.py", "1", true),
            ("plugin/app.py", "1", false),
            ("plugin/app.py", "2", true),
            ("plugin/b.py", "", true),
            ("library/c.py", "1", true),
            ("wit/d.wit", "1", true),
            ("plugin/tests/test_e.py", "1", false),
            ("plugin/__pycache__/f.pyc", "1", false),
        ] {
            fs::write(directory.join(file), text).expect("a file");
            let after = project.digest().expect("a digest");
            assert_eq!(after != before, changes, "{file}: {text:?}");
            before = after;
        }
        let other = Project { language: Language::JavaScript, ..project };
        assert_ne!(other.digest().expect("a digest"), before, "another tool");
        fs::remove_dir_all(&directory).expect("our own directory");
    }

    #[test]
    fn a_stamp_speaks_of_the_very_component() {
        let path = std::env::temp_dir().join(format!("xtask-polyglot-seal-{}", std::process::id()));
        fs::write(&path, "one").expect("a file");
        let sealed = seal(1, &path);
        assert_eq!(seal(1, &path), sealed);
        assert_ne!(seal(2, &path), sealed, "other sources");
        fs::write(&path, "two").expect("a file");
        assert_ne!(seal(1, &path), sealed, "another component");
        fs::remove_file(&path).expect("our own file");
        assert_ne!(seal(1, &path), sealed, "no component");
    }
}

//! A directory to write a plugin in, and what the commands need around it: the tools that build, from where the tests have
//! them, and a state directory of the run's own.

use super::NAME;
use crate::harness::{binary, root, shared};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tokio::sync::{Mutex, MutexGuard};
use xtask::polyglot::{COMPONENTIZE_PY, COMPONENTIZE_QJS, Tools};

/// The languages, as the command line names them, and the file whose text is a tool.
pub const LANGUAGES: [(&str, &str); 3] = [("rust", "src/lib.rs"), ("python", "tools.py"), ("js", "tools.js")];

/// One author at a time: they share a database, which ends with whoever started it.
static TURN: Mutex<()> = Mutex::const_new(());

/// A plugin that was just begun, and whoever writes it.
pub struct Desk {
    /// Where its sources are.
    pub plugin: PathBuf,
    /// The language.
    pub language: &'static str,
    environment: Vec<(&'static str, OsString)>,
    state: PathBuf,
    _place: Option<tempfile::TempDir>,
    _turn: MutexGuard<'static, ()>,
}

impl Desk {
    /// `plugin new`, and what its README installs.
    pub async fn begin(language: &'static str) -> Self {
        let turn = TURN.lock().await;
        let shared = &shared().await.state;
        let state = shared.join(format!("author-{}", std::process::id()));
        sweep(shared);
        let (place, plugin) = match language {
            // Cargo goes by paths: in one place, what the plugin is made of is compiled once for all runs.
            "rust" => {
                let place = root().join("target/author/desk");
                let _ = std::fs::remove_dir_all(&place);
                (None, place.join(NAME))
            }
            _ => {
                let place = tempfile::tempdir().expect("a directory");
                let plugin = place.path().join(NAME);
                (Some(place), plugin)
            }
        };
        let tools = tokio::task::spawn_blocking(|| Tools::ensure(root()).expect("what builds plugins")).await;
        let tools = tools.expect("the tools are there");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(node(&tools)).chain(std::env::split_paths(&path));
        let environment = vec![
            ("PATH", std::env::join_paths(path).expect("no colon in a path")),
            ("ROWHOUSE_DATABASE__POSTGRES_PROGRAMS", shared.into()),
            ("CARGO_TARGET_DIR", root().join("target/author/build").into()),
            // What the workspace's lock names is there: no index is asked for anything.
            ("CARGO_NET_OFFLINE", "true".into()),
        ];
        let desk = Self { plugin, language, environment, state, _place: place, _turn: turn };
        let above = desk.plugin.parent().expect("a directory above").display().to_string();
        let said = desk.does(&["new", "--lang", language, NAME, &format!("{above}/{NAME}")]);
        assert!(said.contains("rowhouse plugin dev"), "what to do next: {said}");
        desk.install(&tools);
        desk
    }

    /// What the README says to install: the very versions the tests have, laid out as its command would.
    fn install(&self, tools: &Tools) {
        match self.language {
            "python" => {
                let wanted = self.read("requirements.txt");
                assert_eq!(
                    wanted.trim(),
                    format!("componentize-py=={COMPONENTIZE_PY}"),
                    "what is tested is recommended"
                );
                let script = self.plugin.join(".venv/bin/componentize-py");
                std::fs::create_dir_all(script.parent().expect("a directory")).expect("a directory");
                let tool = tools.componentize_py();
                let argument = tool.get_args().next().expect("the tool's own script").display().to_string();
                let home = tool.get_envs().find(|(name, _)| *name == "PYTHONPATH").and_then(|(_, value)| value);
                let home = home.expect("its home").display();
                let text = format!("#!/bin/sh\nPYTHONPATH='{home}' exec python3 '{argument}' \"$@\"\n");
                std::fs::write(&script, text).expect("a script");
                let done = Command::new("chmod").arg("+x").arg(&script).status().expect("chmod runs");
                assert!(done.success());
            }
            "js" => {
                let package: Value = serde_json::from_str(&self.read("package.json")).expect("JSON");
                let wanted = &package["devDependencies"]["componentize-qjs"];
                assert_eq!(wanted, COMPONENTIZE_QJS, "what is tested is recommended");
                std::os::unix::fs::symlink(tools.node_modules(), self.plugin.join("node_modules")).expect("a link");
            }
            _ => {}
        }
    }

    /// `rowhouse plugin …`, ready to run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("--state-dir").arg(&self.state).arg("plugin").args(arguments);
        command.env_remove("DATABASE_URL").envs(self.environment.iter().cloned());
        command
    }

    /// The same, run to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }

    /// The same, where it must go well; what it said.
    #[track_caller]
    pub fn does(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}:\n{said}{error}");
        said.into_owned()
    }

    /// The plugin's directory, as an argument.
    pub fn here(&self) -> &str {
        self.plugin.to_str().expect("a path in ASCII")
    }

    /// A command of the language's own, in the plugin's directory, that must go well; what it said.
    #[track_caller]
    pub fn shell(&self, command: &str) -> String {
        let mut shell = Command::new("sh");
        shell.args(["-euc", command]).current_dir(&self.plugin).envs(self.environment.iter().cloned());
        let output = shell.env("PYTHONDONTWRITEBYTECODE", "1").output().expect("a shell");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{command}:\n{said}");
        said
    }

    /// A file of the plugin.
    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.plugin.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
    }

    /// Save a file with a part of it replaced, which must be there.
    #[track_caller]
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no {from:?}");
        std::fs::write(self.plugin.join(file), text.replace(from, to)).expect("a file");
    }
}

/// The directory of a Node that is new enough.
fn node(tools: &Tools) -> PathBuf {
    let mut node = tools.node().run(Path::new("-p")).expect("a Node that runs");
    let output = node.arg("process.execPath").output().expect("a Node");
    let path = PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim());
    path.parent().expect("a directory").to_owned()
}

/// Remove the state of runs that are over.
fn sweep(shared: &Path) {
    for entry in std::fs::read_dir(shared).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let over = name.strip_prefix("author-").is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if over {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

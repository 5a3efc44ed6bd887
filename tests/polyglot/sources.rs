//! The sources of what is not Rust: the tests beside them, and the templates, built as a stranger would.

use crate::harness::{binary, root};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::polyglot::{COMPONENTIZE_PY, COMPONENTIZE_QJS, Tools};

/// What a stranger calls the plugin.
const NAME: &str = "left-over";

fn tools() -> Tools {
    Tools::ensure(root()).expect("componentize-py and componentize-qjs")
}

/// Run a command that must succeed; what it said, both ways.
#[track_caller]
fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "{command:?}:\n{said}");
    said
}

/// A Python for tests: 3.11 or newer, which the bindings and the library are written for.
fn python(path: &[&Path]) -> Command {
    let mut python = Command::new("python3");
    let path = std::env::join_paths(path).expect("no colon in a path");
    python.args(["-B", "-m", "unittest", "discover", "-s"]).env("PYTHONPATH", path);
    python
}

#[test]
fn pythons_own_tests_pass() {
    let bindings = tempfile::tempdir().expect("a directory");
    run(tools()
        .componentize_py()
        .args(["-q", "-w", "plugin", "-d"])
        .arg(root().join("wit"))
        .arg("bindings")
        .arg(bindings.path()));
    let (library, plugin) = (root().join("sdk/python"), root().join("plugins/basket"));
    for place in [&library, &plugin] {
        let said = run(python(&[&library, &plugin, bindings.path()]).arg(place.join("tests")));
        assert!(!said.contains("Ran 0 tests") && !said.contains("skipped"), "{said}");
    }
}

#[test]
fn javascripts_own_tests_pass() {
    for place in ["sdk/js", "plugins/report"] {
        let said = run(node_test(&root().join(place)).env_remove("NODE_OPTIONS"));
        assert!(!said.contains("tests 0\n") && said.contains("skipped 0\n"), "{said}");
    }
}

/// Node's own test runner over a directory.
fn node_test(directory: &Path) -> Command {
    let mut node = tools().node().run(Path::new("--test")).expect("a Node that runs");
    node.current_dir(directory);
    node
}

/// A template as the stranger gets it, outside this repository, with what is copied in beside it.
fn copy(template: &str, library: &str) -> tempfile::TempDir {
    let new = tempfile::tempdir().expect("a directory");
    let library = root().join(library);
    let name = library.file_name().expect("a directory's name");
    copy_tree(&root().join("host/templates").join(template), new.path());
    copy_tree(&root().join("wit"), &new.path().join("wit"));
    copy_tree(&library, &new.path().join(name));
    new
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory that is there") {
        let from = entry.expect("a directory entry").path();
        let to = to.join(from.file_name().expect("an entry's name"));
        if from.is_dir() {
            copy_tree(&from, &to);
        } else if from.extension().is_none_or(|ending| ending != "pyc") {
            let text = std::fs::read_to_string(&from).expect("a text");
            std::fs::write(&to, text.replace("{{name}}", NAME)).expect("a copy");
        }
    }
}

/// The commands of a README's first block of them, without their comments.
fn commands(readme: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(readme).expect("a README");
    let block = text.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of commands");
    let line = |line: &str| line.split("  #").next().unwrap_or_default().trim().to_owned();
    block.lines().map(line).collect()
}

/// What the README says, in a shell in the plugin's directory; with the host in reach.
fn follow(new: &Path, command: &str) {
    let places =
        [binary().parent().expect("a directory").to_owned(), node_binary().parent().expect("a directory").to_owned()];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths(places.into_iter().chain(std::env::split_paths(&path))).expect("no colon in a path");
    let mut shell = Command::new("sh");
    // A package index is asked for nothing: what the first command would install is laid out already.
    shell.args(["-euc", command]).current_dir(new).env("PATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
    run(&mut shell);
}

fn node_binary() -> PathBuf {
    let node = tools().node().run(Path::new("-p")).expect("a Node that runs").arg("process.execPath").output();
    PathBuf::from(String::from_utf8(node.expect("a Node").stdout).expect("a path").trim())
}

/// That the host serves what was built, with the template's one tool and no WASI.
fn serves(new: &Path) {
    let state = tempfile::tempdir().expect("a directory");
    let mut list = Command::new(binary());
    list.args(["plugin", "list", "--json", "--plugins"]).arg(new).arg("--state-dir").arg(state.path());
    let done = list.output().expect("the host runs");
    let said: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(said["refused"], serde_json::json!([]), "{said}");
    let [plugin] = said["served"].as_array().expect("a list").as_slice() else { panic!("one plugin: {said}") };
    assert_eq!(plugin["name"], NAME, "{said}");
    assert_eq!(plugin["tools"], serde_json::json!([format!("{NAME}_low_stock")]), "{said}");
    assert!(!plugin["imports"].to_string().contains("wasi:"), "{said}");
}

#[test]
fn the_python_template_builds_as_its_readme_says() {
    let new = copy("python", "sdk/python/rowhouse_plugin");
    let new = new.path();
    let wanted = std::fs::read_to_string(new.join("requirements.txt")).expect("requirements");
    assert_eq!(wanted.trim(), format!("componentize-py=={COMPONENTIZE_PY}"), "what is tested is what is recommended");
    let [install, test, build, list] = &commands(&new.join("README.md"))[..] else { panic!("four commands") };
    assert!(install.contains("pip install -r requirements.txt"), "{install}");
    // In place of the install: the same version, from where the tests have it.
    let script = new.join(".venv/bin/componentize-py");
    std::fs::create_dir_all(script.parent().expect("a directory")).expect("a directory");
    let tool = tools().componentize_py();
    let argument = tool.get_args().next().expect("the tool's own script").display().to_string();
    let home = tool.get_envs().find(|(name, _)| *name == "PYTHONPATH").and_then(|(_, value)| value).expect("its home");
    std::fs::write(&script, format!("#!/bin/sh\nPYTHONPATH='{}' exec python3 '{argument}' \"$@\"\n", home.display()))
        .expect("a script");
    run(Command::new("chmod").arg("+x").arg(&script));
    for command in [test, build] {
        follow(new, command);
    }
    assert!(list.starts_with("rowhouse plugin list --plugins ."), "{list}");
    serves(new);
}

#[test]
fn the_javascript_template_builds_as_its_readme_says() {
    let new = copy("js", "sdk/js/rowhouse-plugin");
    let new = new.path();
    let package = std::fs::read_to_string(new.join("package.json")).expect("a package");
    let package: Value = serde_json::from_str(&package).expect("JSON");
    assert_eq!(
        package["devDependencies"]["componentize-qjs"], COMPONENTIZE_QJS,
        "what is tested is what is recommended"
    );
    let [install, test, build, list] = &commands(&new.join("README.md"))[..] else { panic!("four commands") };
    assert_eq!(install, "npm install");
    // In place of the install: the same version, from where the tests have it.
    std::os::unix::fs::symlink(tools().node_modules(), new.join("node_modules")).expect("a link");
    follow(new, test);
    // Node runs a package's scripts as npm does.
    follow(new, &build.replace("npm run", "node --run"));
    assert!(list.starts_with("rowhouse plugin list --plugins ."), "{list}");
    serves(new);
}

//! The sources of what is not Rust: the tests beside them.

use crate::harness::root;
use std::path::Path;
use std::process::Command;
use xtask::polyglot::Tools;

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

//! Sentences of the documentation that a machine can hold.

use crate::harness::root;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines a file may have. Whoever opens one should see what it is about without a search.
const MAX_LINES: usize = 400;

/// The files below a directory of the repository that end like this, by path from the root.
fn files(below: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root().join(below)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                found.push((from_root(&path), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no `{ending}` below {below}");
    found
}

fn from_root(path: &Path) -> String {
    path.strip_prefix(root()).expect("a path of the repository").to_string_lossy().into_owned()
}

/// Rust without its comments and without what stands in quotes.
fn code(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let raw = ["r\"", "r#\"", "r##\""].into_iter().find(|start| rest.starts_with(start));
        let joined = out.chars().last().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(start) = raw.filter(|_| !joined) {
            let end = format!("\"{}", "#".repeat(start.len() - 2));
            rest[start.len()..].find(&end).map_or(rest.len(), |at| start.len() + at + end.len())
        } else if rest.starts_with("'\"'") {
            3
        } else if c == '"' {
            quoted(rest)
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        rest = &rest[skip..];
    }
    out
}

/// Length of the string literal `text` begins with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Whether `name` stands in `code` as a word of its own.
fn names(code: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        !code[..at].chars().last().is_some_and(part) && !code[at + name.len()..].chars().next().is_some_and(part)
    })
}

/// The modules of the crate that `code` reaches into: by one path, or by a group of them.
fn reached(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = code[at + start.len()..].trim_start();
        let Some(group) = rest.strip_prefix('{') else {
            found.push(word(rest).to_owned());
            continue;
        };
        let (mut depth, mut fresh) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => fresh = true,
                c if fresh && !c.is_whitespace() => {
                    found.push(word(&group[at..]).to_owned());
                    fresh = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// What `text`, a file of the room `module`, reaches for although the street has not come there yet.
fn looks_ahead(street: &[String], module: &str, text: &str) -> Vec<String> {
    let here = street.iter().position(|name| name == module).expect("a room of the street");
    reached(&code(text)).into_iter().filter(|name| !street[..=here].contains(name)).collect()
}

fn street() -> Vec<String> {
    let map = fs::read_to_string(root().join("host/src/lib.rs")).expect("the map");
    let rooms: Vec<String> =
        map.lines().filter_map(|line| line.strip_prefix("pub mod ")).map(|rest| word(rest).to_owned()).collect();
    assert!(rooms.len() > 5, "{rooms:?}");
    rooms
}

/// The room a file belongs to; none for the map and the program.
fn room(path: &str) -> Option<&str> {
    let name = word(path.strip_prefix("host/src/")?);
    (name != "lib" && name != "main").then_some(name)
}

#[test]
fn the_street_has_one_direction() {
    let street = street();
    for (path, text) in files("host/src", ".rs") {
        let Some(module) = room(&path) else { continue };
        assert_eq!(looks_ahead(&street, module, &text), Vec::<String>::new(), "{path} looks ahead");
    }
}

#[test]
fn looking_ahead_is_caught_however_it_is_written() {
    let street = ["a", "b", "c"].map(str::to_owned);
    let check = |text: &str, ahead: &[&str]| assert_eq!(looks_ahead(&street, "b", text), ahead, "{text}");
    check("use crate::a::X;", &[]);
    check("use crate::b::X;", &[]);
    check("use crate::c::X;", &["c"]);
    check("use crate::{a, c};", &["c"]);
    check("use crate::{\n    a::{c, d},\n    c::{X, Y},\n};", &["c"]);
    check("fn f() -> crate::c::X { crate::a::x() }", &["c"]);
    check("pub(crate) use crate::d;", &["d"]);
    check("/// See [`crate::c`].\nfn f() {} // crate::c", &[]);
    check("let text = \"crate::c \\\" crate::c\"; let c = '\"'; crate::a!()", &[]);
    check("let text = r#\"crate::c \"quoted\" \"#; crate::c!()", &["c"]);
}

#[test]
fn no_file_is_long() {
    let guests = ["plugins/sales/src", "plugins/search/src", "sdk/src", "sdk/macros/src", "sdk/tests"];
    for below in ["host/src", "xtask/src", "migrations/src", "tests"].into_iter().chain(guests) {
        for (path, text) in files(below, ".rs") {
            let lines = text.lines().count();
            assert!(
                lines <= MAX_LINES,
                "{path} has {lines} lines, more than {MAX_LINES}: give a part of it its own room"
            );
        }
    }
}

#[test]
fn one_room_for_each_foreign_thing() {
    // Who may name a crate, or make a thing of it: a path is a file or the directory of a room.
    let allowed: [(&str, &[&str]); 29] = [
        ("libc", &["cores"]),
        ("rmcp", &["mcp"]),
        ("axum", &["mcp"]),
        ("bb8", &["query"]),
        ("pg_query", &["query"]),
        ("oci_client", &["distribution"]),
        ("docker_credential", &["distribution"]),
        ("wasmtime", &["plugin"]),
        ("wasmtime_wasi", &["plugin"]),
        ("jsonwebtoken", &["identity"]),
        ("argon2", &["identity"]),
        ("reqwest", &["alerts", "embedding", "identity", "telemetry", "web"]),
        ("prometheus_client", &["telemetry"]),
        ("opentelemetry", &["telemetry"]),
        ("opentelemetry_sdk", &["telemetry"]),
        ("opentelemetry_otlp", &["telemetry"]),
        ("tracing_opentelemetry", &["telemetry"]),
        ("tracing_subscriber", &["telemetry"]),
        ("hdrhistogram", &["telemetry"]),
        ("ratatui", &["cli"]),
        ("csv", &["cli"]),
        ("cedar_policy", &["policy"]),
        ("governor", &["traffic"]),
        ("redis", &["commons", "config", "doctor", "embedding", "house", "query", "traffic"]),
        ("candle_core", &["embedding"]),
        ("tokenizers", &["embedding"]),
        ("failsafe", &["embedding", "query"]),
        ("object_store", &["backup"]),
        ("age::x25519", &["backup"]),
    ];
    let engines = ["host/src/plugin/engine.rs", "host/src/plugin/compile.rs"];
    let mut used = BTreeSet::new();
    for (path, text) in files("host/src", ".rs") {
        let code = code(&text);
        for (name, rooms) in allowed {
            if names(&code, name) {
                used.insert(name);
                assert!(
                    room(&path).is_some_and(|room| rooms.contains(&room)),
                    "{path} names {name}; only {rooms:?} may"
                );
            }
        }
        let makes = ["Engine", "Config"]
            .iter()
            .any(|it| ["new", "default"].iter().any(|make| names(&code, &format!("{it}::{make}"))));
        if names(&code, "wasmtime") && makes {
            used.insert("an engine");
            assert!(engines.contains(&path.as_str()), "{path} configures an engine; only {engines:?} may");
        }
    }
    // A rule about something nobody uses any more would hold nothing.
    assert_eq!(used.len(), allowed.len() + 1, "{used:?}");
}

/// Declarations and variant cases of a WIT file without a `///` line right above.
fn undocumented(text: &str) -> Vec<String> {
    const DECLARATIONS: [&str; 6] = ["interface ", "world ", "record ", "variant ", "enum ", "resource "];
    let (mut bare, mut documented, mut open) = (Vec::new(), false, Vec::new());
    for line in text.lines().map(str::trim) {
        if line.starts_with("///") {
            documented = true;
            continue;
        }
        let declares = DECLARATIONS.iter().any(|word| line.starts_with(word) && line.contains('{'));
        let function = line.contains(": func(") || line.contains(": static func(") || line.starts_with("constructor(");
        let case = open.last() == Some(&"variant ") && line != "}" && !line.is_empty();
        if (declares || function || case) && !documented {
            bare.push(line.to_owned());
        }
        if line.ends_with('{') {
            open.push(DECLARATIONS.into_iter().find(|word| line.starts_with(word)).unwrap_or("other"));
        } else if line == "}" {
            open.pop();
        }
        documented = false;
    }
    bare
}

#[test]
fn the_contract_is_documented() {
    assert_eq!(undocumented("/// A.\ninterface a {\n  /// F.\n  f: func();\n}"), Vec::<String>::new());
    assert_eq!(undocumented("/// A.\n\ninterface a {\n  f: func();\n}"), ["interface a {", "f: func();"]);
    assert_eq!(
        undocumented("/// V.\nvariant v {\n  /// A.\n  a,\n  b(u8),\n}\nenum e { a }"),
        ["b(u8),", "enum e { a }"]
    );
    for (path, text) in files("wit", ".wit") {
        assert_eq!(undocumented(&text), Vec::<String>::new(), "{path}");
    }
}

/// What is named in backquotes as `path::test`, as path and test.
fn named_tests(text: &str) -> Vec<(&str, &str)> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.rsplit_once("::"))
        .filter(|(path, test)| path.contains('/') && path.ends_with(".rs") && word(test) == *test)
        .collect()
}

#[test]
fn every_test_the_architecture_names_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let named = named_tests(&text);
    assert!(named.len() >= 10, "ARCHITECTURE.md names {} tests: a sentence without one is a hope", named.len());
    let mut missing = Vec::new();
    for (path, test) in named {
        let source = fs::read_to_string(root().join(path)).unwrap_or_default();
        if !names(&code(&source), &format!("fn {test}")) {
            missing.push(format!("{path}::{test}"));
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md names tests that are not there: {missing:?}");
}

#[test]
fn every_migration_has_data() {
    for domain in ["core", "retail"] {
        let stems = |below: &str| -> BTreeSet<String> {
            let all = files(below, ".sql").into_iter();
            all.filter_map(|(path, _)| path.rsplit_once('/').map(|(_, name)| name.to_owned()))
                .filter(|name| name.starts_with('V'))
                .collect()
        };
        let (migrations, data) = (stems(&format!("migrations/{domain}")), stems(&format!("tests/data/{domain}")));
        assert_eq!(migrations, data, "each migration of `{domain}` has its data in tests/data/{domain}, and no other");
    }
}

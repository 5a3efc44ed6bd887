//! The manual of plugins, docs/plugins.md, as far as a machine can hold it: its tables, commands, links and examples.

use crate::harness::root;
use clap::CommandFactory;
use rowhouse::cli::Cli;
use rowhouse::config::Limits;
use rowhouse::error::{Blame, Code};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const MANUAL: &str = "docs/plugins.md";

/// The manual of operators.
const OPERATIONS: &str = "docs/operations.md";

/// Texts whose links are held.
const TEXTS: [&str; 14] = [
    MANUAL,
    OPERATIONS,
    "docs/backups.md",
    "docs/usage.md",
    "docs/health.md",
    "docs/resilience.md",
    "README.md",
    "ARCHITECTURE.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "plugins/README.md",
    "sdk/README.md",
    "sdk/python/README.md",
    "sdk/js/README.md",
];

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The cells of a table's rows whose first is a name in backquotes, by that name, below a heading.
fn table(heading: &str) -> BTreeMap<String, Vec<String>> {
    let text = read(MANUAL);
    let (_, below) = text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let section = below.split("\n## ").next().unwrap_or_default();
    let mut rows = BTreeMap::new();
    for line in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
        assert!(rows.insert(cells[0].clone(), cells[1..].to_vec()).is_none(), "{} stands there twice", cells[0]);
    }
    assert!(!rows.is_empty(), "no table below {heading}");
    rows
}

/// A number as the manual writes it; none where it says that there is none.
fn number(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let digits: u64 = digits.replace(',', "").parse().ok()?;
    match unit {
        "" => Some(digits),
        "KiB" => Some(digits << 10),
        "MiB" => Some(digits << 20),
        _ => None,
    }
}

#[test]
fn every_limit_is_there_with_its_default() {
    let Value::Object(settings) = serde_json::to_value(Limits::default()).expect("settings are JSON") else {
        panic!("no table")
    };
    let table = table("Limits of a call");
    for (name, cells) in &table {
        let known = settings.get(name).unwrap_or_else(|| panic!("there is no plugins.limits.{name}"));
        assert_eq!(number(&cells[0]), known.as_u64(), "{name}: {} in {MANUAL}, {known} in the settings", cells[0]);
    }
    let missing: Vec<_> = settings.keys().filter(|name| !table.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{MANUAL} does not explain plugins.limits.{missing:?}");
}

#[test]
fn every_code_is_there_with_who_can_act() {
    let table = table("Every error code");
    for code in Code::ALL {
        let cells = table.get(code.as_str()).unwrap_or_else(|| panic!("{MANUAL} does not explain {}", code.as_str()));
        let blame = match code.blame() {
            Blame::Caller => "caller",
            Blame::Plugin => "plugin",
            Blame::Host => "host",
        };
        assert_eq!(cells[0], blame, "{}", code.as_str());
    }
    assert_eq!(table.len(), Code::ALL.len(), "it explains codes that are not there");
}

/// Every command line of the manual: of its blocks, and of what stands in backquotes.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.lines().filter(|line| line.starts_with("rowhouse ")).map(str::to_owned);
    let prose = text.split('`').filter(|part| part.starts_with("rowhouse ") && !part.contains('\n')).map(str::to_owned);
    blocks.chain(prose).collect()
}

/// What is wrong with a command line: a command or an option that is not there.
fn unknown(line: &str) -> Option<String> {
    let root = Cli::command();
    let mut at = &root;
    let line = line.split(['#', '<', '>']).next().unwrap_or_default();
    let mut words = line.split_whitespace().skip(1);
    while let Some(word) = words.next() {
        if let Some(option) = word.strip_prefix("--").filter(|it| !it.is_empty()) {
            let (name, given) = option.split_once('=').map_or((option, false), |(name, _)| (name, true));
            let named =
                |command: &clap::Command| command.get_arguments().find(|it| it.get_long() == Some(name)).cloned();
            let Some(argument) = named(at).or_else(|| named(&root)) else {
                return Some(format!("`{}` has no --{name}", at.get_name()));
            };
            // Its value is no command.
            if argument.get_action().takes_values() && !given {
                words.next();
            }
        } else if at.has_subcommands() {
            match at.find_subcommand(word) {
                Some(next) => at = next,
                None => return Some(format!("`{}` has no command {word}", at.get_name())),
            }
        }
    }
    None
}

#[test]
fn commands_are_there() {
    assert_eq!(
        unknown("rowhouse plugin approve-everything x.wasm").as_deref(),
        Some("`plugin` has no command approve-everything")
    );
    assert_eq!(unknown("rowhouse plugin sign --unsafe x.wasm").as_deref(), Some("`sign` has no --unsafe"));
    assert_eq!(unknown("rowhouse plugin list --plugins . --json   # --no-such"), None);
    for path in [MANUAL, OPERATIONS, "README.md", "docs/backups.md", "docs/usage.md", "docs/health.md"] {
        let commands = commands(&read(path));
        assert!(commands.len() > 3, "{path}: {commands:?}");
        let wrong: Vec<_> = commands.iter().filter_map(|line| Some((line, unknown(line)?))).collect();
        assert!(wrong.is_empty(), "{path}: {wrong:#?}");
    }
}

/// What a heading is called in links: small letters, hyphens for spaces, nothing else.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).collect::<String>().replace(' ', "-")
}

/// Where a link of a text leads that is not there.
fn astray(path: &str, link: &str) -> bool {
    let (file, part) = link.split_once('#').unwrap_or((link, ""));
    let here = Path::new(path).parent().unwrap_or(Path::new(""));
    let target = if file.is_empty() { root().join(path) } else { root().join(here).join(file) };
    if !target.exists() {
        return true;
    }
    let headings = || {
        let text = fs::read_to_string(&target).unwrap_or_default();
        let found: Vec<_> =
            text.lines().filter(|line| line.starts_with('#')).map(|it| anchor(it.trim_start_matches('#'))).collect();
        found
    };
    !part.is_empty() && !headings().iter().any(|heading| heading == part)
}

#[test]
fn links_lead_somewhere() {
    assert!(astray(MANUAL, "../nowhere.md") && astray(MANUAL, "#nowhere") && astray(MANUAL, "../README.md#nowhere"));
    for path in TEXTS {
        let text = read(path);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        let wrong: Vec<_> = links.filter(|link| !link.contains("://") && astray(path, link)).collect();
        assert!(wrong.is_empty(), "{path}: {wrong:?}");
    }
    assert!(read("README.md").contains("(docs/plugins.md)"), "the README leads to the manual");
}

#[test]
fn examples_are_files_that_are_built() {
    let text = read(MANUAL);
    let mut found = Vec::new();
    for (at, _) in text.match_indices("<!-- ") {
        let (path, rest) = text[at + 5..].split_once(" -->\n").expect("a comment ends");
        let block = rest.strip_prefix("```").and_then(|rest| rest.split_once('\n')).map(|(_, block)| block);
        let block = block.and_then(|block| block.split_once("\n```\n")).unwrap_or_else(|| panic!("{path}: no block")).0;
        assert!(read(path).contains(block), "{MANUAL} shows {path} as it is no longer");
        found.push(path);
    }
    // The suite builds each: examples of workspace crates, and the templates in tests/polyglot.rs.
    assert_eq!(
        found,
        [
            "sdk/examples/stock.rs",
            "host/templates/python/tools.py",
            "host/templates/js/tools.js",
            "tests/guests/examples/stock.rs"
        ]
    );
}

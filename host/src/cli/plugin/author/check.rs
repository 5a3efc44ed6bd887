//! What a reviewer would say.

mod schema; // Of arguments.
mod statements; // Of SQL.
mod tools; // Of what a model reads.

use super::cases;
use super::subject::Subject;
use crate::config::Settings;
use crate::plugin::{self, Inspected};
use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `plugin check` is told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory of the sources, which are built first; or a component.
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    subject: PathBuf,
    /// Warnings count as errors.
    #[arg(long)]
    strict: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// It cannot be served, or a model cannot use it.
    Error,
    /// It works, and somebody will regret it.
    Warning,
}

/// Something that could be better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Lint {
    /// How bad it is.
    pub(super) level: Level,
    /// Which rule: a stable name, explained in `docs/plugins.md`.
    pub(super) code: &'static str,
    /// The tool, or the plugin.
    pub(super) of: String,
    /// What is wrong, and what to do.
    pub(super) text: String,
}

/// Every rule, worst first. The manual explains each.
#[cfg_attr(not(test), expect(dead_code, reason = "the manual and the tests go by it"))]
pub(super) const RULES: [(&str, Level); 16] = [
    ("refused", Level::Error),
    ("import-not-granted", Level::Error),
    ("description-missing", Level::Error),
    ("description-short", Level::Warning),
    ("description-is-title", Level::Warning),
    ("argument-undescribed", Level::Warning),
    ("schema-open", Level::Warning),
    ("type-missing", Level::Warning),
    ("string-unbounded", Level::Warning),
    ("array-unbounded", Level::Warning),
    ("integer-unbounded", Level::Warning),
    ("output-schema-missing", Level::Warning),
    ("query-unbounded", Level::Warning),
    ("query-refused", Level::Warning),
    ("name-not-snake-case", Level::Warning),
    ("too-much", Level::Warning),
];

/// Bytes of a component that its own code and data may well have; more is slow to copy, to prove and to compile.
const MAX_BYTES: usize = 5 << 20;

/// What componentize-py leaves among the producers.
const PYTHON: &str = "component-init-transform";

/// Bytes of CPython and its standard library, which every plugin in Python carries.
const PYTHON_BYTES: usize = 19 << 20;

pub(super) async fn run(settings: &Settings, compiler: PathBuf, args: &Args) -> Result<ExitCode> {
    let subject = Subject::find(&args.subject).await?;
    let lints = lints(settings, compiler, &subject).await?;
    let worst = if args.strict { Level::Warning } else { Level::Error };
    let failed = lints.iter().any(|lint| lint.level <= worst);
    if args.json {
        println!("{}", json!({ "plugin": subject.name, "lints": lints }));
    } else {
        for lint in &lints {
            let level = if lint.level == Level::Error { "ERROR" } else { "warning" };
            println!("{level:<8} {:<22} {}: {}", lint.code, lint.of, lint.text);
        }
        match lints.len() {
            0 => println!("{}: nothing to mend", subject.name),
            1 => println!("\n{}: 1 thing to mend", subject.name),
            count => println!("\n{}: {count} things to mend", subject.name),
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn lints(settings: &Settings, compiler: PathBuf, subject: &Subject) -> Result<Vec<Lint>> {
    let bytes = fs::read(&subject.component).with_context(|| format!("read {}", subject.component.display()))?;
    let name = subject.name.as_str();
    let mut found = Vec::new();
    match plugin::inspect(&bytes) {
        Err(why) => found.push(Lint::of_plugin(Level::Error, "refused", name, why.to_string())),
        Ok(inspected) => {
            found.extend(imports(settings, name, &inspected));
            found.extend(size(name, &inspected));
        }
    }
    // What is not granted is said already; everything else is found by proving it.
    if found.iter().all(|lint| lint.level != Level::Error) {
        let alone = tempfile::tempdir().context("a directory to prove it in")?;
        fs::write(alone.path().join(format!("{name}.wasm")), &bytes)?;
        let mut unsigned = settings.clone();
        unsigned.plugins.signatures = Some(crate::config::Signatures::Optional);
        let registry = super::super::open(&unsigned, alone.path().to_owned(), compiler).await?;
        let published = registry.published();
        if let Some(why) = published.refused.get(name) {
            found.push(Lint::of_plugin(Level::Error, "refused", name, format!("at {}: {}", why.step, why.reason)));
        }
        if let Some(proved) = published.plugins.get(name) {
            found.extend(tools::lints(name, &proved.tools));
            let answers = cases::read(&subject.directory)?.unwrap_or_default();
            found.extend(tools::answers(&proved.tools, &answers));
        }
    }
    let texts = plugin::data(&bytes).map_err(|e| anyhow!("{}: {e}", subject.component.display()));
    found.extend(statements::lints(name, &texts.unwrap_or_default(), &settings.functions()));
    found.sort_by_key(|lint| lint.level);
    Ok(found)
}

impl Lint {
    /// About the whole plugin.
    fn of_plugin(level: Level, code: &'static str, name: &str, text: impl Into<String>) -> Self {
        Self { level, code, of: name.to_owned(), text: text.into() }
    }
}

/// What it imports beyond the grant it will have.
fn imports(settings: &Settings, name: &str, inspected: &Inspected) -> Vec<Lint> {
    let grant = settings.plugins.grant(name);
    let missing = inspected.imports.iter().filter(|import| import.callable).filter(|import| {
        match import.name.strip_prefix("rowhouse:plugin/") {
            Some(rest) => !grant.interfaces.contains(rest.split('@').next().unwrap_or(rest)),
            None => !(grant.wasi && import.name.starts_with("wasi:")),
        }
    });
    let missing: Vec<&str> = missing.map(|import| import.name.as_str()).collect();
    // A guest with WASI imports some two dozen interfaces; the first few tell the story.
    let shown = missing.iter().take(4).copied().collect::<Vec<_>>().join(", ");
    let text = match missing.len() {
        0 => return Vec::new(),
        1..=4 => shown,
        more => format!("{shown} and {} more", more - 4),
    };
    let mend = if missing.iter().any(|it| it.starts_with("wasi:")) {
        "build without WASI, or an operator has to grant it"
    } else {
        "leave it out, or an operator has to grant it"
    };
    vec![Lint::of_plugin(Level::Error, "import-not-granted", name, format!("it imports {text}: {mend}"))]
}

/// How large it is, less the interpreter that it cannot do without.
fn size(name: &str, inspected: &Inspected) -> Option<Lint> {
    let python = inspected.producers.values().any(|tools| tools.contains_key(PYTHON));
    let most = if python { MAX_BYTES + PYTHON_BYTES } else { MAX_BYTES };
    let text = format!("it has {} bytes, and {most} do for most: what makes it so large?", inspected.size);
    (inspected.size > most).then(|| Lint::of_plugin(Level::Warning, "too-much", name, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const MANUAL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/plugins.md"));

    #[test]
    fn every_rule_is_in_the_manual_with_its_level() {
        for (code, level) in RULES {
            let level = if level == Level::Error { "error" } else { "warning" };
            let row = MANUAL.lines().find(|line| line.starts_with(&format!("| `{code}`")));
            assert!(row.is_some_and(|row| row.contains(&format!("| {level} |"))), "{code}: {row:?}");
        }
    }

    fn inspected(size: usize, imports: &[&str], tool: &str) -> Inspected {
        Inspected {
            digest: String::new(),
            size,
            signed: false,
            imports: imports.iter().map(|name| plugin::Import { name: (*name).to_owned(), callable: true }).collect(),
            exports: Vec::new(),
            producers: BTreeMap::from([(
                "processed-by".to_owned(),
                BTreeMap::from([(tool.to_owned(), String::new())]),
            )]),
        }
    }

    #[test]
    fn what_is_not_granted_is_named() {
        let mut settings = Settings::default();
        let wasi: Vec<String> = (0..9).map(|n| format!("wasi:x/i{n}@0.2.0")).collect();
        let wasi: Vec<&str> = wasi.iter().map(String::as_str).collect();
        let said = |settings: &Settings, imports: &[&str]| {
            let found = super::imports(settings, "p", &inspected(1, imports, ""));
            found.into_iter().map(|lint| (lint.code, lint.text)).next()
        };
        assert_eq!(said(&settings, &["rowhouse:plugin/sql@0.1.0", "rowhouse:plugin/log@0.1.0"]), None);
        let (code, text) = said(&settings, &wasi).expect("nobody grants WASI unasked");
        assert!(code == "import-not-granted" && text.contains("wasi:x/i0@0.2.0") && text.contains("5 more"), "{text}");
        assert!(said(&settings, &["rowhouse:plugin/unheard-of@0.1.0"]).is_some());
        settings.plugins.default_grant.wasi = true;
        assert_eq!(said(&settings, &wasi), None, "the author's own settings grant it");
        assert!(said(&settings, &["other:thing/x"]).is_some());
    }

    #[test]
    fn an_interpreter_is_not_held_against_a_plugin() {
        for (bytes, tool, large) in [
            (MAX_BYTES, "cargo", false),
            (MAX_BYTES + 1, "cargo", true),
            (MAX_BYTES + 1, PYTHON, false),
            (MAX_BYTES + PYTHON_BYTES + 1, PYTHON, true),
        ] {
            assert_eq!(size("p", &inspected(bytes, &[], tool)).is_some(), large, "{bytes} by {tool}");
        }
    }
}

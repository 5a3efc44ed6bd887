//! Plugins on the terminal, and as JSON.

use super::envelope::Envelope;
use crate::config::Plugins;
use crate::distribution::Source;
use crate::plugin::{
    Accounts, Change, Entry, Hold, Inspected, Loaded, Published, Refused, Tried, describe, printable, refusal, standing,
};
use serde_json::{Value, json};

/// Everything `plugin inspect` found out.
pub(super) struct Shown<'a> {
    pub(super) name: &'a str,
    pub(super) inspected: &'a Inspected,
    /// Where this host would serve it.
    pub(super) proved: Option<&'a Loaded>,
    /// Where it would not.
    pub(super) refused: Option<&'a Refused>,
    /// Against the version that serves.
    pub(super) changes: Option<Vec<Change>>,
    pub(super) schemas: bool,
    pub(super) envelope: Envelope<'a>,
}

pub(super) fn list(published: &Published, missing: &[&Source]) {
    for p in published.plugins.values() {
        let signed = p.publisher.as_deref().map_or(String::new(), |publisher| format!("  signed by {publisher}"));
        println!("{} {}  sha256:{}{signed}", p.name, printable(&p.version), &p.digest[..16]);
        for tool in &p.tools {
            println!("  {:<28} {}", tool.name, printable(&tool.title));
        }
    }
    for (name, Hold { since, by, why }) in holds(published) {
        println!("HELD     {name} by {by} since {since}: {}; `rowhouse plugin release {name}`", printable(why));
    }
    for (name, tried) in &published.canaries {
        let Tried { loaded, terms } = &**tried;
        let (version, digest) = (printable(&loaded.version), &loaded.digest[..16]);
        println!("CANARY   {name} {version} sha256:{digest} since {}: {}", terms.since, terms.share);
    }
    for (name, parked) in &published.parked {
        println!("WAITS    {}; `rowhouse plugin approve {name}`", printable(&parked.to_string()));
    }
    for why in published.refused.values() {
        println!("REFUSED  {}", printable(&why.to_string()));
    }
    for source in missing {
        println!("MISSING  {} from {}; `rowhouse plugin update {}` says why", source.name, source.place, source.name);
    }
}

pub(super) fn list_json(published: &Published, plugins: &Plugins, accounts: Option<&Accounts>, missing: &[&Source]) {
    let mut standing = standing(published);
    for served in standing["served"].as_array_mut().into_iter().flatten() {
        let text = |key: &str| served[key].as_str().unwrap_or_default().to_owned();
        served["envelope"] = Envelope::new(plugins, accounts, &text("name"), &text("digest")).json();
    }
    let from = missing.iter().map(|it| json!({ "name": it.name, "from": it.place.to_string() }));
    standing["missing"] = from.collect();
    println!("{standing}");
}

fn holds(published: &Published) -> impl Iterator<Item = (&String, &Hold)> {
    published.decided.iter().filter_map(|(name, entry)| Some((name, entry.hold.as_ref()?)))
}

/// One difference between versions.
pub(super) fn change(change: &Change) {
    println!("  {}", printable(&change.what));
    for line in change.diff.iter().flat_map(|diff| diff.lines()) {
        println!("    {}", printable(line));
    }
}

pub(super) fn history(name: &str, entry: &Entry) {
    println!("{name}");
    for pin in entry.versions.iter().rev() {
        let mark = match &pin.taken_back {
            _ if pin.digest == entry.serving => "  serves".to_owned(),
            Some(why) => format!("  taken back: {}", printable(why)),
            None => String::new(),
        };
        let (version, digest) = (printable(&pin.version), &pin.digest[..16]);
        println!("  {version:<10} sha256:{digest}  {}  {}{mark}", pin.approved_at, printable(&pin.approved_by));
    }
    if let Some(Hold { since, by, why }) = &entry.hold {
        println!("  held by {by} since {since}: {}", printable(why));
    }
    if let Some(canary) = &entry.canary {
        println!("  on trial: sha256:{} since {}: {}", &canary.digest[..16], canary.since, canary.share);
    }
}

pub(super) fn history_json(name: &str, entry: &Entry) {
    println!("{}", json!({ "name": name, "decided": entry }));
}

pub(super) fn inspect(shown: &Shown<'_>) {
    let it = shown.inspected;
    let version = shown.proved.map_or(String::new(), |proved| format!(" {}", proved.version));
    println!("{}{version}", shown.name);
    println!("  {:<10} sha256:{}", "digest", it.digest);
    println!("  {:<10} {} bytes", "size", it.size);
    let signed = match (shown.proved.and_then(|proved| proved.publisher.as_deref()), it.signed) {
        (Some(publisher), _) => format!("by {publisher}"),
        (None, true) => "by somebody this host does not believe".to_owned(),
        (None, false) => "no".to_owned(),
    };
    println!("  {:<10} {signed}", "signed");
    for (index, import) in it.imports.iter().enumerate() {
        let types = if import.callable { "" } else { "  (types only)" };
        println!("  {:<10} {}{types}", if index == 0 { "imports" } else { "" }, import.name);
    }
    for (index, export) in it.exports.iter().enumerate() {
        println!("  {:<10} {export}", if index == 0 { "exports" } else { "" });
    }
    for (field, values) in &it.producers {
        let values: Vec<String> = values.iter().map(|(name, version)| format!("{name} {version}")).collect();
        println!("  {:<10} {}", field, values.join(", "));
    }
    for tool in shown.proved.iter().flat_map(|proved| &proved.tools) {
        println!("  {:<10} {}: {}", "tool", tool.name, tool.title);
        if shown.schemas {
            let schemas = [("input", Some(&tool.input_schema)), ("output", tool.output_schema.as_ref())];
            for (which, schema) in schemas.into_iter().filter_map(|(which, schema)| Some((which, schema?))) {
                println!("    {which} {}", Value::Object((**schema).clone()));
            }
        }
    }
    for prompt in shown.proved.iter().flat_map(|proved| &proved.prompts) {
        let asks: Vec<&str> = prompt.arguments.iter().map(|argument| argument.name.as_str()).collect();
        println!("  {:<10} {}({}): {}", "prompt", prompt.name, asks.join(", "), printable(&prompt.title));
    }
    for resource in shown.proved.iter().flat_map(|proved| &proved.resources) {
        println!("  {:<10} {}: {}", "resource", printable(&resource.uri), printable(&resource.title));
    }
    shown.envelope.print(it);
    match shown.changes.as_deref() {
        None => {}
        Some([]) => println!("\nAgainst the version that serves: the same to callers."),
        Some(changes) => {
            println!("\nAgainst the version that serves:");
            changes.iter().for_each(change);
        }
    }
    if let Some(why) = shown.refused {
        println!("\nREFUSED  {why}");
    }
}

pub(super) fn inspect_json(shown: &Shown<'_>) {
    println!(
        "{}",
        json!({
            "name": shown.name,
            "component": shown.inspected,
            "proved": shown.proved.map(|proved| describe(proved, shown.schemas)),
            "refused": shown.refused.map(refusal),
            "changes": shown.changes,
            "wants": shown.inspected.wants(shown.envelope.grant),
            "envelope": shown.envelope.json(),
        })
    );
}

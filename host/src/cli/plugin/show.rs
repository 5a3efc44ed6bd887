//! Plugins on the terminal, and as JSON.

use crate::distribution::Source;
use crate::plugin::{Inspected, Loaded, Published, Refused};
use serde_json::{Value, json};

/// Everything `plugin inspect` found out.
pub(super) struct Shown<'a> {
    pub(super) name: &'a str,
    pub(super) inspected: &'a Inspected,
    /// Where this host would serve it.
    pub(super) proved: Option<&'a Loaded>,
    /// Where it would not.
    pub(super) refused: Option<&'a Refused>,
    /// Against the plugin that is in the directory now.
    pub(super) changes: Option<Vec<String>>,
    pub(super) schemas: bool,
}

pub(super) fn list(published: &Published, missing: &[&Source]) {
    for p in published.plugins.values() {
        let signed = p.publisher.as_deref().map_or(String::new(), |publisher| format!("  signed by {publisher}"));
        println!("{} {}  sha256:{}{signed}", p.name, p.version, &p.digest[..16]);
        for tool in &p.tools {
            println!("  {:<28} {}", tool.name, tool.title);
        }
    }
    for why in published.refused.values() {
        println!("REFUSED  {why}");
    }
    for source in missing {
        println!("MISSING  {} from {}; `rowhouse plugin update {}` says why", source.name, source.place, source.name);
    }
}

pub(super) fn list_json(published: &Published, missing: &[&Source]) {
    let served: Vec<Value> = published.plugins.values().map(|p| loaded(p, false)).collect();
    let refused: Vec<Value> = published.refused.values().map(|why| refusal(why)).collect();
    let missing: Vec<Value> =
        missing.iter().map(|it| json!({ "name": it.name, "from": it.place.to_string() })).collect();
    println!("{}", json!({ "served": served, "refused": refused, "missing": missing }));
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
    match shown.changes.as_deref() {
        None => {}
        Some([]) => println!("\nAgainst the one in the plugin directory: the same to callers."),
        Some(changes) => {
            println!("\nAgainst the one in the plugin directory:");
            changes.iter().for_each(|change| println!("  {change}"));
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
            "proved": shown.proved.map(|proved| loaded(proved, shown.schemas)),
            "refused": shown.refused.map(refusal),
            "changes": shown.changes,
        })
    );
}

fn loaded(plugin: &Loaded, schemas: bool) -> Value {
    let tools = plugin.tools.iter().map(|tool| match schemas {
        false => json!(tool.name),
        true => json!({
            "name": tool.name, "title": tool.title, "description": tool.description,
            "inputSchema": *tool.input_schema, "outputSchema": tool.output_schema.as_deref(),
        }),
    });
    json!({
        "name": &*plugin.name,
        "version": plugin.version,
        "digest": plugin.digest,
        "publisher": plugin.publisher,
        "imports": plugin.imports,
        "tools": tools.collect::<Vec<_>>(),
    })
}

fn refusal(why: &Refused) -> Value {
    json!({ "name": why.plugin, "step": why.step, "reason": why.reason })
}

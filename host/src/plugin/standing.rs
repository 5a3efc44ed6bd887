//! How plugins stand, as JSON: for scripts, and for whoever asks over the admin endpoint.

use super::loader::{Loaded, Refused};
use super::published::{Parked, Published};
use serde_json::{Value, json};

/// What is served, held, tried, waiting and refused.
pub fn standing(published: &Published) -> Value {
    let served = published.plugins.values().map(|version| {
        let mut served = describe(version, false);
        let pin = published.decided.get(&*version.name).and_then(|entry| entry.pin(&version.digest));
        served["approvedBy"] = json!(pin.map(|pin| &pin.approved_by));
        served["approvedAt"] = json!(pin.map(|pin| &pin.approved_at));
        served
    });
    let held = published.decided.iter().filter_map(|(name, entry)| Some((name, entry.hold.as_ref()?)));
    let held = held.map(|(name, hold)| json!({ "name": name, "hold": hold }));
    let canaries = published
        .canaries
        .values()
        .map(|tried| json!({ "version": describe(&tried.loaded, false), "terms": tried.terms }));
    let waiting = published.parked.values().map(|parked| {
        let Parked { loaded, why } = &**parked;
        json!({ "version": describe(loaded, false), "why": why })
    });
    json!({
        "served": served.collect::<Vec<_>>(),
        "held": held.collect::<Vec<_>>(),
        "canaries": canaries.collect::<Vec<_>>(),
        "waiting": waiting.collect::<Vec<_>>(),
        "refused": published.refused.values().map(|why| refusal(why)).collect::<Vec<_>>(),
    })
}

/// One version, with the schemas of its tools where they are asked for.
pub fn describe(plugin: &Loaded, schemas: bool) -> Value {
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
        "prompts": plugin.prompts.iter().map(|prompt| &prompt.name).collect::<Vec<_>>(),
        "resources": plugin.resources.iter().map(|resource| &resource.uri).collect::<Vec<_>>(),
    })
}

/// Why a component was refused.
pub fn refusal(why: &Refused) -> Value {
    json!({ "name": why.plugin, "step": why.step, "reason": why.reason })
}

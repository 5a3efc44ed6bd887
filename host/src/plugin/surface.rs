//! What an operator approves of a version: what it reaches, what callers read of it, who made it.
//!
//! Two versions with the same surface are the same to everybody but whoever runs them, so one may take the other's place
//! unasked. The digests are over what callers are shown, to the letter: a model goes by every word.

use super::loader::Loaded;
use super::offer::{Prompt, PromptArgument, Resource};
use super::tool::Tool;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};

/// Lines around a difference that are shown with it.
const CONTEXT: usize = 2;

/// What an operator approves of a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surface {
    /// Who signed it, where somebody did whom the settings believe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// Interfaces it can call, without their version: a rebuild for a later one reaches no further.
    pub imports: BTreeSet<String>,
    /// SHA-256 of what callers read of each thing it offers, by kind and name: `tool/get_top_products`.
    pub items: BTreeMap<String, String>,
}

/// One thing that is otherwise in another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What, in a line.
    pub what: String,
    /// The texts before and after, as a unified diff, where there are any. Written by the plugin: see [`printable`](super::printable).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

impl Surface {
    /// The surface of a version.
    pub fn of(plugin: &Loaded) -> Self {
        let items = texts(plugin).into_iter().map(|(name, texts)| {
            let whole: Vec<_> = texts.iter().map(|(what, text)| json!([what, text])).collect();
            (name, hex::encode(Sha256::digest(Value::Array(whole).to_string())))
        });
        Self { publisher: plugin.publisher.clone(), imports: plugin.reach.clone(), items: items.collect() }
    }

    /// What an operator has to be asked about before `after` takes this one's place, a line each. What it no longer
    /// imports is no reason to ask.
    pub fn asks(&self, after: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.publisher != after.publisher {
            found.push(signed(self.publisher.as_deref(), after.publisher.as_deref()));
        }
        found.extend(after.imports.difference(&self.imports).map(|it| format!("also imports {it}")));
        let names: BTreeSet<&String> = self.items.keys().chain(after.items.keys()).collect();
        for name in names {
            match (self.items.get(name), after.items.get(name)) {
                (None, _) => found.push(format!("{} is new", spaced(name))),
                (_, None) => found.push(format!("{} is gone", spaced(name))),
                (before, now) if before != now => found.push(format!("{} reads otherwise", spaced(name))),
                _ => {}
            }
        }
        found
    }
}

/// What a new version does otherwise, with its texts. Nothing: it is the same to callers.
pub fn changes(before: &Loaded, after: &Loaded) -> Vec<Change> {
    let mut found = Vec::new();
    let mut line = |what: String| found.push(Change { what, diff: None });
    if before.version != after.version {
        line(format!("version {} -> {}", before.version, after.version));
    }
    if before.publisher != after.publisher {
        line(signed(before.publisher.as_deref(), after.publisher.as_deref()));
    }
    let whole = |plugin: &Loaded| -> BTreeSet<String> { plugin.imports.iter().map(|it| unversioned(it)).collect() };
    let (old, new) = (whole(before), whole(after));
    for import in new.difference(&old).chain(after.reach.difference(&before.reach).filter(|it| old.contains(*it))) {
        line(format!("WIDER: also imports {import}"));
    }
    old.difference(&new).for_each(|it| line(format!("no longer imports {it}")));
    let (old, new) = (texts(before), texts(after));
    for (name, after) in &new {
        let before = old.get(name);
        let (kind, bare) = name.split_once('/').unwrap_or(("", name));
        if before.is_none() {
            found.push(Change { what: format!("new {kind} {bare}"), diff: None });
        }
        for (what, text) in after {
            let known = before.and_then(|texts| texts.iter().find(|(it, _)| it == what)).map(|(_, text)| text.as_str());
            let known = known.unwrap_or_default();
            if known != text {
                found.push(Change { what: format!("{what} of {bare} differs"), diff: Some(diff(known, text)) });
            }
        }
    }
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    found.extend(gone.map(|name| Change { what: format!("{} is gone", spaced(name)), diff: None }));
    found
}

/// Everything callers are shown of what a plugin offers: by kind and name, each text with what it is.
fn texts(plugin: &Loaded) -> BTreeMap<String, Vec<(&'static str, String)>> {
    let tools = plugin.tools.iter().map(|tool| (format!("tool/{}", tool.name), tool_texts(tool)));
    let prompts = plugin.prompts.iter().map(|prompt| (format!("prompt/{}", prompt.name), prompt_texts(prompt)));
    let resources = plugin.resources.iter().map(|it| (format!("resource/{}", it.uri), resource_texts(it)));
    tools.chain(prompts).chain(resources).collect()
}

fn prompt_texts(prompt: &Prompt) -> Vec<(&'static str, String)> {
    let argument = |it: &PromptArgument| {
        let (name, title, description) = (&it.name, &it.title, &it.description);
        format!("{name}: {title}\n{description}\nrequired = {}, completes = {}", it.required, it.completes)
    };
    let arguments: Vec<_> = prompt.arguments.iter().map(argument).collect();
    vec![
        ("title", prompt.title.clone()),
        ("description", prompt.description.clone()),
        ("arguments", arguments.join("\n\n")),
    ]
}

fn resource_texts(resource: &Resource) -> Vec<(&'static str, String)> {
    let completes: Vec<_> = resource.completes.iter().map(String::as_str).collect();
    vec![
        ("name", resource.name.clone()),
        ("title", resource.title.clone()),
        ("description", resource.description.clone()),
        ("MIME type", resource.mime_type.clone()),
        ("completed variables", completes.join(", ")),
    ]
}

fn tool_texts(tool: &Tool) -> Vec<(&'static str, String)> {
    let schema = |schema: &Map<String, Value>| format!("{:#}", Value::Object(schema.clone()));
    let hints = tool.annotations;
    let hints = format!(
        "read_only = {}\ndestructive = {}\nidempotent = {}\nopen_world = {}",
        hints.read_only, hints.destructive, hints.idempotent, hints.open_world
    );
    vec![
        ("title", tool.title.clone()),
        ("description", tool.description.clone()),
        ("input schema", schema(&tool.input_schema)),
        ("output schema", tool.output_schema.as_deref().map(schema).unwrap_or_default()),
        ("annotations", hints),
        ("view", tool.view.clone().unwrap_or_default()),
    ]
}

/// An import without its version.
pub(super) fn unversioned(import: &str) -> String {
    import.split('@').next().unwrap_or(import).to_owned()
}

fn signed(before: Option<&str>, after: Option<&str>) -> String {
    format!("signed by {} -> {}", before.unwrap_or("nobody"), after.unwrap_or("nobody"))
}

fn spaced(name: &str) -> String {
    name.replacen('/', " ", 1)
}

fn diff(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let unified = diff.unified_diff().context_radius(CONTEXT).missing_newline_hint(false).to_string();
    unified.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surface(publisher: Option<&str>, imports: &[&str], items: &[(&str, &str)]) -> Surface {
        Surface {
            publisher: publisher.map(str::to_owned),
            imports: imports.iter().map(ToString::to_string).collect(),
            items: items.iter().map(|(name, digest)| (name.to_string(), digest.to_string())).collect(),
        }
    }

    #[test]
    fn what_reaches_further_or_reads_otherwise_is_asked_about() {
        let before = surface(Some("zava"), &["a/sql", "a/log"], &[("tool/x", "1"), ("tool/y", "2")]);
        let check = |after: Surface, asks: &[&str]| assert_eq!(before.asks(&after), asks, "{after:?}");
        check(before.clone(), &[]);
        check(surface(Some("zava"), &["a/sql"], &[("tool/x", "1"), ("tool/y", "2")]), &[]);
        check(Surface { publisher: None, ..before.clone() }, &["signed by zava -> nobody"]);
        check(Surface { publisher: Some("eve".into()), ..before.clone() }, &["signed by zava -> eve"]);
        check(
            surface(Some("zava"), &["a/sql", "a/schema"], &[("tool/x", "1"), ("tool/y", "2")]),
            &["also imports a/schema"],
        );
        check(
            surface(Some("zava"), &["a/sql"], &[("tool/x", "other"), ("prompt/z", "3")]),
            &["prompt z is new", "tool x reads otherwise", "tool y is gone"],
        );
    }

    #[test]
    fn a_difference_is_shown_with_the_lines_around_it() {
        let shown = diff("one\ntwo\nthree\nfour", "one\ntwo\nTHREE\nfour");
        assert!(shown.contains("-three\n+THREE") && shown.contains(" two"), "{shown}");
        assert_eq!(diff("same", "same"), "");
    }
}

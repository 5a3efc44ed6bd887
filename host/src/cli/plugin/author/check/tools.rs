//! Of what a model reads: names, descriptions, what comes back.

use super::super::cases::{self, Case, Wanted};
use super::{Level, Lint, schema};
use crate::plugin::Tool;
use serde_json::Value;
use std::fs;
use std::sync::Arc;

/// Characters below which a description says no more than a name does.
const SHORT: usize = 20;

/// Tools of one plugin above which a model chooses badly: every caller reads them all, before every question.
const MANY: usize = 20;

/// What can be said of the tools by themselves.
pub(super) fn lints(plugin: &str, tools: &[Arc<Tool>]) -> Vec<Lint> {
    let mut found = Vec::new();
    if tools.is_empty() {
        found.push(Lint::of_plugin(Level::Error, "refused", plugin, "it has no tool: nobody can use it"));
    }
    if tools.len() > MANY {
        let text = format!("it has {} tools, and a model reads them all: {MANY} are many", tools.len());
        found.push(Lint::of_plugin(Level::Warning, "too-much", plugin, text));
    }
    for tool in tools {
        found.extend(of_tool(tool));
    }
    found
}

fn of_tool(tool: &Tool) -> Vec<Lint> {
    let mut found = Vec::new();
    let mut say = |level, code, text: String| found.push(Lint { level, code, of: tool.name.clone(), text });
    let description = tool.description.trim();
    let same = |text: &str| plain(text) == plain(description);
    if description.is_empty() {
        let text = "it has no description: say what comes back, and when to use another tool";
        say(Level::Error, "description-missing", text.to_owned());
    } else if same(&tool.title) || same(&tool.name) {
        let text = "its description says what its title does: say what comes back";
        say(Level::Warning, "description-is-title", text.to_owned());
    } else if description.chars().count() < SHORT {
        let text = format!("its description has {} characters: say what comes back", description.chars().count());
        say(Level::Warning, "description-short", text);
    }
    if !snake(&tool.name) {
        let text = "its name is not snake_case, as models expect it".to_owned();
        say(Level::Warning, "name-not-snake-case", text);
    }
    for fault in schema::faults(&tool.input_schema) {
        say(Level::Warning, fault.code, fault.text);
    }
    found
}

/// What the cases say comes back: an answer with a structure of the plugin's own wants an output schema.
pub(super) fn answers(tools: &[Arc<Tool>], known: &[Case]) -> Vec<Lint> {
    let structured = |case: &Case| match &case.wanted {
        Wanted::Answer(answer) => own(answer),
        Wanted::Snapshot(path) => {
            fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).is_some_and(|answer| own(&answer))
        }
        Wanted::Error(_) => false,
    };
    let missing = tools.iter().filter(|tool| tool.output_schema.is_none());
    let missing = missing.filter(|tool| known.iter().any(|case| case.tool == tool.name && structured(case)));
    missing
        .map(|tool| Lint {
            level: Level::Warning,
            code: "output-schema-missing",
            of: tool.name.clone(),
            text: "its answers have a structure, as the cases show, and no output schema says which".to_owned(),
        })
        .collect()
}

/// An object that is no rows handed on: a list is an answer in parts.
fn own(answer: &Value) -> bool {
    answer.is_object() && !cases::is_rows(answer)
}

/// A text without what does not tell it from another.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// `low_stock_2`
pub(super) fn snake(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    plain && name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.contains("__") && !name.ends_with('_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Annotations;
    use serde_json::json;

    fn tool(name: &str, title: &str, description: &str, input: &Value, output: Option<&str>) -> Arc<Tool> {
        let hints = Annotations { read_only: true, destructive: false, idempotent: true, open_world: false };
        let texts = [name, title, description].map(str::to_owned);
        let [name, title, description] = texts;
        Arc::new(Tool::new(name, title, description, &input.to_string(), output, hints).expect("a tool"))
    }

    fn closed() -> Value {
        json!({ "type": "object", "additionalProperties": false })
    }

    const GOOD: &str = "Products of which few are left, fewest first.";

    #[test]
    fn what_a_model_reads_is_looked_at() {
        for (name, title, description, want) in [
            ("low_stock", "Low stock", GOOD, &[][..]),
            ("low_stock", "Low stock", "  ", &["description-missing"]),
            ("low_stock", "Low stock", "Few.", &["description-short"]),
            ("low_stock", "Products with low stock", "products with low stock.", &["description-is-title"]),
            ("list_all_of_the_stock", "Stock", "List all of the stock", &["description-is-title"]),
            ("lowStock", "Low stock", GOOD, &["name-not-snake-case"]),
            ("low-stock", "Low stock", GOOD, &["name-not-snake-case"]),
            ("low__stock", "Low stock", GOOD, &["name-not-snake-case"]),
        ] {
            let codes: Vec<_> =
                lints("p", &[tool(name, title, description, &closed(), None)]).iter().map(|it| it.code).collect();
            assert_eq!(codes, want, "{name}, {description}");
        }
    }

    #[test]
    fn many_tools_are_too_many_and_none_is_too_few() {
        for (count, want) in [(0, &["refused"][..]), (1, &[]), (MANY, &[]), (MANY + 1, &["too-much"])] {
            let tools: Vec<_> = (0..count).map(|n| tool(&format!("t{n}"), "T", GOOD, &closed(), None)).collect();
            assert_eq!(lints("p", &tools).iter().map(|it| it.code).collect::<Vec<_>>(), want, "{count}");
        }
    }

    #[test]
    fn an_answer_with_a_structure_wants_a_schema() {
        let schema = closed().to_string();
        for (answer, output, want) in [
            (json!({ "orders": 3 }), None, 1),
            (json!({ "orders": 3 }), Some(schema.as_str()), 0),
            (json!({ "c": ["a"], "r": [[1]], "n": 1 }), None, 0),
            (json!([{ "type": "text", "text": "x" }]), None, 0),
        ] {
            let case = Case {
                name: "a".to_owned(),
                tool: "low_stock".to_owned(),
                who: "seattle".to_owned(),
                arguments: serde_json::Map::new(),
                wanted: Wanted::Answer(answer.clone()),
            };
            let tools = [tool("low_stock", "Low stock", GOOD, &closed(), output)];
            assert_eq!(answers(&tools, &[case]).len(), want, "{answer}");
        }
    }
}

//! Of SQL: the statements that stand in a component's data, as far as they can be told from what stands beside them.

use super::{Level, Lint};
use crate::query::gate::survey;

/// Characters of a statement that are enough to find it again.
const SHOWN: usize = 60;

pub(super) fn lints(plugin: &str, data: &[Vec<u8>], functions: &[String]) -> Vec<Lint> {
    let mut found = Vec::new();
    for statement in data.iter().flat_map(|data| survey::statements(data, functions)) {
        let words = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = words.chars().take(SHOWN).collect();
        let mut say = |code, why: String| {
            let lint = Lint::of_plugin(Level::Warning, code, plugin, format!("{text}…: {why}"));
            if !found.contains(&lint) {
                found.push(lint);
            }
        };
        if let Some(refusal) = statement.refusal {
            say("query-refused", format!("the gate will refuse it: {refusal}"));
        } else if !statement.bounded {
            say(
                "query-unbounded",
                "it gives as many rows as there are, and the host keeps 1,000: add LIMIT, or aggregate".to_owned(),
            );
        }
    }
    found
}

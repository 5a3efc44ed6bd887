//! The `search` plugin: find products by what they are called and what they are good for.
//!
//! Words first (PostgreSQL full text), then any one of the words, then names that are spelt alike. `find` holds the
//! statements, `answer` what a caller gets; the tests run both natively. Where the operator has set up an embedding
//! model the answer names it; meaning does not rank yet.

mod answer;
mod bindings;
mod find;

use bindings::{
    exports::rowhouse::plugin::tools::{Annotations, Answer, Guest, PluginInfo, Structured, Tool, ToolError},
    rowhouse::plugin::embedding,
};

/// The plugin.
pub struct Search;

impl Guest for Search {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: "search".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tools: vec![Tool {
                name: "search_products".to_owned(),
                title: "Search products".to_owned(),
                description: "Finds products by name or by what they are good for ('something to stop a leaking \
                              basement'), best first, with list price and the stock of the stores the caller may see. \
                              Forgives misspellings. Optionally of one category, within a price range, or in stock \
                              only. For what sold best use get_top_products instead."
                    .to_owned(),
                input_schema: include_str!("schemas/search_products.input.json").to_owned(),
                output_schema: Some(include_str!("schemas/search_products.output.json").to_owned()),
                annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: false },
            }],
        }
    }

    fn call(name: String, arguments: String) -> Result<Answer, ToolError> {
        if name != "search_products" {
            return Err(ToolError::NotFound(format!("there is no tool `{name}`")));
        }
        let asked: find::Asked =
            serde_json::from_str(&arguments).map_err(|error| ToolError::InvalidArguments(error.to_string()))?;
        let (how, products) = find::products(&asked)?;
        let found = answer::Found { how, semantic_model: embedding::current().map(|model| model.name), products };
        let json = serde_json::to_string(&found).map_err(|error| ToolError::Failed(error.to_string()))?;
        Ok(Answer::Structured(Structured { json, text: Some(found.text()) }))
    }
}

//! The `search` plugin: find products by what they are called and what they are good for.
//!
//! Words first (PostgreSQL full text), then any one of the words, then names that are spelt alike. `find` holds the
//! statements. Where the operator has set up an embedding model the answer names it; meaning does not rank yet.

mod find;

use find::How;
use rowhouse_plugin::prelude::*;

plugin! { name: "search", tools: [search_products] }

#[derive(Debug, Deserialize, JsonSchema)]
struct Asked {
    /// What the customer is looking for, in plain English: cordless drill. Quoted phrases, OR and -word work as in a web
    /// search.
    #[schemars(length(min = 1, max = 500))]
    query: String,
    /// Only this category, by its name, e.g. Power Tools.
    #[schemars(length(min = 1, max = 100))]
    category: Option<String>,
    /// List price at least, US dollars.
    #[schemars(range(min = 0))]
    min_price: Option<f64>,
    /// List price at most, US dollars.
    #[schemars(range(min = 0))]
    max_price: Option<f64>,
    /// Only products in stock in a store you may see (default false).
    #[serde(default)]
    in_stock_only: bool,
    /// How many products (default 20).
    #[serde(default = "usual")]
    #[schemars(range(min = 1, max = 100))]
    max_rows: i64,
}

/// Products when the caller does not say how many: what a person reads through.
fn usual() -> i64 {
    20
}

/// What a caller gets: products by name, never by key.
#[derive(Debug, Serialize, JsonSchema)]
struct Found {
    /// How the query was met: the first of these that found something.
    #[serde(rename = "match")]
    how: How,
    /// The embedding model set up by the operator, if any. The ranking does not use it yet.
    semantic_model: Option<String>,
    /// Best first.
    products: Vec<Product>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Product {
    product: String,
    category: String,
    #[serde(rename = "type")]
    kind: String,
    description: String,
    /// List price, US dollars.
    price: Decimal,
    /// Units in the stores you may see.
    in_stock: i64,
    /// By store, most first; stores without stock are left out.
    stock: Vec<Stock>,
    /// Higher is better; comparable within one answer.
    score: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Stock {
    store: String,
    units: i64,
}

/// Finds products by name or by what they are good for ('something to stop a leaking basement'), best first, with list
/// price and the stock of the stores the caller may see. Forgives misspellings. Optionally of one category, within a
/// price range, or in stock only. For what sold best use get_top_products instead.
///
/// # Errors
/// Prices the wrong way round, or what the database says.
#[tool]
fn search_products(asked: Asked) -> Result<Worded<Found>> {
    if let (Some(min), Some(max)) = (asked.min_price, asked.max_price)
        && min > max
    {
        bail!(invalid, "`min_price` ({min}) is above `max_price` ({max}): swap them");
    }
    let (how, products) = find::products(&asked)?;
    let semantic_model = embedding::current().map(|model| model.name);
    Ok(Worded::new(Found { how, semantic_model, products }, Found::text))
}

impl Found {
    /// For models: names once, then cells, in the shape of a statement's answer.
    fn text(&self) -> String {
        let cells = |p: &Product| (p.product.clone(), p.category.clone(), p.price, p.in_stock, p.description.clone());
        let rows: Vec<_> = self.products.iter().map(cells).collect();
        let table = table(&["product", "category", "price", "in_stock", "description"], &rows);
        match self.how {
            How::AllWords => table,
            How::AnyWord => format!("No product has all the words; these have some.\n{table}"),
            How::Spelling => format!("No product has these words; these are spelt alike.\n{table}"),
            How::Nothing => format!("Nothing found: use fewer or other words, or loosen the filters.\n{table}"),
        }
    }
}

#[cfg(test)]
mod tests;

//! The `search` plugin: products by what they are called, by what they are good for, by what goes with what.
//!
//! The tools are here; what each does is in the file of its subject, which uses only those before it. Nothing filters
//! by store: which stores' stock, orders and customers exist at all is decided by row security before a statement sees
//! any.
//!
//! Without vectors (no model, none now, none for this caller) every tool answers in the best way that is left, and says
//! so first: in `degraded`, and in the first line of the text.

mod product; // What every search shares.
mod words; // By words.
mod near; // The nearest vectors.
mod fusion; // By both.
mod meaning; // By meaning.
mod named; // Products by what callers call them.
mod alike; // What is like a product.
mod customer; // What somebody bought.
mod basket; // What goes with it.

use product::{Filters, Sought};
use rowhouse_plugin::prelude::*;

plugin! {
    name: "search",
    tools: [
        search_products,
        semantic_search_products,
        hybrid_search_products,
        similar_products,
        recommend_products,
    ],
}

/// Products when the caller does not say how many: what a person reads through.
fn usual() -> i64 {
    20
}

/// The same where they are suggestions: what a person looks at.
fn few() -> i64 {
    10
}

/// Percent. What a good answer is more than, mostly; the worst right one of a labelled set had 29.
fn usual_threshold() -> f64 {
    30.0
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Words {
    /// What the customer is looking for, in plain English: cordless drill. Quoted phrases, OR and -word work as in a
    /// web search.
    #[schemars(length(min = 1, max = 500))]
    query: String,
    #[serde(flatten)]
    filters: Filters,
    /// How many products (default 20).
    #[serde(default = "usual")]
    #[schemars(range(min = 1, max = 100))]
    max_rows: i64,
    /// Give SKU and product_id, too (default false): only where another system needs them.
    #[serde(default)]
    include_ids: bool,
}

/// Finds products by the words of their names and descriptions, best first, with list price and the stock of the stores
/// the caller may see. Forgives misspellings. Use it when the customer names the thing ('claw hammer', 'deck screws')
/// or writes a web search with quotes, OR or -word. For a need in other words than the catalogue's use
/// semantic_search_products; when unsure, or for an SKU, hybrid_search_products. Optionally of one category, within a
/// price range, or in stock only. For what sold best use get_top_products instead.
///
/// # Errors
/// Prices the wrong way round, or what the database says.
#[tool]
fn search_products(asked: Words) -> Result<Worded<words::Found>> {
    asked.filters.check()?;
    let Words { query, filters, max_rows, include_ids } = &asked;
    words::search(&Sought { text: query, filters, max_rows: *max_rows, include_ids: *include_ids })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Description {
    /// What the product should be or do, in plain English, a few words or a sentence: something to stop my basement
    /// wall leaking.
    #[schemars(length(min = 1, max = 500))]
    query_description: String,
    /// How many products (default 20).
    #[serde(default = "usual")]
    #[schemars(range(min = 1, max = 100))]
    max_rows: i64,
    /// Leave out products less similar than this, percent (default 30). Lower for more, higher for surer ones; 20 is
    /// about what unrelated things have.
    #[serde(default = "usual_threshold")]
    #[schemars(range(min = meaning::LEAST_THRESHOLD, max = 80))]
    similarity_threshold: f64,
    #[serde(flatten)]
    filters: Filters,
    /// Give SKU and product_id, too (default false): only where another system needs them.
    #[serde(default)]
    include_ids: bool,
}

/// Finds products by what they mean, not by their words: 'something to stop my basement wall leaking' finds hydraulic
/// cement. Use it for a problem, a job or a description; most similar first, each with its similarity in percent, list
/// price and the stock of the stores the caller may see. Where nothing is similar enough it says how similar the best
/// one is. Not for SKUs, model numbers or exact names: use hybrid_search_products or search_products. Optionally of one
/// category, within a price range, or in stock only.
///
/// # Errors
/// Nothing asked for, prices the wrong way round, a category there is not, or what the database says.
#[tool]
fn semantic_search_products(asked: Description) -> Result<Worded<meaning::Found>> {
    let Description { query_description, max_rows, similarity_threshold, filters, include_ids } = asked;
    let text = said("query_description", &query_description)?;
    filters.check()?;
    meaning::search(&Sought { text, filters: &filters, max_rows, include_ids }, similarity_threshold)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Anything {
    /// Whatever the customer said or typed: a name, a need, an SKU or a piece of one.
    #[schemars(length(min = 1, max = 500))]
    query: String,
    #[serde(flatten)]
    filters: Filters,
    /// How many products (default 20).
    #[serde(default = "usual")]
    #[schemars(range(min = 1, max = 100))]
    max_rows: i64,
    /// Give SKU and product_id, too (default false): only where another system needs them.
    #[serde(default)]
    include_ids: bool,
}

/// Finds products by meaning and by words at once, the best of both first: the one to use when it is not plain which of
/// the two is wanted. A whole SKU comes first, pieces of SKUs ('ham-001'), names, misspelt names and needs in other
/// words are found. Each product says where each ranking has it, with list price and the stock of the stores the caller
/// may see. Optionally of one category, within a price range, or in stock only.
///
/// # Errors
/// Nothing asked for, prices the wrong way round, a category there is not, or what the database says.
#[tool]
fn hybrid_search_products(asked: Anything) -> Result<Worded<fusion::Found>> {
    let text = said("query", &asked.query)?;
    asked.filters.check()?;
    let Anything { max_rows, include_ids, .. } = asked;
    fusion::search(&Sought { text, filters: &asked.filters, max_rows, include_ids })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Like {
    /// A product by its name or SKU; a part of the name does where no other product has it.
    #[schemars(length(min = 1, max = 200))]
    product: String,
    /// How many products (default 10).
    #[serde(default = "few")]
    #[schemars(range(min = 1, max = 100))]
    max_rows: i64,
    /// Only products in stock in a store you may see (default false).
    #[serde(default)]
    in_stock_only: bool,
    /// Give SKU and product_id, too (default false): only where another system needs them.
    #[serde(default)]
    include_ids: bool,
}

/// Finds products like one that is named, most similar first: what to offer when it is sold out, or to compare it with.
/// Each has its similarity in percent, list price and the stock of the stores the caller may see. For what goes with a
/// product, rather than in its place, use recommend_products.
///
/// # Errors
/// A name that is no product's or may be of several, with the names close to it; or what the database says.
#[tool]
fn similar_products(asked: Like) -> Result<Worded<alike::Found>> {
    let Like { product, max_rows, in_stock_only, include_ids } = asked;
    alike::search(&product, &Filters::in_stock(in_stock_only), max_rows, include_ids)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Whom {
    /// A customer of a store you may see, by e-mail address or full name: what they bought in the last year is the
    /// basket. Give this or `basket`.
    #[schemars(length(min = 1, max = 200))]
    customer: Option<String>,
    /// Products the customer has or is about to buy, by name or SKU. Give this or `customer`.
    #[schemars(length(min = 1, max = 20), inner(length(min = 1, max = 200)))]
    basket: Option<Vec<String>>,
    #[serde(flatten)]
    filters: Filters,
    /// How many products (default 10).
    #[serde(default = "few")]
    #[schemars(range(min = 1, max = 100))]
    max_rows: i64,
    /// Give SKU and product_id, too (default false): only where another system needs them.
    #[serde(default)]
    include_ids: bool,
}

/// Recommends products to go with a basket, or to a customer by what they bought in the last year: what the caller's
/// stores sold together with these more often than chance would, and what is similar to them. Each says why ('bought
/// together in 12 orders', 'similar to Claw Hammer (63 %)'), with list price and stock. Nothing in the basket is
/// recommended again. For substitutes of one product use similar_products; for how often which pairs were bought,
/// get_basket_analysis.
///
/// # Errors
/// Both or neither of `customer` and `basket`; a customer or product there is not, or that may be several; or what the
/// database says.
#[tool]
fn recommend_products(asked: Whom) -> Result<Worded<basket::Found>> {
    let to = match (&asked.customer, &asked.basket) {
        (Some(customer), None) => basket::To::Customer(said("customer", customer)?),
        (None, Some(basket)) => basket::To::Basket(basket),
        _ => bail!(invalid, "give `customer` or `basket`, one of them"),
    };
    asked.filters.check()?;
    basket::recommend(&to, &asked.filters, asked.max_rows, asked.include_ids)
}

/// What was asked for, without the space around it.
///
/// # Errors
/// There is nothing else.
fn said<'a>(argument: &str, text: &'a str) -> Result<&'a str> {
    match text.trim() {
        "" => bail!(invalid, "`{argument}` is blank: say what is wanted"),
        text => Ok(text),
    }
}

#[cfg(test)]
mod tests;

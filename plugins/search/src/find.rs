//! The statements, from the strictest reading of a query to the most forgiving.

use rowhouse_plugin::prelude::*;

use crate::{Asked, Product, Stock};

/// Which reading of the query found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) enum How {
    #[serde(rename = "all words")]
    AllWords,
    #[serde(rename = "any word")]
    AnyWord,
    #[serde(rename = "similar spelling")]
    Spelling,
    #[serde(rename = "none")]
    Nothing,
}

/// One row.
#[derive(FromRow)]
struct Line {
    product_name: String,
    category_name: String,
    type_name: String,
    product_description: String,
    base_price: Decimal,
    score: f64,
    /// Null where no store has it, as the units are.
    #[row(default)]
    stores: Vec<String>,
    #[row(default)]
    units: Vec<i64>,
}

/// `$1` is the query. The score and the condition are ours, never a caller's words. Below a third of the trigrams in
/// common, unrelated names come up.
fn statement(how: How, query: &str, asked: &Asked) -> Statement {
    let (score, condition) = match how {
        How::AllWords | How::AnyWord => (
            "ts_rank_cd(p.search, websearch_to_tsquery('english', $1))",
            "p.search @@ websearch_to_tsquery('english', $1)",
        ),
        _ => ("word_similarity($1, p.product_name)", "word_similarity($1, p.product_name) >= 0.35"),
    };
    let Asked { category, min_price, max_price, in_stock_only, max_rows, .. } = asked;
    let category = category.as_deref().map(str::trim);
    sql!(
        "
WITH found AS (
  SELECT p.product_id, p.product_name, c.category_name, t.type_name, p.product_description, p.base_price,
    ({score:sql})::float8 AS score
  FROM retail.products AS p
  JOIN retail.categories AS c ON c.category_id = p.category_id
  JOIN retail.product_types AS t ON t.type_id = p.type_id
  WHERE {query}::text IS NOT NULL AND {condition:sql}
    AND ({category}::text IS NULL OR lower(c.category_name) = lower({category}))
    AND ({min_price}::float8 IS NULL OR p.base_price >= {min_price}::numeric)
    AND ({max_price}::float8 IS NULL OR p.base_price <= {max_price}::numeric)
    AND (NOT {in_stock_only}
      OR EXISTS (SELECT 1 FROM retail.inventory AS i WHERE i.product_id = p.product_id AND i.stock_level > 0))
  ORDER BY score DESC, p.product_name LIMIT {max_rows})
SELECT f.product_name, f.category_name, f.type_name, f.product_description, f.base_price, f.score,
  stock.stores, stock.units
FROM found AS f
LEFT JOIN LATERAL (
  SELECT array_agg(s.store_name ORDER BY i.stock_level DESC, s.store_name) AS stores,
    array_agg(i.stock_level ORDER BY i.stock_level DESC, s.store_name) AS units
  FROM retail.inventory AS i JOIN retail.stores AS s ON s.store_id = i.store_id
  WHERE i.product_id = f.product_id AND i.stock_level > 0) AS stock ON true
ORDER BY f.score DESC, f.product_name"
    )
}

/// The products, and which reading of the query found them.
///
/// # Errors
/// What the database says.
pub(crate) fn products(asked: &Asked) -> Result<(How, Vec<Product>)> {
    for how in [How::AllWords, How::AnyWord, How::Spelling] {
        let Some(query) = reading(how, &asked.query) else { continue };
        let found: Vec<Line> = statement(how, &query, asked).all()?;
        if !found.is_empty() {
            return Ok((how, found.into_iter().map(Product::from).collect()));
        }
    }
    Ok((How::Nothing, Vec::new()))
}

/// The query as one reading wants it; nothing where that reading has nothing new to try.
pub(crate) fn reading(how: How, query: &str) -> Option<String> {
    match how {
        How::AnyWord => {
            let words: Vec<&str> =
                query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
            // One word has been tried, and a caller who writes operators means them.
            let operators = query.contains('"') || query.contains(" -") || words.contains(&"OR");
            (words.len() > 1 && !operators).then(|| words.join(" or "))
        }
        _ => Some(query.to_owned()),
    }
}

impl From<Line> for Product {
    fn from(line: Line) -> Product {
        Product {
            in_stock: line.units.iter().sum(),
            stock: line.stores.into_iter().zip(line.units).map(|(store, units)| Stock { store, units }).collect(),
            product: line.product_name,
            category: line.category_name,
            kind: line.type_name,
            description: line.product_description,
            price: line.base_price,
            score: (line.score * 1_000.0).round() / 1_000.0,
        }
    }
}

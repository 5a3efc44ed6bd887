//! The statements, from the strictest reading of a query to the most forgiving.

use serde::Deserialize;

use crate::{
    answer::{How, Price, Product, Stock},
    bindings::{
        exports::rowhouse::plugin::tools::ToolError,
        rowhouse::plugin::{sql, types::Value},
    },
};

/// Products when the caller does not say how many: what a person reads through.
const USUAL: i64 = 20;

/// Trigrams a name must share with the query, of 1. Below a third, unrelated names come up.
const ALIKE: f64 = 0.35;

/// The arguments.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    query: String,
    category: Option<String>,
    min_price: Option<f64>,
    max_price: Option<f64>,
    #[serde(default)]
    in_stock_only: bool,
    max_rows: Option<i64>,
}

/// `$1` is the query, `$2` a category or null, `$3` and `$4` prices or null, `$5` whether there must be stock, `$6` how
/// many. The score and the condition are one of ours, never a caller's words.
fn statement(how: How) -> String {
    let (score, condition) = match how {
        How::AllWords | How::AnyWord => (
            "ts_rank_cd(p.search, websearch_to_tsquery('english', $1))",
            "p.search @@ websearch_to_tsquery('english', $1)".to_owned(),
        ),
        _ => ("word_similarity($1, p.product_name)", format!("word_similarity($1, p.product_name) >= {ALIKE}")),
    };
    format!(
        "
WITH found AS (
  SELECT p.product_id, p.product_name, c.category_name, t.type_name, p.product_description, p.base_price,
    ({score})::float8 AS score
  FROM retail.products AS p
  JOIN retail.categories AS c ON c.category_id = p.category_id
  JOIN retail.product_types AS t ON t.type_id = p.type_id
  WHERE {condition}
    AND ($2::text IS NULL OR lower(c.category_name) = lower($2))
    AND ($3::float8 IS NULL OR p.base_price >= $3::numeric) AND ($4::float8 IS NULL OR p.base_price <= $4::numeric)
    AND (NOT $5 OR EXISTS (SELECT 1 FROM retail.inventory AS i WHERE i.product_id = p.product_id AND i.stock_level > 0))
  ORDER BY score DESC, p.product_name LIMIT $6)
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
/// Prices the wrong way round, or what the database says.
pub(crate) fn products(asked: &Asked) -> Result<(How, Vec<Product>), ToolError> {
    if let (Some(min), Some(max)) = (asked.min_price, asked.max_price)
        && min > max
    {
        return Err(ToolError::InvalidArguments(format!(
            "`min_price` ({min}) is above `max_price` ({max}): swap them"
        )));
    }
    for how in [How::AllWords, How::AnyWord, How::Spelling] {
        let Some(query) = reading(how, &asked.query) else { continue };
        let number = |value: Option<f64>| value.map_or(Value::Null, Value::Float);
        let parameters = [
            Value::Text(query),
            asked.category.as_deref().map_or(Value::Null, |name| Value::Text(name.trim().to_owned())),
            number(asked.min_price),
            number(asked.max_price),
            Value::Boolean(asked.in_stock_only),
            Value::Int(asked.max_rows.unwrap_or(USUAL)),
        ];
        let rows = sql::query(&statement(how), &parameters).map_err(ToolError::Sql)?;
        let found = rows.next(rows.count());
        if !found.is_empty() {
            let products = found.iter().map(|row| product(row)).collect::<Option<Vec<_>>>();
            return products.map(|products| (how, products)).ok_or_else(unexpected);
        }
    }
    Ok((How::Nothing, Vec::new()))
}

/// The query as one reading wants it; nothing where that reading has nothing new to try.
fn reading(how: How, query: &str) -> Option<String> {
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

/// One row. Nothing where it is not the row the statement asked for.
fn product(row: &[Value]) -> Option<Product> {
    let [
        Value::Text(product),
        Value::Text(category),
        Value::Text(kind),
        Value::Text(description),
        Value::Numeric(price),
        Value::Float(score),
        stores,
        units,
    ] = row
    else {
        return None;
    };
    let stock: Vec<Stock> = match (stores, units) {
        // No store has it.
        (Value::Null, Value::Null) => Vec::new(),
        (Value::TextArray(stores), Value::IntArray(units)) if stores.len() == units.len() => {
            stores.iter().zip(units).map(|(store, &units)| Stock { store: store.clone(), units }).collect()
        }
        _ => return None,
    };
    Some(Product {
        product: product.clone(),
        category: category.clone(),
        kind: kind.clone(),
        description: description.clone(),
        price: Price::parse(price)?,
        in_stock: stock.iter().map(|one| one.units).sum(),
        stock,
        score: (score * 1_000.0).round() / 1_000.0,
    })
}

fn unexpected() -> ToolError {
    ToolError::Failed("the answer is not what this plugin expects: its version does not fit the database's".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reading_is_more_forgiving() {
        for (query, any) in [
            ("cordless drill", Some("cordless or drill")),
            ("1/2 in. bit", Some("1 or 2 or in or bit")),
            ("hammer", None),
            ("\"claw hammer\" steel", None),
            ("paint -white", None),
            ("nails OR screws", None),
        ] {
            assert_eq!(reading(How::AnyWord, query).as_deref(), any, "{query}");
            assert_eq!(reading(How::AllWords, query).as_deref(), Some(query));
            assert_eq!(reading(How::Spelling, query).as_deref(), Some(query));
        }
    }

    #[test]
    fn a_callers_words_are_parameters_only() {
        for how in [How::AllWords, How::AnyWord, How::Spelling] {
            let statement = statement(how);
            assert!(statement.matches("$1").count() >= 2, "{statement}");
            for number in 2..=6 {
                assert!(statement.contains(&format!("${number}")), "{statement}");
            }
        }
    }

    #[test]
    fn rows_are_products_with_their_stock() {
        let text = |text: &str| Value::Text(text.to_owned());
        let row = |price: &str, stores: Value, units: Value| {
            let price = Value::Numeric(price.to_owned());
            [
                text("Mallet"),
                text("Hand Tools"),
                text("Hammers"),
                text("Hits."),
                price,
                Value::Float(0.12345),
                stores,
                units,
            ]
        };
        let stores = || Value::TextArray(vec!["Seattle".to_owned(), "Tacoma".to_owned()]);
        for (row, in_stock) in [
            (row("12.50", stores(), Value::IntArray(vec![5, 2])), Some(7)),
            (row("12.50", Value::Null, Value::Null), Some(0)),
            (row("12.50", stores(), Value::IntArray(vec![5])), None),
            (row("NaN", Value::Null, Value::Null), None),
        ] {
            let product = product(&row);
            assert_eq!(product.as_ref().map(|one| one.in_stock), in_stock, "{row:?}");
            assert!(product.is_none_or(|one| one.score == 0.123));
        }
        assert!(product(&[Value::Null]).is_none());
    }
}

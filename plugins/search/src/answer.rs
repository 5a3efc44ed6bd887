//! What a caller gets: products by name, never by key.

use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;

/// Which reading of the query found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

#[derive(Debug, Serialize)]
pub(crate) struct Found {
    #[serde(rename = "match")]
    pub(crate) how: How,
    pub(crate) semantic_model: Option<String>,
    pub(crate) products: Vec<Product>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Product {
    pub(crate) product: String,
    pub(crate) category: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) description: String,
    pub(crate) price: Price,
    pub(crate) in_stock: i64,
    pub(crate) stock: Vec<Stock>,
    pub(crate) score: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Stock {
    pub(crate) store: String,
    pub(crate) units: i64,
}

/// A price in the database's own digits, which are a JSON number as they stand.
#[derive(Debug)]
pub(crate) struct Price(String);

impl Price {
    /// Nothing where it is not plain digits (`NaN`).
    pub(crate) fn parse(text: &str) -> Option<Price> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // JSON has no number that begins with a needless zero.
        (plain(whole) && plain(part) && (whole == "0" || !whole.starts_with('0'))).then(|| Price(text.to_owned()))
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.clone()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl Found {
    /// For models: names once, then cells, in the shape of a statement's answer.
    pub(crate) fn text(&self) -> String {
        #[derive(Serialize)]
        struct Table<'a> {
            c: [&'a str; 5],
            r: Vec<(&'a str, &'a str, &'a Price, i64, &'a str)>,
            n: usize,
            #[serde(skip_serializing_if = "Option::is_none")]
            msg: Option<&'a str>,
        }
        let table = Table {
            c: ["product", "category", "price", "in_stock", "description"],
            r: self
                .products
                .iter()
                .map(|p| (p.product.as_str(), p.category.as_str(), &p.price, p.in_stock, p.description.as_str()))
                .collect(),
            n: self.products.len(),
            msg: self.products.is_empty().then_some("No rows"),
        };
        let table = serde_json::to_string(&table).unwrap_or_default();
        match self.how {
            How::AllWords => table,
            How::AnyWord => format!("No product has all the words; these have some.\n{table}"),
            How::Spelling => format!("No product has these words; these are spelt alike.\n{table}"),
            How::Nothing => format!("Nothing found: use fewer or other words, or loosen the filters.\n{table}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(how: How, prices: &[&str]) -> Found {
        let product = |price: &&str| Product {
            product: "Claw Hammer".to_owned(),
            category: "Hand Tools".to_owned(),
            kind: "Hammers".to_owned(),
            description: "Drives nails and pulls them.".to_owned(),
            price: Price::parse(price).expect(price),
            in_stock: 7,
            stock: vec![Stock { store: "Seattle".to_owned(), units: 7 }],
            score: 0.5,
        };
        Found { how, semantic_model: None, products: prices.iter().map(product).collect() }
    }

    #[test]
    fn answers_fit_the_schema() {
        let schema = include_str!("schemas/search_products.output.json");
        let schema: serde_json::Value = serde_json::from_str(schema).expect("a schema is JSON");
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        for found in [found(How::AllWords, &["12.50", "0.99"]), found(How::Nothing, &[])] {
            let text = serde_json::to_string(&found).expect("an answer is JSON");
            let answer = serde_json::from_str(&text).expect("an answer is JSON");
            assert!(jsonschema::is_valid(&schema, &answer), "{text}");
        }
    }

    #[test]
    fn prices_keep_their_digits() {
        let text = found(How::AllWords, &["12.50"]).text();
        assert!(text.contains(r#"["Claw Hammer","Hand Tools",12.50,7,"#), "{text}");
        for text in ["NaN", "", "1.", ".5", "007", "-1", "1e3"] {
            assert!(Price::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_forgiving_match_is_said() {
        for (how, word) in [(How::AnyWord, "some"), (How::Spelling, "alike"), (How::Nothing, "No rows")] {
            assert!(found(how, &[]).text().contains(word), "{how:?}");
        }
    }
}

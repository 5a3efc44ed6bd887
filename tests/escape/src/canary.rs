//! What must never be seen: values only other stores have.

use crate::truth::Truth;
use crate::words::Words;
use anyhow::{Result, bail};
use std::collections::HashSet;

/// Rows asked for at once: as many as one answer of the tool has at most. A shorter page is taken for the last.
const PAGE: usize = 1_000;

/// Values taken of each kind, at most. Keys are random, so the first of them by key are a fair sample of all stores.
const SAMPLE: usize = 12_000;

/// Each as a statement that gives one column: what other stores have.
const KINDS: [&str; 6] = [
    "SELECT store_id::text FROM retail.stores WHERE store_id NOT IN ({mine}) ORDER BY 1",
    "SELECT email FROM retail.customers WHERE store_id NOT IN ({mine}) ORDER BY customer_id",
    "SELECT customer_id::text FROM retail.customers WHERE store_id NOT IN ({mine}) ORDER BY 1",
    "SELECT order_id::text FROM retail.orders WHERE store_id NOT IN ({mine}) ORDER BY 1",
    "SELECT order_item_id::text FROM retail.order_items WHERE store_id NOT IN ({mine}) ORDER BY 1",
    // Sums have cents and millions: no other number is the same by chance. Of all stores, of each other one.
    "SELECT sum(total_amount)::text FROM retail.orders WHERE store_id NOT IN ({mine}) GROUP BY store_id \
     UNION ALL SELECT sum(total_amount)::text FROM retail.orders ORDER BY 1",
];

/// What the attacker may see, in the same kinds: a value both have proves nothing.
const OWN: [&str; 3] = [
    "SELECT email FROM retail.customers WHERE store_id IN ({mine}) ORDER BY customer_id",
    "SELECT store_name FROM retail.stores WHERE store_id IN ({mine}) ORDER BY 1",
    "SELECT sum(total_amount)::text FROM retail.orders WHERE store_id IN ({mine}) GROUP BY ROLLUP (store_id) ORDER BY 1",
];

/// Values that belong to others.
#[derive(Debug, Default)]
pub(crate) struct Canaries {
    /// In small letters.
    values: HashSet<String>,
    /// Names of other stores, as written. They are words of the language too, so only answers to SQL are held to them.
    names: HashSet<String>,
}

impl Canaries {
    /// Ask for them.
    ///
    /// # Errors
    /// When whoever sees everything is not answered, or there are too few to prove anything.
    pub(crate) async fn collect(truth: &Truth<'_>, words: &Words) -> Result<Self> {
        let mut found = Self::default();
        for kind in KINDS {
            found.values.extend(pages(truth, &words.fill(kind)).await?.into_iter().map(|it| it.to_lowercase()));
        }
        for own in OWN {
            for value in pages(truth, &words.fill(own)).await? {
                found.values.remove(&value.to_lowercase());
            }
        }
        let others = words.fill("SELECT store_name FROM retail.stores WHERE store_id NOT IN ({mine}) ORDER BY 1");
        found.names.extend(pages(truth, &others).await?);
        // Words of the catalogue, and of the attacker's own customers.
        for common in [
            "SELECT product_name || ' ' || product_description FROM retail.products ORDER BY product_id",
            "SELECT first_name || ' ' || last_name FROM retail.customers WHERE store_id IN ({mine}) ORDER BY customer_id",
        ] {
            for text in pages(truth, &words.fill(common)).await? {
                for token in tokens(&text) {
                    found.names.remove(token);
                }
            }
        }
        if found.values.len() < 100 || found.names.is_empty() {
            bail!("only {} values belong to other stores: nothing could be proved with them", found.values.len());
        }
        Ok(found)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len() + self.names.len()
    }

    /// The first one an answer shows that the question did not name itself.
    pub(crate) fn seen<'a>(&self, answer: &'a str, question: &str, names: bool) -> Option<&'a str> {
        let asked: HashSet<String> = tokens(question).map(str::to_lowercase).collect();
        tokens(answer).find(|token| {
            let small = token.to_lowercase();
            let ours = self.values.contains(&small) || (names && self.names.contains(*token));
            ours && !asked.contains(&small)
        })
    }
}

async fn pages(truth: &Truth<'_>, sql: &str) -> Result<Vec<String>> {
    let mut all = Vec::new();
    loop {
        let page = truth.column(&format!("{sql} LIMIT {PAGE} OFFSET {}", all.len())).await?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last || all.len() >= SAMPLE {
            return Ok(all);
        }
    }
}

/// The pieces of a text that could be a key, an address, a name or a number.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '@' | '.' | '-' | '_')))
        .map(|token| token.trim_matches(['.', '-']))
        .filter(|token| token.len() > 3)
}

/// A key or an address the answer shows and the question did not name: a row's value, whoever's it is.
pub(crate) fn row_value<'a>(answer: &'a str, question: &str) -> Option<&'a str> {
    tokens(answer).find(|token| {
        let key = token.len() == 36 && uuid::Uuid::try_parse(token).is_ok();
        let address = token.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        (key || address) && !question.to_lowercase().contains(&token.to_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_question_did_not_name_is_proof() {
        let id = "c7a42a66-dbc1-5b3c-8003-9a6d9dd4bcf2";
        let canaries = Canaries {
            values: [id, "ana@example.com", "12345.67"].map(str::to_owned).into(),
            names: ["Spokane".to_owned()].into(),
        };
        for (answer, question, names, seen) in [
            (format!("{{\"r\":[[\"{id}\"]]}}"), "SELECT 1", true, Some(id)),
            (id.to_uppercase(), "SELECT 1", true, Some("C7A42A66-DBC1-5B3C-8003-9A6D9DD4BCF2")),
            (format!("no such store {id}"), &*format!("WHERE store_id = '{id}'"), true, None),
            ("mail ana@example.com.".to_owned(), "", true, Some("ana@example.com")),
            ("[12345.67]".to_owned(), "", true, Some("12345.67")),
            ("[112345.67]".to_owned(), "", true, None),
            ("Spokane".to_owned(), "", true, Some("Spokane")),
            ("spokane".to_owned(), "", true, None),
            ("Spokane".to_owned(), "", false, None),
        ] {
            assert_eq!(canaries.seen(&answer, question, names), seen, "{answer}");
        }
    }

    #[test]
    fn an_error_may_not_show_a_row() {
        let key = "invalid: \"c7a42a66-dbc1-5b3c-8003-9a6d9dd4bcf2\"";
        assert!(row_value(key, "SELECT email::int").is_some());
        assert!(row_value("no value ana.b@example.com here", "SELECT email::int").is_some());
        assert!(row_value("no value a@b here, nor 1.2", "SELECT email::int").is_none());
        assert!(row_value(key, "SELECT 'C7A42A66-dbc1-5b3c-8003-9a6d9dd4bcf2'::int").is_none());
    }
}

//! By meaning: the products whose text lies nearest to a query's, as the operator's model sees it.

use rowhouse_plugin::{embedding::NoVectors, prelude::*};

use crate::{
    fusion::{self, Parts},
    near::{NOTHING, degraded, near, switched},
    product::{Line, Product, SHOWN, SHOWN_FROM, Sought, lines, listed, percent},
    words::How,
};

/// The lowest threshold a caller may name, percent: below it everything is a little like everything else.
pub(crate) const LEAST_THRESHOLD: f64 = 20.0;

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// Why these were found by words and not by meaning; left out where all went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<String>,
    /// Products less like the description are left out, percent.
    similarity_threshold: f64,
    /// Of the product most like it, above the threshold or not, percent. Left out where there is none, or `degraded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    best_similarity_percent: Option<f64>,
    /// Most similar first.
    products: Vec<Similar>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Similar {
    #[serde(flatten)]
    product: Product,
    /// How like the description, 0 to 100. Left out where `degraded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    similarity_percent: Option<f64>,
    /// How words found it; only where `degraded`.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    how: Option<How>,
}

fn statement(vector: &Vector, asked: &Sought<'_>) -> Statement {
    // Those below the threshold, too: the best of them tells how much lower to try.
    let text = format!(
        "
WITH {near}
SELECT f.similarity, {SHOWN}
FROM near AS f
{SHOWN_FROM}
ORDER BY f.place",
        near = near("$5::halfvec", "", "$6", -1.0)
    );
    asked.filters.statement(text).bind(vector).bind(&asked.max_rows)
}

/// What a vector says of a product.
#[derive(FromRow)]
struct Likeness {
    similarity: f64,
}

/// Products by what they mean; by words where there are no vectors.
///
/// # Errors
/// A category there is not; or what the database says.
pub(crate) fn search(asked: &Sought<'_>, threshold: f64) -> Result<Worded<Found>> {
    let vector = match embedding::embed_one(asked.text) {
        Ok(vector) => vector,
        Err(why) => return by_words(asked, threshold, &why),
    };
    let found: Vec<Line<Likeness>> = match statement(&vector, asked).all() {
        Ok(found) => found,
        Err(error) => return by_words(asked, threshold, &switched(&error).ok_or(error)?),
    };
    if found.is_empty() {
        asked.filters.check_category()?;
    }
    let similar = |line: Line<Likeness>| {
        let (product, likeness) = line.split(asked.include_ids);
        Similar { product, similarity_percent: Some(percent(likeness.similarity)), how: None }
    };
    let mut products: Vec<Similar> = found.into_iter().map(similar).collect();
    let best = products.first().and_then(|best| best.similarity_percent);
    // What is shown as 30.0 is not below 30.
    products.retain(|one| one.similarity_percent >= Some(threshold));
    let found = Found { degraded: None, similarity_threshold: threshold, best_similarity_percent: best, products };
    Ok(Worded::new(found, Found::text))
}

fn by_words(asked: &Sought<'_>, threshold: f64, why: &NoVectors) -> Result<Worded<Found>> {
    let similar = |line: Line<Parts>| {
        let (product, parts) = line.split(asked.include_ids);
        Similar { product, similarity_percent: None, how: parts.reading }
    };
    let products = fusion::found(None, asked)?.into_iter().map(similar).collect();
    let degraded = Some(degraded(why));
    let found = Found { degraded, similarity_threshold: threshold, best_similarity_percent: None, products };
    Ok(Worded::new(found, Found::text))
}

impl Found {
    fn text(&self) -> String {
        let said = |one: &Similar| match &self.degraded {
            Some(_) => one.how.map(|how| how.word().to_owned()).into(),
            None => one.similarity_percent.into(),
        };
        let column = if self.degraded.is_some() { "match" } else { "similarity_percent" };
        let table = listed(&[column], self.products.iter().map(|one| (&one.product, vec![said(one)])));
        let nothing = self.products.is_empty().then(|| match self.best_similarity_percent {
            Some(best) => {
                let (threshold, lower) = (self.similarity_threshold, lower(best));
                format!("No product is {threshold} % like this. The most similar one is {best:.1} %: {lower}")
            }
            None => NOTHING.to_owned(),
        });
        lines([self.degraded.clone(), nothing, Some(table)])
    }
}

/// What to do where the best is this like.
fn lower(best: f64) -> String {
    match best.floor() {
        threshold if threshold >= LEAST_THRESHOLD => format!("try similarity_threshold {threshold}, or other words."),
        _ => "use other words, or hybrid_search_products.".to_owned(),
    }
}

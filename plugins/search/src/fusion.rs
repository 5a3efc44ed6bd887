//! Several rankings become one: each product gets, for each that has it, `weight / (60 + place)` (reciprocal rank
//! fusion).
//!
//! Places count and not scores, because a cosine and a rank of words have no measure in common. Of the 182 questions of
//! `tests/search` that have an answer, the first ten products hold 0.55 of what is wanted by words alone, 0.68 by meaning
//! alone and 0.80 by both; the mean reciprocal rank of the first right one (MRR) is 0.47, 0.56 and 0.66.

use rowhouse_plugin::prelude::*;

use crate::{
    near::{self, FLOOR, NOTHING, near},
    product::{Line, Product, SHOWN, SHOWN_FROM, Said, Sought, lines, listed, percent},
    words::{self, How, Query},
};

/// How little places differ: a product at place 50 of two rankings comes before the first of one alone. The value of
/// the paper that proposed this (Cormack and others, 2009), and of most who followed.
const K: u32 = 60;

/// Places of a ranking that count: a page or two beyond what anybody is shown.
pub(crate) const DEPTH: &str = "50";

/// What a place by meaning counts. The others are to be read against it.
const MEANING: f64 = 1.0;

/// What a place by all words counts, or by spelling where no product has a word: both happen seldom and are mostly
/// right then. With 1 the MRR is 0.659 and not 0.664; with 3 it is the same.
const SURE: f64 = 2.0;

/// What a place by any one word counts. With 1, a product that shares "for" and "wall" comes first (MRR 0.60); with 0,
/// what meaning missed is lost (0.76 of what is wanted). This lifts a product by seven places or so.
const ANY_WORD: f64 = 0.1;

/// What a whole SKU counts: more than the first places by meaning and by words together.
const SKU: f64 = 4.0;

/// A query of a WITH clause: `best (product_id, score)`, the `most` products that come first when `lists (product_id,
/// place, weight)` are put together.
pub(crate) fn best(most: &'static str) -> String {
    format!(
        "\
best AS (
  SELECT product_id, sum(weight::float8 / ({K} + place)) AS score
  FROM lists GROUP BY product_id ORDER BY score DESC, product_id LIMIT {most})"
    )
}

/// A score as callers see it: five digits tell places apart.
pub(crate) fn rounded(score: f64) -> f64 {
    (score * 100_000.0).round() / 100_000.0
}

/// What the rankings say of a product: its place in each, where it has one.
#[derive(FromRow)]
pub(crate) struct Parts {
    score: f64,
    meaning_place: Option<i64>,
    similarity: Option<f64>,
    words_place: Option<i64>,
    pub(crate) reading: Option<How>,
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// Why these were found by words alone; left out where all went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<String>,
    /// Best first.
    products: Vec<Ranked>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Ranked {
    #[serde(flatten)]
    product: Product,
    /// Sum over `meaning` and `words` of weight / (60 + rank); comparable within one answer.
    score: f64,
    /// Left out where it is not among the 50 nearest, or less than 25 % like the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<ByMeaning>,
    /// Left out where words did not find it.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<ByWords>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ByMeaning {
    /// Its place by meaning alone, 1 for the nearest.
    rank: i64,
    /// How like the query, 0 to 100.
    similarity_percent: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ByWords {
    /// Its place by words alone, 1 for the best.
    rank: i64,
    /// Which reading of the query found it.
    #[serde(rename = "match")]
    how: How,
}

/// In place of [`near`] where there is no vector.
const NONE_NEAR: &str = "\
near AS (SELECT NULL::uuid AS product_id, NULL::float8 AS similarity, NULL::bigint AS place WHERE false)";

fn statement(vector: Option<&Vector>, asked: &Sought<'_>) -> Statement {
    let near = vector.map_or_else(|| NONE_NEAR.to_owned(), |_| near("$10::halfvec", "", DEPTH, FLOOR));
    let text = format!(
        "
WITH {words},
{near},
lists AS (
  SELECT product_id, place, {MEANING} AS weight FROM near
  UNION ALL
  SELECT product_id, place, CASE reading WHEN 1 THEN {SKU} WHEN 3 THEN {ANY_WORD} ELSE {SURE} END FROM words),
{best}
SELECT f.score, n.place AS meaning_place, n.similarity, w.place AS words_place, w.reading, {SHOWN}
FROM best AS f
LEFT JOIN near AS n ON n.product_id = f.product_id
LEFT JOIN words AS w ON w.product_id = f.product_id
{SHOWN_FROM}
ORDER BY f.score DESC, f.product_id",
        words = words::found(DEPTH),
        best = best("$9")
    );
    let query = Query::of_words_and_codes(asked.text);
    let statement = query.bind(asked.filters.statement(text)).bind(&asked.max_rows);
    match vector {
        Some(vector) => statement.bind(vector),
        None => statement,
    }
}

/// Products by meaning and words; by words alone without a vector.
///
/// # Errors
/// A category there is not; or what the database says.
pub(crate) fn found(vector: Option<&Vector>, asked: &Sought<'_>) -> Result<Vec<Line<Parts>>> {
    let found: Vec<Line<Parts>> = statement(vector, asked).all()?;
    if found.is_empty() {
        asked.filters.check_category()?;
    }
    Ok(found)
}

/// Products by meaning and words together.
///
/// # Errors
/// See [`found`].
pub(crate) fn search(asked: &Sought<'_>) -> Result<Worded<Found>> {
    let (found, why) = match embedding::embed_one(asked.text) {
        Err(why) => (found(None, asked)?, Some(why)),
        Ok(vector) => match found(Some(&vector), asked) {
            Ok(found) => (found, None),
            Err(error) => {
                let why = near::switched(&error).ok_or(error)?;
                (found(None, asked)?, Some(why))
            }
        },
    };
    let degraded = why.as_ref().map(near::degraded);
    let ranked = |line: Line<Parts>| {
        let (product, parts) = line.split(asked.include_ids);
        let likeness = parts.similarity.map(percent);
        Ranked {
            product,
            score: rounded(parts.score),
            meaning: parts
                .meaning_place
                .zip(likeness)
                .map(|(rank, similarity_percent)| ByMeaning { rank, similarity_percent }),
            words: parts.words_place.zip(parts.reading).map(|(rank, how)| ByWords { rank, how }),
        }
    };
    let products = found.into_iter().map(ranked).collect();
    Ok(Worded::new(Found { degraded, products }, Found::text))
}

impl Found {
    fn text(&self) -> String {
        let said = |one: &Ranked| {
            let meaning = one.meaning.as_ref().map(|part| format!("{} ({:.1} %)", part.rank, part.similarity_percent));
            let words = one.words.as_ref().map(|part| format!("{} ({})", part.rank, part.how.word()));
            vec![Said::Number(one.score), meaning.into(), words.into()]
        };
        let rows = self.products.iter().map(|one| (&one.product, said(one)));
        let table = listed(&["score", "by_meaning", "by_words"], rows);
        let nothing = self.products.is_empty().then(|| NOTHING.to_owned());
        lines([self.degraded.clone(), nothing, Some(table)])
    }
}

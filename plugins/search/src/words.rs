//! By words: from the strictest reading of a query to the most forgiving.

use rowhouse_plugin::{FromValue, prelude::*};

use crate::product::{FITS, Filters, Line, Product, SHOWN, SHOWN_FROM, Sought, listed};

// Which reading of the query found something. Plain comments: what callers are told is said where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) enum How {
    // The query is a whole SKU; only where SKUs are looked at.
    #[serde(rename = "sku")]
    Sku,
    #[serde(rename = "all words")]
    AllWords,
    #[serde(rename = "any word")]
    AnyWord,
    #[serde(rename = "similar spelling")]
    Spelling,
    #[serde(rename = "none")]
    Nothing,
}

impl How {
    /// As a reader of a sentence wants it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            How::Sku => "SKU",
            How::AllWords => "all words",
            How::AnyWord => "any word",
            How::Spelling => "similar spelling",
            How::Nothing => "nothing",
        }
    }
}

/// The column `reading` of [`found`].
impl FromValue for How {
    fn from_value(value: Value) -> Result<How, Value> {
        match value {
            Value::Int(1) => Ok(How::Sku),
            Value::Int(2) => Ok(How::AllWords),
            Value::Int(3) => Ok(How::AnyWord),
            Value::Int(4) => Ok(How::Spelling),
            other => Err(other),
        }
    }
}

/// A query in all its readings.
#[derive(Debug, PartialEq)]
pub(crate) struct Query<'a> {
    text: &'a str,
    /// Any one of its words, as a web search; nothing where that has nothing new to try.
    any: Option<String>,
    /// What to look for among SKUs; nothing where they are not looked at.
    sku: Option<&'a str>,
    /// A piece of an SKU is as good as a word.
    coded: bool,
}

impl<'a> Query<'a> {
    /// Names and descriptions only.
    pub(crate) fn of_words(text: &'a str) -> Query<'a> {
        Query { text, any: any_word(text), sku: None, coded: false }
    }

    /// SKUs, too.
    pub(crate) fn of_words_and_codes(text: &'a str) -> Query<'a> {
        // `ham-001`, `SKU HT-HAM-001`: a digit, and a word beside it at most. More are the words of a sentence.
        let coded = text.contains(|c: char| c.is_ascii_digit()) && text.split_whitespace().count() <= 2;
        Query { text, any: any_word(text), sku: Some(text), coded }
    }

    /// Binds what [`found`] wants.
    pub(crate) fn bind(&self, statement: Statement) -> Statement {
        statement.bind(&self.text).bind(&self.any).bind(&self.sku).bind(&self.coded)
    }
}

/// Any one of the words.
fn any_word(query: &str) -> Option<String> {
    let words: Vec<&str> = query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    // One word has been tried, and a caller who writes operators means them.
    let operators = query.contains('"') || query.contains(" -") || words.contains(&"OR");
    (words.len() > 1 && !operators).then(|| words.join(" or "))
}

/// Queries of a WITH clause, the last of which is `words (product_id, reading, score, place)`: the `most` best
/// products, each once, by its strictest reading. `$5` to `$8` are a [`Query`]'s.
///
/// A reading is tried where the stricter ones found nothing; so no product comes for one word of five where another has
/// all five. Spelling is tried beside words, too, where the query looks like a code: `ham-001` is a word of its own,
/// and one of no product. Below a third of the trigrams in common, unrelated names come up.
pub(crate) fn found(most: &'static str) -> String {
    format!(
        "\
fit AS (
  SELECT p.product_id, p.sku, p.product_name, p.search
  FROM retail.products AS p JOIN retail.categories AS c ON c.category_id = p.category_id
  WHERE {FITS}),
all_words AS (
  SELECT product_id, product_name, ts_rank_cd(search, websearch_to_tsquery('english', $5)) AS score
  FROM fit WHERE search @@ websearch_to_tsquery('english', $5)),
any_word AS (
  SELECT product_id, product_name, ts_rank_cd(search, websearch_to_tsquery('english', $6)) AS score
  FROM fit WHERE search @@ websearch_to_tsquery('english', $6) AND NOT EXISTS (SELECT 1 FROM all_words)),
spelling AS (
  SELECT product_id, product_name, greatest(word_similarity($5, product_name), word_similarity($7, sku)) AS score
  FROM fit
  WHERE ($8::boolean OR NOT EXISTS (SELECT 1 FROM all_words) AND NOT EXISTS (SELECT 1 FROM any_word))
    AND greatest(word_similarity($5, product_name), word_similarity($7, sku)) >= 0.35),
words AS (
  SELECT product_id, reading, score::float8, row_number() OVER (ORDER BY reading, score DESC, product_name) AS place
  FROM (
    SELECT DISTINCT ON (product_id) product_id, product_name, reading, score
    FROM (
      SELECT product_id, product_name, 1 AS reading, 1 AS score FROM fit WHERE lower(sku) = lower($7)
      UNION ALL SELECT product_id, product_name, 2, score FROM all_words
      UNION ALL SELECT product_id, product_name, 3, score FROM any_word
      UNION ALL SELECT product_id, product_name, 4, score FROM spelling) AS readings
    ORDER BY product_id, reading) AS strictest
  ORDER BY place LIMIT {most})"
    )
}

/// What words say of a product.
#[derive(FromRow)]
struct Worth {
    reading: How,
    score: f64,
}

/// What a caller gets: products by name, never by key.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// How the query was met: the first of these that found something.
    #[serde(rename = "match")]
    how: How,
    /// Best first.
    products: Vec<Scored>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Scored {
    #[serde(flatten)]
    product: Product,
    /// Higher is better; comparable within one answer.
    score: f64,
}

fn statement(query: &Query<'_>, filters: &Filters, max_rows: i64) -> Statement {
    let text = format!(
        "
WITH {found}
SELECT f.reading, f.score, {SHOWN}
FROM words AS f
{SHOWN_FROM}
ORDER BY f.place",
        found = found("$9")
    );
    query.bind(filters.statement(text)).bind(&max_rows)
}

/// Products by their words.
///
/// # Errors
/// What the database says.
pub(crate) fn search(asked: &Sought<'_>) -> Result<Worded<Found>> {
    let lines: Vec<Line<Worth>> = statement(&Query::of_words(asked.text), asked.filters, asked.max_rows).all()?;
    let how = lines.first().map_or(How::Nothing, |line| line.said.reading);
    let scored = |line: Line<Worth>| {
        let (product, worth) = line.split(asked.include_ids);
        Scored { product, score: (worth.score * 1_000.0).round() / 1_000.0 }
    };
    let products = lines.into_iter().map(scored).collect();
    Ok(Worded::new(Found { how, products }, Found::text))
}

impl Found {
    fn text(&self) -> String {
        let table = listed(&[], self.products.iter().map(|one| (&one.product, Vec::new())));
        match self.how {
            How::Sku | How::AllWords => table,
            How::AnyWord => format!("No product has all the words; these have some.\n{table}"),
            How::Spelling => format!("No product has these words; these are spelt alike.\n{table}"),
            How::Nothing => format!("Nothing found: use fewer or other words, or loosen the filters.\n{table}"),
        }
    }
}

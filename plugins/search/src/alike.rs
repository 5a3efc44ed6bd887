//! What is like products that are given: their vectors' nearest neighbours, or others of their type where they have
//! none.

use rowhouse_plugin::{embedding::NoVectors, prelude::*};

use crate::{
    named::{self, By, Named},
    near::near,
    product::{FITS, Filters, Line, Product, SHOWN, SHOWN_FROM, Said, lines, listed, percent},
};

/// Queries of a WITH clause, the last of which is `kin (product_id, place, nearest, closeness, same_type)`: products
/// that fit, nearest first to the middle of the given ones (`$5`), without these. `nearest` is the given product each
/// is most like, `closeness` how like, 0 to 1, at least `least`.
///
/// Without vectors: first those of the same type, then those with a name alike; `closeness` is null.
pub(crate) fn kin(vectors: bool, most: &'static str, least: f64) -> String {
    if vectors { by_meaning(most, least) } else { by_type(most) }
}

fn by_meaning(most: &'static str, least: f64) -> String {
    let near = near("(SELECT embedding FROM middle)", "AND e.product_id <> ALL ($5::uuid[])", most, -1.0);
    format!(
        "\
given AS MATERIALIZED (
  SELECT p.product_name, e.embedding
  FROM retail.product_embeddings AS e JOIN retail.products AS p ON p.product_id = e.product_id
  WHERE e.product_id = ANY ($5::uuid[])),
middle AS (SELECT avg(embedding) AS embedding FROM given),
{near},
kin AS (
  SELECT n.product_id, n.place, g.nearest, g.closeness, false AS same_type
  FROM near AS n
  JOIN retail.product_embeddings AS e ON e.product_id = n.product_id
  CROSS JOIN LATERAL (
    SELECT g.product_name AS nearest, 1 - (g.embedding <=> e.embedding) AS closeness
    FROM given AS g ORDER BY closeness DESC, g.product_name LIMIT 1) AS g
  WHERE g.closeness >= {least})"
    )
}

/// Names that share a third of their trigrams with a given one's are alike, as in a search by spelling.
fn by_type(most: &'static str) -> String {
    format!(
        "\
given AS MATERIALIZED (
  SELECT product_name, type_id FROM retail.products WHERE product_id = ANY ($5::uuid[])),
kin AS (
  SELECT product_id, nearest, NULL::float8 AS closeness, same_type,
    row_number() OVER (ORDER BY same_type DESC, likeness DESC, product_id) AS place
  FROM (
    SELECT p.product_id, g.nearest, g.same_type, g.likeness
    FROM retail.products AS p
    JOIN retail.categories AS c ON c.category_id = p.category_id
    CROSS JOIN LATERAL (
      SELECT g.product_name AS nearest, g.type_id = p.type_id AS same_type,
        similarity(g.product_name, p.product_name) AS likeness
      FROM given AS g ORDER BY same_type DESC, likeness DESC, g.product_name LIMIT 1) AS g
    WHERE {FITS} AND p.product_id <> ALL ($5::uuid[]) AND (g.same_type OR g.likeness >= 0.35)) AS alike
  ORDER BY place LIMIT {most})"
    )
}

/// What [`kin`] says of a product.
#[derive(FromRow)]
struct Kin {
    nearest: String,
    closeness: Option<f64>,
    same_type: bool,
}

/// The reason to show what is kin.
pub(crate) fn why(nearest: &str, closeness: Option<f64>, same_type: bool) -> String {
    match closeness {
        Some(closeness) => format!("similar to {nearest} ({:.0} %)", percent(closeness)),
        None if same_type => format!("same type as {nearest}"),
        None => format!("name like that of {nearest}"),
    }
}

/// Why nothing is known of what these products mean; nothing where something is.
pub(crate) fn degraded(given: &[Named]) -> Option<String> {
    if given.iter().any(|one| one.known) {
        return None;
    }
    let why = match embedding::current() {
        Some(_) => "these products have no vectors yet".to_owned(),
        // Of no text at all: nothing is computed, and the host says what is amiss.
        None => embedding::embed(&[]).err().unwrap_or(NoVectors::NotConfigured).to_string(),
    };
    Some(format!("Found by type and name, not by meaning: {}.", why.trim_end_matches('.')))
}

/// What `$5` of [`kin`] is.
pub(crate) fn ids(given: &[Named]) -> Vec<Uuid> {
    given.iter().map(|one| one.id).collect()
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// Why these were found by type and name and not by meaning; left out where all went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<String>,
    /// The product they are like.
    product: String,
    /// How it was found by what the caller wrote.
    matched_by: By,
    /// Most similar first.
    products: Vec<Alike>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Alike {
    #[serde(flatten)]
    product: Product,
    /// How like the product, 0 to 100. Left out where `degraded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    similarity_percent: Option<f64>,
    /// What they have in common; only where `degraded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

fn statement(given: &[Named], vectors: bool, filters: &Filters, max_rows: i64) -> Statement {
    let text = format!(
        "
WITH {kin}
SELECT f.nearest, f.closeness, f.same_type, {SHOWN}
FROM kin AS f
{SHOWN_FROM}
ORDER BY f.place",
        kin = kin(vectors, "$6", -1.0)
    );
    filters.statement(text).bind(&ids(given)).bind(&max_rows)
}

/// Products like another.
///
/// # Errors
/// A name that is no product's, or may be of several; or what the database says.
pub(crate) fn search(asked: &str, filters: &Filters, max_rows: i64, include_ids: bool) -> Result<Worded<Found>> {
    let named::Found { products: given, understood } = named::find(&[asked.to_owned()])?;
    let degraded = degraded(&given);
    let lines: Vec<Line<Kin>> = statement(&given, degraded.is_none(), filters, max_rows).all()?;
    let it = given.into_iter().next().or_not_found(format!("there is no product `{asked}`"))?;
    let alike = |line: Line<Kin>| {
        let (product, kin) = line.split(include_ids);
        let why = kin.closeness.is_none().then(|| why(&kin.nearest, None, kin.same_type));
        Alike { product, similarity_percent: kin.closeness.map(percent), why }
    };
    let products = lines.into_iter().map(alike).collect();
    let found = Found { degraded, product: it.name, matched_by: it.by, products };
    Ok(Worded::new(found, |found| found.text(understood)))
}

impl Found {
    fn text(&self, understood: Vec<String>) -> String {
        let column = if self.degraded.is_some() { "why" } else { "similarity_percent" };
        let said = |one: &Alike| one.why.clone().map_or_else(|| Said::from(one.similarity_percent), Said::Text);
        let table = listed(&[column], self.products.iter().map(|one| (&one.product, vec![said(one)])));
        let head = format!("Like {}:", self.product);
        let nothing = self.products.is_empty().then(|| "Nothing found.".to_owned());
        let understood = understood.into_iter().map(Some);
        lines([self.degraded.clone()].into_iter().chain(understood).chain([Some(head), nothing, Some(table)]))
    }
}

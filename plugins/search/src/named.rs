//! Products by what callers call them.

use rowhouse_plugin::prelude::*;

/// A product that a caller named.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) by: By,
    /// Whether there is a vector of it.
    pub(crate) known: bool,
}

// How a name was understood, strictest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub(crate) enum By {
    #[serde(rename = "sku")]
    Sku,
    #[serde(rename = "name")]
    Name,
    // The only product whose name holds it.
    #[serde(rename = "part of the name")]
    Part,
    // The only product whose name is spelt about like it.
    #[serde(rename = "similar spelling")]
    Spelling,
}

impl By {
    /// From the column `how` of [`statement`]: a name in other letters than the catalogue's (3) counts less than one in
    /// the same (2).
    fn of(how: i64) -> By {
        match how {
            1 => By::Sku,
            2 | 3 => By::Name,
            4 => By::Part,
            _ => By::Spelling,
        }
    }
}

/// A product that may be meant.
#[derive(FromRow)]
struct Candidate {
    /// Which of the names asked for, from 1.
    place: i64,
    product_id: Uuid,
    sku: String,
    product_name: String,
    how: i64,
    /// Trigrams in common, 0 to 1.
    likeness: f64,
    known: bool,
}

/// Trigrams a name must have in common with a product's to be taken for it: two or three letters wrong in a short name.
const LIKE: f64 = 0.4;

/// And how much less the next product must have: sizes of one thing differ by less.
const LEAD: f64 = 0.1;

/// Names an error lists.
const LISTED: usize = 5;

/// Of each name the products that may be meant, the likeliest first; one more than are listed.
fn statement(asked: &[String]) -> Statement {
    let asked = asked.to_vec();
    sql!(
        "
SELECT a.place, p.product_id, p.sku, p.product_name, p.how, p.likeness,
  EXISTS (SELECT 1 FROM retail.product_embeddings AS e WHERE e.product_id = p.product_id) AS known
FROM unnest({asked}::text[]) WITH ORDINALITY AS a(asked, place)
CROSS JOIN LATERAL (
  SELECT p.product_id, p.sku, p.product_name, similarity(p.product_name, a.asked)::float8 AS likeness,
    CASE WHEN lower(p.sku) = lower(a.asked) THEN 1 WHEN p.product_name = a.asked THEN 2
      WHEN lower(p.product_name) = lower(a.asked) THEN 3
      WHEN strpos(lower(p.product_name), lower(a.asked)) > 0 THEN 4 ELSE 5 END AS how
  FROM retail.products AS p
  WHERE lower(p.sku) = lower(a.asked) OR strpos(lower(p.product_name), lower(a.asked)) > 0
    OR word_similarity(a.asked, p.product_name) >= 0.35
  ORDER BY how, likeness DESC, p.product_name LIMIT 6) AS p
ORDER BY a.place, p.how, p.likeness DESC, p.product_name"
    )
}

/// What names were understood as.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    /// Each product once, in the order of the names.
    pub(crate) products: Vec<Named>,
    /// A sentence for each name that is not written as the catalogue has it.
    pub(crate) understood: Vec<String>,
}

/// Products by their SKU, their name, as the only one whose name holds this, or as the only one spelt about like it.
///
/// # Errors
/// A name that is no product's, or may be of several, with the names close to it; or what the database says.
pub(crate) fn find(asked: &[String]) -> Result<Found> {
    let asked: Vec<String> = asked.iter().map(|name| name.trim().to_owned()).collect();
    if asked.iter().any(String::is_empty) {
        bail!(invalid, "the name of a product is blank: give its name or its SKU");
    }
    let mut candidates: Vec<Candidate> = statement(&asked).all()?;
    let mut found = Found { products: Vec::new(), understood: Vec::new() };
    for (name, place) in asked.iter().zip(1..) {
        let (of_this, rest) = candidates.into_iter().partition(|candidate| candidate.place == place);
        candidates = rest;
        let named = choose(name, of_this)?;
        if named.by >= By::Part {
            found.understood.push(format!("`{name}` is taken to be {}.", named.name));
        }
        if !found.products.iter().any(|one| one.id == named.id) {
            found.products.push(named);
        }
    }
    Ok(found)
}

/// The one that is meant. `candidates` are in their order.
fn choose(asked: &str, candidates: Vec<Candidate>) -> Result<Named> {
    let Some(best) = candidates.first() else {
        bail!(not_found, "there is no product `{asked}`, nor one spelt alike: search_products finds products");
    };
    let (how, likeness) = (best.how, best.likeness);
    let equals = candidates.iter().filter(|one| one.how == how).count();
    let next = candidates.get(1).map_or(0.0, |next| next.likeness);
    match By::of(how) {
        By::Spelling if likeness < LIKE => {
            bail!(not_found, "there is no product `{asked}`; close to it: {}", names(&candidates))
        }
        By::Spelling if likeness - next < LEAD => {
            bail!(not_found, "there is no product `{asked}`; it may be one of: {}", names(&candidates))
        }
        By::Part if equals > 1 => {
            bail!(not_found, "`{asked}` may be one of: {}; give the whole name", names(&candidates[..equals]))
        }
        By::Sku | By::Name if equals > 1 => {
            let skus: Vec<&str> = candidates[..equals].iter().map(|one| one.sku.as_str()).collect();
            bail!(not_found, "more than one product is called `{asked}`: give its SKU, one of {}", skus.join(", "))
        }
        by => Ok(Named { id: best.product_id, name: best.product_name.clone(), by, known: best.known }),
    }
}

fn names(candidates: &[Candidate]) -> String {
    let names: Vec<&str> = candidates.iter().take(LISTED).map(|one| one.product_name.as_str()).collect();
    let more = if candidates.len() > LISTED { " and others" } else { "" };
    format!("{}{more}", names.join(", "))
}

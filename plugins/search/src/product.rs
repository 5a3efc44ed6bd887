//! What every search shares: which products fit, and what is shown of them.

use rowhouse_plugin::{Cells, Column, prelude::*};
use serde::{Serializer, ser::SerializeSeq as _};

/// What a product must be to be found; every part may be left out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Filters {
    /// Only this category, by its name, e.g. Power Tools.
    #[schemars(length(min = 1, max = 100))]
    pub(crate) category: Option<String>,
    /// List price at least, US dollars.
    #[schemars(range(min = 0))]
    pub(crate) min_price: Option<f64>,
    /// List price at most, US dollars.
    #[schemars(range(min = 0))]
    pub(crate) max_price: Option<f64>,
    /// Only products in stock in a store you may see (default false).
    #[serde(default)]
    pub(crate) in_stock_only: bool,
}

/// The products `p` of the categories `c` that fit. Its parameters are the first four of any statement it stands in:
/// [`Filters::statement`] binds them.
pub(crate) const FITS: &str = "\
($1::text IS NULL OR lower(c.category_name) = lower($1))
    AND ($2::float8 IS NULL OR p.base_price >= $2::numeric)
    AND ($3::float8 IS NULL OR p.base_price <= $3::numeric)
    AND (NOT $4::boolean
      OR EXISTS (SELECT 1 FROM retail.inventory AS i WHERE i.product_id = p.product_id AND i.stock_level > 0))";

/// What is shown of the product `p`: what [`Line`] reads beside the columns of a search's own.
pub(crate) const SHOWN: &str = "\
p.sku, p.product_id, p.product_name, c.category_name, t.type_name, p.product_description, p.base_price,
  stock.stores, stock.units";

/// Where [`SHOWN`] comes from: joins to `f`, the products found. Stock is looked up for these alone; under row security
/// it is that of the caller's stores.
pub(crate) const SHOWN_FROM: &str = "\
JOIN retail.products AS p ON p.product_id = f.product_id
JOIN retail.categories AS c ON c.category_id = p.category_id
JOIN retail.product_types AS t ON t.type_id = p.type_id
LEFT JOIN LATERAL (
  SELECT array_agg(s.store_name ORDER BY i.stock_level DESC, s.store_name) AS stores,
    array_agg(i.stock_level ORDER BY i.stock_level DESC, s.store_name) AS units
  FROM retail.inventory AS i JOIN retail.stores AS s ON s.store_id = i.store_id
  WHERE i.product_id = p.product_id AND i.stock_level > 0) AS stock ON true";

impl Filters {
    /// Nothing but this.
    pub(crate) fn in_stock(in_stock_only: bool) -> Filters {
        Filters { in_stock_only, ..Filters::default() }
    }

    /// # Errors
    /// Prices the wrong way round.
    pub(crate) fn check(&self) -> Result<()> {
        match (self.min_price, self.max_price) {
            (Some(min), Some(max)) if min > max => {
                bail!(invalid, "`min_price` ({min}) is above `max_price` ({max}): swap them")
            }
            _ => Ok(()),
        }
    }

    /// A statement whose first four parameters are those of [`FITS`]; its own begin with `$5`. The text is put together
    /// of this plugin's own pieces; what callers write is bound.
    pub(crate) fn statement(&self, text: String) -> Statement {
        let category = self.category.as_deref().map(str::trim);
        Statement::new(text).bind(&category).bind(&self.min_price).bind(&self.max_price).bind(&self.in_stock_only)
    }

    /// For a search that found nothing: whether it could have.
    ///
    /// # Errors
    /// The category there is not, with those there are; or what the database says.
    pub(crate) fn check_category(&self) -> Result<()> {
        let Some(asked) = self.category.as_deref().map(str::trim) else { return Ok(()) };
        // A shop has a few dozen; more would help nobody choose.
        let names: Vec<String> =
            sql!("SELECT category_name FROM retail.categories ORDER BY category_name LIMIT 100").all()?;
        if names.iter().any(|name| name.to_lowercase() == asked.to_lowercase()) {
            return Ok(());
        }
        bail!(not_found, "no such category; there are: {}", names.join(", "))
    }
}

/// What a search is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'a> {
    pub(crate) text: &'a str,
    pub(crate) filters: &'a Filters,
    pub(crate) max_rows: i64,
    pub(crate) include_ids: bool,
}

// By its names; by its keys only where callers ask for them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Product {
    pub(crate) product: String,
    category: String,
    #[serde(rename = "type")]
    kind: String,
    description: String,
    /// List price, US dollars.
    price: Decimal,
    /// Units in the stores you may see.
    in_stock: i64,
    /// By store, most first; stores without stock are left out.
    stock: Vec<Stock>,
    /// With `include_ids` only.
    #[serde(flatten)]
    ids: Option<Ids>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Stock {
    store: String,
    units: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Ids {
    /// Stock keeping unit, as printed on the shelf. With `include_ids` only.
    sku: String,
    /// Key in the database. With `include_ids` only.
    product_id: String,
}

/// One row: what a search says of a product, and the product.
pub(crate) struct Line<S> {
    pub(crate) said: S,
    product: Product,
}

impl<S> Line<S> {
    /// The two apart, the product without its keys unless `include_ids`.
    pub(crate) fn split(self, include_ids: bool) -> (Product, S) {
        let Line { said, mut product } = self;
        product.ids = product.ids.filter(|_| include_ids);
        (product, said)
    }
}

/// The columns of [`SHOWN`].
const COLUMNS: [&str; 9] = [
    "sku",
    "product_id",
    "product_name",
    "category_name",
    "type_name",
    "product_description",
    "base_price",
    "stores",
    "units",
];

/// Places kept for the columns of a search's own: more than any has.
const OWN: usize = 8;

/// No place of a row: a column that is missing reads as null, and is an error with its name.
const NOWHERE: usize = usize::MAX;

impl<S: FromRow> FromRow for Line<S> {
    fn places(columns: &[Column]) -> Result<Vec<usize>> {
        let mut places = S::places(columns)?;
        places.resize(OWN, NOWHERE);
        let place = |name: &&str| columns.iter().position(|column| column.name == **name).unwrap_or(NOWHERE);
        places.extend(COLUMNS.iter().map(place));
        Ok(places)
    }

    fn from_cells(cells: &mut Cells<'_>) -> Result<Line<S>> {
        let said = S::from_cells(cells)?;
        let [sku, id, product, category, kind, description, price, stores, units] = std::array::from_fn(|n| OWN + n);
        let name = |place: usize| COLUMNS[place - OWN];
        let id: Uuid = cells.take(id, name(id))?;
        let ids = Ids { sku: cells.take(sku, name(sku))?, product_id: id.to_string() };
        // Null where no store has any.
        let stores: Vec<String> = cells.or_default(stores, name(stores))?;
        let units: Vec<i64> = cells.or_default(units, name(units))?;
        let product = Product {
            product: cells.take(product, name(product))?,
            category: cells.take(category, name(category))?,
            kind: cells.take(kind, name(kind))?,
            description: cells.take(description, name(description))?,
            price: cells.take(price, name(price))?,
            in_stock: units.iter().sum(),
            stock: stores.into_iter().zip(units).map(|(store, units)| Stock { store, units }).collect(),
            ids: Some(ids),
        };
        Ok(Line { said, product })
    }
}

/// A cell that a search adds to the table models read.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Said {
    Number(f64),
    Text(String),
    Nothing,
}

impl From<Option<f64>> for Said {
    fn from(number: Option<f64>) -> Said {
        number.map_or(Said::Nothing, Said::Number)
    }
}

impl From<Option<String>> for Said {
    fn from(text: Option<String>) -> Said {
        text.map_or(Said::Nothing, Said::Text)
    }
}

struct Row<'a> {
    product: &'a Product,
    said: Vec<Said>,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Product { product, category, description, price, in_stock, ids, .. } = self.product;
        let mut cells = serializer.serialize_seq(None)?;
        cells.serialize_element(product)?;
        cells.serialize_element(category)?;
        cells.serialize_element(price)?;
        cells.serialize_element(in_stock)?;
        self.said.iter().try_for_each(|cell| cells.serialize_element(cell))?;
        cells.serialize_element(description)?;
        if let Some(Ids { sku, product_id }) = ids {
            cells.serialize_element(sku)?;
            cells.serialize_element(product_id)?;
        }
        cells.end()
    }
}

/// For models: names once, then cells, in the shape of a statement's answer. `said` are the columns a search adds, and
/// `cells` what stands in them.
pub(crate) fn listed<'a>(said: &[&str], products: impl Iterator<Item = (&'a Product, Vec<Said>)>) -> String {
    let rows: Vec<Row> = products.map(|(product, said)| Row { product, said }).collect();
    let ids: &[&str] = if rows.iter().any(|row| row.product.ids.is_some()) { &["sku", "product_id"] } else { &[] };
    let columns = [&["product", "category", "price", "in_stock"], said, &["description"], ids].concat();
    table(&columns, &rows)
}

/// A share as people read it: in percent, to a tenth. What is no number, or below nothing, is 0.
pub(crate) fn percent(share: f64) -> f64 {
    ((share * 1_000.0).round() / 10.0).max(0.0)
}

/// The lines there are, one below the other.
pub(crate) fn lines(lines: impl IntoIterator<Item = Option<String>>) -> String {
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

//! Questions that several tools ask.

use rowhouse_plugin::prelude::*;

/// The last day that has an order of a store the caller may see.
///
/// # Errors
/// What the database says, or that there is no order at all.
pub(crate) fn newest() -> Result<Date> {
    let date: Option<Date> = sql!("SELECT max(order_date) FROM retail.orders").one()?;
    date.or_not_found("there are no orders in the stores you may see")
}

/// A category by its name, whatever the case of its letters, as the catalogue writes it.
///
/// # Errors
/// What the database says, or the names there are.
pub(crate) fn category(asked: Option<&str>) -> Result<Option<String>> {
    let Some(asked) = asked else { return Ok(None) };
    let names: Vec<String> = sql!("SELECT category_name FROM retail.categories ORDER BY category_name").all()?;
    match names.iter().find(|name| name.to_lowercase() == asked.trim().to_lowercase()) {
        Some(name) => Ok(Some(name.clone())),
        None => bail!(not_found, "no such category; there are: {}", names.join(", ")),
    }
}

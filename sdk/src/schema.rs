//! What there is to ask about: the tables this plugin may read, as this call's tenants may see them.

pub use crate::bindings::rowhouse::plugin::schema::{ColumnInfo, ForeignKey, Table};
use crate::{error::Result, imports::schema as host};

/// Every table the plugin may read, by name.
///
/// # Errors
/// The database cannot be reached.
pub fn tables() -> Result<Vec<Table>> {
    Ok(host::tables()?)
}

/// Up to `max` distinct values of a column of few values, in order, as text (nulls left out); at most 100.
///
/// # Errors
/// An unknown table or column; or what the database says.
pub fn samples(table: &str, column: &str, max: u32) -> Result<Vec<String>> {
    Ok(host::samples(table, column, max)?)
}

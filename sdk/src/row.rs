//! Rows into Rust: by the names of the columns, or by their places.

use crate::{
    error::{Error, Result},
    value::{Column, FromValue, Value},
};

/// The macro: one field a column, by name.
///
/// ```
/// # use rowhouse_plugin::prelude::*;
/// #[derive(FromRow)]
/// struct Sold {
///     product: String,
///     #[row(rename = "type_name")]
///     kind: Option<String>,
///     /// Nothing sold is null, and here zero.
///     #[row(default)]
///     units: i64,
/// }
/// ```
pub use rowhouse_plugin_macros::FromRow;

/// What a row can be read into: a struct with `#[derive(FromRow)]` (by name), a tuple (by place), or a single value
/// where there is one column.
pub trait FromRow: Sized {
    /// Where in the row each wanted cell is. Asked once a result.
    ///
    /// # Errors
    /// The statement gives other columns.
    fn places(columns: &[Column]) -> Result<Vec<usize>>;

    /// One row.
    ///
    /// # Errors
    /// A cell of another kind than the field it is for.
    fn from_cells(cells: &mut Cells<'_>) -> Result<Self>;
}

/// The cells of one row, on their way into a [`FromRow`].
#[derive(Debug)]
pub struct Cells<'a> {
    row: Vec<Value>,
    places: &'a [usize],
}

impl<'a> Cells<'a> {
    pub(crate) fn new(row: Vec<Value>, places: &'a [usize]) -> Cells<'a> {
        Cells { row, places }
    }

    /// The wanted cell number `index`; `name` is for the error.
    ///
    /// # Errors
    /// It is of another kind.
    pub fn take<T: FromValue>(&mut self, index: usize, name: &str) -> Result<T> {
        let cell = self.places.get(index).and_then(|&place| self.row.get_mut(place));
        let cell = cell.map(|cell| std::mem::replace(cell, Value::Null)).unwrap_or(Value::Null);
        T::from_value(cell).map_err(|cell| unexpected(&format!("column `{name}` is {}", kind(&cell))))
    }

    /// The same, with the type's default for null.
    ///
    /// # Errors
    /// It is of another kind.
    pub fn or_default<T: FromValue + Default>(&mut self, index: usize, name: &str) -> Result<T> {
        Ok(self.take::<Option<T>>(index, name)?.unwrap_or_default())
    }
}

/// A statement that does not give what the plugin reads: the plugin's mistake, or a database it was not written for.
/// Names a kind and never a value.
fn unexpected(what: &str) -> Error {
    Error::failed(format!("{what}, which this plugin does not expect: its version does not fit the database's"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "a boolean",
        Value::Int(_) => "a whole number",
        Value::Float(_) => "a float",
        Value::Numeric(_) => "a numeric",
        Value::Text(_) => "a text",
        Value::Timestamp(_) => "a timestamp",
        Value::Date(_) => "a date",
        Value::Uuid(_) => "a uuid",
        Value::Json(_) => "JSON",
        Value::Bytes(_) => "bytes",
        Value::Vector(_) => "a vector",
        Value::BooleanArray(_)
        | Value::IntArray(_)
        | Value::FloatArray(_)
        | Value::TextArray(_)
        | Value::UuidArray(_) => "an array",
    }
}

#[doc(hidden)]
pub fn by_name(columns: &[Column], wanted: &[&str]) -> Result<Vec<usize>> {
    let place = |name: &&str| {
        columns
            .iter()
            .position(|column| column.name == **name)
            .ok_or_else(|| unexpected(&format!("the statement gives no column `{name}`")))
    };
    wanted.iter().map(place).collect()
}

fn by_place(columns: &[Column], wanted: usize) -> Result<Vec<usize>> {
    if columns.len() == wanted {
        Ok((0..wanted).collect())
    } else {
        Err(unexpected(&format!("the statement gives {} columns and not {wanted}", columns.len())))
    }
}

impl<T: FromValue> FromRow for T {
    fn places(columns: &[Column]) -> Result<Vec<usize>> {
        by_place(columns, 1)
    }

    fn from_cells(cells: &mut Cells<'_>) -> Result<T> {
        cells.take(0, "1")
    }
}

macro_rules! tuples {
    ($(($($name:ident $place:tt),+) of $count:literal;)*) => {$(
        impl<$($name: FromValue),+> FromRow for ($($name,)+) {
            fn places(columns: &[Column]) -> Result<Vec<usize>> {
                by_place(columns, $count)
            }

            fn from_cells(cells: &mut Cells<'_>) -> Result<Self> {
                Ok(($(cells.take::<$name>($place, &($place + 1).to_string())?,)+))
            }
        }
    )*};
}
tuples!(
    (A 0) of 1;
    (A 0, B 1) of 2;
    (A 0, B 1, C 2) of 3;
    (A 0, B 1, C 2, D 3) of 4;
    (A 0, B 1, C 2, D 3, E 4) of 5;
    (A 0, B 1, C 2, D 3, E 4, F 5) of 6;
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6) of 7;
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7) of 8;
);

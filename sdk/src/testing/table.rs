//! Rows that a test makes up.

use crate::value::{Column, Kind, Value};

/// What a statement gives in a test. Made with [`rows!`](crate::rows!).
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) truncated: bool,
}

impl Table {
    /// A table of named columns; the kind of a column is that of its first cell that is not null.
    ///
    /// # Panics
    /// A row is shorter or longer than there are columns.
    #[must_use]
    pub fn new(columns: &[&str], rows: Vec<Vec<Value>>) -> Table {
        for row in &rows {
            assert_eq!(row.len(), columns.len(), "a cell for each of {columns:?}: {row:?}");
        }
        let kind = |index: usize| rows.iter().find_map(|row| kind(&row[index])).unwrap_or(Kind::Text);
        let column = |(index, &name): (usize, &&str)| Column { name: name.to_owned(), kind: kind(index) };
        Table { columns: columns.iter().enumerate().map(column).collect(), rows, truncated: false }
    }

    /// The same columns, without a row.
    #[must_use]
    pub fn without_rows(mut self) -> Table {
        self.rows.clear();
        self
    }

    /// The same, as if there had been more rows than the host keeps.
    #[must_use]
    pub fn truncated(mut self) -> Table {
        self.truncated = true;
        self
    }
}

/// A `date` cell: `date("2026-01-31")`.
#[must_use]
pub fn date(text: &str) -> Value {
    Value::Date(text.to_owned())
}

/// A `numeric` cell: `numeric("12.50")`.
#[must_use]
pub fn numeric(text: &str) -> Value {
    Value::Numeric(text.to_owned())
}

fn kind(value: &Value) -> Option<Kind> {
    Some(match value {
        Value::Null => return None,
        Value::Boolean(_) => Kind::Boolean,
        Value::Int(_) => Kind::Int,
        Value::Float(_) => Kind::Float,
        Value::Numeric(_) => Kind::Numeric,
        Value::Text(_) => Kind::Text,
        Value::Timestamp(_) => Kind::Timestamp,
        Value::Date(_) => Kind::Date,
        Value::Uuid(_) => Kind::Uuid,
        Value::Json(_) => Kind::Json,
        Value::Bytes(_) => Kind::Bytes,
        Value::BooleanArray(_) => Kind::BooleanArray,
        Value::IntArray(_) => Kind::IntArray,
        Value::FloatArray(_) => Kind::FloatArray,
        Value::TextArray(_) => Kind::TextArray,
        Value::UuidArray(_) => Kind::UuidArray,
        Value::Vector(_) => Kind::Vector,
    })
}

/// Rows for a test: names of columns, `;`, rows of cells. A cell is anything that could be a parameter, or a
/// [`Value`]: `rows![["day", "sold"]; [date("2026-01-31"), 5], [date("2026-02-01"), None::<i64>]]`.
#[macro_export]
macro_rules! rows {
    ([$($column:expr),* $(,)?] $(; $([$($cell:expr),* $(,)?]),* $(,)?)?) => {
        $crate::testing::Table::new(
            &[$($column),*],
            ::std::vec![$($(::std::vec![$($crate::ToValue::to_value(&$cell)),*]),*)?],
        )
    };
}

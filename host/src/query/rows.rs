//! Rows that stay in the host.
//!
//! Cells are kept as PostgreSQL sent them, as text inside the buffers they arrived in, or in one text where they were read
//! before (`query/cache`); each way out reads them from there. [`Rows`] never changes: whoever pages through it keeps its own place.

use super::cache::Kept;
use super::decode;
use super::json;
use super::packed::{self, Batch};
use super::value::{Kind, Value};
use std::ops::Range;
use std::sync::Arc;
use tokio_postgres::SimpleQueryRow;

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As the statement names it. Need not be unique.
    pub name: String,
    /// Which case of [`Value`] its cells arrive as, where they are not null.
    pub kind: Kind,
    /// PostgreSQL's type number.
    pub oid: u32,
}

/// The rows a statement gave.
pub struct Rows {
    columns: Arc<[Column]>,
    cells: Cells,
    truncated: bool,
    bytes: usize,
    fingerprint: String,
}

/// Where cells are.
enum Cells {
    /// In the messages they came in.
    Sent(Vec<SimpleQueryRow>),
    /// With others who asked the same.
    Kept(Arc<Kept>),
}

impl Rows {
    pub(super) fn new(columns: Vec<Column>, rows: Vec<SimpleQueryRow>, truncated: bool, fingerprint: String) -> Self {
        let cells = Cells::Sent(rows);
        Self { columns: columns.into(), cells, truncated, bytes: 0, fingerprint }.weighed()
    }

    /// Rows that were read before.
    pub(super) fn kept(kept: Arc<Kept>) -> Self {
        let (columns, truncated, fingerprint) =
            (Arc::clone(kept.columns()), kept.truncated(), kept.fingerprint().to_owned());
        Self { columns, cells: Cells::Kept(kept), truncated, bytes: 0, fingerprint }.weighed()
    }

    fn weighed(mut self) -> Self {
        self.bytes = (0..self.len()).flat_map(|row| self.row(row)).flatten().map(str::len).sum();
        self
    }

    /// The columns, left to right.
    pub fn columns(&self) -> &Arc<[Column]> {
        &self.columns
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        match &self.cells {
            Cells::Sent(rows) => rows.len(),
            Cells::Kept(kept) => kept.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the statement had more rows than were kept.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Bytes of text in the cells.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the statement was, its constants aside: the same for two that differ in nothing else.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The text of a cell. `None`: null, or no such cell.
    pub fn cell(&self, row: usize, column: usize) -> Option<&str> {
        match &self.cells {
            // The connection speaks UTF-8; a text that is not could only come from a broken server and reads as null.
            Cells::Sent(rows) => rows.get(row)?.try_get(column).ok().flatten(),
            Cells::Kept(kept) => kept.cell(row, column),
        }
    }

    /// At most `max` rows from the row numbered `from` on, as values. Empty at the end.
    pub fn values(&self, from: usize, max: usize) -> Vec<Vec<Value>> {
        self.range(from, max)
            .map(|row| self.row(row).zip(&*self.columns).map(|(cell, c)| decode::value(c.kind, cell)).collect())
            .collect()
    }

    /// The same, column by column. `None` at the end.
    pub fn batch(&self, from: usize, max: usize) -> Option<Batch> {
        let range = self.range(from, max);
        (!range.is_empty()).then(|| packed::batch(self, range))
    }

    /// The whole answer as compact JSON: `{"c":[…],"r":[[…],…],"n":2}`.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(self.bytes + self.len() * (4 + 3 * self.columns.len()) + 64);
        json::write(self, &mut out);
        out
    }

    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = Option<&str>> {
        (0..self.columns.len()).map(move |column| self.cell(row, column))
    }

    fn range(&self, from: usize, max: usize) -> Range<usize> {
        let from = from.min(self.len());
        from..from.saturating_add(max).min(self.len())
    }
}

impl std::fmt::Debug for Rows {
    // Shape only: rows are not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { columns, truncated, bytes, .. } = self;
        let rows = self.len();
        f.debug_struct("Rows")
            .field("columns", &columns.len())
            .field("rows", &rows)
            .field("truncated", truncated)
            .field("bytes", bytes)
            .finish()
    }
}

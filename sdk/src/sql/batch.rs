//! Rows laid out by column.

use crate::bindings::rowhouse::plugin::sql::{Batch as Packed, PackedData};

/// Rows laid out by column, after the Arrow format.
#[derive(Clone, Debug)]
pub struct Batch(Packed);

/// One cell of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// `boolean`
    Boolean(bool),
    /// `bigint` and narrower.
    Int(i64),
    /// `double precision` and narrower.
    Float(f64),
    /// Every other kind, as its text: numerics in decimal notation, times in ISO 8601, bytes in hex after `\x`.
    Text(&'a str),
}

impl Batch {
    pub(crate) fn new(packed: Packed) -> Batch {
        Batch(packed)
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.0.rows as usize
    }

    /// How many columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.0.columns.len()
    }

    /// The cells of a column of whole numbers, zero where they are null; none where it is of another kind.
    #[must_use]
    pub fn ints(&self, column: usize) -> Option<&[i64]> {
        match &self.0.columns.get(column)?.data {
            PackedData::Ints(cells) => Some(cells),
            _ => None,
        }
    }

    /// The cells of a column of floats, zero where they are null; none where it is of another kind.
    #[must_use]
    pub fn floats(&self, column: usize) -> Option<&[f64]> {
        match &self.0.columns.get(column)?.data {
            PackedData::Floats(cells) => Some(cells),
            _ => None,
        }
    }

    /// One cell; none outside of the batch.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> Option<Cell<'_>> {
        let column = self.0.columns.get(column)?;
        if row >= self.rows() {
            return None;
        }
        let valid =
            column.validity.as_ref().is_none_or(|bits| bits.get(row / 8).is_some_and(|b| b >> (row % 8) & 1 == 1));
        if !valid {
            return Some(Cell::Null);
        }
        Some(match &column.data {
            PackedData::Booleans(cells) => Cell::Boolean(*cells.get(row)?),
            PackedData::Ints(cells) => Cell::Int(*cells.get(row)?),
            PackedData::Floats(cells) => Cell::Float(*cells.get(row)?),
            PackedData::Texts(texts) => {
                let (from, to) = (*texts.offsets.get(row)?, *texts.offsets.get(row + 1)?);
                Cell::Text(texts.data.get(from as usize..to as usize)?)
            }
        })
    }
}

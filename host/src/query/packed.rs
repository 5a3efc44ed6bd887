//! Rows by column, laid out as the plugin contract's `sql.batch`: a tenth of the cost of a variant for each cell.

use super::decode::boolean;
use super::rows::Rows;
use super::value::Kind;
use std::ops::Range;

/// Some rows, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// How many rows; the length of every column.
    pub rows: u32,
    /// The columns, left to right.
    pub columns: Vec<Packed>,
}

/// One column of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// One bit a row, least significant first, set where the cell is not null. `None`: no cell is null.
    pub validity: Option<Vec<u8>>,
    /// The cells. A null cell holds the type's zero.
    pub data: PackedData,
}

/// The cells of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum PackedData {
    /// Of kind `Boolean`.
    Booleans(Vec<bool>),
    /// Of kind `Int`.
    Ints(Vec<i64>),
    /// Of kind `Float`.
    Floats(Vec<f64>),
    /// Of every other kind: text `i` is `data[offsets[i]..offsets[i + 1]]`.
    Texts {
        /// One more than there are rows. Bytes.
        offsets: Vec<u32>,
        /// All texts, end to end.
        data: String,
    },
}

pub(super) fn batch(rows: &Rows, range: Range<usize>) -> Batch {
    let columns = rows
        .columns()
        .iter()
        .enumerate()
        .map(|(column, about)| pack(about.kind, range.len(), || range.clone().map(|row| rows.cell(row, column))))
        .collect();
    // Rows are bounded by a u32 when they are fetched.
    Batch { rows: u32::try_from(range.len()).unwrap_or(u32::MAX), columns }
}

fn pack<'a, I: Iterator<Item = Option<&'a str>>>(kind: Kind, rows: usize, cells: impl Fn() -> I) -> Packed {
    let data = match kind {
        Kind::Boolean => PackedData::Booleans(cells().map(|c| c.and_then(boolean).unwrap_or_default()).collect()),
        Kind::Int => PackedData::Ints(cells().map(|c| c.and_then(|t| t.parse().ok()).unwrap_or_default()).collect()),
        Kind::Float => {
            PackedData::Floats(cells().map(|c| c.and_then(|t| t.parse().ok()).unwrap_or_default()).collect())
        }
        _ => texts(rows, cells()),
    };
    Packed { validity: validity(rows, cells()), data }
}

fn texts<'a>(rows: usize, cells: impl Iterator<Item = Option<&'a str>>) -> PackedData {
    let (mut offsets, mut data) = (Vec::with_capacity(rows + 1), String::new());
    offsets.push(0);
    for cell in cells {
        data.push_str(cell.unwrap_or_default());
        // An answer is bounded far below 4 GiB when it is fetched.
        offsets.push(u32::try_from(data.len()).unwrap_or(u32::MAX));
    }
    PackedData::Texts { offsets, data }
}

fn validity<'a>(rows: usize, cells: impl Iterator<Item = Option<&'a str>>) -> Option<Vec<u8>> {
    let (mut bits, mut nulls) = (vec![0; rows.div_ceil(8)], false);
    for (row, cell) in cells.enumerate() {
        match cell {
            Some(_) => bits[row / 8] |= 1 << (row % 8),
            None => nulls = true,
        }
    }
    nulls.then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, cells: &[Option<&str>], validity: Option<Vec<u8>>, data: PackedData) {
        assert_eq!(pack(kind, cells.len(), || cells.iter().copied()), Packed { validity, data });
    }

    #[test]
    fn columns_are_packed() {
        let texts =
            |offsets: &[u32], data: &str| PackedData::Texts { offsets: offsets.to_vec(), data: data.to_owned() };
        check(Kind::Int, &[Some("1"), None, Some("-3")], Some(vec![0b101]), PackedData::Ints(vec![1, 0, -3]));
        check(Kind::Float, &[Some("1.5"), Some("1e-07")], None, PackedData::Floats(vec![1.5, 1e-7]));
        check(Kind::Boolean, &[Some("t"), Some("f")], None, PackedData::Booleans(vec![true, false]));
        check(Kind::Numeric, &[Some("0.10"), None], Some(vec![1]), texts(&[0, 4, 4], "0.10"));
        check(Kind::Text, &[Some("ü"), Some(""), Some("x")], None, texts(&[0, 2, 2, 3], "üx"));
        check(Kind::Int, &[None; 9], Some(vec![0, 0]), PackedData::Ints(vec![0; 9]));
        check(Kind::Text, &[], None, texts(&[0], ""));
    }
}

//! Rows apart from the connection they came over: one text, and where each cell ends in it. A form of our own, because
//! the driver's rows can be neither measured nor made again from bytes.

use super::super::rows::{Column, Rows};
use super::super::value::Kind;
use std::sync::Arc;

/// The first byte of the packed form. Another form, another number: what a newer host left is not read as an older one's.
const FORM: u8 = 1;

/// Bytes a kept answer takes besides what is counted: its entry, and what the cache keeps about it.
const ENTRY: usize = 256;

/// Every kind, by the number it is packed as. Only ever added to at the end.
const KINDS: [Kind; 16] = [
    Kind::Boolean,
    Kind::Int,
    Kind::Float,
    Kind::Numeric,
    Kind::Text,
    Kind::Timestamp,
    Kind::Date,
    Kind::Uuid,
    Kind::Json,
    Kind::Bytes,
    Kind::BooleanArray,
    Kind::IntArray,
    Kind::FloatArray,
    Kind::TextArray,
    Kind::UuidArray,
    Kind::Vector,
];

/// The rows a statement gave.
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(in crate::query) struct Kept {
    columns: Arc<[Column]>,
    rows: usize,
    truncated: bool,
    fingerprint: String,
    /// One bit a cell, least significant first, set where it is null.
    nulls: Vec<u8>,
    /// Where each cell ends in the text, row by row.
    ends: Vec<u32>,
    text: String,
}

impl Kept {
    /// These rows. None where there are more bytes than can be counted here.
    pub(super) fn of(rows: &Rows) -> Option<Self> {
        let cells = rows.len().checked_mul(rows.columns().len())?;
        let (mut nulls, mut ends) = (vec![0; cells.div_ceil(8)], Vec::with_capacity(cells));
        let mut text = String::with_capacity(rows.bytes());
        for (at, cell) in (0..rows.len()).flat_map(|row| rows.row(row)).enumerate() {
            match cell {
                Some(cell) => text.push_str(cell),
                None => nulls[at / 8] |= 1 << (at % 8),
            }
            ends.push(u32::try_from(text.len()).ok()?);
        }
        Some(Self {
            columns: Arc::clone(rows.columns()),
            rows: rows.len(),
            truncated: rows.truncated(),
            fingerprint: rows.fingerprint().to_owned(),
            nulls,
            ends,
            text,
        })
    }

    pub(in crate::query) fn columns(&self) -> &Arc<[Column]> {
        &self.columns
    }

    pub(in crate::query) fn len(&self) -> usize {
        self.rows
    }

    pub(in crate::query) fn truncated(&self) -> bool {
        self.truncated
    }

    pub(in crate::query) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The text of a cell. None: null, or no such cell.
    pub(in crate::query) fn cell(&self, row: usize, column: usize) -> Option<&str> {
        if row >= self.rows || column >= self.columns.len() {
            return None;
        }
        let at = row * self.columns.len() + column;
        if (self.nulls.get(at / 8)? >> (at % 8)) & 1 == 1 {
            return None;
        }
        let from = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(from as usize..*self.ends.get(at)? as usize)
    }

    /// Bytes it takes in memory.
    pub(super) fn size(&self) -> usize {
        let columns: usize = self.columns.iter().map(|column| column.name.len() + size_of::<Column>()).sum();
        ENTRY + columns + self.fingerprint.len() + self.nulls.len() + 4 * self.ends.len() + self.text.len()
    }

    /// As bytes, for another host.
    pub(super) fn pack(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size());
        out.extend([FORM, u8::from(self.truncated)]);
        text(&mut out, &self.fingerprint);
        number(&mut out, self.columns.len());
        for column in self.columns.iter() {
            text(&mut out, &column.name);
            let kind = KINDS.iter().position(|kind| *kind == column.kind).unwrap_or_default();
            out.push(u8::try_from(kind).unwrap_or_default());
            out.extend(column.oid.to_le_bytes());
        }
        number(&mut out, self.rows);
        out.extend(&self.nulls);
        self.ends.iter().for_each(|end| out.extend(end.to_le_bytes()));
        text(&mut out, &self.text);
        out
    }

    /// What [`Kept::pack`] made. None for anything else.
    pub(super) fn unpack(mut bytes: &[u8]) -> Option<Self> {
        let from = &mut bytes;
        let [FORM, truncated @ (0 | 1)] = *take(from, 2)? else { return None };
        let fingerprint = read_text(from)?.to_owned();
        let count = read_number(from)?;
        let mut columns = Vec::new();
        for _ in 0..count {
            let name = read_text(from)?.to_owned();
            let kind = *KINDS.get(usize::from(*take(from, 1)?.first()?))?;
            let oid = u32::from_le_bytes(take(from, 4)?.try_into().ok()?);
            columns.push(Column { name, kind, oid });
        }
        let rows = read_number(from)?;
        let cells = rows.checked_mul(columns.len())?;
        let nulls = take(from, cells.div_ceil(8))?.to_vec();
        let (ends, _) = take(from, cells.checked_mul(4)?)?.as_chunks::<4>();
        let ends: Vec<u32> = ends.iter().map(|end| u32::from_le_bytes(*end)).collect();
        let text = read_text(from)?.to_owned();
        let whole = ends.last().is_none_or(|last| *last as usize == text.len());
        let fits = ends.is_sorted() && whole && ends.iter().all(|end| text.is_char_boundary(*end as usize));
        (from.is_empty() && fits).then(|| Self {
            columns: columns.into(),
            rows,
            truncated: truncated == 1,
            fingerprint,
            nulls,
            ends,
            text,
        })
    }
}

fn number(out: &mut Vec<u8>, number: usize) {
    // Rows and columns are bounded far below, where they are fetched.
    out.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len());
    out.extend(text.as_bytes());
}

fn take<'a>(from: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(bytes)?;
    *from = rest;
    Some(taken)
}

fn read_number(from: &mut &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(take(from, 4)?.try_into().ok()?)).ok()
}

fn read_text<'a>(from: &mut &'a [u8]) -> Option<&'a str> {
    let length = read_number(from)?;
    std::str::from_utf8(take(from, length)?).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Rows of texts; None is null.
    pub(in crate::query::cache) fn kept(columns: &[(&str, Kind)], rows: &[&[Option<&str>]]) -> Kept {
        let mut all = Kept {
            columns: columns.iter().map(|(name, kind)| Column { name: (*name).into(), kind: *kind, oid: 25 }).collect(),
            rows: rows.len(),
            truncated: rows.len() == 2,
            fingerprint: "0123456789abcdef".into(),
            nulls: vec![0; (rows.len() * columns.len()).div_ceil(8)],
            ends: vec![],
            text: String::new(),
        };
        for (at, cell) in rows.iter().flat_map(|row| row.iter()).enumerate() {
            all.text.push_str(cell.unwrap_or_default());
            all.nulls[at / 8] |= u8::from(cell.is_none()) << (at % 8);
            all.ends.push(all.text.len() as u32);
        }
        all
    }

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let two = [("name", Kind::Text), ("Σ", Kind::Numeric)];
        for (columns, rows) in [
            (&two[..], &[&[Some("ü"), None][..], &[Some(""), Some("0.10")]][..]),
            (&two, &[&[None, None]]),
            (&two, &[]),
            (&[], &[&[], &[], &[]]),
            (&[("v", Kind::Vector); 9], &[&[Some("x"); 9]]),
        ] {
            let whole = kept(columns, rows);
            let bytes = whole.pack();
            let again = Kept::unpack(&bytes).expect("our own bytes");
            assert_eq!(again, whole);
            for (row, cells) in rows.iter().enumerate() {
                for (column, cell) in cells.iter().enumerate() {
                    assert_eq!(again.cell(row, column), *cell, "{row} {column}");
                }
                assert_eq!(again.cell(row, columns.len()), None);
            }
            assert_eq!(again.cell(rows.len(), 0), None);
            // Neither a part nor more than the whole.
            assert!((0..bytes.len()).all(|to| Kept::unpack(&bytes[..to]).is_none()));
            assert!(Kept::unpack(&[&bytes[..], &[0]].concat()).is_none());
        }
    }

    #[test]
    fn bytes_that_do_not_fit_together_are_nothing() {
        let bytes = kept(&[("n", Kind::Text)], &[&[Some("ab")]]).pack();
        let changed = |at: usize, to: u8| {
            Kept::unpack(&{
                let mut bytes = bytes.clone();
                bytes[at] = to;
                bytes
            })
        };
        assert!(changed(0, FORM).is_some());
        assert_eq!(changed(0, FORM + 1), None, "another form");
        assert_eq!(changed(1, 2), None, "no boolean");
        assert_eq!(changed(2, 255), None, "a length beyond the end");
        let end = bytes.len() - 2 - 4 - 4;
        assert_eq!(changed(end, 1), None, "a cell that ends before the text");
        assert_eq!(changed(end, 3), None, "a cell that ends behind it");
    }

    #[test]
    fn every_kind_has_a_number() {
        for kind in KINDS {
            let one = kept(&[("n", kind)], &[]);
            assert_eq!(Kept::unpack(&one.pack()).expect("our own").columns()[0].kind, kind);
        }
    }
}

//! Reads a small field whole: a dotted name, a number, an alias.

use serde::Serialize;

use super::refusal::{Reason, Stop, stop};
use super::visit::{Through, Visit};

/// The leaves of one field, in order.
#[derive(Default)]
pub(super) struct Leaves {
    pub(super) words: Vec<String>,
    /// Whether a `*` stood among the words.
    pub(super) star: bool,
    number: i64,
}

/// A field that holds a name of one or more parts.
pub(super) fn leaves<T: ?Sized + Serialize>(value: &T) -> Result<Leaves, Stop> {
    let mut leaves = Leaves::default();
    value.serialize(Through(&mut leaves))?;
    Ok(leaves)
}

/// A field that holds a number, an enum or a boolean.
pub(super) fn number<T: ?Sized + Serialize>(value: &T) -> Result<i64, Stop> {
    Ok(leaves(value)?.number)
}

impl Visit for Leaves {
    fn open(&mut self, name: &'static str) -> Result<(), Stop> {
        self.star |= name == "AStar";
        match name {
            "Node" | "String" | "AStar" | "Alias" => Ok(()),
            _ => stop(Reason::Construct, "an expression stands where a name is expected: rewrite it"),
        }
    }

    fn field<T: ?Sized + Serialize>(&mut self, _: &'static str, _: &'static str, value: &T) -> Result<(), Stop> {
        value.serialize(Through(self))
    }

    fn close(&mut self, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Stop> {
        self.words.push(text.to_owned());
        Ok(())
    }

    fn number(&mut self, number: i64) -> Result<(), Stop> {
        self.number = number;
        Ok(())
    }
}

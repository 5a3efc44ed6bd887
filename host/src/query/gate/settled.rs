//! Whether what a statement answers follows from its text, its parameters and the rows it reads, and from nothing else:
//! not from the clock, not from chance, not from who asks. Only such an answer may be given twice.
//!
//! What is not known to be so is not: functions that are not on the list of settled ones, and whatever PostgreSQL reads
//! as a date or a time unless it is plain that no word like 'today' can be in it. That word needs no cast: a constant
//! beside a date is read as one.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use pg_query::protobuf::ParseResult;
use serde::Serialize;

use super::leaves::leaves;
use super::refusal::{Reason, Stop, stop};
use super::visit::{Through, Visit};
use super::{Gate, words};

/// Functions whose value follows from their arguments.
static SETTLED: LazyLock<HashSet<&'static str>> = LazyLock::new(|| rowhouse_migrations::settled_functions().collect());

/// Words PostgreSQL reads as a time that passes (its manual, "Special Date/Time Inputs"; `epoch`, `infinity` and
/// `allballs` stand still).
const CLOCK: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

/// Types whose input knows these words.
const DATED: [&str; 10] = [
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "daterange",
    "tsrange",
    "tstzrange",
    "datemultirange",
    "tsmultirange",
    "tstzmultirange",
];

/// Functions that give a date, a time or a length of time, whatever they are given.
const GIVES_DATES: [&str; 8] = [
    "date_trunc",
    "date_bin",
    "make_date",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "to_date",
    "to_timestamp",
];

/// Whether a text may say a time that passes. Words are runs of letters, as PostgreSQL takes such a text apart.
pub(in crate::query) fn tells_the_time(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphabetic())
        .any(|word| CLOCK.iter().any(|clock| word.eq_ignore_ascii_case(clock)))
}

/// Whether the answer of this statement may be given again, as far as the text goes.
///
/// Columns of the served tables are known by their names; `columns` is false for a text about other tables.
pub(super) fn look(gate: &Gate, tree: &ParseResult, columns: bool) -> bool {
    let mut reader = Reader {
        gate,
        columns,
        ended: Ended::Other,
        names: vec![],
        cast: false,
        dates: vec![],
        given: BTreeSet::new(),
        place: Place::Other,
    };
    let read = tree.serialize(Through(&mut reader));
    // A name the statement gives may stand for a text, whatever the tables call so.
    read.is_ok() && reader.dates.iter().all(|name| !reader.given.contains(name))
}

/// What ended last: what a cast is of.
enum Ended {
    /// A constant or a parameter.
    Plain,
    /// Something that is a date or a time already.
    Dated,
    /// A column.
    Column(String),
    Other,
}

/// Where the texts being read stand.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Constant,
    Field,
    Other,
}

struct Reader<'g> {
    gate: &'g Gate,
    columns: bool,
    ended: Ended,
    /// What the structs that are open are about: a function, a column, a type.
    names: Vec<String>,
    /// Whether what is cast to the type that is walked next may be a date.
    cast: bool,
    /// Columns that were taken for dates by their name.
    dates: Vec<String>,
    /// Names that the statement gives.
    given: BTreeSet<String>,
    place: Place,
}

fn unsettled<T>() -> Result<T, Stop> {
    stop(Reason::Construct, "")
}

/// The name itself, of something that is PostgreSQL's own or an extension's.
fn own(words: &[String]) -> Result<&str, Stop> {
    match words {
        [name] => Ok(name),
        [schema, name] if words::is_function_schema(schema) => Ok(name),
        _ => unsettled(),
    }
}

impl Reader<'_> {
    /// A name behind a dot may call a function that is not a column of the row.
    fn field_name(&self, name: &str) -> Result<(), Stop> {
        match self.gate.functions.contains(name) && !SETTLED.contains(name) {
            true => unsettled(),
            false => Ok(()),
        }
    }

    /// A type; only what can be a date is cast to one.
    fn type_name(&mut self, name: &[String]) -> Result<(), Stop> {
        let may = std::mem::take(&mut self.cast);
        if let [schema, label] = name
            && self.gate.names.enums.get(schema).is_some_and(|enums| enums.contains(label))
        {
            return Ok(());
        }
        let name = own(name)?;
        let known = words::TYPES.contains(&name) || matches!(name, "tsquery" | "regconfig");
        // What zone a time without a date is in depends on the day.
        match known && name != "timetz" && (may || !DATED.contains(&name)) {
            true => Ok(()),
            false => unsettled(),
        }
    }

    /// Whether what ended last may be a date without being read from a text of a row.
    fn may_be_date(&mut self) -> bool {
        match std::mem::replace(&mut self.ended, Ended::Other) {
            Ended::Plain | Ended::Dated => true,
            Ended::Column(name) => {
                // A function in FROM calls its column as itself, or as it likes.
                let tables_only = !self.gate.functions.contains(&name) && !words::OUT_COLUMNS.contains(&name.as_str());
                let may = self.columns && tables_only && self.gate.names.dated.contains(&name);
                if may {
                    self.dates.push(name);
                }
                may
            }
            Ended::Other => false,
        }
    }

    fn within<T: ?Sized + Serialize>(&mut self, place: Place, value: &T) -> Result<(), Stop> {
        let outer = std::mem::replace(&mut self.place, place);
        let read = value.serialize(Through(self));
        self.place = outer;
        read
    }

    fn about(&mut self, name: String) {
        if let Some(last) = self.names.last_mut() {
            *last = name;
        }
    }
}

impl Visit for Reader<'_> {
    fn open(&mut self, name: &'static str) -> Result<(), Stop> {
        if name == "Node" {
            return Ok(());
        }
        // Which rows a sample takes is chance, unless it is told how to draw.
        if words::NODES.binary_search(&name).is_err() || matches!(name, "SqlValueFunction" | "RangeTableSample") {
            return unsettled();
        }
        self.names.push(String::new());
        Ok(())
    }

    fn field<T: ?Sized + Serialize>(&mut self, name: &'static str, key: &'static str, value: &T) -> Result<(), Stop> {
        match (name, key) {
            // A wrapper's text belongs to the field that holds the wrapper.
            ("Node" | "List" | "String" | "Float" | "BitString", _) => return value.serialize(Through(self)),
            ("FuncCall", "funcname") => {
                let words = leaves(value)?.words;
                let function = own(&words)?;
                if !SETTLED.contains(function) {
                    return unsettled();
                }
                self.about(function.to_owned());
            }
            ("AExpr", "name") | ("SortBy", "use_op") | ("SubLink", "oper_name") => {
                let words = leaves(value)?.words;
                if !words.is_empty() && !words::OPERATORS.contains(&own(&words)?) {
                    return unsettled();
                }
            }
            ("ColumnRef", "fields") => {
                let mut words = leaves(value)?.words;
                words.iter().skip(1).try_for_each(|word| self.field_name(word))?;
                self.about(words.pop().unwrap_or_default());
            }
            ("TypeName", "names") => {
                let words = leaves(value)?.words;
                self.type_name(&words)?;
                self.about(words.last().cloned().unwrap_or_default());
            }
            ("TypeCast", "arg") => {
                self.within(Place::Other, value)?;
                self.cast = self.may_be_date();
            }
            ("AConst", "val") => return self.within(Place::Constant, value),
            ("AIndirection", "indirection") => return self.within(Place::Field, value),
            ("ResTarget" | "JsonTableColumn", "name")
            | ("ColumnDef", "colname")
            | ("CommonTableExpr", "ctename" | "aliascolnames")
            | ("Alias", "aliasname" | "colnames") => {
                self.given.extend(leaves(value)?.words);
            }
            ("RangeVar", key) if key != "alias" => {}
            _ => return self.within(Place::Other, value),
        }
        Ok(())
    }

    fn close(&mut self, name: &'static str) -> Result<(), Stop> {
        // A wrapper ends with what it holds.
        if name == "Node" {
            return Ok(());
        }
        let about = self.names.pop().unwrap_or_default();
        self.ended = match name {
            "AConst" | "ParamRef" => Ended::Plain,
            "FuncCall" if GIVES_DATES.contains(&about.as_str()) => Ended::Dated,
            "ColumnRef" => Ended::Column(about),
            "TypeName" if DATED.contains(&about.as_str()) => Ended::Dated,
            // The type ended last.
            "TypeCast" if matches!(self.ended, Ended::Dated) => Ended::Dated,
            _ => Ended::Other,
        };
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Stop> {
        match self.place {
            Place::Constant if tells_the_time(text) => unsettled(),
            Place::Field => self.field_name(text),
            Place::Constant | Place::Other => Ok(()),
        }
    }

    fn number(&mut self, _: i64) -> Result<(), Stop> {
        Ok(())
    }
}

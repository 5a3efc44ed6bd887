//! Types that are taken under a condition only: texts read as a text-search query, because reading one takes time
//! that grows with the square of its length and nothing stops it, names of a text-search configuration, and the
//! operator's own enums.

use serde::Serialize;

use super::leaves::{leaves, number};
use super::refusal::{Reason, Stop, stop};
use super::rules::json;
use super::visit::{Through, Visit};
use super::walker::Walker;
use super::{Gate, size, words};

/// Characters of a text-search query: a page of one. PostgreSQL reads that in some milliseconds.
const MAX_QUERY: usize = 4_000;

/// What stands beside the text in a call, the name of a configuration and such.
const BESIDE: usize = 100;

/// Parameters joined into one query; each has a bound of its own.
const MAX_JOINED: usize = 4;

/// Functions that read a text as a text-search query.
pub(super) const QUERIES: [&str; 4] = ["to_tsquery", "plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery"];

/// A text whose length is plain to see in the statement.
#[derive(Default)]
pub(super) struct Short {
    /// Of its constants, and of what `left` leaves.
    characters: usize,
    /// The parameters it is made of.
    parameters: Vec<u32>,
    /// Whether it is a constant and nothing else.
    constant: bool,
}

/// The text an expression, or the arguments of a call, are made of: constants, parameters, `left(…, n)`, and what joins,
/// trims and chooses among such. None for any other.
pub(super) fn short<T: ?Sized + Serialize>(value: &T) -> Option<Short> {
    let mut peek = Peek { short: Short { constant: true, ..Short::default() }, function: String::new() };
    value.serialize(Through(&mut peek)).ok()?;
    Some(peek.short)
}

impl Walker<'_> {
    /// A text that is read as a text-search query: short, or it is refused. Its parameters are measured when they come.
    pub(super) fn query(&mut self, what: &str, text: Option<Short>) -> Result<(), Stop> {
        let fits = |text: &Short| text.characters <= MAX_QUERY + BESIDE && text.parameters.len() <= MAX_JOINED;
        let Some(text) = text.filter(fits) else {
            let message = format!(
                "{what}: the text of a query must be plain to see and short: a constant of at most {MAX_QUERY} \
                 characters, a parameter, or left(…, {MAX_QUERY}) around it"
            );
            return stop(Reason::Size, message);
        };
        self.short_parameters.extend(text.parameters);
        Ok(())
    }

    /// A type by its name; `cast` is what is cast to it, where that is plain to see.
    pub(super) fn type_name(&mut self, words: &[String], cast: Option<Short>) -> Result<(), Stop> {
        let name = match words {
            [name] => name.as_str(),
            [schema, name] if words::is_function_schema(schema) => name,
            [schema, name] if self.gate.is_enum(schema, name) => return Ok(()),
            _ => return stop(Reason::Type, format!("type {}: name it without a schema", words.join("."))),
        };
        match name {
            "tsquery" => self.query("a cast to tsquery", cast),
            "regconfig" if cast.is_some_and(|text| text.constant) => Ok(()),
            "regconfig" => {
                stop(Reason::Type, "regconfig is the cast of a configuration's name, written out: 'english'::regconfig")
            }
            _ if words::TYPES.contains(&name) => Ok(()),
            _ => stop(Reason::Type, format!("type {name} is not on the list of types a statement may use")),
        }
    }
}

impl Gate {
    /// An enum of a readable schema. Its input looks labels up and no more; a domain's runs its checks.
    fn is_enum(&self, schema: &str, name: &str) -> bool {
        !words::is_system_schema(schema) && self.names.enums.get(schema).is_some_and(|names| names.contains(name))
    }
}

/// Adds a text up and stops at whatever has no bound.
struct Peek {
    short: Short,
    function: String,
}

fn unbounded<T>() -> Result<T, Stop> {
    stop(Reason::Size, "no bound is plain to see")
}

impl Visit for Peek {
    fn open(&mut self, name: &'static str) -> Result<(), Stop> {
        self.short.constant &= matches!(name, "Node" | "AConst" | "String");
        match name {
            "Node" | "AConst" | "String" | "ParamRef" | "FuncCall" | "AExpr" | "TypeCast" | "CoalesceExpr" => Ok(()),
            _ => unbounded(),
        }
    }

    fn field<T: ?Sized + Serialize>(&mut self, name: &'static str, key: &'static str, value: &T) -> Result<(), Stop> {
        match (name, key) {
            ("Node" | "String", _) | ("AConst", "val") | ("AExpr", "lexpr" | "rexpr") => {}
            ("TypeCast", "arg") | ("CoalesceExpr", "args") => {}
            ("ParamRef", "number") => {
                self.short.parameters.push(u32::try_from(number(value)?).or_else(|_| unbounded())?);
                return Ok(());
            }
            ("AExpr", "name") => return if leaves(value)?.words == ["||"] { Ok(()) } else { unbounded() },
            ("TypeCast", "type_name") => return plain_text(value),
            ("FuncCall", "funcname") => {
                let [name] = leaves(value)?.words.try_into().or_else(|_: Vec<String>| unbounded())?;
                self.function = name;
                return Ok(());
            }
            ("FuncCall", "args") => match self.function.as_str() {
                "left" => {
                    self.short.characters += size::left(&json(value)?).map_or_else(unbounded, Ok)?;
                    return Ok(());
                }
                "lower" | "upper" | "btrim" | "ltrim" | "rtrim" => {}
                _ => return unbounded(),
            },
            _ => return Ok(()),
        }
        value.serialize(Through(self))
    }

    fn close(&mut self, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Stop> {
        self.short.characters += text.chars().count();
        Ok(())
    }

    fn number(&mut self, _: i64) -> Result<(), Stop> {
        Ok(())
    }
}

/// A type that leaves a text as it is, or the name of a configuration.
fn plain_text<T: ?Sized + Serialize>(type_name: &T) -> Result<(), Stop> {
    let type_name = json(type_name)?;
    match type_name.get("names").and_then(size::last_word) {
        Some("text" | "varchar" | "regconfig") => Ok(()),
        _ => unbounded(),
    }
}

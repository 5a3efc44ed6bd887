//! What the names in a statement may be. `judge` reads the fields that carry a name and says so; every other field
//! is walked.

use pg_query::protobuf::SqlValueFunctionOp as Session;
use serde::Serialize;
use serde_json::Value;

use super::leaves::{leaves, number};
use super::refusal::{Reason, Stop, stop};
use super::scope::Name;
use super::walker::{Draft, Qualified, Scalar, Walker};
use super::{Gate, MAX_PARAMETERS, MayRead, casts, size, words};

/// Relations named in a refusal, so that its text stays one a person reads.
const LISTED: usize = 12;

/// A function in FROM.
pub(super) struct Source {
    /// None for CAST, COALESCE and the like, which have no name to be called by.
    function: Option<String>,
}

impl Walker<'_> {
    /// A struct begins.
    pub(super) fn begin(&mut self, name: &str) {
        if matches!(name, "SelectStmt" | "CommonTableExpr") {
            self.scopes.open();
        }
    }

    /// Reads one field. True when it is dealt with, false when it must be walked.
    pub(super) fn judge<T: ?Sized + Serialize>(&mut self, name: &str, key: &str, value: &T) -> Result<bool, Stop> {
        match (name, key) {
            (_, "location") => self.draft().at = usize::try_from(number(value)?).ok(),
            ("FuncCall", "funcname") => {
                let words = leaves(value)?.words;
                self.gate.function(&words)?;
                self.draft().words = words;
            }
            ("FuncCall", "args") => {
                let function = self.draft().words.last().map_or("", String::as_str);
                if let Some(function) = casts::QUERIES.into_iter().find(|query| *query == function) {
                    self.query(function, casts::short(value))?;
                }
                let function = self.draft().words.last().map_or("", String::as_str);
                if let Some(function) = size::SIZED.into_iter().find(|sized| *sized == function) {
                    self.repeats = size::check(function, &json(value)?, self.repeats)?;
                }
                return Ok(false);
            }
            ("RangeVar", "catalogname") => {
                if !leaves(value)?.words.concat().is_empty() {
                    return stop(Reason::Relation, "a relation is named with a database: leave the database out");
                }
            }
            ("RangeVar", "schemaname") => self.draft().schema = leaves(value)?.words.concat(),
            ("RangeVar", "relname") => self.draft().words = leaves(value)?.words,
            // 'p' for every relation a SELECT can name.
            ("RangeVar", "relpersistence") => {}
            ("TypeName", "names") => {
                let words = leaves(value)?.words;
                let cast = self.cast.take();
                self.type_name(&words, cast)?;
                self.draft().words = words;
            }
            // The next thing walked is the type itself.
            ("TypeCast", "type_name") => {
                self.cast = self.draft().short.take();
                return Ok(false);
            }
            ("TypeCast", "arg") => {
                self.draft().short = casts::short(value);
                return Ok(false);
            }
            ("TypeName", "array_bounds") => {
                let conditional =
                    self.draft().words.last().is_some_and(|name| name == "tsquery" || name == "regconfig");
                if conditional && json(value)?.as_array().is_some_and(|bounds| !bounds.is_empty()) {
                    return stop(Reason::Type, "arrays of tsquery and regconfig are not offered: cast one value");
                }
                return Ok(false);
            }
            ("TypeName", "setof" | "pct_type") => {
                if number(value)? != 0 {
                    return stop(Reason::Type, "SETOF and %TYPE are not offered: name the type itself");
                }
            }
            ("TypeName", "typmods") => {
                let name = self.draft().words.last().map_or("", String::as_str);
                if words::PADDED_TYPES.contains(&name) {
                    size::check_length(name, &json(value)?)?;
                }
                return Ok(false);
            }
            ("AExpr", "name") | ("SortBy", "use_op") | ("SubLink", "oper_name") => operator(&leaves(value)?.words)?,
            ("ColumnRef", "fields") => self.column(value)?,
            ("CommonTableExpr", "ctename") => {
                let words = leaves(value)?.words;
                if words.concat().starts_with("pg_") {
                    let message = "a WITH query may not be called pg_…, the names of PostgreSQL's catalogs: rename it";
                    return stop(Reason::Relation, message);
                }
                self.draft().words = words;
            }
            ("WithClause", "recursive") => self.scopes.recursive(number(value)? != 0),
            ("RangeFunction", "functions") => {
                self.draft().source = source(&json(value)?);
                return Ok(false);
            }
            // With an ordinality column or declared columns, the row is a record and never a bare value.
            ("RangeFunction", "ordinality") => {
                if number(value)? != 0 {
                    self.draft().record = true;
                }
            }
            ("RangeFunction", "coldeflist") => {
                if json(value)?.as_array().is_some_and(|columns| !columns.is_empty()) {
                    self.draft().record = true;
                }
                return Ok(false);
            }
            ("RangeFunction", "alias") => self.draft().alias = leaves(value)?.words,
            ("RangeTableSample", "method") => sample(&leaves(value)?.words)?,
            ("SqlValueFunction", "op") => session_value(number(value)?)?,
            ("ParamRef", "number") => self.parameter(number(value)?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A struct ends: the judgements that need more than one of its fields.
    pub(super) fn end(&mut self, name: &str, mut draft: Draft) -> Result<(), Stop> {
        match name {
            "SelectStmt" => self.scopes.close_select(),
            "CommonTableExpr" => self.scopes.close_cte(draft.words.concat()),
            "RangeVar" => {
                let name = draft.words.concat();
                if draft.schema.is_empty() {
                    self.scopes.uses(Name { name, at: draft.at });
                } else {
                    self.relations.insert(self.gate.qualified_relation(&draft.schema, &name, self.may_read)?);
                }
            }
            "ColumnRef" => {
                if let (Some(column), Some(qualifier)) = (draft.words.pop(), draft.words.pop()) {
                    self.qualified.push(Qualified { qualifier, column, at: draft.at });
                }
            }
            "RangeFunction" if !draft.record => {
                if let Some(source) = draft.source {
                    self.scalars.push(scalar(source, draft.alias)?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn column<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Stop> {
        let fields = leaves(value)?;
        for word in &fields.words {
            if words::SYSTEM_COLUMNS.contains(&word.as_str()) {
                return stop(Reason::Column, format!("`{word}` is a system column: use the columns of the relation"));
            }
            // `row.f` calls the function f when the row has no such column.
            if word.starts_with("pg_") {
                return stop(Reason::Column, format!("`{word}`: names that begin with pg_ are PostgreSQL's own"));
            }
        }
        if let [_, .., last] = fields.words.as_slice()
            && self.gate.names.callable.contains(last)
            && !self.gate.functions.contains(last)
        {
            let message =
                format!("`{last}` is a function of the database: where it is a column's name, give the column another");
            return stop(Reason::Column, message);
        }
        if !fields.star {
            self.draft().words = fields.words;
        }
        Ok(())
    }

    fn parameter(&mut self, number: i64) -> Result<(), Stop> {
        match u32::try_from(number) {
            Ok(number @ 1..=MAX_PARAMETERS) => {
                self.parameters = self.parameters.max(number);
                Ok(())
            }
            _ => stop(Reason::Parameter, format!("parameters are numbered $1 to ${MAX_PARAMETERS}; this is ${number}")),
        }
    }

    /// `s.f`, where `s` is a function in FROM that gives bare values, calls `f` with each of them unless `f` is a
    /// column of `s`: a call without a call in the tree. Scopes are ignored, which only refuses more.
    pub(super) fn check_qualified(&self) -> Result<(), Stop> {
        for Qualified { qualifier, column, at } in &self.qualified {
            let suspect =
                self.scalars.iter().any(|scalar| scalar.name == *qualifier && !scalar.columns.contains(column));
            let safe = words::OUT_COLUMNS.contains(&column.as_str()) || self.gate.harmless(column);
            if suspect && !safe {
                let message = format!(
                    "`{qualifier}.{column}`: `{qualifier}` is a function in FROM; give its column a name, as in \
                     `unnest(…) AS {qualifier}(item)`, and use `{qualifier}.item`"
                );
                return stop(Reason::Column, message).map_err(|stop: Stop| stop.at(*at));
            }
        }
        Ok(())
    }

    /// An unqualified name that is no WITH query: the readable relation it stands for, as `schema.relation`.
    pub(super) fn find_relation(&self, name: &str) -> Result<String, Stop> {
        let relations = &self.gate.relations;
        let has = |schema: &&String| relations.readable.get(*schema).is_some_and(|names| names.contains(name));
        // pg_catalog comes before every schema of the search path, but no readable relation has a name of one there.
        match relations.search_path.iter().find(has) {
            Some(schema) if (self.may_read)(schema, name) => Ok(format!("{schema}.{name}")),
            _ => self.gate.unreadable(name, self.may_read),
        }
    }
}

impl Gate {
    fn function(&self, words: &[String]) -> Result<(), Stop> {
        let name = match words {
            [name] => name,
            [schema, name] if words::is_function_schema(schema) => name,
            [_, _] if self.own_functions.contains(&words.join(".")) => return Ok(()),
            _ => {
                let message = format!("function {}: name it without a schema", words.join("."));
                return stop(Reason::Function, message);
            }
        };
        if self.functions.contains(name) {
            return Ok(());
        }
        let instead = words::instead_of(name).map(|instead| format!("; use {instead}")).unwrap_or_default();
        stop(Reason::Function, format!("function {name} is not on the list of functions a statement may call{instead}"))
    }

    /// A function that may be called with anything.
    fn harmless(&self, name: &str) -> bool {
        self.functions.contains(name) && !size::SIZED.contains(&name) && !casts::QUERIES.contains(&name)
    }

    /// `(value).name` calls the function `name` when the value has no such field, so only names pass that are no
    /// function's, or one's that may be called.
    pub(super) fn field_of_value(&self, name: &str) -> Result<(), Stop> {
        if words::FIELDS.contains(&name) || self.names.fields.contains(name) || self.harmless(name) {
            return Ok(());
        }
        let message =
            format!("field selection (…).{name} is not offered: put the value in FROM and use it as alias.{name}");
        stop(Reason::Column, message)
    }

    fn qualified_relation(&self, schema: &str, name: &str, may_read: MayRead<'_>) -> Result<String, Stop> {
        let full = format!("{schema}.{name}");
        let there = self.relations.readable.get(schema).is_some_and(|names| names.contains(name));
        match there && may_read(schema, name) {
            true => Ok(full),
            false => self.unreadable(&full, may_read),
        }
    }

    fn unreadable<T>(&self, name: &str, may_read: MayRead<'_>) -> Result<T, Stop> {
        let known = self.relations.readable.iter().flat_map(|(schema, names)| {
            let allowed = names.iter().filter(move |name| may_read(schema, name));
            allowed.map(move |name| format!("{schema}.{name}"))
        });
        let mut listed: Vec<String> = known.take(LISTED + 1).collect();
        if listed.len() > LISTED {
            listed[LISTED] = "…".to_owned();
        }
        let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
        stop(Reason::Relation, format!("relation {name} is not one a statement may read; readable: {listed}"))
    }
}

/// The one function of a FROM item; None when there are several, or its columns are declared, and the row is a
/// record.
fn source(functions: &Value) -> Option<Source> {
    let [only] = functions.as_array()?.as_slice() else { return None };
    let declared = only.pointer("/node/List/items/1/node/List/items").and_then(Value::as_array);
    if declared.is_some_and(|columns| !columns.is_empty()) {
        return None;
    }
    let parts = only.pointer("/node/List/items/0/node/FuncCall/funcname").and_then(Value::as_array);
    let last = parts.and_then(|parts| parts.last()?.pointer("/node/String/sval")?.as_str());
    Some(Source { function: last.map(str::to_owned) })
}

fn scalar(source: Source, mut alias: Vec<String>) -> Result<Scalar, Stop> {
    let Source { function } = source;
    let columns = alias.split_off(alias.len().min(1));
    let Some(name) = alias.pop().or_else(|| function.clone()) else {
        return stop(Reason::Construct, "an expression in FROM needs an alias: write `CAST(…) AS name(item)`");
    };
    // Only where the column is surely called as the item is; a function with one OUT column names it itself.
    let plain = columns.is_empty() && function.is_some_and(|name| words::UNNAMED_COLUMN.contains(&name.as_str()));
    let columns = if plain { vec![name.clone()] } else { columns };
    Ok(Scalar { name, columns })
}

fn operator(words: &[String]) -> Result<(), Stop> {
    let name = match words {
        // None where SQL has its own word: ASC, IN (SELECT …), EXISTS.
        [] => return Ok(()),
        [name] => name.as_str(),
        [schema, name] if words::is_function_schema(schema) => name,
        _ => {
            let message = "an operator may be qualified with pg_catalog or ext only: leave the schema out";
            return stop(Reason::Operator, message);
        }
    };
    match words::OPERATORS.contains(&name) {
        true => Ok(()),
        false => stop(Reason::Operator, format!("operator {name} is not on the list of operators a statement may use")),
    }
}

fn sample(words: &[String]) -> Result<(), Stop> {
    let name = match words {
        [name] => name.as_str(),
        [schema, name] if schema == "pg_catalog" => name,
        _ => "",
    };
    match name {
        "bernoulli" | "system" => Ok(()),
        _ => stop(Reason::Construct, "TABLESAMPLE takes BERNOULLI or SYSTEM"),
    }
}

/// The keywords that are values: those that tell the time pass, those that tell who and where do not.
fn session_value(op: i64) -> Result<(), Stop> {
    let op = i32::try_from(op).ok().and_then(|op| Session::try_from(op).ok());
    match op {
        Some(
            Session::SvfopCurrentDate
            | Session::SvfopCurrentTime
            | Session::SvfopCurrentTimeN
            | Session::SvfopCurrentTimestamp
            | Session::SvfopCurrentTimestampN
            | Session::SvfopLocaltime
            | Session::SvfopLocaltimeN
            | Session::SvfopLocaltimestamp
            | Session::SvfopLocaltimestampN,
        ) => Ok(()),
        _ => stop(
            Reason::Construct,
            "CURRENT_USER and its kind are not offered: a statement sees its tenant's rows without asking who it is",
        ),
    }
}

/// A field as JSON, for the few places where the shape of an argument matters.
pub(super) fn json<T: ?Sized + Serialize>(value: &T) -> Result<Value, Stop> {
    serde_json::to_value(value).or_else(|_| stop(Reason::Construct, "an argument cannot be read: rewrite it"))
}

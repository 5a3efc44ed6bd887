//! The statement gate: which SQL text may go to the database at all.
//!
//! A statement is parsed with PostgreSQL's own grammar and its tree is walked from the root. The walker knows a list
//! of node types, and for each of them which fields may carry a name; whatever is not on a list is refused, so a
//! construct nobody thought of is refused too. Names of functions, relations, types and operators are then held
//! against allow-lists. Nothing here looks at the text of the statement: a forbidden word inside a string, a
//! comment or a column alias is no reason to refuse.
//!
//! This is one wall of several. What it decides is what PostgreSQL will do with the text only while the session
//! keeps `standard_conforming_strings = on` and `client_encoding = UTF8`, and sends the statement as one statement
//! of the extended protocol.
//!
//! A statement is followed as deep as it nests, on the stack of the thread that asks: see [`STACK_BYTES`].

mod casts;
mod leaves;
mod refusal;
mod rules;
mod scope;
mod settled;
mod size;
pub mod survey;
mod syntax;
mod visit;
mod walker;
mod words;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use pg_query::{FingerprintOptions, NodeEnum, protobuf::ParseResult};
use serde::Serialize;

pub use refusal::{Reason, Refusal};
use refusal::{Stop, stop};
pub(super) use settled::tells_the_time;
use visit::Through;
use walker::Walker;

/// Longest statement, in bytes. Written by a person or a model, none is near it; parsing time grows with it.
pub const MAX_SQL_BYTES: usize = 32 * 1024;

/// Stack a thread that asks the gate must have. The parser takes what it finds, to at most 2 MiB, and measures the
/// *thread's* stack: on any other (a guest's) it would measure wrong and run over its end. The tree it hands over is
/// refused when it nests deeper than 100 messages (about 47 binary operators in one chain); to read that much takes
/// 512 KiB in an optimised build and 4 MiB in one that is not. Memory that is never touched costs nothing.
pub const STACK_BYTES: usize = 8 << 20;

/// Highest number a `$n` parameter may have. PostgreSQL's own limit is 65,535; each is a value to check and send.
pub const MAX_PARAMETERS: u32 = 200;

/// Longest parameter that may be read as a text-search query, in bytes. PostgreSQL takes a tenth of a second to read one,
/// four times as long for each doubling, and listens to nobody meanwhile.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;

/// Whether a reader may read the relation of this schema and name.
pub type MayRead<'a> = &'a dyn Fn(&str, &str) -> bool;

/// The relations a statement may read.
#[derive(Debug, Clone, Default)]
pub struct Relations {
    /// Schemas of the session's `search_path`, first one first. An unqualified name belongs to the first of them
    /// that lists it under `readable`. Must be the path the session really has: a schema on the session's path and
    /// missing here could hold a relation of the same name.
    pub search_path: Vec<String>,
    /// Schema to the names of its readable relations. System schemas (`pg_…`, `information_schema`) are ignored, and
    /// so are relations called `pg_…` in any other: PostgreSQL and its extensions call theirs so.
    pub readable: BTreeMap<String, BTreeSet<String>>,
}

/// The allow-lists, built once and shared by every call.
#[derive(Debug)]
pub struct Gate {
    functions: HashSet<String>,
    relations: Relations,
    /// The readable relations once more, to be handed out.
    tables: Arc<BTreeMap<String, BTreeSet<String>>>,
    names: Names,
    /// Functions of the operator's own, as `schema.name`.
    own_functions: BTreeSet<String>,
}

/// Names of the database's own that decide what a text means there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Columns of readable relations whose name no function and no type has: `(value).name` selects a field and can
    /// neither call nor cast. Without any, a row is taken apart in FROM only.
    pub fields: BTreeSet<String>,
    /// Functions that can be given one row, and that no readable column is called like: `alias.name` calls them.
    pub callable: BTreeSet<String>,
    /// The enums of readable schemas, by schema.
    pub enums: BTreeMap<String, BTreeSet<String>>,
    /// Columns that are a date or a time in every readable relation that has one of the name.
    pub dated: BTreeSet<String>,
}

/// What the gate learnt about a statement it lets through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Relations the statement reads, as `schema.relation`. Common table expressions are not among them.
    pub relations: BTreeSet<String>,
    /// Sixteen hexadecimal digits, the same for statements that differ in constants, spacing and aliases only.
    pub fingerprint: String,
    /// Highest `$n` the statement uses; 0 when it has no parameters.
    pub parameters: u32,
    /// Parameters that are read as a text-search query, which [`MAX_QUERY_BYTES`] bounds.
    pub short_parameters: BTreeSet<u32>,
    /// Whether the answer follows from the text, the parameters and the rows alone. False where nobody asked.
    pub settled: bool,
}

impl Gate {
    /// `functions` is the text of the allow-list file: names separated by white space, `#` starts a comment.
    pub fn new(functions: &str, mut relations: Relations) -> Self {
        let functions = functions
            .lines()
            .filter_map(|line| line.split('#').next())
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect();
        relations.readable.retain(|schema, _| !words::is_system_schema(schema));
        relations.readable.values_mut().for_each(|names| names.retain(|name| !name.starts_with("pg_")));
        let tables = Arc::new(relations.readable.clone());
        Self { functions, relations, tables, names: Names::default(), own_functions: BTreeSet::new() }
    }

    /// The readable relations, by schema.
    pub fn tables(&self) -> &Arc<BTreeMap<String, BTreeSet<String>>> {
        &self.tables
    }

    /// The same gate for a database with these names.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// The same gate, with functions that an operator allows at their own risk. Each is written `schema.name`, here and
    /// in a statement.
    #[must_use]
    pub fn with_functions(self, functions: &[String]) -> Self {
        Self { own_functions: functions.iter().cloned().collect(), ..self }
    }

    /// Decides whether `sql` may be sent to the database. Takes less than 0.1 ms for a statement of ordinary
    /// size and blocks on nothing.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] when the text is not exactly one SELECT, VALUES or TABLE statement within the limits, or uses
    /// a construct, function, relation, type or operator that is not on a list.
    pub fn check(&self, sql: &str) -> Result<Checked, Refusal> {
        self.check_as(sql, &|_, _| true)
    }

    /// [`Gate::check`] for a reader who may read only some of the relations, by schema and name. For the others the
    /// refusal is the one of a relation that is not there.
    ///
    /// # Errors
    ///
    /// As [`Gate::check`].
    pub fn check_as(&self, sql: &str, may_read: MayRead<'_>) -> Result<Checked, Refusal> {
        self.examine(sql, may_read, false).map_err(|stop| stop.into_refusal(sql))
    }

    /// [`Gate::check_as`], and whether the answer may be given again ([`Checked::settled`]).
    ///
    /// # Errors
    ///
    /// As [`Gate::check`].
    pub fn check_settled(&self, sql: &str, may_read: MayRead<'_>) -> Result<Checked, Refusal> {
        self.examine(sql, may_read, true).map_err(|stop| stop.into_refusal(sql))
    }

    /// Whether what a view shows follows from the rows it reads alone; `sql` is its definition.
    pub fn settles_view(&self, sql: &str) -> bool {
        pg_query::parse(sql, 0).is_ok_and(|read| settled::look(self, &read.protobuf, false))
    }

    fn examine(&self, sql: &str, may_read: MayRead<'_>, settle: bool) -> Result<Checked, Stop> {
        if sql.len() > MAX_SQL_BYTES {
            let (is, most) = (sql.len(), MAX_SQL_BYTES);
            return stop(Reason::Size, format!("the statement has {is} bytes; at most {most} are read: shorten it"));
        }
        if sql.contains('\0') {
            return stop(Reason::Syntax, "the statement contains a NUL character: remove it");
        }
        let tree = pg_query::parse(sql, 0).map_err(|error| syntax::explain(sql, error))?.protobuf;
        let checked = self.walk(&tree, may_read)?;
        // Of the options, these make the fingerprint follow the relations read, not the aliases they were given.
        let options = FingerprintOptions::RANGEVAR_PG17_COMPAT | FingerprintOptions::FULL_RELNAME;
        let fingerprint = pg_query::fingerprint(sql, 0, options).map_err(|error| syntax::explain(sql, error))?.hex;
        let settled = settle && settled::look(self, &tree, true);
        Ok(Checked { fingerprint, settled, ..checked })
    }

    fn walk(&self, tree: &ParseResult, may_read: MayRead<'_>) -> Result<Checked, Stop> {
        let [statement] = tree.stmts.as_slice() else {
            let count = tree.stmts.len();
            return stop(Reason::Statement, format!("there are {count} statements; send exactly one SELECT"));
        };
        match statement.stmt.as_ref().and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::SelectStmt(_)) => {}
            other => {
                let what = other.map_or("an empty statement", words::statement);
                let message = format!("this is {what}; only SELECT, WITH … SELECT, VALUES and TABLE may be run here");
                return stop(Reason::Statement, message);
            }
        }
        let mut walker = Walker::new(self, may_read);
        tree.serialize(Through(&mut walker))?;
        walker.finish()
    }
}

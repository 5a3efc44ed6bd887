//! What a record says. Every field is bounded by its type, where the record is made: text that comes from a caller, an
//! issuer or a plugin cannot make one long, and nothing here holds a row's value, a statement's text or a token.

mod event;

pub use event::{Cause, Event};

use super::Error;
use super::arguments::Arguments;
use super::short::{List, Short};
use crate::error::Code;
use crate::identity::Principal;
use crate::policy::Scope;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use std::time::Duration;
use uuid::Uuid;

/// The version of the records' fields: `v`. It changes when a field changes its meaning or goes; new fields may come.
pub const VERSION: u8 = 1;

/// Statements kept of a call; the rest is counted. A call may run 50 by default.
const STATEMENTS: usize = 64;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Who {
    /// Whose word the identity is (`iss`).
    pub issuer: Short,
    /// The stable name there (`sub`).
    pub subject: Short,
    /// Its roles then.
    #[serde(skip_serializing_if = "List::is_empty")]
    pub roles: List<Short>,
}

impl From<&Principal> for Who {
    fn from(principal: &Principal) -> Self {
        Self {
            issuer: Short::new(principal.issuer()),
            subject: Short::new(principal.subject()),
            roles: List::texts(principal.roles()),
        }
    }
}

/// Whose rows a call could see: a [`Scope`], bounded.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// One tenant.
    One(Uuid),
    /// These tenants.
    Some(List<Uuid>),
    /// Every tenant.
    All,
}

impl From<&Scope> for Reach {
    fn from(scope: &Scope) -> Self {
        match scope {
            Scope::One(tenant) => Self::One(*tenant),
            Scope::Some(tenants) => Self::Some(List::of(tenants.iter().copied())),
            Scope::All => Self::All,
        }
    }
}

impl Serialize for Reach {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(tenant) => to.collect_str(&format_args!("one:{tenant}")),
            Self::Some(tenants) => tenants.serialize(to),
            Self::All => to.serialize_str("all"),
        }
    }
}

/// One statement of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statement {
    /// What the gate calls it: the same for statements that differ in constants, spacing and aliases only. Empty for
    /// one it could not read.
    pub fingerprint: Short,
    /// Rows it gave.
    pub rows: u64,
    /// Time at the database, in milliseconds.
    #[serde(rename = "ms", serialize_with = "ms")]
    pub took: Duration,
    /// How old its rows were, in milliseconds, where they came out of the cache and not from the database.
    #[serde(rename = "age_ms", serialize_with = "age", skip_serializing_if = "Option::is_none")]
    pub age: Option<Duration>,
    /// `ok`, or the code of its failure.
    #[serde(serialize_with = "outcome")]
    pub outcome: Option<Code>,
}

/// The statements of a call: the first 64, and how many more there were.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Statements {
    statements: Vec<Statement>,
    #[serde(skip_serializing_if = "none")]
    statements_omitted: u64,
}

impl Statements {
    /// One more.
    pub fn push(&mut self, statement: Statement) {
        if self.statements.len() < STATEMENTS {
            self.statements.push(statement);
        } else {
            self.statements_omitted += 1;
        }
    }
}

/// One call that came to its tool, whatever its end. Event `call`; `at` is its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallRecord {
    /// The call's name in logs and errors.
    pub request: Short,
    /// Who called.
    #[serde(flatten)]
    pub who: Who,
    /// Whose rows it could see: `one:<uuid>`, `all`, or a list of tenants (64 at most, then `+<count>`).
    pub scope: Reach,
    /// The plugin's name.
    pub plugin: Short,
    /// The version the plugin gives itself.
    pub plugin_version: Short,
    /// SHA-256 of the component that ran, in hexadecimal.
    pub digest: Short,
    /// The tool's name.
    pub tool: Short,
    /// See [`Arguments`].
    #[serde(flatten)]
    pub arguments: Arguments,
    /// See [`Statement`].
    #[serde(flatten)]
    pub statements: Statements,
    /// Rows all statements gave.
    pub rows: u64,
    /// Bytes of the answer.
    pub answer_bytes: u64,
    /// Time at the database, all statements, in milliseconds.
    #[serde(rename = "database_ms", serialize_with = "ms")]
    pub database: Duration,
    /// Time from request to answer, in milliseconds.
    #[serde(rename = "duration_ms", serialize_with = "ms")]
    pub duration: Duration,
    /// `ok`, or the code of the failure.
    #[serde(serialize_with = "outcome")]
    pub outcome: Option<Code>,
}

/// Everything that can stand in the trail.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// A call.
    Call(Box<CallRecord>),
    /// Anything else.
    Event(Event),
}

impl Entry {
    /// The entry's name in the trail.
    pub const fn kind(&self) -> &'static str {
        match self {
            Entry::Call(_) => "call",
            Entry::Event(event) => event.kind(),
        }
    }
}

/// An entry and when it happened.
#[derive(Clone, Debug)]
pub(super) struct Stamped {
    pub(super) at: DateTime<Utc>,
    pub(super) entry: Entry,
}

impl Stamped {
    pub(super) fn now(entry: Entry) -> Self {
        Self { at: Utc::now(), entry }
    }

    /// The record's JSON. Every record begins with `v`, `at`, `node`, `event`.
    pub(super) fn to_json(&self, node: Uuid) -> Result<String, Error> {
        #[derive(Serialize)]
        struct Record<'a> {
            v: u8,
            at: String,
            node: Uuid,
            event: &'static str,
            #[serde(flatten)]
            entry: &'a Entry,
        }
        let at = self.at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let record = Record { v: VERSION, at, node, event: self.entry.kind(), entry: &self.entry };
        serde_json::to_string(&record).map_err(Error::Encode)
    }
}

/// Zero needs no field.
pub(super) fn none(count: &u64) -> bool {
    *count == 0
}

/// Milliseconds to the microsecond.
fn ms<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_micros() as f64 / 1_000.0)
}

fn age<S: Serializer>(age: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    ms(&age.unwrap_or_default(), to)
}

fn outcome<S: Serializer>(outcome: &Option<Code>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(outcome.map_or("ok", Code::as_str))
}

#[cfg(test)]
mod tests;

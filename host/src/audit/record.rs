//! What a record says. Every field is bounded where it is written: text that comes from a caller, an issuer or a plugin
//! cannot make a record long, and nothing here holds a row's value, a statement's text or a token.

use super::Error;
use super::arguments::Arguments;
use crate::error::Code;
use crate::identity::Principal;
use crate::policy::Scope;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use std::net::IpAddr;
use std::time::Duration;
use uuid::Uuid;

/// The version of the records' fields: `v`. It changes when a field changes its meaning or goes; new fields may come.
pub const VERSION: u8 = 1;

/// Characters kept of a text. Subjects are 255 at most (OpenID Connect Core, section 2).
const TEXT: usize = 256;

/// Roles and tenants kept of a list; the rest is counted.
const LIST: usize = 64;

/// Statements kept of a call; the rest is counted. A call may run 50 by default.
const STATEMENTS: usize = 64;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Who {
    /// Whose word the identity is (`iss`).
    #[serde(serialize_with = "text")]
    pub issuer: String,
    /// The stable name there (`sub`).
    #[serde(serialize_with = "text")]
    pub subject: String,
    /// Its roles then.
    #[serde(serialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

impl From<&Principal> for Who {
    fn from(principal: &Principal) -> Self {
        Self {
            issuer: principal.issuer().to_owned(),
            subject: principal.subject().to_owned(),
            roles: principal.roles().to_vec(),
        }
    }
}

/// One statement of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statement {
    /// What the gate calls it: the same for statements that differ in constants, spacing and aliases only. Empty for
    /// one it could not read.
    #[serde(serialize_with = "text")]
    pub fingerprint: String,
    /// Rows it gave.
    pub rows: u64,
    /// Time at the database, in milliseconds.
    #[serde(rename = "ms", serialize_with = "ms")]
    pub took: Duration,
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
    #[serde(serialize_with = "text")]
    pub request: String,
    /// Who called.
    #[serde(flatten)]
    pub who: Who,
    /// Whose rows it could see: `one:<uuid>`, `all`, or a list of tenants (64 at most, then `+<count>`).
    #[serde(serialize_with = "scope")]
    pub scope: Scope,
    /// The plugin's name.
    #[serde(serialize_with = "text")]
    pub plugin: String,
    /// The version the plugin gives itself.
    #[serde(serialize_with = "text")]
    pub plugin_version: String,
    /// SHA-256 of the component that ran, in hexadecimal.
    #[serde(serialize_with = "text")]
    pub digest: String,
    /// The tool's name.
    #[serde(serialize_with = "text")]
    pub tool: String,
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

/// Something that happened and that someone may have to answer for. Its name in the trail is [`Event::kind`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each variant says what its fields mean")]
pub enum Event {
    /// A proof was not accepted: `reason` is a word of ours, never the token; `remote` only where the operator wants
    /// addresses recorded.
    TokenRejected {
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        remote: Option<IpAddr>,
    },
    /// A tool was called that does not exist for the caller.
    ToolForbidden {
        #[serde(serialize_with = "text")]
        request: String,
        #[serde(flatten)]
        who: Who,
        #[serde(serialize_with = "text")]
        tool: String,
    },
    /// The gate refused a statement: `reason` is its word for the rule, never the statement.
    StatementRejected {
        #[serde(serialize_with = "text")]
        request: String,
        #[serde(flatten)]
        who: Who,
        #[serde(serialize_with = "text")]
        tool: String,
        #[serde(serialize_with = "text")]
        reason: String,
    },
    /// A caller met a limit: `limit` names it.
    LimitBreached {
        #[serde(serialize_with = "text")]
        request: String,
        #[serde(flatten)]
        who: Who,
        #[serde(serialize_with = "text")]
        limit: String,
    },
    /// A caller asked for a tenant that is not among its own.
    TenantForbidden {
        #[serde(serialize_with = "text")]
        request: String,
        #[serde(flatten)]
        who: Who,
        tenant: Uuid,
    },
    /// The database's walls have a hole: the rule of the check, and the object it is about.
    UnsafeDatabase {
        #[serde(serialize_with = "text")]
        rule: String,
        #[serde(serialize_with = "text")]
        object: String,
    },
    /// The database's walls are whole again, and calls are served.
    DatabaseMended {},
    /// A policy took effect: SHA-256 of its text.
    PolicyReloaded {
        #[serde(serialize_with = "text")]
        digest: String,
    },
    /// A policy was refused: SHA-256 of its text, empty where there was none to read. The last good one stays in force.
    PolicyRefused {
        #[serde(serialize_with = "text")]
        digest: String,
    },
    /// A key of the host was replaced: its name, never its bytes.
    KeyRotated {
        #[serde(serialize_with = "text")]
        key: String,
    },
    /// A key of the host was ended before its time: its name.
    KeyRetired {
        #[serde(serialize_with = "text")]
        key: String,
    },
    /// An access token was taken back: its issuer and its name there.
    TokenRevoked {
        #[serde(serialize_with = "text")]
        issuer: String,
        #[serde(serialize_with = "text")]
        token: String,
    },
    /// An API key was made: its id, never its secret.
    ApiKeyMade {
        #[serde(serialize_with = "text")]
        key: String,
    },
    /// An API key was taken back: its id.
    ApiKeyRevoked {
        #[serde(serialize_with = "text")]
        key: String,
    },
    /// A plugin is served from now on: SHA-256 of its component.
    PluginPublished {
        #[serde(serialize_with = "text")]
        plugin: String,
        #[serde(serialize_with = "text")]
        plugin_version: String,
        #[serde(serialize_with = "text")]
        digest: String,
    },
    /// A plugin was refused: at which step. Version and digest are empty where it was not read so far.
    PluginRefused {
        #[serde(serialize_with = "text")]
        plugin: String,
        #[serde(serialize_with = "text")]
        plugin_version: String,
        #[serde(serialize_with = "text")]
        digest: String,
        #[serde(serialize_with = "text")]
        step: String,
    },
    /// The host serves from now on: its own version. One without `host_stopped` before it means that it was killed.
    HostStarted { version: &'static str },
    /// The host stops serving.
    HostStopped {},
    /// Written by the trail: `suppressed` events of the kind `kind` came too fast to be kept one by one.
    Suppressed { kind: &'static str, suppressed: u64 },
    /// Written by the trail: records that could not be written anywhere.
    RecordsLost { lost: u64 },
    /// Written by the trail: the disk failed, and this node's records go to the database directly. `after` is the node
    /// whose chain this one carries on.
    ChainOpened { after: Uuid },
    /// Written by the trail: the disk takes records again. The chain `node` ended with record `seq`, sealed `mac`.
    ChainClosed { chain: Uuid, seq: u64, mac: String },
}

impl Event {
    /// The event's name in the trail.
    pub const fn kind(&self) -> &'static str {
        match self {
            Event::TokenRejected { .. } => "token_rejected",
            Event::ToolForbidden { .. } => "tool_forbidden",
            Event::StatementRejected { .. } => "statement_rejected",
            Event::LimitBreached { .. } => "limit_breached",
            Event::TenantForbidden { .. } => "tenant_forbidden",
            Event::UnsafeDatabase { .. } => "unsafe_database",
            Event::DatabaseMended {} => "database_mended",
            Event::PolicyReloaded { .. } => "policy_reloaded",
            Event::PolicyRefused { .. } => "policy_refused",
            Event::KeyRotated { .. } => "key_rotated",
            Event::KeyRetired { .. } => "key_retired",
            Event::TokenRevoked { .. } => "token_revoked",
            Event::ApiKeyMade { .. } => "api_key_made",
            Event::ApiKeyRevoked { .. } => "api_key_revoked",
            Event::PluginPublished { .. } => "plugin_published",
            Event::PluginRefused { .. } => "plugin_refused",
            Event::HostStarted { .. } => "host_started",
            Event::HostStopped {} => "host_stopped",
            Event::Suppressed { .. } => "suppressed",
            Event::RecordsLost { .. } => "records_lost",
            Event::ChainOpened { .. } => "chain_opened",
            Event::ChainClosed { .. } => "chain_closed",
        }
    }
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

fn short(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

fn text<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&short(text))
}

fn list<S: Serializer>(all: &[String], to: S) -> Result<S::Ok, S::Error> {
    let more = (all.len() > LIST).then(|| format!("+{}", all.len() - LIST));
    to.collect_seq(all.iter().take(LIST).map(|one| short(one)).chain(more))
}

fn scope<S: Serializer>(scope: &Scope, to: S) -> Result<S::Ok, S::Error> {
    match scope {
        Scope::One(tenant) => to.collect_str(&format_args!("one:{tenant}")),
        Scope::Some(tenants) => {
            let more = (tenants.len() > LIST).then(|| format!("+{}", tenants.len() - LIST));
            to.collect_seq(tenants.iter().take(LIST).map(Uuid::to_string).chain(more))
        }
        Scope::All => to.serialize_str("all"),
    }
}

/// Milliseconds to the microsecond.
fn ms<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_micros() as f64 / 1_000.0)
}

fn outcome<S: Serializer>(outcome: &Option<Code>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(outcome.map_or("ok", Code::as_str))
}

#[cfg(test)]
mod tests;

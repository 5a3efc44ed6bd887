//! Events: what happened besides calls.

use super::{List, Short, Who};
use ipnet::IpNet;
use serde::{Serialize, Serializer};
use std::net::IpAddr;
use uuid::Uuid;

/// Something that happened and that someone may have to answer for. Its name in the trail is [`Event::kind`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each variant says what its fields mean")]
pub enum Event {
    /// A proof was not accepted: `reason` is a word of ours, never the token; `remote` is where it came from, which is
    /// not written where the operator wants no addresses recorded (`audit.remote`).
    TokenRejected {
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        remote: Option<IpAddr>,
    },
    /// A tool was called that does not exist for the caller.
    ToolForbidden {
        request: Short,
        #[serde(flatten)]
        who: Who,
        tool: Short,
    },
    /// A caller's token carries too few scopes for what it asked. `request` and `tool` are empty where the door said
    /// so to a request that had no name yet, or that called no tool; `needs` is what a token would have to carry.
    ScopeLacking {
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<Short>,
        #[serde(flatten)]
        who: Who,
        #[serde(skip_serializing_if = "Option::is_none")]
        tool: Option<Short>,
        needs: List<Short>,
    },
    /// A statement was refused: `reason` is the gate's word for the rule it broke, or `database` where PostgreSQL itself
    /// said no; never the statement.
    StatementRejected {
        request: Short,
        #[serde(flatten)]
        who: Who,
        tool: Short,
        reason: &'static str,
    },
    /// A caller met a limit: `limit` names it.
    LimitBreached {
        request: Short,
        #[serde(flatten)]
        who: Who,
        limit: Short,
    },
    /// A caller asked for a tenant that is not among its own.
    TenantForbidden {
        request: Short,
        #[serde(flatten)]
        who: Who,
        tenant: Uuid,
    },
    /// The database's walls have a hole: the rule of the check, and the object it is about.
    UnsafeDatabase { rule: Short, object: Short },
    /// The database's walls are whole again, and calls are served.
    DatabaseMended {},
    /// A policy took effect: SHA-256 of its text.
    PolicyReloaded { digest: Short },
    /// A policy was refused: SHA-256 of its text, empty where there was none to read. The last good one stays in force.
    PolicyRefused { digest: Short },
    /// A key of the host was replaced: its name, never its bytes.
    KeyRotated { key: Short },
    /// A key of the host was ended before its time: its name.
    KeyRetired { key: Short },
    /// An access token was taken back: its issuer and its name there.
    TokenRevoked { issuer: Short, token: Short },
    /// An API key was made: its id, never its secret.
    ApiKeyMade { key: Short },
    /// An API key was taken back: its id.
    ApiKeyRevoked { key: Short },
    /// A plugin is served from now on: SHA-256 of its component, and who approved it, or the rule that did.
    PluginPublished { plugin: Short, plugin_version: Short, digest: Short, by: Short },
    /// A version of a plugin waits for an operator.
    PluginParked { plugin: Short, plugin_version: Short, digest: Short },
    /// A version of a plugin serves some of the callers from now on: who began it.
    PluginTried { plugin: Short, plugin_version: Short, digest: Short, by: Short },
    /// A plugin is held at this version, which serves: by whom (`rowhouse` where the host itself went back to it), and why.
    PluginHeld { plugin: Short, plugin_version: Short, digest: Short, by: Short, why: Short },
    /// A plugin was refused: at which step. Version and digest are empty where it was not read so far.
    PluginRefused { plugin: Short, plugin_version: Short, digest: Short, step: Short },
    /// The host serves from now on: its own version. One without `host_stopped` before it means that it was killed.
    HostStarted { version: &'static str },
    /// The host stops serving.
    HostStopped {},
    /// Written by the trail: `suppressed` events of the kind `kind` came too fast from there to be kept one by one.
    Suppressed {
        kind: &'static str,
        suppressed: u64,
        #[serde(flatten)]
        of: Cause,
    },
    /// Written by the trail: records that could not be written anywhere.
    RecordsLost { lost: u64 },
    /// Written by the trail: the disk failed, and this node's records go to the database directly. `after` is the node
    /// whose chain this one carries on.
    ChainOpened { after: Uuid },
    /// Written by the trail: the disk takes records again. The chain `node` ended with record `seq`, sealed `mac`.
    ChainClosed { chain: Uuid, seq: u64, mac: String },
}

/// Who or what brought events about: what a flood is told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each variant says what its fields mean")]
pub enum Cause {
    /// A caller whose identity was proved.
    Account { issuer: Short, subject: Short },
    /// An address (IPv4), or a network of 64 bits (IPv6): what one subscriber has.
    Network {
        #[serde(serialize_with = "network")]
        remote: IpNet,
    },
    /// Several, not told apart.
    Others { sources: usize },
    /// The host itself, or nobody knows.
    Unknown {},
}

impl Cause {
    /// The network of an address; none for a number of bits no address has, which these are not.
    fn network(remote: IpAddr) -> Option<Self> {
        let remote = remote.to_canonical();
        let bits = if remote.is_ipv4() { 32 } else { 64 };
        Some(Self::Network { remote: IpNet::new(remote, bits).ok()?.trunc() })
    }
}

impl Event {
    /// Who or what brought it about.
    pub(in super::super) fn cause(&self) -> Cause {
        match self {
            Event::TokenRejected { remote, .. } => remote.and_then(Cause::network).unwrap_or(Cause::Unknown {}),
            Event::ToolForbidden { who, .. }
            | Event::ScopeLacking { who, .. }
            | Event::StatementRejected { who, .. }
            | Event::LimitBreached { who, .. }
            | Event::TenantForbidden { who, .. } => {
                Cause::Account { issuer: who.issuer.clone(), subject: who.subject.clone() }
            }
            _ => Cause::Unknown {},
        }
    }

    /// The event's name in the trail.
    pub const fn kind(&self) -> &'static str {
        match self {
            Event::TokenRejected { .. } => "token_rejected",
            Event::ToolForbidden { .. } => "tool_forbidden",
            Event::ScopeLacking { .. } => "scope_lacking",
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
            Event::PluginParked { .. } => "plugin_parked",
            Event::PluginTried { .. } => "plugin_tried",
            Event::PluginHeld { .. } => "plugin_held",
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

fn network<S: Serializer>(network: &IpNet, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(network)
}

//! The front door: where it stands, who may knock, and how many.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The front door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where to listen. Loopback: reaching further is a decision, and needs TLS in front.
    pub listen: SocketAddr,
    /// The endpoint's path.
    pub path: String,
    /// The endpoint's address as callers know it, such as `https://tools.example/mcp`: what tokens must name as their
    /// audience (RFC 8707) and what clients are told. Unset: `http://`, the address listened on, the path.
    pub public_url: Option<String>,
    /// The request header that may name the tenants a call is about, as UUIDs with commas between. It can only narrow
    /// what the caller may see.
    pub tenant_header: String,
    /// `Host` headers that are served, as `name` or `name:port`. Empty: the loopback names. A browser page that made
    /// a name of its own point here (DNS rebinding) is stopped by this.
    pub allowed_hosts: Vec<String>,
    /// `Origin` headers that are served, as `https://app.example:443`. Empty: this machine's own pages while
    /// `allowed_hosts` is empty too, otherwise none.
    pub allowed_origins: Vec<String>,
    /// Bytes of a request. Arguments are text a model wrote; a megabyte is a long book chapter.
    pub max_body: usize,
    /// Sessions one principal may hold (clients before 2026-07-28 only), and streams it may keep open. Some 76 KiB
    /// each.
    pub max_sessions: usize,
    /// Principals remembered at once.
    pub max_principals: usize,
    /// Seconds after which a session nobody used is closed.
    pub session_idle_seconds: u64,
    /// Seconds a client may take a list of tools for fresh. Short: a new plugin shows without a subscription.
    pub list_ttl_seconds: u64,
    /// Tools on one page of the list.
    pub page: usize,
    /// Seconds between signs of life on an open stream; proxies close silent ones after a minute or so.
    pub sse_keep_alive_seconds: u64,
    /// Seconds calls under way may take to finish once the host was told to stop.
    pub drain_seconds: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            path: "/mcp".to_owned(),
            public_url: None,
            tenant_header: "x-rls-user-id".to_owned(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_body: 1 << 20,
            max_sessions: 64,
            max_principals: 1024,
            session_idle_seconds: 300,
            list_ttl_seconds: 5,
            page: 50,
            sse_keep_alive_seconds: 15,
            drain_seconds: 10,
        }
    }
}

impl Http {
    /// The endpoint's canonical address: the resource that tokens are for.
    pub fn resource(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}{}", self.listen, self.path))
    }

    /// Whether only this machine can knock.
    pub fn is_local(&self) -> bool {
        self.listen.ip().is_loopback() && self.public_url.is_none() && self.allowed_hosts.is_empty()
    }
}

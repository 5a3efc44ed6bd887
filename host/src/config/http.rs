//! The front door: where it stands, who may knock, and how many.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// A network, as `10.0.0.0/8`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    /// Whether the address belongs to it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text.parse().or_else(|_| text.parse().map(|address: IpAddr| IpNet::from(address)));
        network.map(Self).map_err(|_| format!("{text:?} is not a network; write it like 10.0.0.0/8 or fd00::/8"))
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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
    /// Proxies whose `X-Forwarded-For` is believed when the trail notes where a refused token came from, as networks
    /// (`"10.0.0.0/8"`). Empty: the header is not read, for anybody can send one.
    pub trusted_proxies: Vec<Network>,
    /// A Unix socket at which an operator's programs approve, try and roll back plugins. Unset: none, the commands do the
    /// same. A socket and no address: who may decide is said by the file's permissions (0600), as it is for the lock
    /// file, and no web page, no container of somebody else's and no tenant's token reaches it.
    pub admin: Option<PathBuf>,
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
            trusted_proxies: Vec::new(),
            admin: None,
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

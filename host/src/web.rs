//! HTTP to elsewhere: the one provider of TLS, and how a client of the host begins.

use reqwest::{Client, ClientBuilder, Url};
use std::net::IpAddr;

/// What the host calls itself.
pub(crate) const AGENT: &str = concat!("rowhouse/", env!("CARGO_PKG_VERSION"));

/// Have a provider of TLS in this process. Whichever room comes first installs it; all of the host uses ring (no cmake to
/// build it).
pub(crate) fn provide_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client that says who it is, to be given its times and its rule for redirects.
pub(crate) fn client() -> ClientBuilder {
    provide_tls();
    Client::builder().user_agent(AGENT)
}

/// The same for plain HTTP. A proxy is for the way out. No certificates either: a machine without any can still try things
/// out.
pub(crate) fn plain(client: ClientBuilder) -> ClientBuilder {
    client.no_proxy().tls_certs_only([])
}

/// Whether a URL means this machine, whatever its resolver says.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

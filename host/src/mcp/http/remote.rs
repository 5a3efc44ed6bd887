//! Where a request came from.

use crate::config::Network;
use http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// The address a request came from: the peer's, or where that is a trusted proxy the one it names. `X-Forwarded-For` is
/// read from its right end, where the nearest proxy writes, and only as far as proxies are trusted: what stands left of
/// the first other address is that one's own invention.
pub(super) fn of(peer: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let trusts = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.ip().to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut named = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    while trusts(address) {
        // What cannot be read, or is not there, leaves the last one that was.
        let Some(next) = named.next().and_then(|text| read(text.trim())) else { break };
        address = next;
    }
    address
}

/// An address, also with a port behind it and in brackets.
fn read(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip())).or_else(bare);
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_believed_as_far_as_proxies_are_trusted() {
        let check = |trusted: &[&str], peer: &str, forwarded: &[&str], expect: &str| {
            let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().expect(text)).collect();
            let mut headers = HeaderMap::new();
            for line in forwarded {
                headers.append("x-forwarded-for", line.parse().expect(line));
            }
            let peer = SocketAddr::new(peer.parse().expect(peer), 1);
            assert_eq!(of(peer, &headers, &trusted).to_string(), expect, "{trusted:?} {peer:?} {forwarded:?}");
        };
        check(&[], "192.0.2.1", &["198.51.100.1"], "192.0.2.1");
        check(&["10.0.0.0/8"], "192.0.2.1", &["198.51.100.1"], "192.0.2.1");
        check(&["10.0.0.0/8"], "10.0.0.1", &[], "10.0.0.1");
        check(&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1");
        check(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1, 198.51.100.1,10.0.0.2"], "198.51.100.1");
        check(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1", "198.51.100.1", "10.0.0.2"], "198.51.100.1");
        check(&["10.0.0.0/8"], "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check(&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.1, garbage"], "10.0.0.1");
        check(&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2");
        check(&["10.0.0.0/8"], "::ffff:10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1");
        check(&["fd00::/8", "10.0.0.1"], "fd00::1", &["[2001:db8::1]:80, 10.0.0.1"], "2001:db8::1");
        check(&["fd00::/8"], "fd00::1", &["[2001:db8::1]"], "2001:db8::1");
    }
}

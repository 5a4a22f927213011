//! Who sent a request: the peer, or, where the peer is a trusted proxy, whom the proxies name.
//!
//! A proxy appends who came to it at the right of `Forwarded` (RFC 7239) or `X-Forwarded-For`. So a header is read from
//! the right, and no further than trusted proxies wrote it: what is left of the first untrusted address is whatever that
//! sender liked to write. An IPv4 address that is mapped into IPv6 is the IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName, HeaderValue};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Nobody: an address that no request comes from.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The address that a request comes from.
///
/// Most proxies write one of the two headers and pass the other on as it came. So where both are there and name
/// different senders, one of them is the sender's own invention, and the request comes from nobody.
pub(crate) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !within(trusted, peer) {
        return peer;
    }
    let named = |header: &HeaderName, read: fn(&[u8]) -> Option<IpAddr>| {
        let mut lines = headers.get_all(header).iter().rev().map(HeaderValue::as_bytes).peekable();
        lines.peek()?;
        Some(nearest_untrusted(peer, lines.flat_map(|line| from_right(line, b',')), read, trusted))
    };
    match (named(&FORWARDED, forwarded_for), named(&X_FORWARDED_FOR, node)) {
        (Some(one), Some(other)) if one != other => UNKNOWN,
        (Some(address), _) | (None, Some(address)) => address,
        (None, None) => peer,
    }
}

/// Whether one of the networks has the address.
pub(crate) fn within(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// The first untrusted address of `elements`, nearest first. Where one names no address (`unknown`, `_hidden`, nonsense),
/// or all are trusted, the last one before that.
fn nearest_untrusted<'h>(
    peer: IpAddr,
    elements: impl Iterator<Item = &'h [u8]>,
    read: fn(&[u8]) -> Option<IpAddr>,
    trusted: &[IpNet],
) -> IpAddr {
    let mut known = peer;
    for element in elements {
        let Some(address) = read(element) else { break };
        known = address;
        if !within(trusted, address) {
            break;
        }
    }
    known
}

/// The address of `for` in an element of `Forwarded`, such as `for="[2001:db8::17]:4711";proto=https`.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut values = from_right(element, b';').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        pair[..at].trim_ascii().eq_ignore_ascii_case(b"for").then(|| pair[at + 1..].trim_ascii())
    });
    // Twice in one element (which the RFC forbids) it would be two senders.
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    match value.strip_prefix(b"\"") {
        Some(quoted) => node(quoted.strip_suffix(b"\"")?),
        None => node(value),
    }
}

/// The address of a node, with or without a port; IPv6 with a port is in brackets.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let address = match (text.strip_prefix('['), text.split_once(':')) {
        (Some(rest), _) => {
            let (address, port) = rest.split_once(']')?;
            let fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            address.parse::<Ipv6Addr>().ok().filter(|_| fits)?.into()
        }
        (None, Some((address, port))) if is_port(port) => address.parse::<Ipv4Addr>().ok()?.into(),
        (None, _) => text.parse::<IpAddr>().ok()?,
    };
    Some(address.to_canonical())
}

/// A number, or an obfuscated port of RFC 7239.
fn is_port(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

/// The parts of a list from the right, without a copy; a separator within quotes parts nothing.
fn from_right(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest?;
        let at = last_outside_quotes(list, separator);
        rest = at.map(|at| &list[..at]);
        Some(at.map_or(list, |at| &list[at + 1..]))
    })
}

fn last_outside_quotes(list: &[u8], separator: u8) -> Option<usize> {
    let escaped = |at: usize| list[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    let mut quoted = false;
    (0..list.len()).rev().find(|&at| {
        quoted ^= list[at] == b'"' && !escaped(at);
        !quoted && list[at] == separator
    })
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;

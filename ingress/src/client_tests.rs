//! The table of client addresses: a peer, header lines, and who sent the request.

use super::*;

/// Trusted: the proxy that is connected, and one before it.
const TRUSTED: [&str; 3] = ["10.0.0.0/8", "192.168.7.7/32", "fd00::/8"];
const PROXY: &str = "10.1.2.3";
const OTHER_PROXY: &str = "192.168.7.7";

#[track_caller]
fn check(peer: &str, lines: &[&str], expected: &str) {
    let trusted = TRUSTED.map(|network| network.parse().unwrap());
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    let expected: IpAddr = expected.parse().unwrap();
    assert_eq!(address(peer.parse().unwrap(), &headers, &trusted), expected, "{peer} {lines:?}");
}

#[test]
fn without_headers_it_is_the_peer() {
    check("203.0.113.9", &[], "203.0.113.9");
    check(PROXY, &[], PROXY);
    check("::ffff:203.0.113.9", &[], "203.0.113.9");
    check("2001:db8::17", &[], "2001:db8::17");
}

#[test]
fn an_untrusted_peer_is_not_believed() {
    for lines in [
        &["x-forwarded-for: 198.51.100.1"][..],
        &["forwarded: for=198.51.100.1"],
        &["forwarded: for=198.51.100.1", "x-forwarded-for: 198.51.100.1"],
        &["x-forwarded-for: 198.51.100.1, 10.1.2.3"],
    ] {
        check("203.0.113.9", lines, "203.0.113.9");
    }
    check("192.168.7.8", &["x-forwarded-for: 198.51.100.1"], "192.168.7.8");
}

#[test]
fn a_trusted_proxy_names_who_came_to_it() {
    for (value, expected) in [
        ("198.51.100.1", "198.51.100.1"),
        ("  198.51.100.1\t", "198.51.100.1"),
        ("198.51.100.1:47011", "198.51.100.1"),
        ("2001:db8:cafe::17", "2001:db8:cafe::17"),
        ("[2001:db8:cafe::17]", "2001:db8:cafe::17"),
        ("[2001:db8:cafe::17]:4711", "2001:db8:cafe::17"),
        ("::1", "::1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("[::ffff:198.51.100.1]:443", "198.51.100.1"),
    ] {
        check(PROXY, &[&format!("x-forwarded-for: {value}")], expected);
        check("::ffff:10.1.2.3", &[&format!("x-forwarded-for: {value}")], expected);
        check("fd00::5", &[&format!("x-forwarded-for: {value}")], expected);
        check(PROXY, &[&format!("forwarded: for=\"{}\"", value.trim())], expected);
        check(PROXY, &[&format!("forwarded: proto=https;For = {value};by=_me")], expected);
    }
    check(PROXY, &["forwarded: for=\"[2001:db8::17]:_port\";host=\"a,b;for=c\""], "2001:db8::17");
}

#[test]
fn what_the_sender_wrote_itself_is_not_read() {
    check(PROXY, &["x-forwarded-for: 203.0.113.9, 198.51.100.1"], "198.51.100.1");
    check(PROXY, &["x-forwarded-for: 203.0.113.9", "x-forwarded-for: 198.51.100.1"], "198.51.100.1");
    check(PROXY, &["x-forwarded-for: 10.0.0.1, 198.51.100.1"], "198.51.100.1");
    check(PROXY, &["x-forwarded-for: \u{e9}\",;, 198.51.100.1"], "198.51.100.1");
    check(PROXY, &["forwarded: for=203.0.113.9, for=198.51.100.1"], "198.51.100.1");
    check(PROXY, &["forwarded: for=203.0.113.9", "forwarded: for=198.51.100.1"], "198.51.100.1");
    // A quote that it opens, or a backslash, does not swallow what the proxy appends.
    for left in ["for=203.0.113.9;x=\"", "for=\"\\", "\"", "\\", "for=\"203.0.113.9", ",,"] {
        check(PROXY, &[&format!("forwarded: {left}, for=198.51.100.1")], "198.51.100.1");
        check(PROXY, &[&format!("forwarded: {left}, for=\"[2001:db8::17]:1\"")], "2001:db8::17");
    }
}

#[test]
fn trusted_proxies_are_skipped() {
    let chain = format!("203.0.113.9, 198.51.100.1, {OTHER_PROXY}, 10.9.9.9");
    check(PROXY, &[&format!("x-forwarded-for: {chain}")], "198.51.100.1");
    check(PROXY, &["x-forwarded-for: 198.51.100.1, ::ffff:10.9.9.9"], "198.51.100.1");
    let lines = ["forwarded: for=198.51.100.1;proto=https", "forwarded: for=10.9.9.9, for=\"[fd00::1]:80\""];
    check(PROXY, &lines, "198.51.100.1");
    // All of them trusted: the first is who sent it.
    check(PROXY, &[&format!("x-forwarded-for: {OTHER_PROXY}, 10.9.9.9")], OTHER_PROXY);
}

#[test]
fn where_an_element_names_no_address_the_nearest_known_one_counts() {
    for nothing in [
        "unknown",
        "_hidden",
        "",
        " ",
        "shop.example",
        "198.51.100.1:",
        "198.51.100.1:x:y",
        "198.51.100.999",
        "198.51.100.01",
        "198.51.100.0/24",
        "[2001:db8::17",
        "[2001:db8::17]4711",
        "[198.51.100.1]",
        "2001:db8::17]",
        "fe80::1%eth0",
        "\u{ff11}.1.1.1",
    ] {
        check(PROXY, &[&format!("x-forwarded-for: {nothing}")], PROXY);
        check(PROXY, &[&format!("x-forwarded-for: 203.0.113.9, {nothing}")], PROXY);
        check(PROXY, &[&format!("x-forwarded-for: 203.0.113.9, {nothing}, 10.9.9.9")], "10.9.9.9");
        check(PROXY, &[&format!("forwarded: for=203.0.113.9, for={nothing}")], PROXY);
        check(PROXY, &[&format!("forwarded: for=\"{nothing}\"")], PROXY);
    }
    for element in [
        "by=203.0.113.9",
        "proto=https",
        "for",
        "for=198.51.100.1;for=198.51.100.1",
        "xfor=198.51.100.1",
        "for=\"198.51.100.1",
        "for=198.51.100.1\"",
        "for=\"198.51.100.1\\\"",
        "for=\"\"198.51.100.1\"\"",
        "198.51.100.1",
    ] {
        check(PROXY, &[&format!("forwarded: {element}")], PROXY);
    }
}

#[test]
fn two_headers_that_name_different_senders_name_nobody() {
    let nobody = "0.0.0.0";
    check(PROXY, &["forwarded: for=198.51.100.1", "x-forwarded-for: 198.51.100.1"], "198.51.100.1");
    check(PROXY, &["forwarded: for=203.0.113.9", "x-forwarded-for: 198.51.100.1"], nobody);
    check(PROXY, &["forwarded: nonsense", "x-forwarded-for: 198.51.100.1"], nobody);
    check(PROXY, &["forwarded: for=198.51.100.1", "x-forwarded-for: unknown"], nobody);
    check("203.0.113.9", &["forwarded: for=1.1.1.1", "x-forwarded-for: 2.2.2.2"], "203.0.113.9");
}

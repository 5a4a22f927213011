//! From a TOML value to a checked one: pure functions, each with its faults.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use toml::Value;
use url::Url;

use crate::mistake::{Fault, fault, suggest};

/// The text of a value.
pub(crate) fn text(value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) if text.trim().is_empty() => fault("empty", "give a text, or leave the key out"),
        Value::String(text) => Ok(text.clone()),
        other => not("a text in quotes", other),
    }
}

/// A name as accounts and clients have it.
pub(crate) fn name(value: &Value) -> Result<String, Fault> {
    let text = text(value)?;
    if is_name(&text) { Ok(text) } else { fault(format!("not a name: {text}"), NAME_RULE) }
}

/// The remedy for what is not a name.
pub const NAME_RULE: &str = "use 1 to 40 of a-z, 0-9 and -";

/// Whether a text is a name, as accounts and clients have it: `[a-z0-9-]{1,40}`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

pub(crate) fn choice(value: &Value, words: &[&str]) -> Result<String, Fault> {
    let text = text(value)?;
    if words.contains(&text.as_str()) {
        Ok(text)
    } else {
        fault(format!("unknown: {text}"), suggest(&text, words.iter().copied()))
    }
}

pub(crate) fn integer(value: &Value, min: i64, max: i64) -> Result<i64, Fault> {
    match value {
        Value::Integer(number) if (min..=max).contains(number) => Ok(*number),
        Value::Integer(number) => fault(number.to_string(), format!("give {min} to {max}")),
        other => not("a whole number", other),
    }
}

/// Bytes: `1048576`, `"64MiB"`.
pub(crate) fn size(value: &Value, min: u64, max: u64) -> Result<u64, Fault> {
    const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];
    let bytes = match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::String(text) => with_unit(text, &UNITS).or_else(|| text.parse().ok()),
        other => return not("bytes, or a text such as \"64MiB\"", other),
    };
    match bytes {
        None => fault("not a size", "write bytes, or a text such as \"64MiB\" (KiB, MiB, GiB)"),
        Some(bytes) if (min..=max).contains(&bytes) => Ok(bytes),
        Some(bytes) => fault(show_bytes(bytes), format!("give {} to {}", show_bytes(min), show_bytes(max))),
    }
}

/// So many bytes, in the largest unit that divides it.
fn show_bytes(bytes: u64) -> String {
    match bytes {
        bytes if bytes % (1 << 30) == 0 => format!("{}GiB", bytes >> 30),
        bytes if bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{}KiB", bytes >> 10),
        bytes => format!("{bytes}B"),
    }
}

/// `"100ms"`, `"2s"`, `"5m"`, `"23h"`.
pub(crate) fn duration(value: &Value, min: u64, max: u64) -> Result<Duration, Fault> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let Value::String(text) = value else { return not("a text such as \"2s\"", value) };
    match with_unit(text, &UNITS) {
        None => fault(format!("not a duration: {text}"), "write a number and ms, s, m or h, such as \"2s\""),
        Some(ms) if (min..=max).contains(&ms) => Ok(Duration::from_millis(ms)),
        Some(_) => fault(text, format!("give {} to {}", show_ms(min), show_ms(max))),
    }
}

/// A duration of so many ms, in the largest unit that divides it.
fn show_ms(ms: u64) -> String {
    match ms {
        0 => "0s".to_owned(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

pub(crate) fn address(value: &Value) -> Result<SocketAddr, Fault> {
    let text = text(value)?;
    match text.parse() {
        Ok(address) => Ok(address),
        Err(_) => fault(format!("not an address: {text}"), "write ip:port, such as \"0.0.0.0:8080\""),
    }
}

pub(crate) fn flag(value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Boolean(flag) => Ok(*flag),
        other => not("true or false", other),
    }
}

/// `"10.0.0.0/8"`, or `"192.0.2.7"` for a network of one address. `"10.0.0.7/8"` may mean either, so it is a fault.
pub(crate) fn network(value: &Value) -> Result<IpNet, Fault> {
    let text = text(value)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    match text.parse::<IpNet>() {
        Ok(network) if network == network.trunc() => Ok(network),
        Ok(network) => fault(
            format!("{text} is an address within a network"),
            format!("write {} for the network or {} for the address", network.trunc(), network.addr()),
        ),
        Err(_) => fault(
            format!("not a network: {text}"),
            "write an IP address or a network, such as \"192.0.2.7\" or \"10.0.0.0/8\"",
        ),
    }
}

/// A base URL without its last slash.
pub(crate) fn url(value: &Value, plain_anywhere: bool) -> Result<String, Fault> {
    let url = whole_url(value, plain_anywhere)?;
    Ok(url.trim_end_matches('/').to_owned())
}

/// A URL with its path as it is written. Texts of URLs with a password in them are not repeated.
pub(crate) fn whole_url(value: &Value, plain_anywhere: bool) -> Result<String, Fault> {
    let text = text(value)?;
    let Ok(url) = Url::parse(&text) else {
        return fault("not a URL", "write https:// and a host");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return fault("has a user or a password in it", "URLs are shown in logs: leave them out");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return fault("has a query or a fragment", "give scheme, host and path only");
    }
    match url.scheme() {
        "https" => {}
        "http" if plain_anywhere || is_near(&url) => {}
        "http" => {
            return fault(
                format!("http:// to {}", url.host_str().unwrap_or_default()),
                "use https://; plain is for loopback and for names without a dot",
            );
        }
        other => return fault(format!("{other}:// is not supported"), "use https://"),
    }
    if url.host_str().is_none() {
        return fault("no host", "write https://host");
    }
    Ok(url.into())
}

/// Whether a URL stays on this machine or, by a name without a dot, in the private network of this container.
fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => !host.is_empty() && !host.contains('.'),
    }
}

/// A fault about the type of a value; never shows the value.
pub(crate) fn not<T>(expected: &str, value: &Value) -> Result<T, Fault> {
    let found = match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    };
    fault(format!("is {found}"), format!("give {expected}"))
}

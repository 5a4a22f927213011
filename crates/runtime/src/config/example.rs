//! The example file, written from the schema.

use std::fmt::Write as _;

use super::schema::{Fallback, Field, Kind, is_wildcard, schema};

/// Names that stand for the wildcards.
const SAMPLE_NAMES: [(&str, &str); 4] =
    [("<name>", "main"), ("<account>", "shop-th"), ("<property>", ""), ("<kind>", "")];

const HEAD: &str = "\
# Naru's configuration. Each key is shown; a line that begins with `#` and a key gives the default, or an example
# where there is none. `naru config check` finds every mistake at once.
#
# A secret is { env = \"NAME\" }, { file = \"/path\" } or a text. A variable overrides a key: NARU_KAFKA__BROKERS is
# kafka.brokers, NARU_LINE__SHOP_TH__MARKET is line.shop-th.market; one that is empty counts as not set.
";

/// A configuration with every key, its meaning and its default.
#[must_use]
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    let mut section = String::new();
    for field in schema() {
        let path = sample_path(field);
        let (at, key) = path.rsplit_once('.').unwrap_or(("", &path));
        if key.is_empty() {
            let _ = write!(text, "\n[{at}]\n# {}.\n# {}\n", field.help, field.example);
            continue;
        }
        if at != section {
            // A section whose every key may be absent would be switched on by standing there.
            let optional = at == "ingress.tls";
            let _ = write!(text, "\n{}[{at}]\n", if optional { "# " } else { "" });
            at.clone_into(&mut section);
        }
        let value = value(field);
        let mark = if field.default == Fallback::Required || at == "genesys.main" && key == "region" {
            ""
        } else {
            "# "
        };
        let _ = writeln!(text, "# {}{}.\n{mark}{key} = {value}", field.help, note(field));
    }
    text
}

fn sample_path(field: &Field) -> String {
    let part = |part: &'static str| {
        SAMPLE_NAMES.iter().find(|(wildcard, _)| *wildcard == part).map_or(part, |(_, name)| *name)
    };
    debug_assert!(field.path.split('.').filter(|p| is_wildcard(p)).all(|p| part(p) != p));
    field.path.split('.').map(part).collect::<Vec<_>>().join(".")
}

fn value(field: &Field) -> String {
    match (field.example, field.default) {
        ("", Fallback::Value(value)) => value.to_owned(),
        ("", Fallback::HostName) => "\"naru-0\"".to_owned(),
        ("", _) => "\"https://host\"".to_owned(),
        (example, _) => example.to_owned(),
    }
}

/// What the value may be and whether it must be there, where the value itself does not say it.
fn note(field: &Field) -> String {
    let mut notes = Vec::new();
    match field.default {
        Fallback::Required => notes.push("required".to_owned()),
        Fallback::HostName => notes.push("default: the host name".to_owned()),
        _ => {}
    }
    if let Kind::Integer { min, max } = field.kind {
        notes.push(format!("{min} to {max}"));
    }
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) }
}

//! The example file, written from the schema.

use std::fmt::Write as _;

use crate::field::{Fallback, Field, Kind, Shown, is_wildcard};
use crate::schema::Schema;

/// A configuration with every key, its meaning and its default, below `head`, which is comments.
#[must_use]
pub fn example(schema: &Schema, head: &str) -> String {
    let mut text = head.to_owned();
    let mut section = String::new();
    for field in schema.fields() {
        let path = schema.sample_path(field);
        let (at, key) = path.rsplit_once('.').unwrap_or(("", &path));
        if at != section {
            let _ =
                write!(text, "\n{}[{at}]\n", if field.shown == Shown::WithoutSection { "# " } else { "" });
            at.clone_into(&mut section);
        }
        let is_on = match field.shown {
            Shown::AsNeeded => field.default == Fallback::Required,
            Shown::On => true,
            Shown::WithoutSection => false,
        };
        let _ = write!(text, "# {}{}.\n{}", field.help, note(field), if is_on { "" } else { "# " });
        let value = value(field);
        let _ = if is_free(field) { writeln!(text, "{value}") } else { writeln!(text, "{key} = {value}") };
    }
    text
}

/// Whether the key may have any name, so that the row's example has one too.
fn is_free(field: &Field) -> bool {
    field.path.rsplit('.').next().is_some_and(is_wildcard)
}

fn value(field: &Field) -> &str {
    match (field.example, field.default) {
        ("", Fallback::Value(value)) => value,
        ("", Fallback::HostName) => "\"naru-0\"",
        ("", _) => "\"https://host\"",
        (example, _) => example,
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
    // The example of a free table is one value of many, and its help says what the number means.
    if let Kind::Integer { min, max } = field.kind
        && !is_free(field)
    {
        notes.push(format!("{min} to {max}"));
    }
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) }
}

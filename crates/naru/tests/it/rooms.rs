//! One room a platform: nothing outside `platforms/` names one, in an identifier or in a text.

use std::path::{Path, PathBuf};

use crate::root;
use crate::tidy::sources;

/// The product, but for the rooms themselves.
const PRODUCT: [&str; 9] = [
    "ingress/src",
    "processors/src",
    "egress/src",
    "schemas/src",
    "crates/config/src",
    "crates/keys/src",
    "crates/mask/src",
    "crates/runtime/src",
    "crates/naru/src",
];

/// What platforms are called, in small letters. `line` is also a word of English: [`named`] tells them apart.
const NAMES: [&str; 4] = ["genesys", "kakao", "line", "custom"];

/// Whether an identifier names a platform: one of its words does. `line` and `custom` are words of English too, and count
/// in the names of types alone.
fn named(identifier: &str) -> bool {
    let words = words(identifier);
    words.iter().any(|word| matches!(&**word, "genesys" | "kakao"))
        || words.len() > 1
            && identifier.starts_with(char::is_uppercase)
            && words.iter().any(|word| word == "line" || word == "custom")
        || matches!(&words[..], [first, .., last] if (first == "to" || first == "from") && last == "line")
}

/// The words of an identifier in snake or camel case, in small letters.
fn words(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in identifier.chars() {
        if c == '_' {
            words.push(String::new());
            continue;
        }
        if c.is_uppercase() && words.last().is_some_and(|word| word.ends_with(char::is_lowercase)) {
            words.push(String::new());
        }
        words.last_mut().expect("there is one").extend(c.to_lowercase());
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a text names a platform: by its title, or by its name as a part of a path, a topic or a key.
fn text_names(text: &str) -> bool {
    let titles = ["LINE", "Genesys", "genesys", "Kakao", "kakao"];
    let whole = |name: &&str| {
        text.match_indices(*name).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + name.len()..].chars().next();
            ![before, after].into_iter().flatten().any(char::is_alphanumeric)
        })
    };
    titles.iter().any(whole)
        || NAMES.iter().any(|name| {
            text == *name
                || [format!("{name}."), format!(".{name}"), format!("/{name}")].iter().any(|part| {
                    text.match_indices(part.as_str()).any(|(at, part)| {
                        let after = text[at + part.len()..].chars().next();
                        after.is_some_and(|c| c == '/' || c.is_ascii_lowercase() || c == '<')
                            || after.is_none() && !part.ends_with('.')
                    })
                })
        })
}

/// Identifiers and texts of a Rust source, without its comments and its unit tests. Good enough for a guard: it knows
/// strings, raw strings, characters and both kinds of comment.
fn tokens(source: &str) -> (Vec<String>, Vec<String>) {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let (mut identifiers, mut texts) = (Vec::new(), Vec::new());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if rest.starts_with("r\"")
            || rest.starts_with("r#") && rest[1..].trim_start_matches('#').starts_with('"')
        {
            let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
            let body = &rest[1 + hashes + 1..];
            let end = body.find(&format!("\"{}", "#".repeat(hashes))).unwrap_or(body.len());
            texts.push(body[..end].to_owned());
            rest = &body[(end + 1 + hashes).min(body.len())..];
        } else if c == '"' {
            let mut end = 1;
            let bytes = rest.as_bytes();
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            texts.push(rest.get(1..end).unwrap_or_default().to_owned());
            rest = rest.get(end + 1..).unwrap_or_default();
        } else if c == '\'' && rest.chars().nth(2) == Some('\'') && rest.chars().nth(1) != Some('\\') {
            rest = &rest[rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at)..];
        } else if c.is_alphabetic() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            identifiers.push(rest[..end].to_owned());
            rest = &rest[end..];
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    (identifiers, texts)
}

fn is_test(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with("_tests.rs")
        || name == "tests.rs"
        || file.components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn nothing_outside_the_rooms_names_a_platform() {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in PRODUCT {
        sources(&root().join(folder), &mut files);
    }
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !is_test(file)) {
        let source = std::fs::read_to_string(file).expect("readable");
        let (identifiers, texts) = tokens(&source);
        let shown = file.strip_prefix(root()).unwrap_or(file).display().to_string();
        found.extend(identifiers.iter().filter(|i| named(i)).map(|i| format!("{shown}: {i}")));
        found.extend(texts.iter().filter(|text| text_names(text)).map(|text| format!("{shown}: {text:?}")));
    }
    assert!(files.len() > 100, "the product is found");
    assert!(found.is_empty(), "{} names of platforms outside platforms/:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_guard_sees_what_it_must_and_nothing_else() {
    for identifier in
        ["GenesysClient", "to_line", "ToLine", "LineAccount", "genesys", "kakao_app", "CustomAccount"]
    {
        assert!(named(identifier), "{identifier}");
    }
    for identifier in
        ["line", "lines", "Lines", "first_line", "outline", "custom", "from_custom_bytes", "customer"]
    {
        assert!(!named(identifier), "{identifier}");
    }
    for text in
        ["line", "webhooks.line", "/webhooks/line/", "line.<account>", "LINE waits", "at Genesys", "custom"]
    {
        assert!(text_names(text), "{text}");
    }
    for text in ["not JSON from line 3", "a line. Then another", "one line", "customer", "headline", "{line}"]
    {
        assert!(!text_names(text), "{text}");
    }
    let (identifiers, texts) =
        tokens("/// LINE\nlet a = r#\"x\"y\"#; // Genesys\nlet b = \"q\\\"w\"; let c = '\"'; fn Abc() {}");
    assert_eq!(texts, ["x\"y", "q\\\"w"]);
    assert_eq!(identifiers.last().map(String::as_str), Some("Abc"));
}

//! Rules as data: the file that is built in, and a user's own, which changes rules of that or adds some.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::check::Check;

const BUILT_IN: &str = include_str!("rules.toml");

/// A rule. What its fields mean is said at the head of `rules.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) kind: Arc<str>,
    /// Regular expressions, with `#` and `~` still in them.
    pub(super) shapes: Vec<String>,
    /// What it finds are e-mail addresses, which have no shape.
    pub(super) is_address: bool,
    pub(super) check: Option<Check>,
    pub(super) context: Vec<String>,
    pub(super) not_context: Vec<String>,
    pub(super) alone: Option<Alone>,
    pub(super) to_word_end: bool,
    pub(super) across: bool,
    pub(super) mask: Template,
    pub(super) keep: bool,
}

impl Rule {
    /// Whether words near a find decide.
    pub(super) fn asks_for_words(&self) -> bool {
        !self.context.is_empty() || !self.not_context.is_empty()
    }
}

/// On which side a find touches no digit, not even across a hyphen or a dot. `Apart`: on both, across a slash, a colon
/// or a comma neither, with no Latin letter behind it and not just one or two before it, so that a part of a date, a
/// price or an order's code is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Alone {
    Before,
    Both,
    Apart,
}

/// What stands instead of a find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The last four digits.
    Last4,
    /// The first character, if it is a letter.
    First,
    /// What follows the `@`.
    Domain,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Entry>,
}

/// A rule as it is written: all but the id may be left out where it changes one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    kind: Option<String>,
    shapes: Option<Vec<String>>,
    address: Option<bool>,
    check: Option<Check>,
    context: Option<Vec<String>>,
    not_context: Option<Vec<String>>,
    alone: Option<Alone>,
    to_word_end: Option<bool>,
    across: Option<bool>,
    mask: Option<String>,
    keep: Option<bool>,
    enabled: Option<bool>,
    source: Option<String>,
}

/// Why rules cannot be used: every mistake, each with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesError(pub(super) Vec<String>);

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for RulesError {}

/// The rules that apply, in order of precedence: those built in, as `own` changes them, then those that it adds.
pub(super) fn rules(own: Option<&str>) -> Result<Vec<Rule>, RulesError> {
    let mut entries = parse(BUILT_IN).expect("the file is built in and tested").rule;
    let mut mistakes = Vec::new();
    if let Some(own) = own {
        let own = parse(own).map_err(|mistake| RulesError(vec![mistake]))?;
        let mut seen = BTreeSet::new();
        for entry in own.rule {
            if !seen.insert(entry.id.clone()) {
                mistakes.push(format!("rule {}: it stands there twice", entry.id));
            }
            match entries.iter_mut().find(|other| other.id == entry.id) {
                Some(built_in) => built_in.change(entry),
                None => entries.push(entry),
            }
        }
    }
    let rules: Vec<Rule> = entries
        .into_iter()
        .filter(|entry| entry.enabled != Some(false))
        .filter_map(|entry| entry.rule(&mut mistakes))
        .collect();
    if mistakes.is_empty() { Ok(rules) } else { Err(RulesError(mistakes)) }
}

fn parse(text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        format!("line {line}: {}", error.message())
    })
}

impl Entry {
    /// Takes over what `own` says.
    fn change(&mut self, own: Entry) {
        fn take<T>(mine: &mut Option<T>, own: Option<T>) {
            if own.is_some() {
                *mine = own;
            }
        }
        take(&mut self.kind, own.kind);
        take(&mut self.shapes, own.shapes);
        take(&mut self.address, own.address);
        take(&mut self.check, own.check);
        take(&mut self.context, own.context);
        take(&mut self.not_context, own.not_context);
        take(&mut self.alone, own.alone);
        take(&mut self.to_word_end, own.to_word_end);
        take(&mut self.across, own.across);
        take(&mut self.mask, own.mask);
        take(&mut self.keep, own.keep);
        take(&mut self.enabled, own.enabled);
        take(&mut self.source, own.source);
    }

    fn rule(self, mistakes: &mut Vec<String>) -> Option<Rule> {
        let before = mistakes.len();
        let id = &self.id;
        let mut lacks = |field: &str| mistakes.push(format!("rule {id}: `{field}` is missing"));
        let is_address = self.address.unwrap_or(false);
        if self.kind.is_none() {
            lacks("kind");
        }
        if self.shapes.as_ref().is_none_or(Vec::is_empty) && !is_address {
            lacks("shapes");
        }
        if self.keep.is_none() {
            lacks("keep");
        }
        let template = match self.mask.as_deref().map(Template::parse) {
            None => {
                lacks("mask");
                None
            }
            Some(Err(mistake)) => {
                mistakes.push(format!("rule {id}: mask: {mistake}"));
                None
            }
            Some(Ok(template)) => Some(template),
        };
        if mistakes.len() > before {
            return None;
        }
        Some(Rule {
            id: self.id,
            kind: self.kind?.into(),
            shapes: self.shapes.unwrap_or_default(),
            is_address,
            check: self.check,
            context: self.context.unwrap_or_default(),
            not_context: self.not_context.unwrap_or_default(),
            alone: self.alone,
            to_word_end: self.to_word_end.unwrap_or(false),
            across: self.across.unwrap_or(false),
            mask: template?,
            keep: self.keep?,
        })
    }
}

impl Template {
    fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (plain, tail) = rest.split_at(open);
            let close = tail.find('}').ok_or("a `{` without its `}`")?;
            pieces.push(Piece::Text(plain.to_owned()));
            pieces.push(match &tail[1..close] {
                "last4" => Piece::Last4,
                "first" => Piece::First,
                "domain" => Piece::Domain,
                other => return Err(format!("`{{{other}}}` is none of {{last4}}, {{first}}, {{domain}}")),
            });
            rest = &tail[close + 1..];
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let has_digits =
            |piece: &Piece| matches!(piece, Piece::Text(text) if text.chars().any(char::is_numeric));
        if pieces.iter().any(has_digits) {
            return Err("a mask that has digits can be taken for a number".to_owned());
        }
        Ok(Self(pieces))
    }

    /// Writes what stands instead of a find, `folded` being the find as the rules see it.
    pub(super) fn write(&self, folded: &[u8], out: &mut String) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Last4 => {
                    let digits = folded.iter().filter(|byte| byte.is_ascii_digit()).count();
                    let last =
                        folded.iter().filter(|byte| byte.is_ascii_digit()).skip(digits.saturating_sub(4));
                    out.extend(last.map(|digit| char::from(*digit)));
                }
                // A digit could be taken for the end of what stands before it.
                Piece::First => out.push(match folded.first() {
                    Some(letter) if letter.is_ascii_alphabetic() => char::from(*letter),
                    _ => '*',
                }),
                Piece::Domain => {
                    let at = folded.iter().position(|byte| *byte == b'@').map_or(folded.len(), |at| at + 1);
                    out.extend(folded[at..].iter().map(|byte| char::from(*byte)));
                }
            }
        }
    }
}

impl Template {
    /// Writes stars for the letters and digits of a find, or of a part of one, but for its last four digits where they
    /// stay. `left` is how many digits the find has from here on.
    pub(super) fn write_stars(&self, part: &str, mut left: usize, out: &mut String) {
        let kept = if self.0.contains(&Piece::Last4) { 4 } else { 0 };
        for character in part.chars() {
            match super::fold::fold(character) {
                Some(digit @ b'0'..=b'9') => {
                    out.push(if left <= kept { char::from(digit) } else { '*' });
                    left = left.saturating_sub(1);
                }
                Some(b'A'..=b'Z' | b'a'..=b'z') => out.push('*'),
                _ => out.push(character),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(own: &str) -> Vec<String> {
        rules(Some(own)).unwrap_err().0
    }

    #[test]
    fn every_built_in_rule_says_where_it_comes_from() {
        let entries = parse(BUILT_IN).unwrap().rule;
        assert!(entries.iter().all(|entry| entry.source.as_ref().is_some_and(|source| !source.is_empty())));
        assert_eq!(rules(None).unwrap().len(), entries.len());
    }

    #[test]
    fn an_own_file_changes_switches_off_and_adds() {
        let own = r##"
            [[rule]]
            id = "email"
            enabled = false
            [[rule]]
            id = "payment_card"
            mask = "[card]"
            [[rule]]
            id = "member"
            kind = "member_number"
            shapes = ["M-######"]
            mask = "M-******"
            keep = true
        "##;
        let (all, own) = (rules(None).unwrap(), rules(Some(own)).unwrap());
        assert_eq!(own.len(), all.len());
        assert!(own.iter().all(|rule| rule.id != "email"));
        let card = own.iter().find(|rule| rule.id == "payment_card").unwrap();
        assert_eq!((&card.mask, card.check), (&Template::parse("[card]").unwrap(), Some(Check::Card)));
        assert_eq!(&*own.last().unwrap().kind, "member_number");
    }

    #[test]
    fn all_mistakes_are_told_with_their_place() {
        assert_eq!(mistakes("[[rule]]\nid = \"a\"\ncolour = 1").len(), 1);
        assert!(mistakes("[[rule]]\nid = \"a\"\ncolour = 1")[0].starts_with("line 3: "));
        assert_eq!(
            mistakes("[[rule]]\nid = \"a\"\nmask = \"{x}\"\n[[rule]]\nid = \"email\"\nmask = \"***123\""),
            [
                "rule email: mask: a mask that has digits can be taken for a number",
                "rule a: `kind` is missing",
                "rule a: `shapes` is missing",
                "rule a: `keep` is missing",
                "rule a: mask: `{x}` is none of {last4}, {first}, {domain}",
            ]
            .map(str::to_owned)
            .to_vec()
        );
    }
}

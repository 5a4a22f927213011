//! The words that must stand near a find, and those that must not.

use std::cell::OnceCell;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Match, MatchKind};

use super::Hit;
use super::fold;
use super::rule::{Rule, RulesError};

/// How far from a find a word may begin before it, and end behind it, in characters that are no digits, stars or
/// separators: so it is as near when what stands between is masked. Thai vowels and tones above and below a letter do not
/// count, as they take no room.
const BEFORE: usize = 24;
const BEHIND: usize = 20;
/// The same in characters of any kind.
const REACH: usize = 240;
const REACH_BYTES: usize = REACH * 4;

/// The words of all rules.
pub(super) struct Contexts {
    words: AhoCorasick,
    /// The rules that each word stands in, and whether it must not be there.
    meaning: Vec<Vec<(usize, bool)>>,
}

impl Contexts {
    pub(super) fn compile(rules: &[Rule]) -> Result<Self, RulesError> {
        let mut words: Vec<String> = Vec::new();
        let mut meaning: Vec<Vec<(usize, bool)>> = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            for (list, is_forbidden) in [(&rule.context, false), (&rule.not_context, true)] {
                for word in list {
                    match words.iter().position(|other| other == word) {
                        Some(at) => meaning[at].push((number, is_forbidden)),
                        None => {
                            words.push(word.clone());
                            meaning.push(vec![(number, is_forbidden)]);
                        }
                    }
                }
            }
        }
        let words = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&words)
            .map_err(|error| RulesError(vec![format!("the context words together: {error}")]))?;
        Ok(Self { words, meaning })
    }

    /// Those of a text.
    pub(super) fn of<'a>(&'a self, text: &'a str) -> Words<'a> {
        Words { contexts: self, text, found: OnceCell::new() }
    }

    fn find(&self, text: &str) -> Found<'_> {
        let found = self.words.find_overlapping_iter(text);
        let place =
            |word: Match| Word { start: word.start(), end: word.end(), rules: &self.meaning[word.pattern()] };
        let places: Vec<Word<'_>> = found.map(place).collect();
        // By the highest number that it needs: most texts have none of the words.
        let mut asked = Vec::new();
        for (rule, _) in places.iter().flat_map(|word| word.rules).filter(|(_, is_forbidden)| !is_forbidden) {
            if asked.len() <= *rule {
                asked.resize(rule + 1, false);
            }
            asked[*rule] = true;
        }
        Found { places, asked }
    }
}

/// The words of a text. They are looked for when they are first asked for: most texts have nothing that asks.
pub(super) struct Words<'a> {
    contexts: &'a Contexts,
    text: &'a str,
    found: OnceCell<Found<'a>>,
}

struct Found<'a> {
    /// In order of their ends.
    places: Vec<Word<'a>>,
    /// Whether there is a word that a rule asks for, by its number.
    asked: Vec<bool>,
}

struct Word<'a> {
    start: usize,
    end: usize,
    /// The rules that it concerns, and whether they do not want it.
    rules: &'a [(usize, bool)],
}

impl Words<'_> {
    fn found(&self) -> &Found<'_> {
        self.found.get_or_init(|| self.contexts.find(self.text))
    }

    /// Whether there is one at all for which a rule asks: for most rules that do there is none.
    pub(super) fn has(&self, rule: usize) -> bool {
        self.found().asked.get(rule).is_some_and(|is_asked| *is_asked)
    }

    /// Whether a find has a word near it that its rule asks for, where it asks, and none that it does not want.
    pub(super) fn allow(&self, hit: &Hit, asks: bool) -> bool {
        let Self { text, .. } = self;
        let places = &self.found().places;
        // Most finds have no such word even far from them, which is quick to tell.
        let first = places.partition_point(|word| word.end <= hit.start.saturating_sub(REACH_BYTES));
        let around = places[first..].iter().take_while(|word| word.end <= hit.end + REACH_BYTES);
        if !around.flat_map(|word| word.rules).any(|(rule, _)| *rule == hit.rule) {
            return !asks;
        }
        let (from, to) = near(text, hit.start, hit.end);
        let first = places.partition_point(|word| word.end <= from);
        let mut is_there = !asks;
        for Word { start, rules, .. } in places[first..].iter().take_while(|word| word.end <= to) {
            for (_, is_unwanted) in rules.iter().filter(|(rule, _)| *start >= from && *rule == hit.rule) {
                if *is_unwanted {
                    return false;
                }
                is_there = true;
            }
        }
        is_there
    }
}

/// The stretch around a find in which its words must stand, in bytes.
fn near(text: &str, start: usize, end: usize) -> (usize, usize) {
    let counts = |character: char| {
        let is_thai_mark =
            matches!(character, '\u{0E31}' | '\u{0E34}'..='\u{0E3A}' | '\u{0E47}'..='\u{0E4E}');
        !is_thai_mark
            && !matches!(fold::fold(character), None | Some(b'0'..=b'9' | b'*' | b' ' | b'-' | b'.'))
    };
    let (mut from, mut left) = (start, BEFORE);
    for (at, character) in text[..start].char_indices().rev().take(REACH) {
        if counts(character) {
            if left == 0 {
                break;
            }
            left -= 1;
        }
        from = at;
    }
    let (mut to, mut left) = (end, BEHIND);
    for character in text[end..].chars().take(REACH) {
        if counts(character) {
            if left == 0 {
                break;
            }
            left -= 1;
        }
        to += character.len_utf8();
    }
    (from, to)
}

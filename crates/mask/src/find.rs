//! Finds what has the shape of a rule: the shapes that begin as a number are one automaton, those that begin as a word
//! another, and each is run from every place where such a one begins. It ends after some characters, so that the time is
//! linear in the length of the text.

use super::Hit;
use super::automaton::Automaton;
use super::check::Check;
use super::rule::{Alone, Rule, RulesError};

/// What `~` in a shape stands for.
const SEPARATOR: &str = "(?: ?[-.] ?| )?";
/// Longest part of an e-mail address behind the `@` (RFC 5321, 4.5.3.1).
const DOMAIN: usize = 255;
/// Stars that make a mask: what stands right behind one is the rest of something that is masked already.
const STARS: &[u8] = b"***";

/// What a number begins with, where no digit is before it.
const NUMBER: &[u8] = b"0123456789+(";
/// What a word begins with, where no letter is before it.
const WORD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The shapes of all rules.
pub(super) struct Shapes {
    numbers: Family,
    words: Family,
    /// The rule of e-mail addresses, where it applies.
    addresses: Option<usize>,
}

/// Shapes that begin alike: apart, each automaton knows few signs and is small, so that it stays in the caches.
struct Family {
    automaton: Automaton,
    /// What to do where a pattern fits.
    fits: Vec<Fit>,
    /// Whether there is one that goes on to the end of its word, whatever it touches.
    to_word_ends: bool,
}

/// The rule of a pattern, and what it wants of what the pattern fits.
#[derive(Clone, Copy)]
struct Fit {
    rule: usize,
    to_word_end: bool,
    alone: Option<Alone>,
    check: Option<Check>,
}

impl Shapes {
    pub(super) fn compile(rules: &[Rule]) -> Result<Self, RulesError> {
        let (mut numbers, mut words) = (Vec::new(), Vec::new());
        let mut mistakes = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            for shape in &rule.shapes {
                let pattern = pattern(shape);
                match begins(&pattern) {
                    Ok((as_number, as_word)) => {
                        if as_number {
                            numbers.push((number, pattern.clone()));
                        }
                        if as_word {
                            words.push((number, pattern));
                        }
                    }
                    Err(wrong) => mistakes.push(format!("rule {}: shape {shape:?}: {wrong}", rule.id)),
                }
            }
        }
        if !mistakes.is_empty() {
            return Err(RulesError(mistakes));
        }
        let addresses = rules.iter().position(|rule| rule.is_address);
        let together = |error| RulesError(vec![format!("the shapes together: {error}")]);
        let family = |shapes: &[(usize, String)]| Family::compile(shapes, rules).map_err(together);
        Ok(Self { numbers: family(&numbers)?, words: family(&words)?, addresses })
    }

    /// Everything in a folded text that has the shape of a rule that is wanted, passes its check, and touches nothing that
    /// it must not.
    pub(super) fn find(&self, text: &[u8], wants: impl Fn(usize) -> bool) -> Vec<Hit> {
        let mut hits = Vec::new();
        // Up to where a rule has a find that goes on to the end of its word: it needs no second one there.
        let mut words_end = 0;
        let mut address_end = 0;
        // Up to where the rest of an address stands that is masked already.
        let mut masked_until = 0;
        let mut before = 0_u8;
        for (at, byte) in text.iter().copied().enumerate() {
            let begins = match byte {
                b'0'..=b'9' => {
                    (!before.is_ascii_digit() && !follows_mask(&text[..at])).then_some(&self.numbers)
                }
                b'A'..=b'Z' | b'a'..=b'z' => (!before.is_ascii_alphabetic()).then_some(&self.words),
                b'+' | b'(' => Some(&self.numbers),
                b'@' => {
                    if text[..at].ends_with(STARS) {
                        masked_until =
                            at + 1 + text[at + 1..].iter().take_while(|byte| is_domain(byte)).count();
                        address_end = masked_until;
                    }
                    self.address(text, at, &wants, &mut address_end, &mut hits);
                    None
                }
                _ => None,
            };
            before = byte;
            if let Some(family) = begins
                && at >= masked_until
            {
                family.run(text, at, &wants, &mut words_end, &mut hits);
            }
        }
        hits
    }

    /// The address around an `@`. It begins where the one before it has ended, or later.
    fn address(
        &self,
        text: &[u8],
        at: usize,
        wants: impl Fn(usize) -> bool,
        last_end: &mut usize,
        hits: &mut Vec<Hit>,
    ) {
        let Some(rule) = self.addresses else { return };
        let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte);
        // Of any length: what is masked in a local part that is too long could leave one that is not. No sign is looked
        // at twice, as an `@` ends it.
        let local = text[(*last_end).min(at)..at].iter().rev().take_while(|byte| is_local(byte)).count();
        let local = &text[at - local..at];
        let start = at - local.iter().skip_while(|byte| !byte.is_ascii_alphanumeric()).count();
        let domain = &text[at + 1..];
        let domain = &domain[..domain.iter().take(DOMAIN).take_while(|byte| is_domain(byte)).count()];
        // It ends with the letters behind the last dot that has some: whatever may be glued to them.
        let top_from = |dot: usize| {
            let letters = domain[dot + 1..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            (dot > 0 && domain[dot - 1] != b'.' && letters >= 2).then_some(dot + 1 + letters)
        };
        let dots = (0..domain.len()).rev().filter(|place| domain[*place] == b'.');
        if let Some(end) = dots.filter_map(top_from).next()
            && start < at
            && domain[0].is_ascii_alphanumeric()
            && !follows_mask(&text[..start])
        {
            *last_end = at + 1 + end;
            if wants(rule) {
                hits.push(Hit::new(rule, start, *last_end));
            }
        }
    }
}

impl Family {
    fn compile(shapes: &[(usize, String)], rules: &[Rule]) -> Result<Self, String> {
        let patterns: Vec<&str> = shapes.iter().map(|(_, pattern)| pattern.as_str()).collect();
        let automaton = Automaton::of(&patterns)?;
        let fit = |rule: usize| {
            let Rule { to_word_end, alone, check, .. } = rules[rule];
            Fit { rule, to_word_end, alone, check }
        };
        let fits: Vec<Fit> = shapes.iter().map(|(rule, _)| fit(*rule)).collect();
        let to_word_ends = fits.iter().any(|fit| fit.to_word_end);
        Ok(Self { automaton, fits, to_word_ends })
    }

    fn run(
        &self,
        text: &[u8],
        from: usize,
        wants: impl Fn(usize) -> bool,
        words_end: &mut usize,
        hits: &mut Vec<Hit>,
    ) {
        self.automaton.run(text, from, |at, state| {
            let touches = touches(text, at);
            if touches && !self.to_word_ends {
                return;
            }
            for pattern in self.automaton.fitted(state) {
                let Fit { rule, to_word_end, alone, check } = self.fits[*pattern];
                if to_word_end {
                    if from >= *words_end {
                        *words_end = word_end(text, at);
                        if wants(rule) {
                            hits.push(Hit::new(rule, from, *words_end));
                        }
                    }
                } else if !touches
                    && is_free(text, from, at, alone)
                    && wants(rule)
                    && check.is_none_or(|check| check.passes(&text[from..at]))
                {
                    hits.push(Hit::new(rule, from, at));
                }
            }
        });
    }
}

fn is_domain(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-".contains(byte)
}

/// A shape as a regular expression.
fn pattern(shape: &str) -> String {
    shape.replace('~', SEPARATOR).replace('#', "[0-9]")
}

/// Whether what a pattern fits may begin as a number, and as a word.
fn begins(pattern: &str) -> Result<(bool, bool), String> {
    let alone = Automaton::of(&[pattern])?;
    match (alone.begins_with(NUMBER), alone.begins_with(WORD)) {
        (false, false) => Err("it must begin with a digit, a Latin letter, + or (".to_owned()),
        begins => Ok(begins),
    }
}

/// Whether what ends there touches what it must not: a digit no digit, a letter no letter or digit. Where it begins it
/// touches none, or it would not have begun.
fn touches(text: &[u8], end: usize) -> bool {
    let behind = text.get(end).copied().unwrap_or(0);
    match text[end - 1] {
        b'0'..=b'9' => behind.is_ascii_digit(),
        _ => behind.is_ascii_alphanumeric(),
    }
}

/// Whether what stands there is as far from other digits as its rule wants.
fn is_free(text: &[u8], start: usize, end: usize, alone: Option<Alone>) -> bool {
    let is_link = |byte: &u8| match byte {
        b'-' | b'.' => true,
        b'/' | b':' | b',' => alone == Some(Alone::Apart),
        _ => false,
    };
    let is_chained = |link: Option<&u8>, next: Option<&u8>| {
        link.is_some_and(is_link) && next.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'*')
    };
    let before = |back: usize| start.checked_sub(back).map(|at| &text[at]);
    match alone {
        None => true,
        Some(Alone::Before) => !is_chained(before(1), before(2)) && !is_of_parcel(text, start, end),
        // `OTP1234` is a code with its name before it, `N1234` an order.
        Some(Alone::Apart)
            if text.get(end).is_some_and(u8::is_ascii_alphabetic)
                || matches!(letters(text[..start].iter().rev()), 1 | 2) =>
        {
            false
        }
        Some(Alone::Both | Alone::Apart) => {
            !is_chained(before(1), before(2)) && !is_chained(text.get(end), text.get(end + 1))
        }
    }
}

/// Whether these are the nine digits of a parcel's number as the posts of the world write it (UPU S10): two letters on
/// either side, and nothing that they could belong to.
fn is_of_parcel(text: &[u8], start: usize, end: usize) -> bool {
    let is_other = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'*');
    end - start == 9
        && text[start..end].iter().all(u8::is_ascii_digit)
        && letters(text[..start].iter().rev()) == 2
        && letters(text[end..].iter()) == 2
        && is_other(text[..start - 2].last())
        && is_other(text.get(end + 2))
}

/// How many letters come first, as far as it matters.
fn letters<'a>(bytes: impl Iterator<Item = &'a u8>) -> usize {
    bytes.take(3).take_while(|byte| byte.is_ascii_alphabetic()).count()
}

/// Whether what comes is the rest of a number that is masked already: right behind stars, or one separator further.
fn follows_mask(before: &[u8]) -> bool {
    match before {
        [rest @ .., b'-' | b' ' | b'.'] => rest.ends_with(STARS),
        _ => before.ends_with(STARS),
    }
}

fn word_end(text: &[u8], from: usize) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(byte);
    from + text[from..].iter().take_while(|byte| is_word(byte)).count()
}

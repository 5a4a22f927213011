//! Looks for many values at once in whatever may hold one of them: as each was written, and in every form in which the
//! masker knows it. What a sign stands for is said here a second time: what the masker had wrong, its own table could
//! not find.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

/// Where the ten digits of a script begin.
pub const ZEROS: [char; 45] = [
    '0',
    '０',
    '\u{0660}',
    '\u{06F0}',
    '\u{07C0}',
    '\u{0966}',
    '\u{09E6}',
    '\u{0A66}',
    '\u{0AE6}',
    '\u{0B66}',
    '\u{0BE6}',
    '\u{0C66}',
    '\u{0CE6}',
    '\u{0D66}',
    '\u{0DE6}',
    '\u{0E50}',
    '\u{0ED0}',
    '\u{0F20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17E0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19D0}',
    '\u{1A80}',
    '\u{1A90}',
    '\u{1B50}',
    '\u{1BB0}',
    '\u{1C40}',
    '\u{1C50}',
    '\u{2080}',
    '\u{A620}',
    '\u{A8D0}',
    '\u{A900}',
    '\u{A9D0}',
    '\u{A9F0}',
    '\u{AA50}',
    '\u{ABF0}',
    '\u{104A0}',
    '\u{1D7CE}',
    '\u{1D7D8}',
    '\u{1D7E2}',
    '\u{1D7EC}',
    '\u{1D7F6}',
    '\u{1FBF0}',
];
/// Digits that do not stand in a row.
pub const SCATTERED: [[char; 10]; 2] =
    [['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'], ['⓪', '①', '②', '③', '④', '⑤', '⑥', '⑦', '⑧', '⑨']];
/// What is read as `-`; the long vowel of Kana is what Japanese keyboards give for it.
pub const DASHES: [char; 17] =
    ['-', '－', '‐', '‑', '‒', '–', '—', '―', '⁃', '⁻', '₋', '−', '─', '━', 'ー', '﹘', '﹣'];
/// What is read as a space.
pub const SPACES: [char; 18] = [
    ' ', '\t', '\u{A0}', '\u{1680}', '\u{2000}', '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}', '\u{2005}',
    '\u{2006}', '\u{2007}', '\u{2008}', '\u{2009}', '\u{200A}', '\u{202F}', '\u{205F}', '\u{3000}',
];
/// What is read as `.`.
pub const DOTS: [char; 9] = ['.', '．', '·', '•', '․', '‧', '⋅', '・', '･'];
/// What has no width.
pub const HIDDEN: [RangeInclusive<char>; 15] = [
    '\u{AD}'..='\u{AD}',
    '\u{34F}'..='\u{34F}',
    '\u{61C}'..='\u{61C}',
    '\u{115F}'..='\u{1160}',
    '\u{17B4}'..='\u{17B5}',
    '\u{180B}'..='\u{180F}',
    '\u{200B}'..='\u{200F}',
    '\u{202A}'..='\u{202E}',
    '\u{2060}'..='\u{206F}',
    '\u{20E3}'..='\u{20E3}',
    '\u{3164}'..='\u{3164}',
    '\u{FE00}'..='\u{FE0F}',
    '\u{FEFF}'..='\u{FEFF}',
    '\u{FFA0}'..='\u{FFA0}',
    '\u{E0000}'..='\u{E0FFF}',
];
/// From a full-width form to its ASCII.
const WIDE: u32 = 0xFEE0;

/// Signs of a value, at least: shorter ones are met by chance.
pub const SHORTEST: usize = 9;
/// Of a value the last signs, by which it is told that it may be there.
const WINDOW: usize = 8;
/// Bits of the filter: many more than values, so that most places are told by it.
const FILTER_BITS: u32 = 24;

/// What signs stand for, by code; all beyond stand for themselves.
static MEANINGS: LazyLock<Vec<Meaning>> = LazyLock::new(meanings);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Itself,
    Ascii(u8),
    Separator,
    Nothing,
}

fn meanings() -> Vec<Meaning> {
    let mut all = vec![Meaning::Itself; *HIDDEN[HIDDEN.len() - 1].end() as usize + 1];
    let mut set = |sign: char, meaning| all[sign as usize] = meaning;
    for sign in '!'..='~' {
        let meaning = match sign {
            '(' | ')' | '+' => Meaning::Separator,
            _ => Meaning::Ascii(sign.to_ascii_lowercase() as u8),
        };
        set(sign, meaning);
        set(after(sign, WIDE), meaning);
    }
    for (digit, sign) in ZEROS.iter().flat_map(|zero| (b'0'..=b'9').zip(*zero..=after(*zero, 9))) {
        set(sign, Meaning::Ascii(digit));
    }
    for (digit, sign) in SCATTERED.iter().flat_map(|row| (b'0'..=b'9').zip(*row)) {
        set(sign, Meaning::Ascii(digit));
    }
    [&DASHES[..], &SPACES, &DOTS].concat().into_iter().for_each(|sign| set(sign, Meaning::Separator));
    HIDDEN.iter().cloned().flatten().for_each(|sign| set(sign, Meaning::Nothing));
    all
}

fn after(sign: char, by: u32) -> char {
    char::from_u32(sign as u32 + by).expect("a row of signs has no hole")
}

/// A full-width form, where a sign has one.
#[must_use]
pub fn wide(sign: char) -> char {
    if ('!'..='~').contains(&sign) { after(sign, WIDE) } else { sign }
}

/// A text in its plainest form: small letters, ASCII digits, no separators.
#[derive(Default)]
struct Plain {
    signs: Vec<u8>,
    /// Whether a separator stood before each sign.
    apart: Vec<bool>,
}

impl Plain {
    fn of(text: &[u8]) -> Self {
        let mut plain = Self { signs: Vec::with_capacity(text.len()), apart: Vec::with_capacity(text.len()) };
        let mut is_apart = false;
        for chunk in text.utf8_chunks() {
            let mut signs = chunk.valid().chars().peekable();
            while let Some(sign) = signs.next() {
                // A tab as JSON has it, also within JSON; no other separator is written in another way there.
                if sign == '\\' {
                    while signs.next_if_eq(&'\\').is_some() {}
                    if signs.next_if_eq(&'t').is_some() {
                        is_apart = true;
                        continue;
                    }
                }
                match MEANINGS.get(sign as usize).copied().unwrap_or(Meaning::Itself) {
                    Meaning::Nothing => {}
                    Meaning::Separator => is_apart = true,
                    Meaning::Ascii(ascii) => plain.push(&[ascii], &mut is_apart),
                    Meaning::Itself => plain.push(sign.encode_utf8(&mut [0; 4]).as_bytes(), &mut is_apart),
                }
            }
            if !chunk.invalid().is_empty() {
                plain.push(chunk.invalid(), &mut is_apart);
            }
        }
        plain
    }

    fn push(&mut self, bytes: &[u8], is_apart: &mut bool) {
        self.signs.extend(bytes);
        self.apart.extend(bytes.iter().map(|_| std::mem::take(is_apart)));
    }
}

/// A text in its plainest form, in which two forms of one value are the same.
#[must_use]
pub fn plain(text: &str) -> Vec<u8> {
    Plain::of(text.as_bytes()).signs
}

/// Looks for all of its values in one pass. A value that ends with a digit is not found where another digit touches it:
/// there it is a part of another number.
pub struct Searcher {
    plain: Needles,
    written: Needles,
}

impl Searcher {
    /// One for values as they were written.
    ///
    /// # Panics
    /// If one has fewer than [`SHORTEST`] signs.
    #[must_use]
    pub fn new<'a>(values: impl Iterator<Item = &'a str> + Clone) -> Self {
        Self {
            plain: Needles::new(values.clone().map(plain)),
            written: Needles::new(values.map(|value| value.as_bytes().to_vec())),
        }
    }

    /// Which of its values are there, by their places in the order in which they were given.
    #[must_use]
    pub fn search(&self, haystack: &[u8]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        self.written.search(haystack, |_| false, &mut found);
        let plain = Plain::of(haystack);
        self.plain.search(&plain.signs, |at| plain.apart[at], &mut found);
        found
    }
}

struct Needles {
    all: Vec<Vec<u8>>,
    /// The last signs of each as a number, in order, and which it is.
    ends: Vec<(u64, usize)>,
    filter: Vec<u64>,
}

impl Needles {
    fn new(needles: impl Iterator<Item = Vec<u8>>) -> Self {
        let all: Vec<Vec<u8>> = needles.collect();
        let mut filter = vec![0; 1 << (FILTER_BITS - 6)];
        let mut ends: Vec<(u64, usize)> = Vec::with_capacity(all.len());
        for (number, needle) in all.iter().enumerate() {
            assert!(needle.len() >= SHORTEST, "value {number} is too short to be looked for");
            let last = needle[needle.len() - WINDOW..].try_into().expect("it is so long");
            let end = u64::from_be_bytes(last);
            let (word, bit) = place(end);
            filter[word] |= bit;
            ends.push((end, number));
        }
        ends.sort_unstable();
        Self { all, ends, filter }
    }

    fn search(&self, haystack: &[u8], is_apart: impl Fn(usize) -> bool, found: &mut BTreeSet<usize>) {
        let is_digit = |at: usize| haystack.get(at).is_some_and(u8::is_ascii_digit);
        // Whether a number goes on across a place.
        let goes_on = |at: usize| at > 0 && is_digit(at - 1) && is_digit(at) && !is_apart(at);
        let mut window = 0_u64;
        for (at, byte) in haystack.iter().enumerate() {
            window = window << 8 | u64::from(*byte);
            let (word, bit) = place(window);
            if self.filter[word] & bit == 0 {
                continue;
            }
            let end = at + 1;
            let first = self.ends.partition_point(|(other, _)| *other < window);
            let same = self.ends[first..].iter().take_while(|(other, _)| *other == window);
            found.extend(same.map(|(_, number)| *number).filter(|number| {
                let needle = &self.all[*number];
                haystack[..end].ends_with(needle) && !goes_on(end - needle.len()) && !goes_on(end)
            }));
        }
    }
}

/// Where a window stands in the filter.
fn place(window: u64) -> (usize, u64) {
    let bit = window.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - FILTER_BITS);
    (usize::try_from(bit >> 6).expect("a filter fits into memory"), 1 << (bit & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(values: &[&str], haystack: &[u8]) -> Vec<usize> {
        Searcher::new(values.iter().copied()).search(haystack).into_iter().collect()
    }

    #[test]
    fn a_value_is_found_in_every_form() {
        let values = ["4532-0151-1283-0366", "tk 1234567", "인증번호 ４８２９"];
        for form in [
            "x4532-0151-1283-0366y",
            "4532015112830366",
            "카드４５３２ー０１５１–１２８３\u{3000}０３６６요",
            "๔๕๓๒ (0151) ١٢٨٣ ⓪③⑥⑥",
            "4\u{200B}532\u{FEFF}0151.1283・0\u{FE0F}\u{20E3}366",
            "\"offset\":12, 4532 0151 1283 0366, 7",
            r#"{"body":"4532\\t0151 1283\t0366"}"#,
        ] {
            assert_eq!(found(&values, form.as_bytes()), [0], "{form}");
        }
        assert_eq!(found(&values, "旅券ＴＫ1234567, 인증번호4829".as_bytes()), [1, 2]);
        let binary = [b"\xFF\xE0\x104532-0151-1283-0366\xC3", "\u{0}ＴＫ１２３４５６７".as_bytes()].concat();
        assert_eq!(found(&values, &binary), [0, 1]);
    }

    #[test]
    fn what_is_masked_cut_off_or_part_of_another_number_is_not_found() {
        let values = ["010-1234-5678", "TK1234567"];
        for other in
            ["***-****-5678", "010-1234-567", "1010123456781", "010/1234/5678", "TK12345678", "K1234567"]
        {
            assert_eq!(found(&values, other.as_bytes()), [0; 0], "{other}");
        }
    }
}

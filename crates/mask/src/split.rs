//! Numbers that are spread over messages: a customer sends the first half of a card number, then the second.
//!
//! What ends a message like a number is looked at together with what begins the next ones of the same writer, as far as
//! they are held, and with what ended those before, as far as they left a short time ago.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::fold;
use super::normal::Normal;
use super::{Find, Hit, Masker, digits, settle};

/// How long what has left is remembered, in ms between the times of two texts.
const REMEMBERED: i64 = 60_000;
/// Writers of whom something is remembered; at this number those are forgotten whose time is over, and if none is, all.
const WRITERS: usize = 10_000;
/// Longest piece that is looked at, in characters: more than any number has.
const PIECE: usize = 48;

/// A memory of how the last text of each writer ended, where that may be the begin of a number. It keeps 10,000 writers
/// at most, and uses an end for 60,000 ms.
#[derive(Default)]
pub struct Tails(HashMap<u128, Tail, BuildHasherDefault<WriterHasher>>);

/// Writers are hashes already: one multiplication spreads them.
#[derive(Default)]
struct WriterHasher(u64);

impl Hasher for WriterHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a writer hashes itself as one u128");
    }

    #[inline]
    fn write_u128(&mut self, writer: u128) {
        #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
        let folded = (writer >> 64) as u64 ^ writer as u64;
        self.0 = folded.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

struct Tail {
    piece: Piece,
    /// The time of its message, in ms.
    at: i64,
}

/// The end or the begin of a text that may be part of a number: digits and separators, as the rules see them. Empty
/// where there is no digit.
#[derive(Clone, Copy)]
struct Piece {
    bytes: [u8; PIECE],
    length: usize,
    /// Whether it is the whole text.
    is_whole: bool,
}

impl Piece {
    const EMPTY: Self = Self { bytes: [0; PIECE], length: 0, is_whole: false };

    fn of(characters: impl Iterator<Item = char>) -> Self {
        let mut piece = Self::EMPTY;
        let mut has_digits = false;
        for byte in characters.filter_map(fold::fold) {
            match byte {
                b'0'..=b'9' => has_digits = true,
                b' ' | b'-' | b'.' | b'(' | b')' | b'+' => {}
                _ => return if has_digits { piece } else { Self::EMPTY },
            }
            if !piece.push(byte) {
                return piece;
            }
        }
        piece.is_whole = true;
        if has_digits { piece } else { Self::EMPTY }
    }

    #[inline]
    fn head(text: &str) -> Self {
        Self::of(text.chars())
    }

    #[inline]
    fn tail(text: &str) -> Self {
        let mut piece = Self::of(text.chars().rev());
        piece.bytes[..piece.length].reverse();
        piece
    }

    /// `false` where there is no room.
    #[inline]
    fn push(&mut self, byte: u8) -> bool {
        let has_room = self.length < PIECE;
        if has_room {
            self.bytes[self.length] = byte;
            self.length += 1;
        }
        has_room
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.length == 0
    }

    #[inline]
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).expect("digits and separators are ASCII")
    }

    /// This one with another behind it; of what is too long the end.
    fn and(&self, next: &Self) -> Self {
        let both = [&self.bytes[..self.length], b" ", &next.bytes[..next.length]].concat();
        let mut piece = Self::EMPTY;
        both[both.len().saturating_sub(PIECE)..].iter().for_each(|byte| {
            piece.push(*byte);
        });
        piece
    }
}

impl Tails {
    /// Masks a text of a writer in place, and remembers how it ended. Adds what was found to `finds`; what goes on in
    /// another text is found in each of them.
    ///
    /// A writer is a hash of whoever wrote: 128 bits, well spread. `at` is the time of the text in ms, of one clock for
    /// all calls, which may lie anywhere. `next` is what the same writer wrote after it, in order, as far as that is there
    /// already; it is read only as far as a number may go on in it.
    pub fn mask<'n>(
        &mut self,
        masker: &Masker,
        writer: u128,
        at: i64,
        text: &mut String,
        next: impl Iterator<Item = &'n str>,
        finds: &mut Vec<Find>,
    ) {
        let left = self.0.get(&writer);
        let has_left = left.is_some();
        let before = left.filter(|left| at - left.at <= REMEMBERED).map_or(Piece::EMPTY, |left| left.piece);
        let tail = Piece::tail(text);
        let mut behind = String::new();
        if !tail.is_empty() {
            for text in next {
                let head = Piece::head(text);
                behind.push_str(head.text());
                if !head.is_whole || behind.len() >= PIECE {
                    break;
                }
                behind.push(' ');
            }
        }
        // A text that does not begin like a number goes on none.
        let goes_on = !before.is_empty() && !Piece::head(text).is_empty();
        let before_it = if goes_on { before.text() } else { "" };
        let masked = masker.take_between(before_it, text, behind.trim_end(), finds);
        if let Cow::Owned(masked) = masked {
            *text = masked;
        }
        if !tail.is_empty() {
            let piece = if tail.is_whole && !before.is_empty() { before.and(&tail) } else { tail };
            self.remember(writer, Tail { piece, at });
        } else if has_left {
            self.0.remove(&writer);
        }
    }

    fn remember(&mut self, writer: u128, tail: Tail) {
        if self.0.len() >= WRITERS && !self.0.contains_key(&writer) {
            self.0.retain(|_, other| tail.at - other.at <= REMEMBERED);
            if self.0.len() >= WRITERS {
                self.0.clear();
            }
        }
        self.0.insert(writer, tail);
    }
}

impl Masker {
    /// The text with everything masked that is found in it, or in it together with what stands right before and right
    /// behind it: digits and separators only. Adds what was found to `finds`.
    fn take_between<'t>(
        &self,
        before: &str,
        text: &'t str,
        behind: &str,
        finds: &mut Vec<Find>,
    ) -> Cow<'t, str> {
        if before.is_empty() && behind.is_empty() {
            return self.take(text, finds);
        }
        let mut own = self.hits(text);
        // With a separator between: a number may have one at the end of a message, or at the begin of the next.
        let before = if before.is_empty() { String::new() } else { format!("{before} ") };
        let all = format!("{before}{text} {behind}");
        let (begin, end) = (before.len(), before.len() + text.len());
        let across = self.across(&all, begin, end, &own);
        let part = |whole: &Hit| {
            let left = digits(&Normal::of(&all[begin.max(whole.start)..whole.end]).bytes);
            let (start, end) = (whole.start.max(begin) - begin, whole.end.min(end) - begin);
            Hit { start, end, part: Some(left), ..*whole }
        };
        finds.extend(own.iter().map(|hit| self.taken(hit, text)));
        finds.extend(across.iter().map(|hit| self.taken(hit, &all)));
        own.extend(across.iter().map(part));
        own.sort_unstable_by_key(|hit| hit.start);
        self.write(text, &own).0
    }

    /// What is found across the begin or the end of the text within `all`, and is no part of a complete number.
    fn across(&self, all: &str, begin: usize, end: usize, own: &[Hit]) -> Vec<Hit> {
        let mut complete = self.hits(&all[..begin]);
        complete.extend(own.iter().map(|hit| hit.moved(begin)));
        complete.extend(self.hits(&all[end..]).iter().map(|hit| hit.moved(end)));
        let normal = Normal::of(all);
        let wants = |rule: usize| self.rules[rule].across;
        let is_wanted = |hit: &Hit| {
            let rule = &self.rules[hit.rule];
            // A bare country code is not enough: short numbers in a row are more often no telephone.
            let is_told = rule.check.is_some() || matches!(normal.bytes[hit.start], b'0' | b'+');
            let mut hit = *hit;
            normal.place(all, &mut hit);
            let crosses = |border: usize| hit.start < border && border < hit.end;
            let is_part = complete.iter().any(|other| hit.start < other.end && other.start < hit.end);
            is_told && (crosses(begin) || crosses(end)) && hit.start < end && hit.end > begin && !is_part
        };
        let find = |folded: &[u8]| {
            let mut found = self.shapes.find(folded, wants);
            found.retain(is_wanted);
            found
        };
        let mut hits = settle(&normal.bytes, find(&normal.bytes), find);
        hits.iter_mut().for_each(|hit| normal.place(all, hit));
        hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker() -> &'static Masker {
        static MASKER: std::sync::LazyLock<Masker> = std::sync::LazyLock::new(Masker::built_in);
        &MASKER
    }

    /// What becomes of texts of one writer: all of them held, and each having left before the next came.
    fn both(texts: &[&str]) -> [Vec<String>; 2] {
        [true, false].map(|are_held| {
            let mut tails = Tails::default();
            let each = (0..).zip(texts).map(|(at, text)| {
                let mut text = (*text).to_owned();
                let next = texts[at + 1..].iter().copied().take(if are_held { usize::MAX } else { 0 });
                tails.mask(masker(), 1, at as i64 * 1_000, &mut text, next, &mut Vec::new());
                text
            });
            each.collect()
        })
    }

    #[test]
    fn a_number_over_messages_is_masked_in_each_part() {
        let cases: [(&[&str], &[&str]); 6] = [
            (&["카드 4532 0151", "1283 0366요"], &["카드 **** ****", "**** 0366요"]),
            (&["4532-", "0151", "1283", "-0366"], &["****-", "****", "****", "-0366"]),
            (&["제 번호는 010", "1234", "5678 입니다"], &["제 번호는 ***", "****", "5678 입니다"]),
            (&["900101", "1234568"], &["******", "*******"]),
            (&["９００１０１−", "１２３４５６８です"], &["******−", "*******です"]),
            (&["090-1234", "5678"], &["***-****", "5678"]),
        ];
        for (texts, expected) in cases {
            let [held, left] = both(texts);
            assert_eq!(held, expected, "{texts:?}");
            // What has left is out; the last part, at least, is masked.
            assert_eq!(left.last().unwrap(), expected.last().unwrap(), "{texts:?}");
        }
    }

    #[test]
    fn numbers_that_have_nothing_to_do_with_each_other_are_not_joined() {
        let cases: [&[&str]; 7] = [
            &["주문번호 12345678", "3개요"],
            &["20260203", "13:05"],
            &["4532 0151", "고마워요", "1283 0366"],
            &["123456", "7890123"],
            &["1588-1234", "02"],
            &["5", "10", "15"],
            &["82", "1013", "1064", "1115"],
        ];
        for texts in cases {
            assert_eq!(both(texts), [texts.to_vec(), texts.to_vec()], "{texts:?}");
        }
        assert_eq!(
            both(&["010-1234-5678", "02-345-6789"])[0],
            ["***-****-5678", "***-****-6789"],
            "each is complete"
        );
    }

    #[test]
    fn what_left_is_remembered_for_a_minute_and_by_writer() {
        for (writer, at, expected) in [(1, 60_000, "*******"), (1, 60_001, "1234568"), (2, 0, "1234568")] {
            let mut tails = Tails::default();
            let (mut first, mut second) = ("900101".to_owned(), "1234568".to_owned());
            tails.mask(masker(), 1, 0, &mut first, std::iter::empty(), &mut Vec::new());
            tails.mask(masker(), writer, at, &mut second, std::iter::empty(), &mut Vec::new());
            assert_eq!((first.as_str(), second.as_str()), ("900101", expected));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut tails = Tails::default();
        for writer in 0..25_000 {
            tails.mask(masker(), writer, 0, &mut "12".to_owned(), std::iter::empty(), &mut Vec::new());
            assert!(tails.0.len() <= WRITERS);
        }
    }
}

//! A text as the rules see it: one byte for each character, and where it stands in the text.
//!
//! Digits of every script become ASCII digits and full-width forms become ASCII, as NFKC would have it; dashes, spaces
//! and middle dots become `-`, ` ` and `.`; what has no width is left out. Every other character is [`OTHER`]: no rule
//! names a letter beyond ASCII, so that a number is found whatever script it touches.

use std::cell::OnceCell;

use super::Hit;
use super::fold::{block_at, folded_at};

/// A text, folded.
pub(super) struct Normal {
    pub(super) bytes: Vec<u8>,
    /// Where in the text each of them begins: most texts have nothing that is ever asked for.
    origin: OnceCell<Vec<usize>>,
}

impl Normal {
    pub(super) fn of(text: &str) -> Self {
        let mut bytes = vec![0; text.len()];
        let mut length = 0;
        walk(text, |_, folded| {
            if let Some(byte) = folded {
                bytes[length] = byte;
                length += 1;
            }
        });
        bytes.truncate(length);
        Self { bytes, origin: OnceCell::new() }
    }

    /// Turns where something stands in the folded text into where it stands in the text, in bytes.
    pub(super) fn place(&self, text: &str, hit: &mut Hit) {
        let origin = self.origin.get_or_init(|| {
            let mut origin = Vec::with_capacity(self.bytes.len());
            walk(text, |at, folded| {
                origin.extend(folded.map(|_| at));
            });
            origin
        });
        let last = origin[hit.end - 1];
        let width = text[last..].chars().next().map_or(0, char::len_utf8);
        (hit.start, hit.end) = (origin[hit.start], last + width);
    }
}

/// Calls `take` with where each character begins and what it stands for.
fn walk(text: &str, mut take: impl FnMut(usize, Option<u8>)) {
    let mut at = 0;
    while at < text.len() {
        let (folded, width) = folded_at(text, at);
        take(at, folded);
        at += width;
    }
}

/// Signs of the shortest word that may be a token without any digit: what stands behind `Bearer`.
const TOKEN: usize = 12;

/// What a character tells of whether there may be a find.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// Nothing.
    None,
    /// A sign of a token.
    Token,
    /// There may be one.
    Holds,
}

const HINTS: [Hint; 256] = {
    let mut hints = [Hint::None; 256];
    let mut byte = 0;
    while byte < 256 {
        hints[byte] = match byte {
            0x30..=0x39 | 0x40 => Hint::Holds,
            // Letters, and + - . / = _ ~.
            0x41..=0x5A | 0x61..=0x7A | 0x2B | 0x2D..=0x2F | 0x3D | 0x5F | 0x7E => Hint::Token,
            _ => Hint::None,
        };
        byte += 1;
    }
    hints
};

/// Whether a text has anything that a rule could begin with or hang on: a digit of any script, an `@`, or a word that is
/// as long as a token. Most texts of a chat have not, so it is told without folding them.
pub(super) fn may_hold(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut word) = (0, 0);
    while at < bytes.len() {
        // Most characters beyond ASCII are letters of no shape.
        if bytes[at] & 0xF0 == 0xE0 && block_at(bytes, at) == 0 {
            word = 0;
            at += 3;
            continue;
        }
        let (folded, width) = folded_at(text, at);
        at += width;
        // What has no width parts no word.
        let Some(folded) = folded else { continue };
        match HINTS[usize::from(folded)] {
            Hint::None => word = 0,
            Hint::Token => word += 1,
            Hint::Holds => return true,
        }
        if word == TOKEN {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        String::from_utf8_lossy(&Normal::of(text).bytes).replace('\u{FFFD}', "x")
    }

    #[test]
    fn digits_of_every_form_are_digits() {
        assert_eq!(folded("٣۴०๕၆０𝟗①²₃⓪"), "34056091230");
        assert_eq!(folded("1\u{FE0F}\u{20E3}2\u{FE0F}\u{20E3}"), "12", "keycaps");
    }

    #[test]
    fn separators_of_every_form_are_one_of_three() {
        assert_eq!(folded("0ー1–2−3－4\u{3000}5\u{A0}6・7·8．9"), "0-1-2-3-4 5 6.7.8.9");
    }

    #[test]
    fn what_has_no_width_is_left_out_and_all_else_is_other() {
        assert_eq!(folded("1\u{200B}2\u{2060}3\u{AD}4"), "1234");
        assert_eq!(folded("화1カ2ก3卡4🙏a"), "x1x2x3x4xa");
    }

    #[test]
    fn a_span_is_where_its_characters_stand() {
        let text = "화１\u{200B}２🙏";
        let mut hit = Hit::new(0, 1, 3);
        Normal::of(text).place(text, &mut hit);
        assert_eq!(&text[hit.start..hit.end], "１\u{200B}２");
    }

    #[test]
    fn a_text_without_digits_is_told_at_once() {
        for text in ["", "안녕하세요", "สวัสดีค่ะ", "こんにちは！", "hello, world"]
        {
            assert!(!may_hold(text), "{text}");
        }
        for text in ["a1", "a@b", "๑", "１", "＠", "①", "Bearer abcdefghijkl", "Bearer abcdef\u{200B}ghijkl"]
        {
            assert!(may_hold(text), "{text}");
        }
    }
}

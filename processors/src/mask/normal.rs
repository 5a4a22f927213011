//! A text as the rules see it: one byte for each character, and where it stands in the text.
//!
//! Digits of every script become ASCII digits and full-width forms become ASCII, as NFKC would have it; dashes, spaces
//! and middle dots become `-`, ` ` and `.`; what has no width is left out. Every other character is [`OTHER`]: no rule
//! names a letter beyond ASCII, so that a number is found whatever script it touches.

use std::cell::OnceCell;

use super::Hit;

/// Stands for a character that no shape names.
pub(super) const OTHER: u8 = 0x80;

/// A text, folded.
pub(super) struct Normal {
    pub(super) bytes: Vec<u8>,
    /// Where in the text each of them begins: most texts have nothing that is ever asked for.
    origin: OnceCell<Vec<usize>>,
}

impl Normal {
    pub(super) fn of(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len());
        walk(text, |_, folded| {
            bytes.extend(folded);
        });
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

/// What the character that begins at a byte stands for, and how many bytes it has. Most of what is written is told by the
/// first byte, or by two.
#[inline]
fn folded_at(text: &str, at: usize) -> (Option<u8>, usize) {
    let bytes = text.as_bytes();
    match bytes[at] {
        b'\t' => (Some(b' '), 1),
        ascii @ 0..0x80 => (Some(ascii), 1),
        // Han, Hangul, Kana, and Thai letters.
        0xE4..=0xE9 | 0xEB..=0xED => (Some(OTHER), 3),
        0xEA if bytes[at + 1] >= 0xB0 => (Some(OTHER), 3),
        0xE3 if matches!(bytes[at + 1], 0x81 | 0x82) || (bytes[at + 1] == 0x83 && bytes[at + 2] < 0xBB) => {
            (Some(OTHER), 3)
        }
        0xE0 if bytes[at + 1] == 0xB8 || (bytes[at + 1] == 0xB9 && bytes[at + 2] < 0x90) => (Some(OTHER), 3),
        _ => {
            let character = text[at..].chars().next().expect("it begins here");
            (fold(character), character.len_utf8())
        }
    }
}

/// Signs of the shortest word that may be a token without any digit: what stands behind `Bearer`.
const TOKEN: usize = 12;

/// What a byte of a text tells of whether there may be a find.
#[derive(Clone, Copy)]
enum Hint {
    /// Nothing. All bytes that go on with a character are of these.
    None,
    /// A sign of a token.
    Token,
    /// There may be one.
    Holds,
    /// It begins a character that must be folded.
    Fold,
}

const HINTS: [Hint; 256] = {
    let mut hints = [Hint::None; 256];
    let mut byte = 0;
    while byte < 256 {
        hints[byte] = match byte {
            0x30..=0x39 | 0x40 => Hint::Holds,
            // Letters, and + - . / = _ ~.
            0x41..=0x5A | 0x61..=0x7A | 0x2B | 0x2D..=0x2F | 0x3D | 0x5F | 0x7E => Hint::Token,
            // Han and Hangul are told by their first byte.
            0xE4..=0xE9 | 0xEB..=0xED => Hint::None,
            0xC0..=0xFF => Hint::Fold,
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
        let (hint, width) = match HINTS[usize::from(bytes[at])] {
            Hint::Fold => {
                let (folded, width) = folded_at(text, at);
                (folded.map_or(Hint::None, |folded| HINTS[usize::from(folded)]), width)
            }
            hint => (hint, 1),
        };
        at += width;
        word = match hint {
            Hint::Token => word + 1,
            Hint::Holds => return true,
            Hint::None | Hint::Fold => 0,
        };
        if word == TOKEN {
            return true;
        }
    }
    false
}

/// What a character stands for; `None` where it has no width.
pub(super) fn fold(character: char) -> Option<u8> {
    let code = character as u32;
    match code {
        0x09 => Some(b' '),
        0x00..=0x7F => u8::try_from(code).ok(),
        // Hangul syllables, Kana but the long vowel, and Han: most of what is written.
        0xAC00..=0xD7A3 | 0x3041..=0x30FA | 0x30FD..=0x30FF | 0x3400..=0x9FFF => Some(OTHER),
        0xFF01..=0xFF5E => u8::try_from(code - 0xFEE0).ok(),
        _ => rare(code),
    }
}

fn rare(code: u32) -> Option<u8> {
    match code {
        // Soft hyphen, joiners, marks of direction, fillers, variation selectors, the keycap, tags.
        0x00AD
        | 0x034F
        | 0x061C
        | 0x115F..=0x1160
        | 0x17B4..=0x17B5
        | 0x180B..=0x180F
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x206F
        | 0x20E3
        | 0x3164
        | 0xFE00..=0xFE0F
        | 0xFEFF
        | 0xFFA0
        | 0xE0000..=0xE0FFF => None,
        // Dashes, minus signs, lines, and the long vowel of Kana, which Japanese keyboards give for a dash.
        0x2010..=0x2015
        | 0x2043
        | 0x207B
        | 0x208B
        | 0x2212
        | 0x2500
        | 0x2501
        | 0x30FC
        | 0xFE58
        | 0xFE63
        | 0xFF70 => Some(b'-'),
        0x00A0 | 0x1680 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Some(b' '),
        // Middle dots and the one dot leader.
        0x00B7 | 0x2022 | 0x2024 | 0x2027 | 0x22C5 | 0x30FB | 0xFE52 | 0xFF65 => Some(b'.'),
        0xFE6B => Some(b'@'),
        0xFE62 => Some(b'+'),
        0xFE59 => Some(b'('),
        0xFE5A => Some(b')'),
        _ => Some(digit(code).unwrap_or(OTHER)),
    }
}

/// Where the decimal digits of a script begin (Unicode's general category Nd).
const ZEROS: [u32; 38] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0,
    0x1C40, 0x1C50, 0x2080, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x104A0, 0x1FBF0,
];

fn digit(code: u32) -> Option<u8> {
    let value = match code {
        0x00B2 => 2,
        0x00B3 => 3,
        0x00B9 => 1,
        0x2070 => 0,
        0x2074..=0x2079 => code - 0x2070,
        // In a circle: 1 to 9, and the zero that stands elsewhere.
        0x2460..=0x2468 => code - 0x245F,
        0x24EA => 0,
        // Five styles of mathematics.
        0x1D7CE..=0x1D7FF => (code - 0x1D7CE) % 10,
        _ => {
            let at = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
            (code - ZEROS[at] < 10).then(|| code - ZEROS[at])?
        }
    };
    Some(b'0' + u8::try_from(value).ok()?)
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
        for text in ["a1", "a@b", "๑", "１", "＠", "①", "Bearer abcdefghijkl"] {
            assert!(may_hold(text), "{text}");
        }
    }
}

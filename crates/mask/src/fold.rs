//! What a character stands for. [`rare`] says it; for characters of three bytes, which is what Korean, Japanese, Chinese
//! and Thai are written in with their punctuation, a table is made of that.

/// Stands for a character that no shape names.
pub(super) const OTHER: u8 = 0x80;
/// Stands in the table for a character of no width.
const NONE: u8 = 0xFF;

/// What a character stands for; `None` where it has no width.
pub(super) fn fold(character: char) -> Option<u8> {
    match character as u32 {
        0x09 => Some(b' '),
        code @ 0..0x80 => Some(code as u8),
        code @ 0x800..=0xFFFF => folded(usize::from(BLOCKS[code as usize >> 4]), code as usize),
        code => rare(code),
    }
}

/// What the character that begins at a byte stands for, and how many bytes it has.
#[inline(always)]
pub(super) fn folded_at(text: &str, at: usize) -> (Option<u8>, usize) {
    let bytes = text.as_bytes();
    match bytes[at] {
        b'\t' => (Some(b' '), 1),
        ascii @ 0..0x80 => (Some(ascii), 1),
        0xE0..=0xEF => (folded(block_at(bytes, at), usize::from(bytes[at + 2])), 3),
        // Most emoji.
        0xF0 if bytes[at + 1] == 0x9F && bytes[at + 2] < 0xAF => (Some(OTHER), 4),
        _ => rare_at(text, at),
    }
}

#[cold]
fn rare_at(text: &str, at: usize) -> (Option<u8>, usize) {
    let character = text[at..].chars().next().expect("it begins here");
    (fold(character), character.len_utf8())
}

/// The block of the three-byte character that begins at a byte: the first is of nothing but [`OTHER`].
#[inline]
pub(super) fn block_at(bytes: &[u8], at: usize) -> usize {
    let [first, second, third] = [at, at + 1, at + 2].map(|at| usize::from(bytes[at]));
    usize::from(BLOCKS[(first & 0x0F) << 8 | (second & 0x3F) << 2 | third >> 4 & 3])
}

#[inline]
fn folded(block: usize, code: usize) -> Option<u8> {
    match FOLDED[block][code & 0x0F] {
        NONE => None,
        byte => Some(byte),
    }
}

/// What a character beyond ASCII stands for.
const fn rare(code: u32) -> Option<u8> {
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
        // Full width.
        0xFF01..=0xFF5E => Some((code - 0xFEE0) as u8),
        0xFE6B => Some(b'@'),
        0xFE62 => Some(b'+'),
        0xFE59 => Some(b'('),
        0xFE5A => Some(b')'),
        _ => Some(digit(code)),
    }
}

/// Where the decimal digits of a script begin (Unicode's general category Nd).
const ZEROS: [u32; 38] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0,
    0x1C40, 0x1C50, 0x2080, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x104A0, 0x1FBF0,
];

/// A digit, or [`OTHER`].
const fn digit(code: u32) -> u8 {
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
            let mut at = ZEROS.len();
            while at > 0 && ZEROS[at - 1] > code {
                at -= 1;
            }
            if at == 0 || code - ZEROS[at - 1] > 9 {
                return OTHER;
            }
            code - ZEROS[at - 1]
        }
    };
    b'0' + value as u8
}

/// What each character of three bytes stands for: sixteen to a block, of which most are alike.
struct Table {
    /// The block of each sixteen.
    blocks: [u8; 0x1000],
    folded: [[u8; 16]; 0x100],
    /// How many blocks there are, with the first, which is of nothing but [`OTHER`].
    count: usize,
}

const TABLE: Table = {
    let mut table = Table { blocks: [0; 0x1000], folded: [[OTHER; 16]; 0x100], count: 1 };
    let mut at = 0x80;
    while at < 0x1000 {
        // Han, Hangul, and what is for private use.
        if at == 0x320 {
            at = 0xA60;
        } else if at == 0xAC0 {
            at = 0xFE0;
        }
        table.fill(at);
        at += 1;
    }
    table
};
static BLOCKS: [u8; 0x1000] = TABLE.blocks;
static FOLDED: [[u8; 16]; 0x100] = TABLE.folded;

impl Table {
    const fn fill(&mut self, sixteen: usize) {
        let mut low = 0;
        while low < 16 {
            let byte = match rare((sixteen << 4 | low) as u32) {
                Some(byte) => byte,
                None => NONE,
            };
            if byte != OTHER {
                if self.blocks[sixteen] == 0 {
                    self.blocks[sixteen] = self.count as u8;
                    self.count += 1;
                }
                self.folded[self.blocks[sixteen] as usize][low] = byte;
            }
            low += 1;
        }
    }
}

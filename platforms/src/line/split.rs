//! Cutting a text into objects that LINE takes, without tearing a character apart.

use unicode_segmentation::UnicodeSegmentation;

/// Longest text object, in UTF-16 code units (LINE Messaging API reference, text message).
pub const TEXT_UNITS: usize = 5_000;
/// Objects of one push (LINE Messaging API reference, send push message).
pub const MESSAGE_OBJECTS: usize = 5;

/// `text` in pieces of at most `units` UTF-16 code units (at least 2), which together are the whole. Cuts stand
/// between grapheme clusters; only a cluster that is itself too long is cut, between its characters.
pub fn split(text: &str, units: usize) -> impl Iterator<Item = &str> {
    debug_assert!(units >= 2, "a character may take two units");
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(cut(rest, units));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The byte at which the first piece of `text` ends.
fn cut(text: &str, units: usize) -> usize {
    // A code unit is at most 3 bytes of UTF-8, and at least 1: most texts need no counting.
    if text.len() <= units {
        return text.len();
    }
    let mut used = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        let size = utf16_len(cluster);
        if used + size > units {
            return if at == 0 { cut_cluster(cluster, units) } else { at };
        }
        used += size;
    }
    text.len()
}

fn cut_cluster(cluster: &str, units: usize) -> usize {
    let mut used = 0;
    for (at, character) in cluster.char_indices() {
        used += character.len_utf16();
        if used > units {
            return at;
        }
    }
    cluster.len()
}

fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;

//! What is cut, and what is never cut.

use proptest::prelude::*;

use super::*;

fn pieces(text: &str, units: usize) -> Vec<&str> {
    split(text, units).collect()
}

#[test]
fn texts_are_cut_between_clusters() {
    let family = "👨\u{200D}👩\u{200D}👧\u{200D}👦"; // 11 units, one cluster
    let cases: [(&str, usize, &[&str]); 9] = [
        ("", 5, &[]),
        ("hello", 5, &["hello"]),
        ("hello!", 5, &["hello", "!"]),
        ("ส\u{E27}ัสดี", 3, &["สวั", "สดี"]),
        ("abc🙏d", 4, &["abc", "🙏d"]),
        ("e\u{301}e\u{301}e\u{301}", 5, &["e\u{301}e\u{301}", "e\u{301}"]),
        ("a\r\nb", 2, &["a", "\r\n", "b"]),
        ("🇯🇵🇹🇭🇰🇷", 9, &["🇯🇵🇹🇭", "🇰🇷"]),
        ("가나다", 2, &["가나", "다"]),
    ];
    for (text, units, expected) in cases {
        assert_eq!(pieces(text, units), expected, "{text}");
    }
    assert_eq!(pieces(&format!("ab{family}c"), 12), ["ab", &format!("{family}c")]);
}

#[test]
fn a_cluster_that_is_too_long_is_cut_between_characters() {
    let stacked = format!("a{}", "\u{301}".repeat(9));
    let cut = pieces(&stacked, 4);
    assert_eq!(cut.iter().map(|piece| utf16_len(piece)).collect::<Vec<_>>(), [4, 4, 2]);
    assert_eq!(cut.concat(), stacked);
}

/// Characters that join, stack or take two units, among plain ones.
fn text() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "a", " ", "\n", "ส", "ั", "한", "ᄒ", "ᅡ", "ᆫ", "🙏", "👨", "\u{200D}", "👩", "\u{FE0F}", "🇯", "🇵",
        "\u{301}", "🏽",
    ]);
    prop::collection::vec(parts, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn pieces_are_the_text_each_within_the_limit(text in text(), units in 2usize..20) {
        let cut = pieces(&text, units);
        prop_assert_eq!(cut.concat(), text.clone());
        let mut at = 0;
        let borders: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
        let longest = text.graphemes(true).map(utf16_len).max().unwrap_or(0);
        for piece in cut {
            prop_assert!(!piece.is_empty() && piece.encode_utf16().count() <= units);
            prop_assert!(longest > units || borders.contains(&at), "cut inside a cluster");
            at += piece.len();
        }
    }

    #[test]
    fn long_texts_keep_lines_limit(text in text(), times in 1usize..600) {
        let text = text.repeat(times);
        let cut = pieces(&text, TEXT_UNITS);
        prop_assert!(cut.iter().all(|piece| piece.encode_utf16().count() <= TEXT_UNITS));
        prop_assert_eq!(cut.concat(), text);
    }
}

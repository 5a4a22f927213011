//! The masker on the corpus of the example: it must stay as good as it is.

use mask::Masker;

#[path = "../../examples/mask_corpus/mod.rs"]
#[allow(dead_code, reason = "the example prints more of a score than is asked for here")]
mod corpus;

use corpus::Part;

#[test]
fn what_is_personal_is_found_and_all_else_is_left() {
    let masker = Masker::built_in();
    for (part, count) in [(Part::Development, 3_000), (Part::HeldOut, 1_500)] {
        let lines = corpus::lines(part, count);
        let score = corpus::score::score(&masker, &lines);
        assert!(score.kinds.len() >= 17, "every kind occurs");
        assert!(score.kinds.values().all(|counts| counts.right + counts.missed >= 5), "and often enough");
        assert_eq!(score.shortfalls(), Vec::<String>::new(), "{part:?}");
    }
}

#[test]
fn a_third_of_the_lines_only_look_personal() {
    for part in [Part::Development, Part::HeldOut] {
        let lines = corpus::lines(part, 1_500);
        assert!(lines.iter().filter(|line| line.labels.is_empty()).count() * 3 >= lines.len());
        assert_eq!(lines[7].text, corpus::lines(part, 8)[7].text, "they are the same each time");
    }
}

//! How well personal data is found: the masker on a corpus of ours, as tables.
//!
//! `cargo run --release -p mask --example mask_corpus [-- --wrong]`: with the flag, every line that goes wrong in
//! either part is printed. It ends with 1 if the masker is not as good as it must be.

#![allow(clippy::print_stdout, reason = "it is a command")]

#[path = "mask_corpus/mod.rs"]
mod corpus;

use std::process::ExitCode;

use corpus::score::{Counts, Score, score};
use corpus::{Language, Part};
use mask::Masker;

/// Lines of each part.
const DEVELOPMENT: usize = 6_000;
const HELD_OUT: usize = 3_000;
/// Lines of the development part that are printed without the flag.
const FIRST: usize = 20;

fn main() -> ExitCode {
    let prints_all = std::env::args().any(|argument| argument == "--wrong");
    let masker = Masker::built_in();
    let mut is_good = true;
    for (part, count) in [(Part::Development, DEVELOPMENT), (Part::HeldOut, HELD_OUT)] {
        let lines = corpus::lines(part, count);
        let score = score(&masker, &lines);
        print(part, &lines, &score);
        let printed = match part {
            _ if prints_all => score.failed.len(),
            Part::Development => FIRST,
            Part::HeldOut => 0,
        };
        for (line, found) in score.failed.iter().take(printed) {
            let expected: Vec<String> = line
                .labels
                .iter()
                .map(|label| format!("{} {}", label.kind, shown(&line.text[label.start..label.end])))
                .collect();
            println!("{}\n  is    {}\n  found {}", shown(&line.text), expected.join(", "), found.join(", "));
        }
        for shortfall in score.shortfalls() {
            is_good = false;
            println!("too low: {shortfall}");
        }
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(part: Part, lines: &[corpus::Line], score: &Score<'_>) {
    let name = match part {
        Part::Development => "development",
        Part::HeldOut => "held out",
    };
    let hard = lines.iter().filter(|line| line.labels.is_empty()).count();
    println!("\n{name}: {} lines, {hard} of them with nothing personal", lines.len());
    println!(
        "{:24} {:>6} {:>6} {:>6}  {:>9} {:>7} {:>7}",
        "", "right", "wrong", "missed", "precision", "recall", "F1"
    );
    for (kind, counts) in &score.kinds {
        row(kind, *counts);
    }
    println!();
    for (language, counts) in &score.languages {
        row(language_name(*language), *counts);
    }
    println!();
    row("all", score.all);
    println!("\n{} lines of {name} go wrong", score.failed.len());
}

fn row(name: &str, counts: Counts) {
    let Counts { right, wrong, missed } = counts;
    let (precision, recall, f1) = (counts.precision(), counts.recall(), counts.f1());
    println!("{name:24} {right:>6} {wrong:>6} {missed:>6}  {precision:>9.4} {recall:>7.4} {f1:>7.4}");
}

fn language_name(language: Language) -> &'static str {
    match language {
        Language::Korean => "Korean",
        Language::Japanese => "Japanese",
        Language::Chinese => "Chinese",
        Language::Thai => "Thai",
        Language::English => "English",
        Language::Mixed => "mixed",
    }
}

/// With what has no width made visible.
fn shown(text: &str) -> String {
    let hidden = ['\u{200B}', '\u{200D}', '\u{2060}', '\u{FEFF}', '\u{AD}', '\u{A0}'];
    let sign = |sign: char| match sign {
        _ if hidden.contains(&sign) => sign.escape_unicode().to_string(),
        _ => sign.to_string(),
    };
    text.chars().map(sign).collect()
}

//! How good the masker is on lines of which the truth is known.

use std::collections::BTreeMap;

use mask::Masker;

use super::{Language, Line};

/// What must be reached: the F1 of all, and that of each kind.
const LEAST: f64 = 0.99;
const LEAST_OF_A_KIND: f64 = 0.97;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Found, and of that kind.
    pub(crate) right: usize,
    /// Found where nothing of that kind is.
    pub(crate) wrong: usize,
    /// There, and not found.
    pub(crate) missed: usize,
}

impl Counts {
    fn of(part: usize, whole: usize) -> f64 {
        // Counts of lines are far below 2^52.
        if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
    }

    pub(crate) fn precision(self) -> f64 {
        Self::of(self.right, self.right + self.wrong)
    }

    pub(crate) fn recall(self) -> f64 {
        Self::of(self.right, self.right + self.missed)
    }

    pub(crate) fn f1(self) -> f64 {
        Self::of(2 * self.right, 2 * self.right + self.wrong + self.missed)
    }
}

#[derive(Default)]
pub(crate) struct Score<'a> {
    pub(crate) all: Counts,
    pub(crate) kinds: BTreeMap<String, Counts>,
    pub(crate) languages: BTreeMap<Language, Counts>,
    /// Lines that are not as they must be, and what is found in each.
    pub(crate) failed: Vec<(&'a Line, Vec<String>)>,
}

impl Score<'_> {
    /// What is below what must be reached.
    pub(crate) fn shortfalls(&self) -> Vec<String> {
        let kinds = self.kinds.iter().filter(|(_, counts)| counts.f1() < LEAST_OF_A_KIND);
        let mut short: Vec<String> = kinds
            .map(|(kind, counts)| format!("{kind}: F1 {:.4} < {LEAST_OF_A_KIND}", counts.f1()))
            .collect();
        if self.all.f1() < LEAST {
            short.push(format!("all: F1 {:.4} < {LEAST}", self.all.f1()));
        }
        short
    }

    fn count(&mut self, line: &Line, kind: &str, add: impl Fn(&mut Counts)) {
        add(&mut self.all);
        add(self.kinds.entry(kind.to_owned()).or_default());
        add(self.languages.entry(line.language).or_default());
    }
}

/// A find is right if it overlaps something of its kind; each thing is found once.
pub(crate) fn score<'a>(masker: &Masker, lines: &'a [Line]) -> Score<'a> {
    let mut score = Score::default();
    for line in lines {
        let found = masker.find(&line.text);
        let mut missed = line.labels.clone();
        let mut is_right = true;
        for find in &found {
            let same = |label: &super::Label| {
                label.kind == find.kind && label.start < find.end && find.start < label.end
            };
            if let Some(at) = missed.iter().position(same) {
                missed.remove(at);
                score.count(line, find.kind, |counts| counts.right += 1);
            } else {
                is_right = false;
                score.count(line, find.kind, |counts| counts.wrong += 1);
            }
        }
        for label in &missed {
            score.count(line, label.kind, |counts| counts.missed += 1);
        }
        if !is_right || !missed.is_empty() {
            let told = found.iter().map(|find| format!("{} {}", find.kind, &line.text[find.start..find.end]));
            score.failed.push((line, told.collect()));
        }
    }
    score
}

//! Mask: finds personal data in a text and puts a mask instead, leaving all else as it is, byte for byte.
//!
//! Pure: it takes texts, and the order in which a writer wrote them. No clock, file or socket; what a text belongs to is
//! the caller's.
//!
//! fold the text ([`normal`]) → find what has the shape of a rule ([`find`]) → ask the rule's check → settle what
//! overlaps → mask in the text as it was written. Then the same for the rules that ask for words near a find
//! ([`context`]), on what is masked by then.

mod automaton;
mod check;
mod context;
mod find;
mod fold;
mod normal;
mod rule;
mod split;

use std::borrow::Cow;
use std::sync::Arc;

pub use rule::RulesError;
pub use split::Tails;

use context::Words;
use find::Shapes;
use normal::Normal;
use rule::Rule;

/// A text longer than this is masked sign by sign, so that it does not grow: what a caller writes it to may have a
/// bounded size. In bytes; a shorter one may grow.
const LONG_TEXT: usize = 32 * 1024;

/// The rules, compiled. Made once for a process: it takes longer than masking thousands of texts.
pub struct Masker {
    rules: Vec<Rule>,
    shapes: Shapes,
    contexts: context::Contexts,
}

/// What a rule has found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// What it is, such as `payment_card`.
    pub kind: &'a str,
    /// Where it begins in the text, in bytes.
    pub start: usize,
    /// Where it ends in the text, in bytes, exclusive.
    pub end: usize,
    /// Whether the vault may keep it.
    pub may_be_kept: bool,
}

/// What was masked in a text. Has no `Debug`: it holds it.
pub struct Find {
    /// What it is, such as `payment_card`.
    pub kind: Arc<str>,
    /// What it was; `None` where the law forbids to keep it.
    pub original: Option<Original>,
}

/// What a mask stands for.
pub struct Original {
    /// As it was written; where it was spread over messages, with a space between its parts.
    pub written: String,
    /// The same however it is written: ASCII digits and small letters, without separators.
    pub canonical: String,
}

/// Where a rule has found something in a folded text, or in a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hit {
    rule: usize,
    start: usize,
    end: usize,
    /// Where it is a part of a find that is spread over texts: how many digits that has from here on.
    part: Option<usize>,
}

impl Hit {
    fn new(rule: usize, start: usize, end: usize) -> Self {
        Self { rule, start, end, part: None }
    }

    /// Whether another is a part of it.
    fn contains(&self, other: &Self) -> bool {
        self.start <= other.start && other.end <= self.end && self.end - self.start > other.end - other.start
    }

    fn moved(self, by: usize) -> Self {
        Self { start: self.start + by, end: self.end + by, ..self }
    }
}

impl Masker {
    /// The built-in rules.
    ///
    /// # Panics
    /// Never: they are tested.
    #[must_use]
    pub fn built_in() -> Self {
        Self::compile(rule::rules(None).expect("tested")).expect("tested")
    }

    /// The built-in rules as `own` changes and extends them: TOML, as the head of `rules.toml` says.
    ///
    /// # Errors
    /// If it is not TOML of that form, or its rules cannot be compiled: every mistake with its place.
    pub fn with_rules(own: &str) -> Result<Self, RulesError> {
        Self::compile(rule::rules(Some(own))?)
    }

    fn compile(rules: Vec<Rule>) -> Result<Self, RulesError> {
        let shapes = Shapes::compile(&rules)?;
        let contexts = context::Contexts::compile(&rules)?;
        Ok(Self { rules, shapes, contexts })
    }

    /// Whether a rule finds this kind, and the vault may keep it.
    #[must_use]
    pub fn may_keep(&self, kind: &str) -> bool {
        self.rules.iter().any(|rule| &*rule.kind == kind && rule.keep)
    }

    /// The text with everything masked that is found in it. Adds what was found to `finds`, in order. Borrowed where
    /// nothing was found.
    #[inline]
    pub fn take<'t>(&self, text: &'t str, finds: &mut Vec<Find>) -> Cow<'t, str> {
        let hits = self.hits(text);
        finds.extend(hits.iter().map(|hit| self.taken(hit, text)));
        self.write(text, &hits).0
    }

    /// A find with what it found, where that may be kept.
    fn taken(&self, hit: &Hit, text: &str) -> Find {
        let Rule { kind, keep, is_address, .. } = &self.rules[hit.rule];
        let original = keep.then(|| {
            let written = &text[hit.start..hit.end];
            let mut canonical = Normal::of(written).bytes;
            canonical.retain(|byte| *is_address || byte.is_ascii_alphanumeric() || *byte == b'+');
            canonical.make_ascii_lowercase();
            Original {
                written: written.to_owned(),
                canonical: String::from_utf8_lossy(&canonical).into_owned(),
            }
        });
        Find { kind: kind.clone(), original }
    }

    /// The text with everything masked that is found in it. Borrowed where nothing was found.
    #[inline]
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.write(text, &self.hits(text)).0
    }

    /// Everything that is found in a text, in order. No two overlap.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Found<'_>> {
        let found = |hit: &Hit| {
            let Rule { kind, keep, .. } = &self.rules[hit.rule];
            Found { kind, start: hit.start, end: hit.end, may_be_kept: *keep }
        };
        self.hits(text).iter().map(found).collect()
    }

    /// Everything that is found in a text, in order, in bytes of the text.
    fn hits(&self, text: &str) -> Vec<Hit> {
        if !normal::may_hold(text) {
            return Vec::new();
        }
        let normal = Normal::of(text);
        let words = self.contexts.of(text);
        let found = self.shapes.find(&normal.bytes, |rule| self.may_be_allowed(rule, &words));
        if found.iter().all(|hit| self.asks(hit.rule)) {
            return self.near_words(text, &normal, &words, found);
        }
        let (mut asking, mut sure): (Vec<Hit>, Vec<Hit>) =
            found.into_iter().partition(|hit| self.asks(hit.rule));
        // What contains a sure find must not lose its other part to that.
        sure.sort_unstable_by_key(|hit| hit.start);
        asking.retain(|hit| {
            let first = sure.partition_point(|part| part.start < hit.start);
            let mut within = sure[first..].iter().take_while(|part| part.start < hit.end);
            within.any(|part| hit.contains(part)) && self.is_allowed(text, &normal, &words, hit)
        });
        sure.extend(asking);
        let mut hits =
            settle(&normal.bytes, sure, |folded| self.shapes.find(folded, |rule| !self.asks(rule)));
        hits.iter_mut().for_each(|hit| normal.place(text, hit));
        self.add_near_words(text, &mut hits);
        hits
    }

    /// Whether words near a find decide.
    fn asks(&self, rule: usize) -> bool {
        self.rules[rule].asks_for_words()
    }

    /// Whether a rule asks for no word, or the text has one for which it does.
    fn may_be_allowed(&self, rule: usize, words: &Words<'_>) -> bool {
        self.rules[rule].context.is_empty() || words.has(rule)
    }

    /// Whether a find has the words near it for which its rule asks.
    fn is_allowed(&self, text: &str, normal: &Normal, words: &Words<'_>, hit: &Hit) -> bool {
        let mut placed = *hit;
        normal.place(text, &mut placed);
        words.allow(&placed, !self.rules[hit.rule].context.is_empty())
    }

    /// What has the shape of a rule for which words near it decide, and may be allowed.
    fn find_asking(&self, folded: &[u8], words: &Words<'_>) -> Vec<Hit> {
        self.shapes.find(folded, |rule| self.asks(rule) && self.may_be_allowed(rule, words))
    }

    /// Of finds in a folded text those that have the words near them for which their rules ask, settled where they
    /// overlap, in bytes of the text.
    fn near_words(&self, text: &str, normal: &Normal, words: &Words<'_>, mut asking: Vec<Hit>) -> Vec<Hit> {
        let allows = |hit: &Hit| self.is_allowed(text, normal, words, hit);
        asking.retain(allows);
        let mut hits = settle(&normal.bytes, asking, |folded| {
            let mut found = self.find_asking(folded, words);
            found.retain(allows);
            found
        });
        hits.iter_mut().for_each(|hit| normal.place(text, hit));
        hits
    }

    /// Adds what rules find that ask for words near it. They are looked for in the text as it is masked so far: so they
    /// are as near when it is masked a second time, and what touches a mask may have become a find.
    fn add_near_words(&self, text: &str, hits: &mut Vec<Hit>) {
        let (masked, masks) = self.write(text, hits);
        let normal = Normal::of(&masked);
        let words = self.contexts.of(&masked);
        let asking = self.find_asking(&normal.bytes, &words);
        for mut hit in self.near_words(&masked, &normal, &words, asking) {
            // Back to where it stands in the text: what is masked before it may have another length.
            let before = masks.partition_point(|(_, end)| *end <= hit.start);
            let is_beside = masks.get(before).is_none_or(|(start, _)| hit.end <= *start);
            if is_beside {
                let (from, to) = before.checked_sub(1).map_or((0, 0), |last| (masks[last].1, hits[last].end));
                (hit.start, hit.end) = (hit.start - from + to, hit.end - from + to);
                hits.push(hit);
            }
        }
        hits.sort_unstable_by_key(|hit| hit.start);
    }

    /// Writes the text with masks, and says where in it they stand. `hits` come in order, in bytes of the text.
    fn write<'t>(&self, text: &'t str, hits: &[Hit]) -> (Cow<'t, str>, Vec<(usize, usize)>) {
        if hits.is_empty() {
            return (Cow::Borrowed(text), Vec::new());
        }
        let mut masked = String::with_capacity(text.len());
        let mut places = Vec::with_capacity(hits.len());
        let mut rest = 0;
        for hit in hits {
            masked.push_str(&text[rest..hit.start]);
            let start = masked.len();
            let (mask, found) = (&self.rules[hit.rule].mask, &text[hit.start..hit.end]);
            let folded = Normal::of(found).bytes;
            match hit.part {
                None if text.len() <= LONG_TEXT => mask.write(&folded, &mut masked),
                part => mask.write_stars(found, part.unwrap_or_else(|| digits(&folded)), &mut masked),
            }
            places.push((start, masked.len()));
            rest = hit.end;
        }
        masked.push_str(&text[rest..]);
        (Cow::Owned(masked), places)
    }
}

fn digits(folded: &[u8]) -> usize {
    folded.iter().filter(|byte| byte.is_ascii_digit()).count()
}

/// Settles finds in a folded text where they overlap. What loses may still leave something that is wanted: that is looked
/// for `again` with the others taken out.
fn settle(folded: &[u8], mut found: Vec<Hit>, again: impl Fn(&[u8]) -> Vec<Hit>) -> Vec<Hit> {
    let mut all = Vec::new();
    let mut folded = Cow::Borrowed(folded);
    while !found.is_empty() {
        let count = found.len();
        let hits = strongest(found, folded.len());
        found = Vec::new();
        if hits.len() < count {
            hits.iter().for_each(|hit| folded.to_mut()[hit.start..hit.end].fill(fold::OTHER));
            found = again(&folded);
        }
        all.extend(hits);
    }
    all.sort_unstable_by_key(|hit| hit.start);
    all
}

/// Of those that overlap: what contains another, and of two that only touch each other the first rule's. In order of
/// place.
fn strongest(mut hits: Vec<Hit>, length: usize) -> Vec<Hit> {
    if hits.len() > 1 {
        hits.sort_unstable_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end), hit.rule));
        let mut reached = 0;
        hits.retain(|hit| {
            let is_contained = hit.end <= reached;
            reached = reached.max(hit.end);
            !is_contained
        });
        hits.sort_unstable_by_key(|hit| (hit.rule, hit.start));
        // None contains another: where two overlap, one covers an end of the other.
        let mut taken = vec![false; length];
        hits.retain(|hit| {
            let is_free = !taken[hit.start] && !taken[hit.end - 1];
            if is_free {
                taken[hit.start..hit.end].fill(true);
            }
            is_free
        });
        hits.sort_unstable_by_key(|hit| hit.start);
    }
    hits
}

#[cfg(test)]
mod tests;

//! A corpus of chat lines in which it is known what is personal: made by code, so that nothing in it is anybody's.
//!
//! It has two parts, of different seeds and different sentences. Rules are made by looking at what goes wrong in the
//! first; the second tells whether they have learnt the sentences or the matter.

mod development;
mod held_out;
mod lookalikes;
mod numbers;
mod random;
pub(crate) mod score;

use random::Random;

/// What a line is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Language {
    Korean,
    Japanese,
    Chinese,
    Thai,
    English,
    Mixed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Development,
    HeldOut,
}

/// A line of a chat, and what in it is personal: of which kind and where, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) language: Language,
    pub(crate) text: String,
    pub(crate) labels: Vec<Label>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) kind: &'static str,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What the lines of a language are made of. `{name}` stands for a number that the name says.
struct Sentences {
    language: Language,
    /// What people call a thing: `{name}` first, then its words.
    names: &'static [(&'static str, &'static [&'static str])],
    /// How they tell it: `{n}` is its word, `{x}` the thing.
    frames: &'static [&'static str],
    /// Whole lines with something personal.
    whole: &'static [&'static str],
    /// Whole lines that only look like it.
    lookalikes: &'static [&'static str],
}

/// Of a hundred lines, how many only look personal, and how many are whole sentences that hold something personal.
const LOOKALIKES: usize = 42;
const WHOLE: usize = 15;

/// The lines of a part: always the same.
pub(crate) fn lines(part: Part, count: usize) -> Vec<Line> {
    let (seed, languages): (u64, &[Sentences]) = match part {
        Part::Development => (20_260_203, development::LANGUAGES),
        Part::HeldOut => (77_000_919, held_out::LANGUAGES),
    };
    let mut random = Random::new(seed);
    (0..count)
        .map(|number| {
            let sentences = &languages[number % languages.len()];
            let sort = random.below(100);
            let template = if sort < LOOKALIKES {
                (*random.pick(sentences.lookalikes)).to_owned()
            } else if sort < LOOKALIKES + WHOLE {
                (*random.pick(sentences.whole)).to_owned()
            } else {
                let (name, words) = random.pick(sentences.names);
                let frame = random.pick(sentences.frames);
                let word = random.pick(words);
                frame.replace("{n}", word).replace("{x}", &format!("{{{name}}}"))
            };
            line(&template, sentences.language, &mut random)
        })
        .collect()
}

/// A line as its template says, sometimes with a smile behind it.
fn line(template: &str, language: Language, random: &mut Random) -> Line {
    let mut line = Line { language, text: String::new(), labels: Vec::new() };
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once('{') {
        line.text.push_str(before);
        let (name, behind) = tail.split_once('}').expect("templates close what they open");
        if let Some((kind, text)) = numbers::personal(name, language, random) {
            // What begins with a Latin letter is glued to a digit or to a letter of another script, to no Latin one.
            let is_letter = |sign: char| matches!(sign, 'A'..='Z' | 'a'..='z' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ');
            if line.text.ends_with(|sign: char| sign.is_ascii_digit() || is_letter(sign))
                && text.starts_with(is_letter)
            {
                line.text.push(' ');
            }
            let start = line.text.len();
            line.text.push_str(&text);
            line.labels.push(Label { kind, start, end: line.text.len() });
        } else if let Some(text) = lookalikes::lookalike(name, random) {
            line.text.push_str(&numbers::in_script(&text, language, random));
        } else {
            unreachable!("a template names {name:?}, which nothing makes");
        }
        rest = behind;
    }
    line.text.push_str(rest);
    if random.chance(12) && !line.text.ends_with(|sign: char| sign.is_numeric() || sign.is_ascii()) {
        let smile = random.pick(&["🙏", " 😊", "!!", " ㅠㅠ", "～", "555", " 🙇‍♀️", "❤️"]);
        line.text.push_str(smile);
    }
    line
}

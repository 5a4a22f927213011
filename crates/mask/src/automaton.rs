//! An automaton that finds which patterns fit a text from a place on, at every length. `regex-automata` makes it; its
//! states are copied with nothing but what a run needs, so that they stay in the caches.

use std::collections::{HashMap, HashSet};

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

/// Bytes that the automaton may take, and its making: a user's rules are refused beyond.
const AUTOMATON_BYTES: usize = 64 * 1024 * 1024;

/// A state, by its number. A user's rules are refused where there are more of them: so few bytes each, the caches hold
/// most of those that are used.
pub(super) type State = u16;
/// Where nothing fits any more.
const DEAD: State = 0;

pub(super) struct Automaton {
    /// Which column of `next` a byte has: bytes that no pattern tells apart have the same.
    columns: [u8; 256],
    /// How many columns there are: the last is for the end of the text.
    width: usize,
    /// A row for each state: those that follow it.
    next: Vec<State>,
    start: State,
    /// The first of the states in which patterns have fitted: they are the last.
    fitting: State,
    /// From where on the patterns of each of these stand in `patterns`, and those of the next.
    fits: Vec<usize>,
    patterns: Vec<usize>,
}

impl Automaton {
    pub(super) fn of(patterns: &[&str]) -> Result<Self, String> {
        let dense = dense(patterns)?;
        if dense.has_empty() {
            return Err("it fits where nothing is".to_owned());
        }
        let start = start_of(&dense)?;
        let classes = dense.byte_classes();
        let columns: [u8; 256] = std::array::from_fn(|byte| classes.get(byte as u8));
        let width = classes.alphabet_len();
        // A byte for each column but the last.
        let byte_of = |column| (0..=255).find(|byte| usize::from(classes.get(*byte)) == column);
        let bytes: Vec<u8> = (0..width - 1).filter_map(byte_of).collect();
        let follow = |state: &StateID| -> Vec<StateID> {
            let behind_bytes = bytes.iter().map(|byte| dense.next_state(*state, *byte));
            behind_bytes.chain([dense.next_eoi_state(*state)]).collect()
        };
        // The states that there are, those near the start first: they are used most, and stand together.
        let mut states = vec![start];
        let mut seen = HashSet::from([start]);
        let mut at = 0;
        while at < states.len() {
            states.extend(follow(&states[at]).into_iter().filter(|state| seen.insert(*state)));
            at += 1;
        }
        states.retain(|state| !dense.is_dead_state(*state));
        states.sort_by_key(|state| dense.is_match_state(*state));
        if states.len() >= usize::from(State::MAX) {
            return Err(format!("they make an automaton of {} states", states.len()));
        }
        let numbers: HashMap<StateID, State> = states.iter().copied().zip(DEAD + 1..).collect();
        let number = |state: StateID| numbers.get(&state).copied().unwrap_or(DEAD);
        let rows = states.iter().flat_map(follow).map(number);
        let plain = states.partition_point(|state| !dense.is_match_state(*state));
        let mut fits = vec![0];
        let mut fitted = Vec::new();
        for state in &states[plain..] {
            let count = dense.match_len(*state);
            fitted.extend((0..count).map(|index| dense.match_pattern(*state, index).as_usize()));
            fits.push(fitted.len());
        }
        Ok(Self {
            columns,
            width,
            next: std::iter::repeat_n(DEAD, width).chain(rows).collect(),
            start: number(start),
            fitting: plain as State + 1,
            fits,
            patterns: fitted,
        })
    }

    /// Whether what fits may begin with one of these.
    pub(super) fn begins_with(&self, bytes: &[u8]) -> bool {
        bytes.iter().any(|byte| self.next(self.start, Some(*byte)) != DEAD)
    }

    /// Calls `take` with each place in the text up to which patterns fit from `from` on, and the state that tells which.
    #[inline]
    pub(super) fn run(&self, text: &[u8], from: usize, mut take: impl FnMut(usize, State)) {
        let mut state = self.start;
        for at in from..=text.len() {
            state = self.next(state, text.get(at).copied());
            if state >= self.fitting {
                take(at, state);
            } else if state == DEAD {
                return;
            }
        }
    }

    /// The patterns that have fitted in a state.
    #[inline]
    pub(super) fn fitted(&self, state: State) -> &[usize] {
        let number = usize::from(state - self.fitting);
        &self.patterns[self.fits[number]..self.fits[number + 1]]
    }

    #[inline]
    fn next(&self, state: State, byte: Option<u8>) -> State {
        let column = byte.map_or(self.width - 1, |byte| usize::from(self.columns[usize::from(byte)]));
        self.next[usize::from(state) * self.width + column]
    }
}

fn start_of(automaton: &dense::DFA<Vec<u32>>) -> Result<StateID, String> {
    let start = automaton.start_state(&start::Config::new().anchored(Anchored::Yes));
    start.map_err(|error| error.to_string())
}

fn dense(patterns: &[&str]) -> Result<dense::DFA<Vec<u32>>, String> {
    let built = dense::Builder::new()
        .configure(
            dense::Config::new()
                .match_kind(MatchKind::All)
                .start_kind(StartKind::Anchored)
                .dfa_size_limit(Some(AUTOMATON_BYTES))
                .determinize_size_limit(Some(AUTOMATON_BYTES)),
        )
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .thompson(thompson::Config::new().utf8(false))
        .build_many(patterns);
    built.map_err(|error| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(next) = cause {
            text = next.to_string();
            cause = next.source();
        }
        text
    })
}

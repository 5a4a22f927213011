//! The account of a run: what was sent against what arrived, and what every blow cost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::Service;
use e2e::figures::quantile;
use standins::{Audit, Direction, arrivals, audit, marked, user_id};

use crate::blows::Blow;
use crate::doubles::{Why, doubles};
use crate::failover::{Effect, HOLD_MS, places, silence};
use crate::scene::Scene;
use crate::senders::{Sent, Try};
use crate::strike::Struck;

/// LINE's limit for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A call to Genesys can last this long before its process is struck, in ms: egress's own time-out.
const CALL_MS: u64 = 12_000;
/// How many messages of a kind are named.
const NAMED: usize = 10;

/// What came out.
pub(crate) struct Verdict {
    pub(crate) audit: Audit,
    /// Messages that are doubled at Genesys, with what excuses them.
    pub(crate) doubles: BTreeMap<u32, Option<Why>>,
    lines: Vec<String>,
}

impl Verdict {
    /// Judges a run.
    pub(crate) fn new(scene: &Scene, sent: &Sent, struck: &[Struck], seed: u64) -> Self {
        let audit = audit(&sent.messages, &arrivals(&scene.standins), HOLD_MS);
        let received = scene.standins.genesys().received().after(0);
        let cut: BTreeSet<String> = scene.standins.genesys().cut_answers().into_iter().collect();
        let doubles = doubles(&received, &cut, &excuses(struck));
        let mut lines = vec![
            format!("line → genesys  {}", audit.inbound),
            format!("genesys → line  {}", audit.outbound),
            format!("answers of agents whose customer was not known in time, never sent: {}", sent.unknown),
        ];
        let excused = |wanted| doubles.values().filter(|why| **why == Some(wanted)).count();
        lines.push(format!(
            "possibly twice  {} doubled at genesys: first of its conversation, {} with its answer cut off, {} with its \
             call struck; unexplained {}",
            doubles.len(),
            excused(Why::Cut),
            excused(Why::Struck),
            doubles.values().filter(|why| why.is_none()).count()
        ));
        for (message, _) in doubles.iter().filter(|(_, why)| why.is_none()).take(NAMED) {
            let copies = received.iter().filter(|entry| marked(&entry.text) == Some(*message));
            let told: Vec<String> = copies
                .map(|copy| {
                    let before = received[..copy.seq - 1].iter();
                    let place =
                        before.filter(|other| other.conversation_id == copy.conversation_id).count() + 1;
                    let is_cut = copy.message_id.as_ref().is_some_and(|id| cut.contains(id));
                    format!(
                        "at {} as number {place} of its conversation, answer cut off: {is_cut}",
                        copy.time
                    )
                })
                .collect();
            lines.push(format!("unexplained {message}: {}", told.join("; ")));
        }
        answers(&sent.tries, struck, &mut lines);
        lines.push(format!(
            "connections of senders that failed, tried at the other instance: {}; senders behind their plan: {:?} at most",
            sent.failed_over, sent.behind
        ));
        fail_overs(&effects(scene, sent, seed), struck, &mut lines);
        Self { audit, doubles, lines }
    }

    /// Messages that should not be as they are.
    pub(crate) fn wrong(&self) -> BTreeSet<u32> {
        let (genesys, line) = (&self.audit.inbound, &self.audit.outbound);
        let twice = self.doubles.iter().filter(|(_, why)| why.is_none()).map(|(message, _)| *message);
        twice
            .chain(line.twice.iter().copied())
            .chain([genesys, line].into_iter().flat_map(|account| {
                let (disordered, misdirected) = (&account.out_of_order, &account.misdirected);
                let both = disordered.iter().flat_map(|(this, other)| [*this, *other]);
                account.lost.iter().copied().chain(both).chain(misdirected.iter().copied())
            }))
            .collect()
    }

    /// Nothing lost, nothing twice without an excuse, nothing out of order.
    pub(crate) fn is_good(&self) -> bool {
        let unknown = self.audit.inbound.unknown + self.audit.outbound.unknown;
        self.wrong().is_empty() && unknown == 0
    }

    /// The account, for a person.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = self.lines.clone();
        let named = |what: &str, list: &[String]| {
            let more = if list.len() > NAMED { ", …" } else { "" };
            format!("{what}: {}{more}", list[..list.len().min(NAMED)].join(", "))
        };
        for (way, account) in [("to genesys", &self.audit.inbound), ("to line", &self.audit.outbound)] {
            let order: Vec<String> =
                account.out_of_order.iter().map(|(a, b)| format!("{a} after {b}")).collect();
            let text = |numbers: &[u32]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>();
            for (what, list) in [
                ("lost", text(&account.lost)),
                ("twice", text(&account.twice)),
                ("out of order", order),
                ("misdirected", text(&account.misdirected)),
            ] {
                if !list.is_empty() {
                    lines.push(named(&format!("{what} {way}"), &list));
                }
            }
        }
        lines
    }
}

/// When the answer of a call, or the record of it, may have died with somebody.
fn excuses(struck: &[Struck]) -> Vec<(u64, u64)> {
    let window = |one: &Struck| match one.blow {
        Blow::Kill { service: Service::Egress, .. } => Some((one.at_ms - CALL_MS, one.at_ms + CALL_MS)),
        Blow::Pause { service: Service::Egress, time, .. } => {
            let time = u64::try_from(time.as_millis()).unwrap_or(0);
            Some((one.at_ms - CALL_MS, one.at_ms + time + CALL_MS))
        }
        Blow::Broker { .. } => Some((one.at_ms - CALL_MS, one.until_ms + CALL_MS)),
        _ => None,
    };
    struck.iter().filter_map(window).collect()
}

/// Every message that arrived, at its first time.
fn effects(scene: &Scene, sent: &Sent, seed: u64) -> Vec<Effect> {
    let received = scene.standins.genesys().received().after(0);
    let pushed = scene.standins.line().received().after(0);
    let mut guids: BTreeMap<u32, &str> = BTreeMap::new();
    for entry in &received {
        if let Some(person) = marked(&entry.text).and_then(|message| sent.person_of.get(&message)) {
            guids.entry(*person).or_insert(&entry.conversation);
        }
    }
    let mut places_of: BTreeMap<(u32, Direction), [usize; 2]> = BTreeMap::new();
    let first_sent: BTreeMap<u32, u64> =
        sent.messages.iter().map(|message| (message.message, message.first_sent_ms)).collect();
    let arrived = received
        .iter()
        .map(|entry| (Direction::Inbound, &entry.text, entry.time))
        .chain(pushed.iter().map(|entry| (Direction::Outbound, &entry.text, entry.time)));
    let mut seen = BTreeSet::new();
    let mut effects = Vec::new();
    for (direction, text, at_ms) in arrived {
        let Some(message) = marked(text).filter(|message| seen.insert(*message)) else { continue };
        let (Some(person), Some(first_sent_ms)) = (sent.person_of.get(&message), first_sent.get(&message))
        else {
            continue;
        };
        let guid = guids.get(person).copied().unwrap_or_default();
        let parts = *places_of
            .entry((*person, direction))
            .or_insert_with(|| places(direction, scene.account_of(*person), &user_id(seed, *person), guid));
        let swapped = sent.swapped.contains(&message);
        effects.push(Effect { at_ms, first_sent_ms: *first_sent_ms, swapped, parts });
    }
    effects
}

fn answers(tries: &[Try], struck: &[Struck], lines: &mut Vec<String>) {
    let away = |at: u64| {
        let broken = |one: &&Struck| matches!(one.blow, Blow::Broker { .. });
        struck.iter().filter(broken).any(|one| (one.at_ms.saturating_sub(2_000)..=one.until_ms).contains(&at))
    };
    for (when, is_away) in [("with a broker", false), ("while the broker was away", true)] {
        let mine: Vec<&Try> = tries.iter().filter(|one| away(one.at_ms) == is_away).collect();
        let mut took: Vec<u64> =
            mine.iter().map(|one| u64::try_from(one.took.as_millis()).unwrap_or(u64::MAX)).collect();
        took.sort_unstable();
        let mut by_status: BTreeMap<u16, usize> = BTreeMap::new();
        for one in &mine {
            *by_status.entry(one.status).or_default() += 1;
        }
        let slow = mine.iter().filter(|one| one.took > ANSWER_WITHIN).count();
        lines.push(format!(
            "answers of ingress {when}: {} by status {by_status:?}, p50 {} ms, p99 {} ms, max {} ms, over 2 s: {slow}",
            mine.len(),
            quantile(&took, 0.5),
            quantile(&took, 0.99),
            took.last().copied().unwrap_or_default()
        ));
    }
}

fn fail_overs(effects: &[Effect], struck: &[Struck], lines: &mut Vec<String>) {
    let mut by_kind: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for one in struck {
        let kind = match one.blow {
            Blow::Kill { service: Service::Ingress, .. } => continue,
            Blow::Kill { .. } if one.blow.is_left() => "kill, left to the sibling",
            Blow::Kill { .. } => "kill, started again",
            Blow::Pause { .. } => "pause of 20 s",
            Blow::Broker { .. } => "broker killed (time away included)",
        };
        let silence = silence(one.at_ms, &one.owned, effects);
        lines.push(format!("{:?}: {silence:?} ms of silence", one.blow));
        by_kind.entry(kind).or_default().extend(silence);
    }
    let kills: Vec<u64> = by_kind
        .iter()
        .filter(|(kind, _)| kind.starts_with("kill"))
        .flat_map(|(_, all)| all.clone())
        .collect();
    by_kind.insert("all kills (aim: p95 ≤ 10000 ms)", kills);
    for (kind, mut all) in by_kind {
        all.sort_unstable();
        lines.push(format!(
            "fail-over, {kind}: {} measured, p50 {} ms, p95 {} ms, max {} ms",
            all.len(),
            quantile(&all, 0.5),
            quantile(&all, 0.95),
            all.last().copied().unwrap_or_default()
        ));
    }
}

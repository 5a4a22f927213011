//! Demo traffic as data: who writes what and when, what comes twice and what comes in the wrong order.

use serde::Serialize;

use crate::ids::{self, digest, mix};

/// A delay below which two swapped messages are still put in order: 1.5 s less a margin for the calls themselves.
const SWAP_MS: (u64, u64) = (50, 1_200);
/// Redelivered messages come this long after the first time.
const REDELIVERY_MS: (u64, u64) = (100, 3_000);

/// What people write: short lines as contact centres in Asia get them.
const CUSTOMER: [&str; 14] = [
    "สวัสดีค่ะ สอบถามสถานะการจัดส่งหน่อยค่ะ",
    "ขอเปลี่ยนที่อยู่จัดส่งได้ไหมครับ 🙏",
    "รอบิลค่าน้ำเดือนนี้อยู่ค่ะ ยังไม่ได้เลย",
    "注文した商品がまだ届いていません。",
    "予約を来週の火曜日に変更できますか？",
    "ありがとうございます、助かりました😊",
    "환불은 언제쯤 처리되나요?",
    "비밀번호를 잊어버렸어요ㅠㅠ",
    "请问可以开发票吗？",
    "我想取消昨天的订单，谢谢。",
    "Hi, my card was charged twice.",
    "Is the shop at Siam open on Sunday?",
    "好的👌 麻煩您了",
    "네, 확인했습니다 👍",
];

/// What agents answer.
const AGENT: [&str; 10] = [
    "ยินดีให้บริการค่ะ ขอเช็คข้อมูลสักครู่นะคะ",
    "พัสดุจะถึงพรุ่งนี้ก่อนเที่ยงครับ",
    "お待たせいたしました。発送は本日でございます。",
    "ご連絡ありがとうございます。確認いたします。",
    "안녕하세요, 무엇을 도와드릴까요?",
    "네, 3일 안에 환불됩니다.",
    "您好，发票已发送到您的邮箱。",
    "已為您取消訂單，款項將退回。",
    "Thank you for waiting. The second charge is refunded.",
    "Yes, from 10 to 20 o'clock.",
];

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// A person writes: to the contact centre.
    Inbound,
    /// An agent answers: to the person's channel.
    Outbound,
}

/// What the traffic is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanSettings {
    /// Makes everything; the same plan for the same seed.
    pub seed: u64,
    /// Messages, both directions together, redelivered ones counted once.
    pub messages: u32,
    /// People.
    pub people: u32,
    /// Messages a second.
    pub rate: f64,
    /// Share of the messages that the agents write.
    pub answers: f64,
    /// Share that is delivered again.
    pub redelivered: f64,
    /// Share that is sent after its successor in the same conversation, by at most 1.2 s.
    pub swapped: f64,
    /// Share of people's messages that travel in one body with the message before, where their channel allows it
    /// and both are for one account.
    pub batched: f64,
    /// From a person's first message until they are answered, ms: what a crossing takes.
    pub first_answer_ms: u64,
}

impl Default for PlanSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            messages: 2_000,
            people: 50,
            rate: 100.0,
            answers: 0.4,
            redelivered: 0.05,
            swapped: 0.05,
            batched: 0.1,
            first_answer_ms: 4_000,
        }
    }
}

/// One sending of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Send {
    /// When, ms from the start.
    pub at_ms: u64,
    /// Number of the message: the same for its redelivery.
    pub message: u32,
    /// Which way.
    pub direction: Direction,
    /// Whose conversation, 0 and up.
    pub person: u32,
    /// Time of the event, ms from the start: the order that must come out.
    pub event_ms: u64,
    /// The text, with its marker in front.
    pub text: String,
    /// It was sent before.
    pub redelivery: bool,
    /// It travels with the sending before it in the plan: in one body, if that is possible.
    pub with_previous: bool,
}

/// The marker of the nth message: `m` and at least six digits.
#[must_use]
pub fn marker(message: u32) -> String {
    format!("m{message:06}")
}

/// The number behind the first marker in a text.
#[must_use]
pub fn marked(text: &str) -> Option<u32> {
    text.split_whitespace().find_map(|word| {
        let digits = word.strip_prefix('m')?;
        (digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse().ok())?
    })
}

/// The LINE user id of a person of a plan.
#[must_use]
pub fn user_id(seed: u64, person: u32) -> String {
    ids::line_user(digest(&["person", &seed.to_string(), &person.to_string()]))
}

/// The id of a person of a plan in a custom channel.
#[must_use]
pub fn visitor_id(seed: u64, person: u32) -> String {
    format!("visitor-{}", ids::hex(digest(&["visitor", &seed.to_string(), &person.to_string()])))
}

/// Numbers from a seed.
struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.thrown += 1;
        mix(self.seed, self.thrown) % end.max(1)
    }

    fn between(&mut self, (from, to): (u64, u64)) -> u64 {
        from + self.below(to - from)
    }

    fn hits(&mut self, share: f64) -> bool {
        // A millionth is fine enough for shares that people write.
        #[expect(clippy::cast_precision_loss, reason = "below a million")]
        let thrown = self.below(1_000_000) as f64;
        thrown < share * 1_000_000.0
    }

    fn pick(&mut self, lines: &[&'static str]) -> &'static str {
        lines[usize::try_from(self.below(lines.len() as u64)).unwrap_or(0)]
    }
}

/// Makes the plan, in order of sending.
///
/// Everybody writes before being answered. Times of events are different within a conversation and direction, so
/// that there is one right order.
#[must_use]
pub fn plan(settings: &PlanSettings) -> Vec<Send> {
    let mut dice = Dice { seed: settings.seed, thrown: 0 };
    let people = settings.people.max(1);
    let mut sends = first_times(settings, people, &mut dice);
    swap(settings, people, &mut dice, &mut sends);
    let mut again = Vec::new();
    for send in &sends {
        if dice.hits(settings.redelivered) {
            let at_ms = send.at_ms + dice.between(REDELIVERY_MS);
            again.push(Send { at_ms, redelivery: true, ..send.clone() });
        }
    }
    sends.extend(again);
    sends.sort_by_key(|send| (send.at_ms, send.message, send.redelivery));
    batch(settings, &mut dice, &mut sends);
    sends
}

/// Each message once, in the order of its event.
fn first_times(settings: &PlanSettings, people: u32, dice: &mut Dice) -> Vec<Send> {
    let mut first_wrote: Vec<Option<u64>> = vec![None; people as usize];
    let mut last_event: std::collections::BTreeMap<(u32, Direction), u64> = std::collections::BTreeMap::new();
    (0..settings.messages)
        .map(|message| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "ms of a run, positive"
            )]
            let at = (f64::from(message) * 1_000.0 / settings.rate.max(0.001)) as u64;
            let person = if message < people {
                message
            } else {
                u32::try_from(dice.below(people.into())).unwrap_or(0)
            };
            let known =
                first_wrote[person as usize].is_some_and(|wrote| wrote + settings.first_answer_ms <= at);
            let answers = dice.hits(settings.answers) && known;
            let (direction, words) = if answers {
                (Direction::Outbound, dice.pick(&AGENT))
            } else {
                first_wrote[person as usize].get_or_insert(at);
                (Direction::Inbound, dice.pick(&CUSTOMER))
            };
            let last = last_event.entry((person, direction)).or_insert(0);
            let event_ms = at.max(*last + 1);
            *last = event_ms;
            let text = format!("{} {words}", marker(message));
            let (redelivery, with_previous) = (false, false);
            Send { at_ms: event_ms, message, direction, person, event_ms, text, redelivery, with_previous }
        })
        .collect()
}

/// Sends a share of the messages after their successors.
fn swap(settings: &PlanSettings, people: u32, dice: &mut Dice, sends: &mut [Send]) {
    for person in 0..people {
        for direction in [Direction::Inbound, Direction::Outbound] {
            let lane: Vec<usize> = (0..sends.len())
                .filter(|at| sends[*at].person == person && sends[*at].direction == direction)
                .collect();
            // The first message opens the conversation and keeps its place.
            let mut at = 1;
            while at + 1 < lane.len() {
                if dice.hits(settings.swapped) {
                    sends[lane[at]].at_ms = sends[lane[at + 1]].at_ms + dice.between(SWAP_MS);
                    at += 1;
                }
                at += 1;
            }
        }
    }
}

/// Lets a share of people's messages travel with the message before, which then waits for nothing.
fn batch(settings: &PlanSettings, dice: &mut Dice, sends: &mut [Send]) {
    for at in 1..sends.len() {
        let (before, this) = (&sends[at - 1], &sends[at]);
        let inbound = before.direction == Direction::Inbound && this.direction == Direction::Inbound;
        // A body is either a redelivery or not, and nothing may travel before it happened by much.
        let alike = !before.redelivery && !this.redelivery && this.at_ms - before.at_ms < 100;
        if inbound && alike && dice.hits(settings.batched) {
            sends[at].with_previous = true;
            sends[at].at_ms = sends[at - 1].at_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn demo() -> Vec<Send> {
        plan(&PlanSettings::default())
    }

    #[test]
    fn the_same_seed_makes_the_same_plan() {
        assert_eq!(demo(), demo());
        assert_ne!(demo(), plan(&PlanSettings { seed: 2, ..PlanSettings::default() }));
    }

    #[test]
    fn every_message_is_there_once_and_its_share_twice() {
        let sends = demo();
        let first: BTreeSet<u32> = sends.iter().filter(|s| !s.redelivery).map(|s| s.message).collect();
        assert_eq!(first, (0..2_000).collect());
        let again = sends.iter().filter(|s| s.redelivery).count();
        assert!((70..130).contains(&again), "{again} redelivered");
        assert_eq!(sends.len(), 2_000 + again);
        for send in sends.iter().filter(|send| send.redelivery) {
            let first = sends.iter().find(|s| s.message == send.message && !s.redelivery).unwrap();
            assert!(first.at_ms < send.at_ms && first.event_ms == send.event_ms && first.text == send.text);
        }
        let outbound = sends.iter().filter(|s| s.direction == Direction::Outbound && !s.redelivery).count();
        assert!((500..900).contains(&outbound), "{outbound} answers");
        let batched = sends.iter().filter(|s| s.with_previous).count();
        assert!(batched > 30, "{batched} in one body with another");
    }

    #[test]
    fn a_share_is_swapped_and_by_less_than_the_hold_allows() {
        let mut lanes: BTreeMap<(u32, Direction), Vec<Send>> = BTreeMap::new();
        for send in demo().into_iter().filter(|send| !send.redelivery) {
            lanes.entry((send.person, send.direction)).or_default().push(send);
        }
        let mut swapped = 0;
        for lane in lanes.values() {
            let events: BTreeSet<u64> = lane.iter().map(|send| send.event_ms).collect();
            assert_eq!(events.len(), lane.len(), "times of events must differ");
            for (at, send) in lane.iter().enumerate() {
                let overtaken = lane[..at].iter().filter(|before| before.event_ms > send.event_ms);
                let waits: Vec<u64> = overtaken.map(|before| send.at_ms - before.at_ms).collect();
                assert!(waits.iter().all(|ms| *ms <= 1_300), "{waits:?}");
                swapped += usize::from(!waits.is_empty());
            }
        }
        assert!((70..130).contains(&swapped), "{swapped} swapped");
    }

    #[test]
    fn everybody_writes_before_being_answered() {
        let mut first: BTreeMap<u32, u64> = BTreeMap::new();
        for send in demo() {
            let wrote = *first.entry(send.person).or_insert(send.at_ms);
            if send.direction == Direction::Outbound {
                assert!(send.at_ms >= wrote + 3_900, "{send:?}");
            }
        }
        assert_eq!(first.len(), 50);
    }

    #[test]
    fn markers_are_found_again() {
        assert_eq!(marker(123), "m000123");
        for (text, expected) in [
            ("m000123 สวัสดี", Some(123)),
            ("m1234567", Some(1_234_567)),
            ("สมชาย: m000007 hello", Some(7)),
            ("m00012 x", None),
            ("mm000123", None),
            ("", None),
        ] {
            assert_eq!(marked(text), expected, "{text}");
        }
        assert_eq!(user_id(1, 0).len(), 33);
        assert_ne!(user_id(1, 0), user_id(1, 1));
        assert_ne!(visitor_id(1, 0), visitor_id(1, 1));
    }
}

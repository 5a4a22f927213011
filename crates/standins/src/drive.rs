//! The driver: carries out a plan against a bridge, open loop, and tells what was answered 2xx.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::audit::{Arrival, Message};
use crate::genesys::{AgentMessage, Outbound};
use crate::ids::{self, digest};
use crate::ledger::Ledger;
use crate::line::text_event;
use crate::plan::{Direction, Send, marked, user_id};
use crate::server::Standins;
use crate::webhook::Delivery;

/// How a plan is carried out.
#[derive(Debug, Clone)]
pub struct DriveSettings {
    /// Seed of the plan: it makes the people's ids.
    pub seed: u64,
    /// The LINE account to which people write.
    pub account: String,
    /// Webhooks under way at once; the next ones wait, and are late against the plan.
    pub in_flight: usize,
    /// How long an answer waits for the person's first message to arrive at Genesys, before it is given up.
    pub known_within: Duration,
}

/// What became of a plan.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Every message that was sent, with the times that bound its acceptance.
    pub messages: Vec<Message>,
    /// Messages that were never sent: answers whose person was not known in time, or an account that is not there.
    pub never_sent: Vec<u32>,
    /// Tries by status of the answer; 0 for those without one.
    pub tries: BTreeMap<u16, u64>,
    /// From the first sending to the last answer.
    pub took: Duration,
}

/// Where each person is known at Genesys: integration and GUID.
type Known = BTreeMap<u32, (String, String)>;

struct Run {
    standins: Standins,
    settings: DriveSettings,
    start_ms: u64,
    permits: Arc<Semaphore>,
    known: watch::Receiver<Known>,
    outbound: Mutex<BTreeMap<u32, Outbound>>,
}

/// Carries out a plan: people's webhooks at their time, agents' answers at theirs but not before the person is known.
///
/// Returns when every sending has its answer or was given up.
pub async fn drive(standins: &Standins, plan: &[Send], settings: DriveSettings) -> Report {
    let people: BTreeMap<u32, u32> = plan.iter().map(|send| (send.message, send.person)).collect();
    let (tell, known) = watch::channel(Known::new());
    // A set ends its tasks when it is dropped: a run that is cut short leaves none behind.
    let mut follower = JoinSet::new();
    follower.spawn(follow(standins.clone(), people, tell));
    let run = Arc::new(Run {
        standins: standins.clone(),
        start_ms: standins.clock().now_ms(),
        permits: Arc::new(Semaphore::new(settings.in_flight.max(1))),
        known,
        outbound: Mutex::new(BTreeMap::new()),
        settings,
    });
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    let mut outcomes = Vec::with_capacity(plan.len());
    for body in bodies(plan) {
        sleep_until(start + Duration::from_millis(body[0].at_ms)).await;
        let (run, sends) = (run.clone(), body.to_vec());
        if body[0].direction == Direction::ToLine {
            tasks.spawn(async move {
                let delivery = run.answer(&sends[0]).await;
                (sends, delivery)
            });
        } else {
            // The wait for a free place is what bounds the sendings under way.
            let Ok(permit) = run.permits.clone().acquire_owned().await else { break };
            tasks.spawn(async move {
                let delivery = run.events(&sends).await;
                drop(permit);
                (sends, delivery)
            });
        }
        while let Some(done) = tasks.try_join_next() {
            outcomes.extend(done);
        }
    }
    while let Some(done) = tasks.join_next().await {
        outcomes.extend(done);
    }
    report(&run, outcomes, start.elapsed())
}

/// Cuts a plan into webhook bodies.
fn bodies(plan: &[Send]) -> impl Iterator<Item = &[Send]> {
    plan.chunk_by(|_, next| next.with_previous)
}

/// Notes for every person under which GUID her first message arrived.
async fn follow(standins: Standins, people: BTreeMap<u32, u32>, tell: watch::Sender<Known>) {
    let ledger = standins.genesys().received();
    let mut seen = 0;
    loop {
        let entries = ledger.beyond(seen).await;
        seen += entries.len();
        for entry in entries {
            let Some(person) = marked(&entry.text).and_then(|message| people.get(&message)) else { continue };
            tell.send_if_modified(|known| {
                let new = !known.contains_key(person);
                // The first is kept: should a bridge mix people up later, the answers do not go wrong as well.
                known.entry(*person).or_insert((entry.integration, entry.conversation));
                new
            });
        }
    }
}

impl Run {
    /// Sends an agent's answer once the person is known; `None` where she is not in time.
    async fn answer(&self, send: &Send) -> Option<Delivery> {
        let outbound = self.outbound(send).await?;
        let _permit = self.permits.acquire().await.ok()?;
        Some(self.standins.genesys().deliver(&outbound).await)
    }

    /// Sends one body of people's events; `None` where there is no such account.
    async fn events(&self, sends: &[Send]) -> Option<Delivery> {
        let events = sends.iter().map(|send| {
            let (time, bytes) = (self.start_ms + send.event_ms, self.bytes(send));
            let user = user_id(self.settings.seed, send.person);
            let event =
                text_event(&user, &send.text, time, &ids::ulid(time, bytes), &ids::line_message(bytes));
            if send.redelivery { crate::line::redelivered(&event) } else { event }
        });
        let webhook = self.standins.line().compose(&self.settings.account, events.collect())?;
        Some(self.standins.line().deliver(&webhook).await)
    }

    /// The webhook of an answer: made once, so that its redelivery is the same bytes.
    async fn outbound(&self, send: &Send) -> Option<Outbound> {
        let mut known = self.known.clone();
        let person = |known: &Known| known.get(&send.person).cloned();
        let wait = known.wait_for(|known| person(known).is_some());
        let (integration, to) = person(&*timeout(self.settings.known_within, wait).await.ok()?.ok()?)?;
        let mut made = self.outbound.lock().expect("no code panics while it holds the answers");
        if let Some(outbound) = made.get(&send.message) {
            return Some(outbound.clone());
        }
        let time_ms = Some(self.start_ms + send.event_ms);
        let message = AgentMessage { integration, to, text: send.text.clone(), time_ms };
        let outbound = self.standins.genesys().compose(&message).ok()?;
        made.insert(send.message, outbound.clone());
        Some(outbound)
    }

    /// What makes the ids of a message: another run has others, its redelivery the same.
    fn bytes(&self, send: &Send) -> [u8; 16] {
        let parts = [self.settings.seed, self.start_ms, u64::from(send.message)].map(|part| part.to_string());
        digest(&["event", &parts[0], &parts[1], &parts[2]])
    }
}

fn report(run: &Run, outcomes: Vec<(Vec<Send>, Option<Delivery>)>, took: Duration) -> Report {
    let mut report = Report { took, ..Report::default() };
    let mut messages: BTreeMap<u32, Message> = BTreeMap::new();
    for (sends, delivery) in outcomes {
        let Some(delivery) = delivery else {
            report.never_sent.extend(sends.iter().filter(|send| !send.redelivery).map(|send| send.message));
            continue;
        };
        for attempt in &delivery.attempts {
            *report.tries.entry(attempt.status.unwrap_or(0)).or_default() += 1;
        }
        for send in sends {
            let first_sent_ms = delivery.first_sent_ms().unwrap_or(run.start_ms);
            let accepted_ms = delivery.accepted_ms();
            let message = messages.entry(send.message).or_insert_with(|| Message {
                message: send.message,
                direction: send.direction,
                person: user_id(run.settings.seed, send.person),
                event_ms: run.start_ms + send.event_ms,
                first_sent_ms,
                accepted_ms,
            });
            message.first_sent_ms = message.first_sent_ms.min(first_sent_ms);
            message.accepted_ms = [message.accepted_ms, accepted_ms].into_iter().flatten().min();
        }
    }
    report.never_sent.sort_unstable();
    report.messages = messages.into_values().collect();
    report
}

/// Waits until every accepted message is in its ledger; `false` where that is not so `within` that time.
pub async fn settled(standins: &Standins, messages: &[Message], within: Duration) -> bool {
    let deadline = Instant::now() + within;
    let waits = async {
        for direction in [Direction::ToGenesys, Direction::ToLine] {
            let accepted = messages.iter().filter(|m| m.direction == direction && m.accepted_ms.is_some());
            let mut missing: std::collections::BTreeSet<u32> = accepted.map(|m| m.message).collect();
            let mut seen = 0;
            while !missing.is_empty() {
                let numbers = match direction {
                    Direction::ToGenesys => numbers(standins.genesys().received(), seen, |e| &e.text).await,
                    Direction::ToLine => numbers(standins.line().received(), seen, |e| &e.text).await,
                };
                seen += numbers.len();
                for number in numbers.into_iter().flatten() {
                    missing.remove(&number);
                }
            }
        }
    };
    timeout_at(deadline, waits).await.is_ok()
}

/// Waits for entries beyond those `seen`, and gives the number that each entry's text carries.
async fn numbers<T: Clone>(ledger: &Ledger<T>, seen: usize, text: fn(&T) -> &str) -> Vec<Option<u32>> {
    ledger.beyond(seen).await.iter().map(|entry| marked(text(entry))).collect()
}

/// Both ledgers as the audit reads them; entries without a marker are left out.
#[must_use]
pub fn arrivals(standins: &Standins) -> Vec<Arrival> {
    let genesys = standins.genesys().received().after(0);
    let line = standins.line().received().after(0);
    genesys.iter().filter_map(Arrival::at_genesys).chain(line.iter().filter_map(Arrival::at_line)).collect()
}

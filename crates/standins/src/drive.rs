//! The driver: carries out a plan against a bridge, open loop, and reports what was answered 2xx.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::audit::Message;
use crate::clock::iso;
use crate::custom::{self, Content, Event};
use crate::genesys::{AgentMessage, Outbound};
use crate::ids::{self, digest};
use crate::line::text_event;
use crate::people::{ChannelAccount, People};
use crate::plan::{Direction, Send, marked};
use crate::server::Standins;
use crate::webhook::Delivery;

/// How a plan is carried out.
#[derive(Debug, Clone)]
pub struct DriveSettings {
    /// Seed of the plan: it makes the people's ids.
    pub seed: u64,
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
    /// Messages that were never sent: answers whose person was not known in time, or anything where
    /// there is no account to write to.
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
    people: People,
    start_ms: u64,
    permits: Arc<Semaphore>,
    known: watch::Receiver<Known>,
    outbound: Mutex<BTreeMap<u32, Outbound>>,
}

/// Carries out a plan: people's webhooks at their time, agents' answers at theirs but not before the person is known.
///
/// People are spread over all accounts of all channels that have been set up, in turn. Whoever wrote is answered over
/// the integration by which the message arrived.
///
/// Returns when every sending has its answer or was given up.
pub async fn drive(standins: &Standins, plan: &[Send], settings: DriveSettings) -> Report {
    let person_of: BTreeMap<u32, u32> = plan.iter().map(|send| (send.message, send.person)).collect();
    let (news, known) = watch::channel(Known::new());
    // A set ends its tasks when it is dropped: a run that is cut short leaves none behind.
    let mut follower = JoinSet::new();
    follower.spawn(follow(standins.clone(), person_of, news));
    let run = Arc::new(Run {
        people: People::of(standins, settings.seed),
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
    for due in plan.chunk_by(|_, next| next.with_previous) {
        sleep_until(start + Duration::from_millis(due[0].at_ms)).await;
        for sends in run.bodies(due) {
            let run = run.clone();
            if sends[0].direction == Direction::Outbound {
                tasks.spawn(async move {
                    let delivery = run.answer(&sends[0]).await;
                    (sends, delivery)
                });
            } else {
                // The wait for a free place is what bounds the sendings under way.
                let permit = run.permits.clone().acquire_owned().await.expect("nothing closes the permits");
                tasks.spawn(async move {
                    let delivery = run.write(&sends).await;
                    drop(permit);
                    (sends, delivery)
                });
            }
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

/// Notes for every person under which GUID their first message arrived.
async fn follow(standins: Standins, person_of: BTreeMap<u32, u32>, news: watch::Sender<Known>) {
    let ledger = standins.genesys().received();
    let mut seen = 0;
    loop {
        let entries = ledger.beyond(seen).await;
        seen += entries.len();
        for entry in entries {
            let Some(person) = marked(&entry.text).and_then(|message| person_of.get(&message)) else {
                continue;
            };
            news.send_if_modified(|known| {
                let new = !known.contains_key(person);
                // The first is kept: should a bridge mix people up later, the answers do not go wrong as well.
                known.entry(*person).or_insert((entry.integration, entry.conversation));
                new
            });
        }
    }
}

impl Run {
    /// The webhook bodies of what is due together: LINE's events of one account share one, a custom channel puts each
    /// message into one of its own.
    fn bodies(&self, due: &[Send]) -> Vec<Vec<Send>> {
        let mut bodies: Vec<Vec<Send>> = Vec::new();
        for send in due {
            let account = self.people.account_of(send.person);
            let shares = !matches!(account, Some(ChannelAccount::Custom(_)));
            let same = |body: &&mut Vec<Send>| self.people.account_of(body[0].person) == account;
            match bodies.iter_mut().find(same).filter(|_| shares) {
                Some(body) => body.push(send.clone()),
                None => bodies.push(vec![send.clone()]),
            }
        }
        bodies
    }

    /// Sends an agent's answer once the person is known; `None` where they are not in time.
    async fn answer(&self, send: &Send) -> Option<Delivery> {
        let outbound = self.outbound(send).await?;
        let _permit = self.permits.acquire().await.ok()?;
        Some(self.standins.genesys().deliver(&outbound).await)
    }

    /// Sends one body of people's messages; `None` where there is no account to write to.
    async fn write(&self, sends: &[Send]) -> Option<Delivery> {
        match self.people.account_of(sends[0].person)? {
            ChannelAccount::Line(account) => self.write_on_line(account, sends).await,
            ChannelAccount::Custom(account) => self.write_on_custom(account, &sends[0]).await,
        }
    }

    async fn write_on_line(&self, account: &str, sends: &[Send]) -> Option<Delivery> {
        let events = sends.iter().map(|send| {
            let (time, bytes) = (self.start_ms + send.event_ms, self.bytes(send));
            let user = self.people.id_of(send.person);
            let event =
                text_event(&user, &send.text, time, &ids::ulid(time, bytes), &ids::line_message(bytes));
            if send.redelivery { crate::line::redelivered(&event) } else { event }
        });
        let webhook = self.standins.line().compose(account, events.collect())?;
        Some(self.standins.line().deliver(&webhook).await)
    }

    async fn write_on_custom(&self, account: &str, send: &Send) -> Option<Delivery> {
        let timestamp = iso(self.start_ms + send.event_ms);
        let data = custom::Message {
            id: format!("m-{}", ids::hex(self.bytes(send))),
            person: self.people.id_of(send.person),
            sequence: self.people.are_numbered(send.person).then(|| send.message.into()),
            content: Content::text(&send.text),
        };
        let webhook = self.standins.custom().compose(account, &Event::Message { timestamp, data })?;
        Some(self.standins.custom().deliver(&webhook).await)
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
                person: run.people.address_of(send.person),
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

//! The platforms' senders: every webhook at its time, over both instances of ingress, to the other one where a
//! connection fails, and again later where there was no 2xx.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use e2e::process::account;
use hyper::Method;
use standins::{
    AgentMessage, Client, Direction, Message, NoAnswer, Send, marked, redelivered, sign, text_event, user_id,
};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::load::Load;
use crate::scene::Scene;

/// Webhooks under way at once; beyond them the senders wait, and are late.
const UNDER_WAY: usize = 1_024;
/// How long a sender waits for an answer: longer than LINE does, so that a late answer is seen.
const PATIENCE: Duration = Duration::from_secs(5);
/// A webhook without a 2xx comes again, this often, so much later.
const AGAIN: u32 = 3;
const AGAIN_AFTER: Duration = Duration::from_secs(4);
/// For a person to be known at Genesys before she can be answered.
const KNOWN_WITHIN: Duration = Duration::from_secs(90);

/// One answer of an instance of ingress, or none in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Try {
    /// When it began, ms since 1970.
    pub(crate) at_ms: u64,
    pub(crate) took: Duration,
    /// 0 where there was no answer.
    pub(crate) status: u16,
}

/// What the senders know at the end.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) messages: Vec<Message>,
    /// Whose conversation each message belongs to.
    pub(crate) person_of: BTreeMap<u32, u32>,
    /// Messages whose first sending was delayed by the plan.
    pub(crate) swapped: BTreeSet<u32>,
    /// Answers whose person was not known in time: never sent.
    pub(crate) unknown: usize,
    pub(crate) tries: Vec<Try>,
    /// Tries whose connection failed.
    pub(crate) failed_over: usize,
    /// The most by which a sending was late against the plan.
    pub(crate) behind: Duration,
}

/// GUIDs of those who are known at Genesys.
type Known = BTreeMap<u32, String>;

struct Run {
    scene: Arc<Scene>,
    seed: u64,
    start_ms: u64,
    ingress: [String; 2],
    turn: AtomicUsize,
    client: Client,
    places: Semaphore,
    known: watch::Receiver<Known>,
    /// Bodies of answers: made once, so that one that comes again is the same.
    made: Mutex<BTreeMap<u32, Bytes>>,
    sent: Mutex<Sent>,
}

/// Sends the load; returns when every sending has its answer or was given up.
pub(crate) async fn send(scene: &Arc<Scene>, load: &Load, seed: u64, ingress: [String; 2]) -> Sent {
    let (tell, known) = watch::channel(Known::new());
    let person_of: BTreeMap<u32, u32> = load.sends.iter().map(|send| (send.message, send.person)).collect();
    // A set ends its tasks when it is dropped.
    let mut follower = JoinSet::new();
    follower.spawn(follow(scene.clone(), person_of.clone(), tell));
    let run = Arc::new(Run {
        scene: scene.clone(),
        seed,
        start_ms: scene.standins.clock().now_ms(),
        ingress,
        turn: AtomicUsize::new(0),
        client: Client::default(),
        places: Semaphore::new(UNDER_WAY),
        known,
        made: Mutex::default(),
        sent: Mutex::default(),
    });
    let start = Instant::now();
    let mut messages: BTreeMap<u32, Message> = BTreeMap::new();
    let mut tasks: JoinSet<Option<Message>> = JoinSet::new();
    let mut unknown = 0;
    let mut note = |done: Option<Message>| match done {
        None => unknown += 1,
        Some(message) => match messages.get_mut(&message.message) {
            None => drop(messages.insert(message.message, message)),
            Some(known) => {
                known.first_sent_ms = known.first_sent_ms.min(message.first_sent_ms);
                known.accepted_ms = [known.accepted_ms, message.accepted_ms].into_iter().flatten().min();
            }
        },
    };
    for send in &load.sends {
        let due = start + Duration::from_millis(send.at_ms);
        sleep_until(due).await;
        let (run, send) = (run.clone(), send.clone());
        tasks.spawn(async move { run.one(&send, due).await });
        while let Some(done) = tasks.try_join_next() {
            note(done.expect("a sender does not panic"));
        }
    }
    while let Some(done) = tasks.join_next().await {
        note(done.expect("a sender does not panic"));
    }
    let swapped = load.sends.iter().filter(|send| !send.redelivery && send.at_ms > send.event_ms);
    let swapped = swapped.map(|send| send.message).collect();
    let sent = std::mem::take(&mut *run.sent());
    Sent { messages: messages.into_values().collect(), person_of, swapped, unknown, ..sent }
}

/// Notes for every person under which GUID her first message arrived.
async fn follow(scene: Arc<Scene>, person_of: BTreeMap<u32, u32>, tell: watch::Sender<Known>) {
    let ledger = scene.standins.genesys().received();
    let mut seen = 0;
    loop {
        let entries = ledger.beyond(seen).await;
        seen += entries.len();
        tell.send_if_modified(|known| {
            let before = known.len();
            for entry in entries {
                if let Some(person) = marked(&entry.text).and_then(|message| person_of.get(&message)) {
                    known.entry(*person).or_insert(entry.conversation);
                }
            }
            known.len() > before
        });
    }
}

impl Run {
    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().expect("nothing panics while it holds the account")
    }

    /// One sending with all its tries; none where the person to be answered is not known.
    async fn one(&self, send: &Send, due: Instant) -> Option<Message> {
        let account = self.scene.account_of(send.person);
        let outbound = match send.direction {
            Direction::Outbound => Some(self.outbound(send).await?),
            Direction::Inbound => None,
        };
        let _place = self.places.acquire().await.ok()?;
        if outbound.is_none() {
            let mut sent = self.sent();
            sent.behind = sent.behind.max(due.elapsed());
        }
        let mut message = Message {
            message: send.message,
            direction: send.direction,
            person: user_id(self.seed, send.person),
            event_ms: self.start_ms + send.event_ms,
            first_sent_ms: self.scene.standins.clock().now_ms(),
            accepted_ms: None,
        };
        for again in 0..=AGAIN {
            if again > 0 {
                sleep(AGAIN_AFTER).await;
            }
            let (path, header, body, signature) = match &outbound {
                Some(body) => {
                    let signature = sign::genesys(account::WEBHOOK_SECRET, body);
                    let path = format!("genesys/{}", account.integration);
                    (path, sign::GENESYS_SIGNATURE, body.clone(), signature)
                }
                None => {
                    let (body, signature) = self.event(send, again > 0);
                    (format!("line/{}", account.line), sign::LINE_SIGNATURE, body, signature)
                }
            };
            if self.post(&path, &[(header, &signature), ("content-type", "application/json")], body).await {
                message.accepted_ms = Some(self.scene.standins.clock().now_ms());
                break;
            }
        }
        Some(message)
    }

    /// One webhook to one instance, and to the other where the connection fails; whether a 2xx came.
    async fn post(&self, path: &str, headers: &[(&str, &str)], body: Bytes) -> bool {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for instance in [turn, turn + 1] {
            let url = format!("{}/webhooks/{path}", self.ingress[instance % self.ingress.len()]);
            let (at_ms, begun) = (self.scene.standins.clock().now_ms(), Instant::now());
            let answer = self.client.call(Method::POST, &url, headers, body.clone(), PATIENCE).await;
            let took = begun.elapsed();
            let status = match answer {
                Ok((status, ..)) => status,
                Err(NoAnswer::Timeout) => 0,
                Err(_) => {
                    self.sent().failed_over += 1;
                    continue;
                }
            };
            self.sent().tries.push(Try { at_ms, took, status });
            return (200..300).contains(&status);
        }
        false
    }

    /// A person's message as LINE sends it.
    fn event(&self, send: &Send, again: bool) -> (Bytes, String) {
        let user = user_id(self.seed, send.person);
        let time = self.start_ms + send.event_ms;
        let (event_id, message_id) =
            (format!("01CHAOS{:019}", send.message), format!("61{:016}", send.message));
        let event = text_event(&user, &send.text, time, &event_id, &message_id);
        let event = if send.redelivery || again { redelivered(&event) } else { event };
        let account = &self.scene.account_of(send.person).line;
        let webhook = self.scene.standins.line().compose(account, vec![event]);
        webhook.expect("every account is set up").signed()
    }

    /// An agent's answer as Genesys sends it, once the person is known there.
    async fn outbound(&self, send: &Send) -> Option<Bytes> {
        let mut known = self.known.clone();
        let wait = known.wait_for(|known| known.contains_key(&send.person));
        let to = timeout(KNOWN_WITHIN, wait).await.ok()?.ok()?.get(&send.person).cloned()?;
        let mut made = self.made.lock().expect("nothing panics while it holds the answers");
        if let Some(body) = made.get(&send.message) {
            return Some(body.clone());
        }
        let integration = self.scene.account_of(send.person).integration.clone();
        let time_ms = Some(self.start_ms + send.event_ms);
        let message = AgentMessage { integration, to, text: send.text.clone(), time_ms };
        let body = self.scene.standins.genesys().compose(&message).ok()?.body;
        made.insert(send.message, body.clone());
        Some(body)
    }
}

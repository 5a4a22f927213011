//! What a person sees: each message as it crosses, with the time that each hop took.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemas::{Delivery, DeliveryStatus};
use standins::{DriveSettings, PlanSettings, Received, Sent, drive, marked, plan};
use tokio::sync::Notify;

use super::Dev;

/// Messages of the demo conversation, enough for a day.
const DEMO_MESSAGES: u32 = 10_000;
/// People of the demo conversation.
const DEMO_PEOPLE: u32 = 3;
/// Messages of the demo conversation a second.
const DEMO_RATE: f64 = 0.25;

/// How a message ended, as egress saw it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Delivered,
    Dead,
}

#[derive(Default)]
struct Seen {
    /// Final records by destination and identity.
    ends: HashMap<(String, String), End>,
    /// Delivered, not yet shown.
    fresh: Vec<Delivery>,
}

/// Listens to egress.
#[derive(Clone, Default)]
pub(crate) struct Watcher {
    seen: Arc<Mutex<Seen>>,
    news: Arc<Notify>,
}

impl Watcher {
    /// What egress calls for each delivery record.
    pub(crate) fn observer(&self) -> egress::courier::Observer {
        let watcher = self.clone();
        Arc::new(move |delivery: &Delivery| {
            let end = match delivery.status {
                DeliveryStatus::Started | DeliveryStatus::InDoubt => return,
                DeliveryStatus::Delivered => End::Delivered,
                DeliveryStatus::Failed | DeliveryStatus::Refused => End::Dead,
            };
            let mut seen = watcher.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.ends.insert((delivery.destination.clone(), delivery.identity.clone()), end);
            seen.fresh.push(delivery.clone());
            drop(seen);
            watcher.news.notify_one();
        })
    }

    /// How many messages for `destination` ended so.
    pub(crate) fn count(&self, destination: &str, end: End) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.ends.iter().filter(|((to, _), how)| to == destination && **how == end).count() as u64
    }

    fn take_fresh(&self) -> Vec<Delivery> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner).fresh)
    }
}

/// Greets, lets people write and agents answer, and shows every crossing until the end is asked for.
pub(crate) async fn run(dev: &Dev) {
    say(&greeting(dev));
    let traffic = {
        let settings = PlanSettings {
            seed: 7,
            messages: DEMO_MESSAGES,
            people: DEMO_PEOPLE,
            rate: DEMO_RATE,
            answers: 0.5,
            redelivered: 0.0,
            swapped: 0.0,
            batched: 0.0,
            ..PlanSettings::default()
        };
        let account = dev.config.line.keys().next().cloned().unwrap_or_default();
        let drive_settings = DriveSettings {
            seed: settings.seed,
            account,
            in_flight: 16,
            known_within: Duration::from_secs(30),
        };
        async move { drive(&dev.standins, &plan(&settings), drive_settings).await }
    };
    tokio::select! {
        _ = traffic => {}
        () = crossings(dev) => {}
        () = dev.shutdown.wait() => {}
    }
    say("\nended; nothing is kept");
}

async fn crossings(dev: &Dev) {
    loop {
        dev.watcher.news.notified().await;
        for delivery in dev.watcher.take_fresh() {
            if !dev.quiet {
                say(&crossing(dev, &delivery));
            }
        }
    }
}

/// One line: who said what, and how long each hop took.
fn crossing(dev: &Dev, delivery: &Delivery) -> String {
    let id = delivery.platform_id.as_deref().unwrap_or_default();
    let (arrow, place, said) = match delivery.destination.as_str() {
        "genesys" => {
            let entries = dev.standins.genesys().received().after(0);
            let entry = entries.iter().rev().find(|entry: &&Received| entry.id == id);
            let said = entry.map(|e| (e.text.clone(), standins::parse_iso(&e.event_time)));
            ("LINE → agent   ", "Genesys", said)
        }
        _ => {
            let entries = dev.standins.line().received().after(0);
            let entry = entries.iter().rev().find(|entry: &&Sent| entry.message_id == id);
            ("agent → LINE   ", "LINE", entry.map(|e| (e.text.clone(), None)))
        }
    };
    let text = |text: String| match (marked(&text), text.split_once(' ')) {
        // The demo's own numbers are for the audit, not for a reader.
        (Some(_), Some((_, rest))) => rest.to_owned(),
        _ => text,
    };
    let person = &delivery.person[..delivery.person.len().min(8)];
    let Some((said, event)) = said else {
        return format!(
            "{arrow}person {person}  not delivered: {}",
            delivery.reason.as_deref().unwrap_or("?")
        );
    };
    let ours = delivery.ours_ms.unwrap_or_default();
    let platform = delivery.platform_ms.unwrap_or_default();
    let mut line = format!("{arrow}person {person}  “{}”\n                 ", text(said));
    if let Some(event) = event {
        let received = delivery.at - platform - ours;
        let _ = write!(line, "to ingress {} ms · ", (received - event.cast_signed()).max(0));
    }
    let _ = write!(line, "in Naru {ours} ms (2,000 of them held for order) · {place} {platform} ms");
    line
}

fn greeting(dev: &Dev) -> String {
    let Dev { config, url, .. } = dev;
    let (name, account) = config.line.iter().next().expect("the configuration has an account");
    let body = sample_body();
    let curl =
        standins::curl(account.channel_secrets[0].reveal(), &format!("{url}/webhooks/line/{name}"), &body);
    format!(
        "naru dev: LINE and Genesys Cloud are stand-ins in this process, Kafka is a mock, nothing is kept.\n\n\
         webhooks    {url}/webhooks/line/{name}\n            \
         {url}/webhooks/genesys/{}\n\
         arrived     {url}/_standins/genesys/received\n            \
         {url}/_standins/line/received\n\n\
         Send a message yourself:\n\n{curl}\n\n\
         A person writes on LINE, an agent answers. Ctrl-C ends.\n",
        account.integration
    )
}

/// A webhook with one text message of now, by somebody who is not in the demo.
fn sample_body() -> String {
    let now = runtime::clock::now_ms();
    format!(
        r#"{{"destination":"U00000000000000000000000000000000","events":[{{"type":"message","message":{{"type":"text","id":"{now}","text":"hello from curl"}},"webhookEventId":"01{now:0>24}","deliveryContext":{{"isRedelivery":false}},"timestamp":{now},"source":{{"type":"user","userId":"U11111111111111111111111111111111"}},"replyToken":"0f3779fba3b349968c5d07db31eabf65","mode":"active"}}]}}"#
    )
}

/// Prints for the person who watches; that nobody does any more is no error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

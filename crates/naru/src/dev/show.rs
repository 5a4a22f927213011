//! What a person sees: each message as it crosses, with the time that each hop took.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemas::{Delivery, DeliveryStatus};
use standins::{DriveSettings, PlanSettings, Seen, drive, marked, plan};
use tokio::sync::Notify;

use super::Dev;

/// Messages of the demo conversation, enough for a day.
const DEMO_MESSAGES: u32 = 10_000;
/// People of the demo conversation.
const DEMO_PEOPLE: u32 = 3;
/// Messages of the demo conversation a second.
const DEMO_RATE: f64 = 0.25;

/// Characters before what is shown of a crossing.
const ARROW: usize = 17;

/// How a message ended, as egress saw it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Delivered,
    Dead,
}

#[derive(Default)]
struct Finals {
    /// Final records by destination and identity.
    ends: HashMap<(String, String), End>,
    /// Delivered, not yet shown.
    fresh: Vec<Delivery>,
}

/// Listens to egress.
#[derive(Clone, Default)]
pub(crate) struct Watcher {
    seen: Arc<Mutex<Finals>>,
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
        let drive_settings =
            DriveSettings { seed: settings.seed, in_flight: 16, known_within: Duration::from_secs(30) };
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
    let channel =
        delivery.platform.as_deref().and_then(platforms::named).map_or("?", |channel| channel.title);
    let is_inbound = delivery.destination == platforms::contact_centre().name;
    let arrow = if is_inbound { format!("{channel} → agent") } else { format!("agent → {channel}") };
    let person = &delivery.person[..delivery.person.len().min(8)];
    // A platform that gives no id knows the message by ours.
    let id = delivery.platform_id.as_deref().unwrap_or(&delivery.identity);
    let Some(Seen { text, event_time, place }) = dev.standins.seen(&delivery.destination, id) else {
        let reason = delivery.reason.as_deref().unwrap_or("?");
        return format!("{arrow:ARROW$}person {person}  not delivered: {reason}");
    };
    let text = match (marked(&text), text.split_once(' ')) {
        // The demo's own numbers are for the audit, not for a reader.
        (Some(_), Some((_, rest))) => rest.to_owned(),
        _ => text,
    };
    let ours = delivery.ours_ms.unwrap_or_default();
    let platform = delivery.platform_ms.unwrap_or_default();
    let mut line = format!("{arrow:ARROW$}person {person}  “{text}”\n{:ARROW$}", "");
    if let Some(event) = event_time {
        let received = delivery.at - platform - ours;
        let _ = write!(line, "to ingress {} ms · ", (received - event.cast_signed()).max(0));
    }
    let _ = write!(line, "in Naru {ours} ms (2,000 of them held for order) · {place} {platform} ms");
    line
}

fn greeting(dev: &Dev) -> String {
    let Dev { config, url, standins, .. } = dev;
    let webhooks = config.platforms.webhooks.iter().map(|webhook| {
        let (platform, name) = (webhook.platform.name, &webhook.name);
        format!("{url}/webhooks/{platform}/{name}")
    });
    let ledgers = standins.ledgers().into_iter().map(|path| format!("{url}{path}"));
    let titles: Vec<&str> = config.platforms.platforms().iter().map(|platform| platform.title).collect();
    let now = runtime::clock::now_ms().cast_unsigned();
    format!(
        "naru dev: {} are stand-ins in this process, Kafka is a mock, nothing is kept.\n\n\
         webhooks    {}\narrived     {}\n\n\
         Send a message yourself:\n\n{}\n\n\
         People write, an agent answers. Ctrl-C ends.\n",
        titles.join(", "),
        listed(webhooks),
        listed(ledgers),
        standins.sample(url, now),
    )
}

/// One below the other, behind what is before the first.
fn listed(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n            ")
}

/// Prints for the person who watches; that nobody does any more is no error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

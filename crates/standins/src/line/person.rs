//! The people on LINE: their events, sent to the bridge as signed webhooks.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Line;
use crate::ids;
use crate::sign;
use crate::webhook::{self, Delivery, Post};

/// One body of one or more events, ready to be sent as often as one likes.
#[derive(Clone)]
pub struct Webhook {
    account: String,
    secret: String,
    destination: String,
    events: Vec<Value>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("events", &self.events.len()).finish_non_exhaustive()
    }
}

impl Webhook {
    /// The body, and the signature over exactly these bytes.
    #[must_use]
    pub fn signed(&self) -> (Bytes, String) {
        self.signed_as(false)
    }

    fn signed_as(&self, redelivery: bool) -> (Bytes, String) {
        let events: Vec<Value> =
            if redelivery { self.events.iter().map(redelivered).collect() } else { self.events.clone() };
        let body = json!({"destination": self.destination, "events": events}).to_string();
        let signature = sign::line(&self.secret, body.as_bytes());
        (Bytes::from(body), signature)
    }
}

/// A text message of one person in the chat with the account.
#[must_use]
pub fn text_event(user: &str, text: &str, time_ms: u64, event_id: &str, message_id: &str) -> Value {
    json!({
        "type": "message", "mode": "active", "timestamp": time_ms, "source": {"type": "user", "userId": user},
        "webhookEventId": event_id, "deliveryContext": {"isRedelivery": false},
        "replyToken": ids::hex(ids::digest(&["reply", event_id])),
        "message": {
            "type": "text", "id": message_id, "quoteToken": ids::hex(ids::digest(&["quote", event_id])), "text": text,
        },
    })
}

/// The same event as LINE delivers it again: the flag is set, all else stays.
#[must_use]
pub fn redelivered(event: &Value) -> Value {
    let mut event = event.clone();
    event["deliveryContext"]["isRedelivery"] = json!(true);
    event
}

impl Line {
    /// Puts events into one webhook of an account; `None` where there is no such account.
    pub fn compose(&self, account: &str, events: Vec<Value>) -> Option<Webhook> {
        let channel = self.setup.channels.iter().find(|channel| channel.account == account)?;
        Some(Webhook {
            account: channel.account.clone(),
            secret: channel.secret.clone(),
            destination: channel.bot_user_id.clone(),
            events,
        })
    }

    /// A text of a person, now, with ids of its own.
    pub fn compose_text(&self, account: &str, user: &str, text: &str) -> Option<Webhook> {
        let now = self.clock.now_ms();
        let event_id = ids::ulid(now, self.ids.next());
        let message_id = ids::line_message(self.ids.next());
        self.compose(account, vec![text_event(user, text, now, &event_id, &message_id)])
    }

    /// Sends a webhook: 2 s for an answer; where redelivery is on, again after anything but a 2xx, flagged.
    pub async fn deliver(&self, webhook: &Webhook) -> Delivery {
        let url = self.state().webhook_urls.get(&webhook.account).cloned().unwrap_or_default();
        let post = Post {
            url: &url,
            extra_headers: &[],
            request: |nth, _| {
                let (body, signature) = webhook.signed_as(nth > 0);
                (body, vec![(sign::LINE_SIGNATURE, signature)])
            },
        };
        webhook::send(&self.client, &self.clock, self.setup.webhook, post, |_| true).await
    }

    /// The account that is used where none is named: the first.
    pub(crate) fn first_account(&self) -> Option<&str> {
        self.setup.channels.first().map(|channel| channel.account.as_str())
    }
}

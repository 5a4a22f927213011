//! The people of the web chat: what they write, sent to the bridge as signed webhooks.

use bytes::Bytes;

use super::{Content, Custom, Event, Message, Session};
use crate::clock::iso;
use crate::ids::{self, digest};
use crate::standard_webhooks::{self, Secret};
use crate::webhook::{self, Delivery, Post};

/// One event, ready to be sent as often as one likes: every time the same id and the same bytes, signed at the time of
/// the attempt.
#[derive(Clone)]
pub struct CustomWebhook {
    /// `webhook-id`
    pub id: String,
    /// The body.
    pub body: Bytes,
    account: String,
    secrets: Vec<Secret>,
    signed_ms: Option<u64>,
}

impl std::fmt::Debug for CustomWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomWebhook").field("id", &self.id).finish_non_exhaustive()
    }
}

impl CustomWebhook {
    /// The same webhook, signed with other secrets (`whsec_…`): one signature for each.
    #[must_use]
    pub fn signed_with(self, secrets: &[&str]) -> Self {
        Self { secrets: secrets.iter().filter_map(|text| Secret::parse(text)).collect(), ..self }
    }

    /// The same webhook, signed at a time of its own (ms since 1970) whenever it is sent.
    #[must_use]
    pub fn signed_at(self, ms: u64) -> Self {
        Self { signed_ms: Some(ms), ..self }
    }

    /// The same body under another `webhook-id`.
    #[must_use]
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// The headers of an attempt that begins at `now_ms`.
    #[must_use]
    pub fn headers(&self, now_ms: u64) -> Vec<(&'static str, String)> {
        standard_webhooks::headers(&self.secrets, &self.id, &self.body, self.signed_ms.unwrap_or(now_ms))
    }
}

impl Custom {
    /// Puts an event of an account into a webhook; `None` where there is no such account.
    ///
    /// The `webhook-id` follows from the account and the event's id: the same event again is the same webhook.
    pub fn compose(&self, account: &str, event: &Event) -> Option<CustomWebhook> {
        let account = self.account(account)?;
        let body = serde_json::to_vec(event).expect("an event is plain JSON data");
        Some(CustomWebhook {
            id: format!("msg_{}", ids::hex(digest(&["webhook", &account.account, event.id()]))),
            body: Bytes::from(body),
            account: account.account.clone(),
            secrets: self.key(&account.account).into_iter().collect(),
            signed_ms: None,
        })
    }

    /// A message of a person, now, with an id of its own.
    pub fn compose_message(&self, account: &str, person: &str, content: Content) -> Option<CustomWebhook> {
        let data = Message { id: self.event_id(), person: person.to_owned(), sequence: None, content };
        self.compose(account, &Event::Message { timestamp: self.now(), data })
    }

    /// A text of a person, now, with an id of its own.
    pub fn compose_text(&self, account: &str, person: &str, text: &str) -> Option<CustomWebhook> {
        self.compose_message(account, person, Content::text(text))
    }

    /// The person opens the chat, or closes it.
    pub fn compose_session(&self, account: &str, person: &str, is_open: bool) -> Option<CustomWebhook> {
        let data = Session { id: self.event_id(), person: person.to_owned() };
        let timestamp = self.now();
        let event = if is_open {
            Event::SessionOpened { timestamp, data }
        } else {
            Event::SessionClosed { timestamp, data }
        };
        self.compose(account, &event)
    }

    /// Sends a webhook by the setup's schedule: again after no answer, a 429 or a 5xx, each attempt signed at its time.
    pub async fn deliver(&self, webhook: &CustomWebhook) -> Delivery {
        let url = self.state().webhook_urls.get(&webhook.account).cloned().unwrap_or_default();
        let post = Post {
            url: &url,
            extra_headers: &[],
            request: |_, now_ms| (webhook.body.clone(), webhook.headers(now_ms)),
        };
        webhook::send(&self.client, &self.clock, self.setup.webhook, post, |outcome| {
            outcome.map_or(true, |status| status == 429 || status >= 500)
        })
        .await
    }

    /// The account that is used where none is named: the first.
    pub(crate) fn first_account(&self) -> Option<&str> {
        self.setup.accounts.first().map(|account| account.account.as_str())
    }

    /// The key that signs what people of an account write.
    pub(crate) fn key(&self, account: &str) -> Option<Secret> {
        self.account(account)?.secrets.first().and_then(|text| Secret::parse(text))
    }

    fn event_id(&self) -> String {
        format!("m-{}", ids::hex(self.ids.next()))
    }

    fn now(&self) -> String {
        iso(self.clock.now_ms())
    }
}

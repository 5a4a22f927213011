//! The agent: a message to a person, sent to the bridge as a signed webhook.

use bytes::Bytes;
use serde_json::json;

use super::Genesys;
use crate::clock::{iso, parse_iso};
use crate::ids;
use crate::sign;
use crate::webhook::{self, Delivery, Post};

/// What an agent writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentMessage {
    /// Id of the integration over which the person writes.
    pub integration: String,
    /// The person: the `from.id` of their messages.
    pub to: String,
    /// The text.
    pub text: String,
    /// `channel.time`, ms since 1970; the clock's time where absent.
    pub time_ms: Option<u64>,
}

/// A webhook ready to be sent, as often as one likes: every time the same bytes.
#[derive(Clone)]
pub struct Outbound {
    /// Genesys's id of the message, 32 hex digits.
    pub id: String,
    /// `channel.time`, ms since 1970.
    pub time_ms: u64,
    /// The body.
    pub body: Bytes,
    integration: String,
    signature: String,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("id", &self.id).finish_non_exhaustive()
    }
}

/// No message of that person has arrived, so there is no conversation in which to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownPerson;

impl Genesys {
    /// Writes an agent's message into the conversation and gives the webhook that reports it to the bridge.
    ///
    /// # Errors
    /// [`UnknownPerson`] where no message of that person came over that integration.
    pub fn compose(&self, message: &AgentMessage) -> Result<Outbound, UnknownPerson> {
        let integration =
            self.setup.integrations.iter().find(|i| i.id == message.integration).ok_or(UnknownPerson)?;
        let mut state = self.state();
        let conversation =
            state.conversations.of(&message.integration, &message.to).ok_or(UnknownPerson)?.to_owned();
        let id = ids::hex(self.ids.next());
        let time = message.time_ms.map_or_else(|| self.iso_now(), iso);
        let mut body = json!({
            "id": id,
            "channel": {
                "id": integration.id, "platform": "Open", "type": "Private", "messageId": id, "time": time,
                "to": {"id": message.to, "idType": "Opaque"},
                "from": {"nickname": integration.name, "id": integration.id, "idType": "Opaque"},
            },
            "type": "Text", "text": message.text, "originatingEntity": "Human", "direction": "Outbound",
        });
        state.conversations.answered(&conversation, &id, &message.text, &time, body.clone());
        drop(state);
        if self.setup.conversation_id_in_webhooks {
            body["conversationId"] = json!(conversation);
        }
        let body = Bytes::from(body.to_string());
        let signature = sign::genesys(&integration.webhook_secret, &body);
        let time_ms = parse_iso(&time).unwrap_or_default();
        Ok(Outbound { id, time_ms, body, integration: integration.id.clone(), signature })
    }

    /// Sends a webhook: 10 s for an answer; after a time-out, a 429 or a 5xx 5 retries 5 s apart (by the setup).
    ///
    /// Genesys does not say whether it tries again when no connection can be made; the stand-in does.
    pub async fn deliver(&self, outbound: &Outbound) -> Delivery {
        let url = self.state().webhook_urls.get(&outbound.integration).cloned().unwrap_or_default();
        let integration = self.setup.integrations.iter().find(|i| i.id == outbound.integration);
        let post = Post {
            url: &url,
            extra_headers: integration.map(|i| i.webhook_headers.as_slice()).unwrap_or_default(),
            request: |_, _| {
                (outbound.body.clone(), vec![(sign::GENESYS_SIGNATURE, outbound.signature.clone())])
            },
        };
        webhook::send(&self.client, &self.clock, self.setup.webhook, post, |outcome| {
            outcome.map_or(true, |status| status == 429 || status >= 500)
        })
        .await
    }

    /// Where a person is known: integration and id; without an id, who wrote last.
    pub(crate) fn find_person(&self, person: Option<&str>) -> Option<(String, String)> {
        self.state().conversations.find(person)
    }
}

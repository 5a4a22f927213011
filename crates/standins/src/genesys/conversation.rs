//! Conversations: one a person and integration, and what the read calls show of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::Error;
use super::inbound::Inbound;
use crate::clock::iso;
use crate::ids::{digest, uuid};

/// All conversations.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    by_id: BTreeMap<String, Conversation>,
    by_person: BTreeMap<(String, String), String>,
    conversation_of_message: BTreeMap<String, String>,
    /// How many conversations of a person have ended.
    ended: BTreeMap<(String, String), usize>,
    last: Option<(String, String)>,
}

#[derive(Debug)]
struct Conversation {
    integration: String,
    person: String,
    started: u64,
    ended: Option<u64>,
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    id: String,
    provider_id: Option<String>,
    outbound: bool,
    text: String,
    time: String,
    normalized: Value,
}

/// A conversation as analytics shows it.
pub(crate) struct Shown<'a> {
    pub(crate) id: &'a str,
    pub(crate) integration: &'a str,
    pub(crate) person: &'a str,
    pub(crate) participant: String,
    pub(crate) started: u64,
    pub(crate) ended: Option<u64>,
}

impl Conversations {
    /// Adds a customer's message; the id of the conversation that it joined.
    pub(crate) fn take_in(&mut self, integration: &str, message: &Inbound, id: &str, now: u64) -> String {
        let person = (integration.to_owned(), message.from_id.clone());
        let ended = self.ended.get(&person).map_or(String::new(), usize::to_string);
        let conversation_id = self
            .by_person
            .entry(person.clone())
            .or_insert_with(|| uuid(digest(&["conversation", integration, &message.from_id, &ended])))
            .clone();
        self.last = Some(person);
        let conversation = self.by_id.entry(conversation_id.clone()).or_insert_with(|| Conversation {
            integration: integration.to_owned(),
            person: message.from_id.clone(),
            started: now,
            ended: None,
            messages: Vec::new(),
        });
        conversation.messages.push(Message {
            id: id.to_owned(),
            provider_id: message.message_id.clone(),
            outbound: false,
            text: message.text.clone().unwrap_or_default(),
            time: iso(now),
            normalized: message.normalized(id, integration, Some(&conversation_id)),
        });
        self.conversation_of_message.insert(id.to_owned(), conversation_id.clone());
        conversation_id
    }

    /// Adds an agent's message to a conversation that is there.
    pub(crate) fn answered(
        &mut self,
        conversation_id: &str,
        id: &str,
        text: &str,
        time: &str,
        normalized: Value,
    ) {
        if let Some(conversation) = self.by_id.get_mut(conversation_id) {
            conversation.messages.push(Message {
                id: id.to_owned(),
                provider_id: None,
                outbound: true,
                text: text.to_owned(),
                time: time.to_owned(),
                normalized,
            });
            self.conversation_of_message.insert(id.to_owned(), conversation_id.to_owned());
        }
    }

    /// Ends a person's conversation permanently: their next message begins another one. False if there is none.
    pub(crate) fn end(&mut self, integration: &str, person: &str, now: u64) -> bool {
        let person = (integration.to_owned(), person.to_owned());
        let Some(id) = self.by_person.remove(&person) else { return false };
        if let Some(conversation) = self.by_id.get_mut(&id) {
            conversation.ended = Some(now);
        }
        *self.ended.entry(person).or_default() += 1;
        true
    }

    /// All conversations, as analytics shows them.
    pub(crate) fn shown(&self) -> impl Iterator<Item = Shown<'_>> {
        self.by_id.iter().map(|(id, conversation)| Shown {
            id,
            integration: &conversation.integration,
            person: &conversation.person,
            participant: customer(id),
            started: conversation.started,
            ended: conversation.ended,
        })
    }

    /// The conversation of a person of an integration.
    pub(crate) fn of(&self, integration: &str, person: &str) -> Option<&str> {
        self.by_person.get(&(integration.to_owned(), person.to_owned())).map(String::as_str)
    }

    /// Integration and id of the person, where they are known to one; without an id, of who wrote last.
    pub(crate) fn find(&self, person: Option<&str>) -> Option<(String, String)> {
        match person {
            None => self.last.clone(),
            Some(person) => self.by_person.keys().find(|(_, known)| known == person).cloned(),
        }
    }

    /// `GET /conversations/messages/{conversationId}`
    pub(crate) fn view(&self, id: &str) -> Result<Value, Error> {
        let conversation = self.by_id.get(id).ok_or_else(Error::not_found)?;
        let leg = |outbound: bool| -> Vec<Value> {
            conversation
                .messages
                .iter()
                .filter(|message| message.outbound == outbound)
                .map(|message| {
                    json!({
                        "messageId": message.id, "messageStatus": status(outbound), "messageTime": message.time,
                        "messageURI": format!("/api/v2/conversations/messages/{}/details", message.id),
                    })
                })
                .collect()
        };
        let state = if conversation.ended.is_some() { "disconnected" } else { "connected" };
        let mut participants = vec![json!({
            "id": customer(id), "purpose": "customer", "state": state,
            "direction": "inbound", "type": "open", "messages": leg(false),
        })];
        let agent = leg(true);
        if !agent.is_empty() {
            participants.push(json!({
                "id": uuid(digest(&["agent", id])), "purpose": "agent", "state": state,
                "direction": "inbound", "type": "open", "messages": agent,
            }));
        }
        let uri = format!("/api/v2/conversations/messages/{id}");
        Ok(json!({"id": id, "participants": participants, "otherMediaUris": [], "selfUri": uri}))
    }

    /// `POST /conversations/messages/{conversationId}/messages/bulk`; ids of other conversations are left out.
    pub(crate) fn bulk(&self, id: &str, ids: &[String]) -> Result<Value, Error> {
        let conversation = self.by_id.get(id).ok_or_else(Error::not_found)?;
        let wanted = |message: &&Message| ids.contains(&message.id);
        let entities: Vec<Value> = conversation
            .messages
            .iter()
            .filter(wanted)
            .map(|message| data(conversation, id, message))
            .collect();
        Ok(json!({"entities": entities}))
    }

    /// `GET /conversations/messages/{messageId}/details`
    pub(crate) fn details(&self, message_id: &str) -> Result<Value, Error> {
        let id = self.conversation_of_message.get(message_id).ok_or_else(Error::not_found)?;
        let conversation = self.by_id.get(id).ok_or_else(Error::not_found)?;
        let message = conversation.messages.iter().find(|message| message.id == message_id);
        message.map(|message| data(conversation, id, message)).ok_or_else(Error::not_found)
    }
}

fn customer(id: &str) -> String {
    uuid(digest(&["customer", id]))
}

fn status(outbound: bool) -> &'static str {
    if outbound { "sent" } else { "received" }
}

/// `MessageData`
fn data(conversation: &Conversation, conversation_id: &str, message: &Message) -> Value {
    let (from, to) = if message.outbound {
        (&conversation.integration, &conversation.person)
    } else {
        (&conversation.person, &conversation.integration)
    };
    let mut data = json!({
        "id": message.id, "timestamp": message.time, "fromAddress": from, "toAddress": to,
        "direction": if message.outbound { "outbound" } else { "inbound" }, "messengerType": "open",
        "textBody": message.text, "status": status(message.outbound), "normalizedMessage": message.normalized,
        "normalizedReceipts": [], "conversationId": conversation_id,
        "selfUri": format!("/api/v2/conversations/messages/{}/details", message.id),
    });
    if let Some(provider_id) = &message.provider_id {
        data["providerMessageId"] = json!(provider_id);
    }
    data
}

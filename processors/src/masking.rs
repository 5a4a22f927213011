//! Mask: what a customer wrote leaves without personal data, before anybody learns who wrote it.

use std::hash::Hasher;
use std::sync::Arc;

use mask::{Find, Masker, Tails};
use schemas::{Content, Message, Party, Speaker, Written};
use siphasher::sip128::{Hasher128, SipHasher13};
use streams::AppendTime;

use crate::incoming::Incoming;
use crate::settings::Settings;

/// The step. Belongs to one task: it remembers how the last message of each writer ended.
pub(crate) struct Masking {
    masker: Arc<Masker>,
    mask_agent_texts: bool,
    tails: Tails,
}

impl Masking {
    pub(crate) fn new(settings: &Settings) -> Self {
        let (masker, mask_agent_texts) = (settings.masker.clone(), settings.mask_agent_texts);
        Self { masker, mask_agent_texts, tails: Tails::default() }
    }

    /// Masks all that a customer wrote in a message, and what an agent wrote where that is asked for. `behind` is what is
    /// held behind it of its conversation.
    pub(crate) fn mask<'m>(
        &mut self,
        incoming: &mut Incoming,
        append: AppendTime,
        behind: impl Iterator<Item = &'m Incoming>,
    ) {
        let writer = writer(incoming);
        let finds = &mut incoming.finds;
        let schemas::Event::Message(message) = &mut incoming.event else { return };
        match (&message.party, writer) {
            (Party::Customer { .. }, Some(writer)) => {
                let next = behind.filter(|held| self::writer(held) == Some(writer)).map_while(text_of);
                self.customer(message, writer, append, next, finds);
            }
            // What an agent wrote is not kept in the vault.
            (Party::Agent { .. }, _) if self.mask_agent_texts => self.each(message, &mut Vec::new()),
            (Party::Agent { .. } | Party::Customer { .. }, _) => {}
        }
    }

    /// A customer's own text may go on in what is held behind it; everything else is complete in itself.
    fn customer<'m>(
        &mut self,
        message: &mut Message,
        writer: u128,
        append: AppendTime,
        next: impl Iterator<Item = &'m str>,
        finds: &mut Vec<Find>,
    ) {
        let (masker, tails) = (&*self.masker, &mut self.tails);
        let mut next = Some(next);
        message.texts_mut(
            &mut |written| match written {
                Written::Main(text) => {
                    // With several texts in one message, which no platform sends today, the first sees what is behind.
                    let next = next.take().into_iter().flatten();
                    tails.mask(masker, writer, append.0, text, next, finds);
                }
                Written::Label(text) => mask(masker, text, finds),
            },
            &mut |_| {},
        );
    }

    fn each(&self, message: &mut Message, finds: &mut Vec<Find>) {
        message.texts_mut(
            &mut |written| match written {
                Written::Main(text) | Written::Label(text) => mask(&self.masker, text, finds),
            },
            &mut |_| {},
        );
    }
}

fn mask(masker: &Masker, text: &mut String, finds: &mut Vec<Find>) {
    if let std::borrow::Cow::Owned(masked) = masker.take(text, finds) {
        *text = masked;
    }
}

/// The text of a message that is one.
fn text_of(incoming: &Incoming) -> Option<&str> {
    match incoming.message()?.contents.first()? {
        Content::Text { text } => Some(text),
        _ => None,
    }
}

/// Which customer wrote it: in a group each member is another writer. `None` for what no customer wrote.
fn writer(incoming: &Incoming) -> Option<u128> {
    match &incoming.message()?.party {
        Party::Customer { speaker: Speaker::Member(user), .. } => {
            let mut hasher = SipHasher13::new();
            hasher.write(&incoming.conversation.to_be_bytes());
            hasher.write(user.as_bytes());
            Some(hasher.finish128().as_u128())
        }
        Party::Customer { .. } => Some(incoming.conversation),
        Party::Agent { .. } => None,
    }
}

//! Mask: what a customer wrote leaves without personal data, before anybody is told who wrote it.

use std::hash::Hasher;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher13};
use streams::AppendTime;

use crate::mask::{Masker, Tails};
use crate::message::{Body, Message, Said, Speaker, Who};

/// The step. Belongs to one task: it remembers how the last message of each writer ended.
pub(crate) struct Masking {
    masker: Arc<Masker>,
    tails: Tails,
}

impl Masking {
    pub(crate) fn new(masker: Arc<Masker>) -> Self {
        Self { masker, tails: Tails::default() }
    }

    /// Masks all that a person wrote in a message. `behind` is what is held behind it of its conversation.
    pub(crate) fn mask<'m>(
        &mut self,
        message: &mut Message,
        append: AppendTime,
        behind: impl Iterator<Item = &'m Message>,
    ) {
        let writer = writer(message);
        let Message { body: Body::Line(said), finds, .. } = message else { return };
        let mut mask = |text: &mut String| {
            if let std::borrow::Cow::Owned(masked) = self.masker.take(text, finds) {
                *text = masked;
            }
        };
        match said {
            Said::Text(text) => {
                let next = behind.filter(|message| self::writer(message) == writer).map_while(text_of);
                self.tails.mask(&self.masker, writer, append.0, text, next, finds);
            }
            Said::Sticker { text, keywords } => {
                mask(text);
                keywords.iter_mut().for_each(mask);
            }
            Said::Location { title, address, .. } => {
                mask(title);
                mask(address);
            }
            Said::File { name, .. } => mask(name),
            Said::Media(_) | Said::Unknown(_) => {}
        }
    }
}

fn text_of(message: &Message) -> Option<&str> {
    match &message.body {
        Body::Line(Said::Text(text)) => Some(text),
        _ => None,
    }
}

/// Who wrote it: in a group each member is another writer.
fn writer(message: &Message) -> u128 {
    match &message.who {
        Who::Address { speaker: Speaker::Member(user), .. } => {
            let mut hasher = SipHasher13::new();
            hasher.write(&message.conversation.to_be_bytes());
            hasher.write(user.as_bytes());
            hasher.finish128().as_u128()
        }
        _ => message.conversation,
    }
}

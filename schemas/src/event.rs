//! What a platform's webhook says, in one form for all platforms.

use crate::{Content, Reason, Written};

/// An event of a platform. Has no `Debug`: it may hold what a person said.
pub enum Event {
    /// Somebody wrote.
    Message(Message),
    /// A customer came or left.
    Session(Session),
    /// Nothing that Naru passes on, and why.
    Ignored(Reason),
}

/// Something that was written. Has no `Debug`: it holds it.
pub struct Message {
    /// Who wrote, and with whom the conversation is.
    pub party: Party,
    /// The platform's id of the message; `None` where it has none.
    pub id: Option<String>,
    /// What it contains, in order; at least one.
    pub contents: Vec<Content>,
    /// Fields of the webhook that Naru does not know.
    pub unknown: Vec<Unknown>,
}

/// Who wrote a message.
pub enum Party {
    /// A customer, on a channel.
    Customer {
        /// The platform's own id of the person, group or room. Never empty.
        address: String,
        /// Who of them speaks.
        speaker: Speaker,
    },
    /// An agent or a bot of the contact centre.
    Agent {
        /// The GUID of the person it is for, in lower case with dashes.
        person: String,
    },
}

/// Who speaks on the customer's side.
pub enum Speaker {
    /// The only customer there is.
    Alone,
    /// A member of a group, of whom the platform does not say who it is.
    Unnamed,
    /// The member of a group with this id of the platform's.
    Member(String),
}

/// Who of a group speaks, as an agent sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// The platform does not say.
    Unnamed,
    /// The member with this tag: the same for one person in one group, and for nobody else there.
    Tagged(String),
}

/// What became of a customer's session, as the channel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// The customer has come.
    Opened,
    /// The customer has left.
    Closed,
}

/// A field of a webhook that Naru does not know. It may hold what a person wrote: no `Debug`.
pub struct Unknown {
    /// Where it is, such as `message.newField`.
    pub field: String,
    /// Its JSON.
    pub json: String,
}

impl Message {
    /// Visits every text that a person wrote or may have written: `visit` gets those of the contents, `unknown` the fields
    /// that nobody knows. The masker, the reporter of unknown fields and the tests that hunt for leaks all go through
    /// here and nowhere else.
    pub fn texts_mut(&mut self, visit: &mut dyn FnMut(Written<'_>), unknown: &mut dyn FnMut(&mut Unknown)) {
        let Self { party, id: _, contents, unknown: fields } = self;
        match party {
            Party::Customer {
                address: _,
                speaker: Speaker::Alone | Speaker::Unnamed | Speaker::Member(_),
            }
            | Party::Agent { person: _ } => {}
        }
        contents.iter_mut().for_each(|content| content.texts_mut(visit));
        fields.iter_mut().for_each(unknown);
    }
}

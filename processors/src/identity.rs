//! Identify: the person's GUID instead of the platform's id, and the table that leads back.

use std::collections::HashSet;
use std::fmt::Write;

use hmac::{Hmac, Mac};
use schemas::{AccountRef, Codec, IdentityEntry, Member, Party, Person, Speaker, Topic};
use sha2::Sha256;
use streams::Output;
use uuid::{Builder, Uuid};

use crate::settings::Settings;

/// Hex digits of the tag that tells the members of a group apart.
pub const MEMBER_TAG_HEX: usize = 4;
/// Persons that a chain remembers having written to the table, so that a burst writes each once. At this number it
/// forgets them all: what follows may write one a second time, which the compacted topic absorbs.
pub const REMEMBERED_PERSONS: usize = 10_000;
/// Aliases that are followed: a person whose platform id changed more often keeps the GUID reached by then.
const ALIASES_FOLLOWED: usize = 4;

/// The identity table as a chain sees it: GUID → address, alias → GUID.
pub trait People: Send + 'static {
    /// What the table has under `guid`.
    fn find(&self, guid: &str) -> Entry;
}

/// What the identity table has under a GUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Nothing.
    Nothing,
    /// A person.
    Person,
    /// The GUID that it stands for.
    AliasOf(String),
}

/// The HMAC that GUIDs are made with, keyed once.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// Parts with a zero between them: no account name holds one.
    fn mac(&self, parts: &[&str]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                mac.update(&[0]);
            }
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn person(&self, account: &AccountRef, address: &str) -> Uuid {
        let mac = self.mac(&[&account.platform, &account.name, address]);
        let (half, _) = mac.split_first_chunk::<16>().expect("the MAC has 32 bytes");
        Builder::from_custom_bytes(*half).into_uuid()
    }

    /// What an agent sees of a group's member. Made for one group: elsewhere the same person has another tag.
    fn member(&self, account: &AccountRef, group: &str, user: &str) -> String {
        let mut tag = String::with_capacity(MEMBER_TAG_HEX);
        let domain = format!("{}-member", account.platform);
        for byte in self.mac(&[&domain, &account.name, group, user]).iter().take(MEMBER_TAG_HEX / 2) {
            let _ = write!(tag, "{byte:02x}");
        }
        tag
    }
}

/// The GUID (UUID version 8) of an address: the first 16 bytes of
/// `HMAC-SHA256(key, platform 00 account 00 address)`.
#[must_use]
pub fn person_guid(key: &[u8], account: &AccountRef, address: &str) -> String {
    Key::new(key).person(account, address).hyphenated().to_string()
}

/// Whose conversation a message belongs to.
pub(crate) struct Identified {
    /// The person's GUID, in lower case with dashes.
    pub(crate) guid: String,
    /// Who speaks, where a group is one conversation.
    pub(crate) member: Option<Member>,
}

/// The step: replaces the address by the GUID and writes the table where it lacks the person.
pub(crate) struct Identify<P> {
    key: Key,
    people: P,
    codec: Codec<IdentityEntry>,
    written: HashSet<Uuid>,
    remembered: usize,
}

impl<P: People> Identify<P> {
    pub(crate) fn new(settings: &Settings, people: P) -> Self {
        Self {
            key: Key::new(&settings.identity_key),
            people,
            codec: Codec::new(&settings.framings.of(Topic::IDENTITY)),
            written: HashSet::new(),
            remembered: REMEMBERED_PERSONS,
        }
    }

    pub(crate) fn identify(
        &mut self,
        account: &AccountRef,
        party: &Party,
        out: &mut Vec<Output>,
    ) -> Identified {
        match party {
            Party::Agent { person } => match self.people.find(person) {
                Entry::AliasOf(other) => Identified { guid: self.follow(other), member: None },
                Entry::Nothing | Entry::Person => Identified { guid: person.clone(), member: None },
            },
            Party::Customer { address, speaker } => {
                let own = self.key.person(account, address);
                let member = match speaker {
                    Speaker::Alone => None,
                    Speaker::Unnamed => Some(Member::Unnamed),
                    Speaker::Member(user) => Some(Member::Tagged(self.key.member(account, address, user))),
                };
                let mut guid = own.hyphenated().to_string();
                match self.people.find(&guid) {
                    Entry::Person => {}
                    Entry::AliasOf(person) => guid = self.follow(person),
                    Entry::Nothing => self.introduce(own, &guid, account, address, out),
                }
                Identified { guid, member }
            }
        }
    }

    /// Where it ends if it is an alias too.
    fn follow(&self, mut person: String) -> String {
        for _ in 1..ALIASES_FOLLOWED {
            match self.people.find(&person) {
                Entry::AliasOf(next) => person = next,
                Entry::Nothing | Entry::Person => break,
            }
        }
        person
    }

    fn introduce(
        &mut self,
        own: Uuid,
        guid: &str,
        account: &AccountRef,
        address: &str,
        out: &mut Vec<Output>,
    ) {
        if self.written.contains(&own) {
            return;
        }
        if self.written.len() >= self.remembered {
            self.written.clear();
        }
        self.written.insert(own);
        let (channel, account) = (account.platform.to_string(), account.name.to_string());
        let person = Person { channel, account, address: address.to_owned() };
        let entry = IdentityEntry { guid: guid.to_owned(), person: Some(person), alias_of: None };
        out.push(Output {
            topic: Topic::IDENTITY.name(),
            key: guid.as_bytes().to_vec(),
            partition_by: None,
            headers: Vec::new(),
            value: self.codec.encode(&entry),
        });
    }
}

#[cfg(test)]
mod tests;

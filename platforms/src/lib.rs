//! One room a platform: how its webhooks are authenticated and read, how a message is written for it, its calls and
//! verdicts, its sections of the configuration.
//!
//! Pure: no clock, socket, file, thread or HTTP client; its manifest shows it. Time, keys and answers are arguments. The
//! services find everything through [`ALL`] and name no platform themselves.

mod account;
mod api;
mod configure;
mod json;
mod policy;
pub mod readable;
mod reconcile;
pub mod signature;
pub mod time;
mod translate;
mod webhook;

pub use account::{Account, Authorization, ClientCredentials, Endpoint, Feeds, Rate, Setup, WebhookAccount};
pub use api::{Answer, Api, Call, Dispatch, Outcome, ReadOutbox, Released, Transport, Verdict};
pub use configure::{
    Channel, ChannelAccount, ContactCentre, Role, configure, fields, moved, rules, sample_account,
};
pub use policy::{Policy, Repeat};
pub use reconcile::{Question, Reconcile, ReconcileTimes, Reply, Settled, Step};
use schemas::{DestinationTopics, SourceTopics, Topic};
pub use translate::{EventKey, Part, RawRecord, Read, Refusal, Translate};
pub use webhook::{
    Accepted, Credentials, Denied, EventFields, KeySet, Malformed, RawEvent, RequestHead, RequestView,
    Webhook, WebhookTarget,
};

/// Declares the rooms: a module each, and [`ALL`]. A platform is added with one line here.
macro_rules! platforms {
    ($($room:ident),+ $(,)?) => {
        $(pub mod $room;)+

        /// Every platform, in the order in which lists show them.
        pub static ALL: &[&Platform] = &[$(&$room::PLATFORM),+];
    };
}

platforms![genesys, line, custom];

/// A platform.
pub struct Platform {
    /// Its name in paths, topics, metrics and the configuration.
    pub name: &'static str,
    /// Its name for a person.
    pub title: &'static str,
    /// The topics of its webhooks.
    pub source: SourceTopics,
    /// The topics of what goes to it.
    pub destination: DestinationTopics,
    /// Its webhooks.
    pub webhook: &'static dyn Webhook,
    /// Between its wire types and the model.
    pub translate: &'static dyn Translate,
    /// Its calls.
    pub api: &'static dyn Api,
    /// On which side of Naru it is, with its sections of the configuration.
    pub role: Role,
    /// An account for trying Naru out, as TOML: its secrets are public and open nothing but a stand-in.
    pub demo: &'static str,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Platform {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Platform {}

/// The platform of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Platform> {
    ALL.iter().copied().find(|platform| platform.name == name)
}

/// The platform on which agents answer.
///
/// # Panics
/// Never: a test shows that there is one.
#[must_use]
pub fn contact_centre() -> &'static Platform {
    let is_centre = |platform: &&&Platform| matches!(platform.role, Role::ContactCentre(_));
    ALL.iter().find(is_centre).expect("there is one contact centre")
}

/// The platform of the channel accounts in records that name none: those of before records had a platform.
#[must_use]
pub fn of_unnamed() -> &'static Platform {
    &line::PLATFORM
}

/// The topics of `platforms` and those that all share, in the order of the data path.
#[must_use]
pub fn topics<'a>(platforms: impl IntoIterator<Item = &'a Platform>) -> Vec<Topic> {
    let own = platforms.into_iter().flat_map(|platform| {
        let (source, destination) = (platform.source, platform.destination);
        [source.webhooks, source.dedupe, destination.outbox, destination.deliveries]
    });
    let mut topics: Vec<Topic> = own.chain(Topic::SHARED).collect();
    topics.sort_by_key(|topic| topic.family());
    topics
}

/// The topic of this name without the prefix, of any platform.
#[must_use]
pub fn topic(name: &str) -> Option<Topic> {
    topics(ALL.iter().copied()).into_iter().find(|topic| topic.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_topics_are_each_once() {
        let mut names: Vec<&str> = topics(ALL.iter().copied()).iter().map(|topic| topic.name()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for platform in ALL {
            assert_eq!(named(platform.name), Some(*platform));
            assert_eq!(platform.source.webhooks.name(), format!("webhooks.{}", platform.name));
            assert_eq!(platform.destination.outbox.name(), format!("outbox.{}", platform.name));
        }
    }

    #[test]
    fn there_is_one_contact_centre() {
        let centres = ALL.iter().filter(|platform| matches!(platform.role, Role::ContactCentre(_)));
        assert_eq!(centres.count(), 1);
    }
}

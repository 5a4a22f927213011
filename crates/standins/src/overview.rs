//! The stand-ins as a whole: how much arrived where, and one message by the id that its platform gave it.

use crate::clock::parse_iso;
use crate::custom::CustomReceived;
use crate::platform::Platform;
use crate::server::Standins;

/// A message that arrived at a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its text.
    pub text: String,
    /// The time of its event, ms since 1970, where the platform is sent one.
    pub event_time: Option<u64>,
    /// The platform's title.
    pub place: &'static str,
}

impl Standins {
    /// The message that arrived at `destination` (`line`, `custom`, `genesys`) under the id by which that platform knows it.
    #[must_use]
    pub fn seen(&self, destination: &str, platform_id: &str) -> Option<Seen> {
        let platform = Platform::named(destination)?;
        let (text, event_time) = match platform {
            Platform::Genesys => {
                let entry = self.genesys().received().last(|entry| entry.id == platform_id)?;
                (entry.text, parse_iso(&entry.event_time))
            }
            Platform::Line => {
                (self.line().received().last(|entry| entry.message_id == platform_id)?.text, None)
            }
            // A custom channel gives no id of its own: it knows a message by those that it was sent.
            Platform::Custom => {
                let is_it =
                    |entry: &CustomReceived| [&entry.webhook_id, entry.event.id()].contains(&platform_id);
                let entry = self.custom().received().last(is_it)?;
                let event_time = parse_iso(entry.event.timestamp());
                (entry.text, event_time)
            }
        };
        Some(Seen { text, event_time, place: platform.title() })
    }

    /// How many messages arrived at each platform that has been set up, by its title.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        let count = |platform| match platform {
            Platform::Genesys => self.genesys().received().len(),
            Platform::Line => self.line().received().len(),
            Platform::Custom => self.custom().received().count(|entry| entry.event.message().is_some()),
        };
        self.platforms().map(|platform| (platform.title(), count(platform))).collect()
    }

    /// The paths under which what arrived can be read, one for each platform that has been set up.
    #[must_use]
    pub fn ledgers(&self) -> Vec<String> {
        self.platforms().map(|platform| format!("/_standins/{}/received", platform.name())).collect()
    }
}

//! The platforms' sections of the configuration: their rows, how they are read, the rules between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{Fallback, Field, Kind, Mistakes, Moved, Reader, Secret, Shown};
use ipnet::IpNet;
use schemas::AccountRef;

use crate::{ALL, Account, Authorization, Endpoint, Feeds, Platform, Rate, Setup, WebhookAccount};

/// On which side of Naru a platform is.
pub enum Role {
    /// Customers write on it: `[<platform>.<account>]`.
    Channel(&'static dyn Channel),
    /// Agents answer on it: `[<platform>.<name>]`, a client of it, which channel accounts name.
    ContactCentre(&'static dyn ContactCentre),
}

/// A channel account as its section says, apart from what all channels share.
pub struct ChannelAccount {
    /// What signs its webhooks; empty where the account has chosen to rely on addresses alone.
    pub secrets: Vec<Secret>,
    /// Where its webhooks may come from; anywhere if this is empty.
    pub addresses: Vec<IpNet>,
    /// Base address of its calls.
    pub api_url: String,
    /// How they are authorised.
    pub authorization: Authorization,
    /// Their limit.
    pub rate: Rate,
}

/// The configuration of a channel.
pub trait Channel: Send + Sync {
    /// Its rows, relative to `[<platform>]`: `<account>.…`.
    fn fields(&self) -> &'static [Field];

    /// The account's name in the example file.
    fn sample(&self) -> &'static str;

    /// Keys that it had under other names.
    fn moved(&self) -> &'static [Moved] {
        &[]
    }

    /// Reads the section of `account` of `platform`.
    fn read(&self, r: &mut Reader<'_>, platform: &str, account: &str) -> ChannelAccount;
}

/// The configuration of the contact centre.
pub trait ContactCentre: Send + Sync {
    /// Its rows, relative to `[<platform>]`: `<name>.…`.
    fn fields(&self) -> &'static [Field];

    /// The client's name in the example file.
    fn sample(&self) -> &'static str;

    /// Keys that it had under other names.
    fn moved(&self) -> &'static [Moved] {
        &[]
    }

    /// Reads the section of the client `name` of `platform`.
    fn read(&self, r: &mut Reader<'_>, platform: &'static Platform, name: &str) -> Endpoint;

    /// What a channel account must say of what it feeds, relative to the channel's section: `<account>.…`.
    fn feed_fields(&self) -> &'static [Field];

    /// Reads that.
    fn read_feeds(&self, r: &mut Reader<'_>, platform: &str, account: &str) -> Feeds;

    /// The rules between accounts and clients. Each is skipped where a key that it needs is wrong already.
    fn rules(&self, setup: &Setup, mistakes: &mut Mistakes);
}

/// What every channel account has, besides what it feeds.
#[rustfmt::skip]
static ACCOUNT: &[Field] = &[
    Field::new("<account>.market", Kind::Text, Fallback::Absent, r#""Thailand""#,
        "The same as `attributes.market`"),
    Field::new("<account>.brand", Kind::Text, Fallback::Absent, r#""Shop""#,
        "The same as `attributes.brand`"),
    Field::new("<account>.attributes.<attribute>", Kind::Text, Fallback::Absent, r#"store = "Bangkok 4""#,
        "Any texts: each becomes an attribute of every message of this account"),
];

/// The rows of all platforms, and how the example file names their sections.
#[must_use]
pub fn fields() -> (Vec<Field>, Vec<(String, String)>) {
    let (mut rows, mut samples) = (Vec::new(), Vec::new());
    let (channel, _) = sample_account();
    samples.push(("sources.<source>".to_owned(), format!("sources.{channel}")));
    let feeds = centres().next().map_or(&[][..], |(_, centre)| centre.feed_fields());
    for platform in ALL {
        let name = platform.name;
        let under = |field: &Field| field.under(name);
        match platform.role {
            Role::ContactCentre(centre) => {
                rows.extend(centre.fields().iter().map(under));
                samples.push((format!("{name}.<name>"), format!("{name}.{}", centre.sample())));
            }
            Role::Channel(channel) => {
                let own = [channel.fields(), feeds, ACCOUNT].into_iter().flatten().map(under);
                // The example has one account; those of other channels are shown, and left out.
                let is_first = channels().next().is_some_and(|(first, _)| first == *platform);
                rows.extend(own.map(|row| if is_first { row } else { row.shown(Shown::WithoutSection) }));
                samples.push((format!("{name}.<account>"), format!("{name}.{}", channel.sample())));
            }
        }
    }
    (rows, samples)
}

/// The account of the example file: its platform and its name.
#[must_use]
pub fn sample_account() -> (&'static str, &'static str) {
    channels().next().map_or(("", ""), |(platform, channel)| (platform.name, channel.sample()))
}

/// Keys of the platforms that had other names.
#[must_use]
pub fn moved() -> Vec<Moved> {
    let of = |platform: &&'static Platform| match platform.role {
        Role::ContactCentre(centre) => centre.moved(),
        Role::Channel(channel) => channel.moved(),
    };
    ALL.iter().flat_map(of).copied().collect()
}

fn centres() -> impl Iterator<Item = (&'static Platform, &'static dyn ContactCentre)> {
    ALL.iter().filter_map(|platform| match platform.role {
        Role::ContactCentre(centre) => Some((*platform, centre)),
        Role::Channel(_) => None,
    })
}

fn channels() -> impl Iterator<Item = (&'static Platform, &'static dyn Channel)> {
    ALL.iter().filter_map(|platform| match platform.role {
        Role::Channel(channel) => Some((*platform, channel)),
        Role::ContactCentre(_) => None,
    })
}

/// Reads the sections of all platforms.
pub fn configure(r: &mut Reader<'_>) -> Setup {
    let mut setup = Setup::default();
    let Some((centre, reader)) = centres().next() else { return setup };
    let clients = r.named(centre.name, |r, name| reader.read(r, centre, name));
    setup.endpoints.extend(clients.into_values());
    for (platform, channel) in channels() {
        let accounts = r.named(platform.name, |r, name| {
            (channel.read(r, platform.name, name), account(r, reader, platform, name))
        });
        for (name, (own, account)) in accounts {
            setup.webhooks.push(WebhookAccount {
                platform,
                name: name.clone(),
                secrets: own.secrets,
                addresses: own.addresses,
            });
            setup.webhooks.push(WebhookAccount {
                platform: centre,
                name: account.feeds.integration.to_string(),
                secrets: account.feeds.webhook_secrets.clone(),
                addresses: Vec::new(),
            });
            setup.endpoints.push(Endpoint {
                platform,
                name,
                api_url: own.api_url,
                authorization: own.authorization,
                rate: own.rate,
            });
            setup.accounts.push(account);
        }
    }
    setup
}

/// What every channel account has.
fn account(
    r: &mut Reader<'_>,
    centre: &dyn ContactCentre,
    platform: &'static Platform,
    name: &str,
) -> Account {
    Account {
        account: AccountRef::new(platform.name, name),
        feeds: centre.read_feeds(r, platform.name, name),
        attributes: Arc::new(attributes(r, platform.name, name)),
    }
}

/// The free table, and the two attributes that have keys of their own.
fn attributes(r: &mut Reader<'_>, platform: &str, account: &str) -> BTreeMap<String, String> {
    let mut attributes = r.texts(&[platform, account, "attributes"]);
    for key in ["market", "brand"] {
        let Some(text) = r.optional_text(&[platform, account, key]) else { continue };
        if attributes.get(key).is_some_and(|other| *other != text) {
            let what = format!("differs from attributes.{key}");
            r.mistakes.add(&format!("{platform}.{account}.{key}"), what, "leave one of them out");
        }
        attributes.entry(key.to_owned()).or_insert(text);
    }
    attributes
}

/// The rules between the sections of platforms.
pub fn rules(setup: &Setup, mistakes: &mut Mistakes) {
    let names: Vec<&str> = channels().map(|(platform, _)| platform.name).collect();
    if setup.accounts.is_empty() && mistakes.spare(&names) {
        let sections: Vec<String> = names.iter().map(|name| format!("[{name}.<account>]")).collect();
        let to_do = format!("add a section {}; `naru config example` shows one", sections.join(" or "));
        mistakes.add(&names.join(" or "), "no account", to_do);
    }
    for (_, centre) in centres() {
        centre.rules(setup, mistakes);
    }
}

//! Which webhook a path belongs to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::Method;
use platforms::{KeySet, Platform, RequestHead, RequestView, WebhookAccount};
use schemas::{Topic, TopicNames};

use crate::access::{Access, KeySlot};
use crate::answer::{Refusal, status_of};
use crate::meters::Meters;
use crate::record::Envelope;

/// One webhook: an account of a channel, or an integration of the contact centre.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) platform: &'static Platform,
    /// The last part of its path, as in the configuration.
    name: String,
    /// Full name of the topic that its events go to.
    topic: String,
    access: Access,
    pub(crate) meters: Meters,
}

impl Target {
    /// Refuses methods that the platform does not send.
    pub(crate) fn allow(&self, method: &Method) -> Result<(), Refusal> {
        let methods = self.platform.webhook.methods();
        if methods.contains(method) { Ok(()) } else { Err(Refusal::MethodNotAllowed(methods)) }
    }

    /// Refuses addresses that the webhook does not take.
    pub(crate) fn admit(&self, client: IpAddr) -> Result<(), Refusal> {
        self.access.admit(client)
    }

    /// Refuses what the platform can rule out by the head alone, before the body is read.
    pub(crate) fn check_head(&self, head: &RequestHead<'_>) -> Result<(), Refusal> {
        self.access.prove(&self.name, |target| self.platform.webhook.check_head(target, head))
    }

    /// Refuses a request that is not from whom it says.
    pub(crate) fn authenticate(&self, request: &RequestView<'_>, now: i64) -> Result<(), Refusal> {
        self.access.prove(&self.name, |target| self.platform.webhook.authenticate(target, request, now))
    }

    /// What the records of a request share that was received at `received`, in ms since 1970.
    pub(crate) fn envelope(&self, received: i64) -> Envelope<'_> {
        Envelope { platform: self.platform, account: &self.name, topic: &self.topic, received }
    }
}

/// The webhooks of one platform.
#[derive(Debug)]
struct Webhooks {
    platform: &'static Platform,
    key_slot: Option<Arc<KeySlot>>,
    targets: HashMap<String, Target>,
}

/// Every webhook that is configured.
#[derive(Debug, Default)]
pub struct Routes {
    /// Few enough that looking at each is the fastest way.
    platforms: Vec<Webhooks>,
}

impl Routes {
    /// Routes to these webhooks, whose records go to `topics`. Those without a signature are logged.
    #[must_use]
    pub fn new(webhooks: &[WebhookAccount], topics: &TopicNames) -> Self {
        let mut routes = Self::default();
        for account in webhooks {
            let platform = account.platform;
            let webhooks = routes.webhooks(platform);
            let target = Target {
                platform,
                name: account.name.clone(),
                topic: topics.of(platform.source.webhooks),
                access: Access::new(account, webhooks.key_slot.clone()),
                meters: Meters::new(platform.name, status_of(platform.webhook.accepted())),
            };
            webhooks.targets.insert(account.name.clone(), target);
        }
        routes
    }

    fn webhooks(&mut self, platform: &'static Platform) -> &mut Webhooks {
        let at =
            self.platforms.iter().position(|webhooks| webhooks.platform == platform).unwrap_or_else(|| {
                let key_slot = platform.webhook.wants_key_set().then(Arc::default);
                self.platforms.push(Webhooks { platform, key_slot, targets: HashMap::new() });
                self.platforms.len() - 1
            });
        &mut self.platforms[at]
    }

    /// Every topic that the records of these webhooks go to.
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        let own = self.platforms.iter().map(|webhooks| webhooks.platform.source.webhooks);
        own.chain([Topic::DEAD_LETTERS]).collect()
    }

    /// Hands the public keys of a platform to its webhooks, if they want any.
    pub(crate) fn set_key_set(&self, platform: &str, keys: KeySet) {
        if let Some(slot) = self.of(platform).and_then(|webhooks| webhooks.key_slot.as_deref()) {
            slot.set(keys);
        }
    }

    fn of(&self, platform: &str) -> Option<&Webhooks> {
        self.platforms.iter().find(|webhooks| webhooks.platform.name == platform)
    }

    /// The webhook of `path`, and what follows it there: `/webhooks/{platform}/{name}`, or one of the paths behind it
    /// that the platform knows, byte for byte. Names in the configuration need no escapes, so an escaped path is an
    /// unknown one.
    pub(crate) fn find<'p>(&self, path: &'p str) -> Option<(&Target, &'p str)> {
        let (platform, rest) = path.strip_prefix("/webhooks/")?.split_once('/')?;
        let webhooks = self.of(platform)?;
        let (name, rest) = match rest.split_once('/') {
            None => (rest, ""),
            // The account's own path does not end in `/`.
            Some((_, "")) => return None,
            Some(parts) => parts,
        };
        let target = webhooks.targets.get(name)?;
        let paths = webhooks.platform.webhook.paths();
        // By its length where it is empty: comparing nothing with nothing takes longer than all else in here (memcmp of
        // two addresses that no page has).
        let is_known =
            if rest.is_empty() { paths.iter().any(|path| path.is_empty()) } else { paths.contains(&rest) };
        is_known.then_some((target, rest))
    }
}

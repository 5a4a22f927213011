//! What is stood in for: each platform's own setup, or plain data about the bridge's peers from which all are made.

use std::fmt;

use crate::custom::CustomSetup;
use crate::genesys::GenesysSetup;
use crate::line::LineSetup;
use crate::platform::Platform;

/// The setups of all platforms.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Genesys Cloud.
    pub genesys: GenesysSetup,
    /// LINE.
    pub line: LineSetup,
    /// A web chat that speaks the bridge's custom channel.
    pub custom: CustomSetup,
}

/// A webhook that the bridge takes at `{ingress}/webhooks/{platform}/{name}`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookPeer {
    /// `line`, `custom` or `genesys`.
    pub platform: String,
    /// LINE and custom: the account. Genesys: the integration's id.
    pub name: String,
    /// What the bridge accepts: LINE's channel secrets, Genesys's webhook secrets, a custom channel's inbound secrets.
    /// The stand-in signs with the first.
    pub secrets: Vec<String>,
}

/// Where the bridge calls.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointPeer {
    /// `line`, `custom` or `genesys`.
    pub platform: String,
    /// LINE and custom: the account. Genesys: the bridge's name for the client.
    pub name: String,
    /// Genesys: the client's id. The others have none.
    pub id: String,
    /// LINE: the access token. Genesys: the client's secret. Of these the stand-in accepts the first. Custom: the
    /// outbound secrets, of which any may have signed.
    pub secrets: Vec<String>,
    /// The most calls: a second at LINE and at a custom channel, a minute at Genesys.
    pub calls: u32,
}

impl fmt::Debug for WebhookPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookPeer")
            .field("platform", &self.platform)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EndpointPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointPeer")
            .field("platform", &self.platform)
            .field("name", &self.name)
            .field("id", &self.id)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

impl WebhookPeer {
    /// Where its requests go.
    pub(crate) fn url(&self, ingress: &str) -> String {
        format!("{ingress}/webhooks/{}/{}", self.platform, self.name)
    }
}

impl Setup {
    /// Stand-ins of everybody whom the bridge talks to. Webhooks go to `ingress` (`http://host:port`); the limits of
    /// a platform are the lowest of its endpoints. Peers of other platforms are ignored.
    #[must_use]
    pub fn of(webhooks: &[WebhookPeer], endpoints: &[EndpointPeer], ingress: &str) -> Self {
        let ingress = ingress.trim_end_matches('/');
        let peers = |platform| Peers::of(platform, webhooks, endpoints);
        Self {
            genesys: GenesysSetup::of(&peers(Platform::Genesys), ingress),
            line: LineSetup::of(&peers(Platform::Line), ingress),
            custom: CustomSetup::of(&peers(Platform::Custom), ingress),
        }
    }
}

/// Where the endpoint `name` of a platform is at the stand-ins, below their own address: most are told apart by who calls.
#[must_use]
pub fn endpoint_path(platform: &str, name: &str) -> String {
    match platform {
        "custom" => format!("/custom/{name}/messages"),
        _ => String::new(),
    }
}

/// The peers of one platform.
pub(crate) struct Peers<'a> {
    pub(crate) webhooks: Vec<&'a WebhookPeer>,
    pub(crate) endpoints: Vec<&'a EndpointPeer>,
}

impl<'a> Peers<'a> {
    fn of(platform: Platform, webhooks: &'a [WebhookPeer], endpoints: &'a [EndpointPeer]) -> Self {
        Self {
            webhooks: webhooks.iter().filter(|peer| peer.platform == platform.name()).collect(),
            endpoints: endpoints.iter().filter(|peer| peer.platform == platform.name()).collect(),
        }
    }

    /// Each name once, those of webhooks first, with the webhook and the endpoint of that name.
    pub(crate) fn paired(&self) -> Vec<(&'a str, Option<&'a WebhookPeer>, Option<&'a EndpointPeer>)> {
        let all = self.webhooks.iter().map(|peer| &peer.name);
        let mut names: Vec<&str> = Vec::new();
        for name in all.chain(self.endpoints.iter().map(|peer| &peer.name)) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let pair = |name: &'a str| {
            let webhook = self.webhooks.iter().find(|peer| peer.name == name).copied();
            let endpoint = self.endpoints.iter().find(|peer| peer.name == name).copied();
            (name, webhook, endpoint)
        };
        names.into_iter().map(pair).collect()
    }

    /// The lowest limit of the endpoints.
    pub(crate) fn calls(&self) -> Option<usize> {
        self.endpoints.iter().map(|peer| peer.calls as usize).min()
    }
}

/// The first secret; empty where there is none.
pub(crate) fn first(secrets: &[String]) -> String {
    secrets.first().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;

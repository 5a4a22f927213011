//! `[genesys.<name>]`: one OAuth client of a Genesys Cloud organisation; and what a channel account says of the client,
//! the integration and the webhook secrets that it feeds.

use std::collections::BTreeMap;
use std::time::Duration;

use config::{Fallback, Field, Kind, Mistakes, Moved, Reader, Shown, suggest};
use Fallback::{Absent, Required, Value};
use Kind::{Choice, Integer, Name, Secrets, Text, Url};

use super::PLATFORM;
use crate::{Authorization, ClientCredentials, ContactCentre, Endpoint, Feeds, Platform, Rate, Setup};

/// Genesys counts calls of a token over this time (`client.credentials.token.rate.per.minute`).
const WINDOW: Duration = Duration::from_secs(60);

/// Life of a token whose answer does not name one: the least that an OAuth client can be set to.
const SHORTEST_LIFE: Duration = Duration::from_secs(300);

/// Longest id of an integration, in bytes; Genesys's are GUIDs.
const LONGEST_INTEGRATION: usize = 64;

/// The sections.
pub(super) struct GenesysSection;

/// AWS region and Genesys Cloud domain, as Genesys publishes them.
const REGIONS: [(&str, &str); 17] = [
    ("us-east-1", "mypurecloud.com"),
    ("us-east-2", "use2.us-gov-pure.cloud"),
    ("us-west-2", "usw2.pure.cloud"),
    ("ca-central-1", "cac1.pure.cloud"),
    ("mx-central-1", "mxc1.pure.cloud"),
    ("sa-east-1", "sae1.pure.cloud"),
    ("eu-west-1", "mypurecloud.ie"),
    ("eu-west-2", "euw2.pure.cloud"),
    ("eu-central-1", "mypurecloud.de"),
    ("eu-central-2", "euc2.pure.cloud"),
    ("me-central-1", "mec1.pure.cloud"),
    ("ap-south-1", "aps1.pure.cloud"),
    ("ap-northeast-1", "mypurecloud.jp"),
    ("ap-northeast-2", "apne2.pure.cloud"),
    ("ap-northeast-3", "apne3.pure.cloud"),
    ("ap-southeast-1", "apse1.pure.cloud"),
    ("ap-southeast-2", "mypurecloud.com.au"),
];

const REGION_NAMES: &[&str] = &{
    let mut names = [""; REGIONS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = REGIONS[i].0;
        i += 1;
    }
    names
};

#[rustfmt::skip]
static FIELDS: &[Field] = &[
    Field::new("<name>.region", Choice(REGION_NAMES), Absent, r#""ap-northeast-1""#,
        "AWS region of the organisation; or give `api_url` and `login_url`")
        .shown(Shown::On),
    Field::new("<name>.api_url", Url, Absent, "",
        "API host, where `region` does not say it"),
    Field::new("<name>.login_url", Url, Absent, "",
        "Login host, where `region` does not say it"),
    Field::new("<name>.client_id", Text, Required, r#""0a1b2c3d-0000-4000-8000-000000000001""#,
        "OAuth client (client credentials); its permissions are in the README"),
    Field::new("<name>.client_secret", Kind::ANY_SECRET, Required, r#"{ env = "GENESYS_CLIENT_SECRET" }"#,
        "Its secret"),
    Field::new("<name>.calls_per_minute", Integer { min: 1, max: 1_000_000 }, Value("300"), "",
        "Calls in any 60 s with one token, as Genesys allows"),
];

#[rustfmt::skip]
static FEEDS: &[Field] = &[
    Field::new("<account>.genesys", Name, Required, r#""main""#,
        "Which `[genesys.<name>]` this account feeds"),
    Field::new("<account>.integration", Text, Required, r#""a2171742-0000-4000-8000-000000000001""#,
        "Id of the Open Messaging integration; each account has its own"),
    Field::new("<account>.webhook_secrets", Secrets { min: (16, "Genesys requires more than 15") }, Required,
        r#"[{ env = "GENESYS_WEBHOOK_SECRET" }]"#,
        "Signature secret of the integration's outbound webhook; two while one is being rotated"),
];

impl ContactCentre for GenesysSection {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn sample(&self) -> &'static str {
        "main"
    }

    fn moved(&self) -> &'static [Moved] {
        &[Moved { from: "processors.hold_genesys", to: "sources.genesys.hold" }]
    }

    fn read(&self, r: &mut Reader<'_>, platform: &'static Platform, name: &str) -> Endpoint {
        let at = |key| [platform.name, name, key];
        let (api_url, login_url) = urls(r, platform, name).unwrap_or_default();
        let id = r.text(&at("client_id"));
        let secret = r.secret(&at("client_secret"));
        let client = ClientCredentials {
            login_url,
            token_path: "/oauth/token",
            id,
            secret,
            shortest_life: SHORTEST_LIFE,
        };
        Endpoint {
            platform,
            name: name.to_owned(),
            api_url,
            authorization: Authorization::Client(client),
            rate: Rate { calls: r.integer(&at("calls_per_minute")), window: WINDOW },
        }
    }

    fn feed_fields(&self) -> &'static [Field] {
        FEEDS
    }

    fn read_feeds(&self, r: &mut Reader<'_>, platform: &str, account: &str) -> Feeds {
        let at = |key| [platform, account, key];
        Feeds {
            client: r.text(&at("genesys")),
            integration: r.text(&at("integration")).into(),
            webhook_secrets: r.secrets(&at("webhook_secrets")),
        }
    }

    /// Each account has a client that exists, and an integration of its own.
    fn rules(&self, setup: &Setup, mistakes: &mut Mistakes) {
        let clients: Vec<&str> = setup
            .endpoints
            .iter()
            .filter(|endpoint| *endpoint.platform == PLATFORM)
            .map(|endpoint| endpoint.name.as_str())
            .collect();
        let mut integrations = BTreeMap::new();
        for account in &setup.accounts {
            let at = format!("{}.{}", account.account.platform, account.account.name);
            let path = format!("{at}.genesys");
            let client = account.feeds.client.as_str();
            if mistakes.spare(&[&path]) && !clients.contains(&client) {
                let to_do = if clients.is_empty() {
                    format!("add a section [genesys.{client}]")
                } else {
                    suggest(client, clients.iter().copied())
                };
                mistakes.add(&path, format!("there is no [genesys.{client}]"), to_do);
            }
            let path = format!("{at}.integration");
            if !mistakes.spare(&[&path]) {
                continue;
            }
            let id = &account.feeds.integration;
            if id.len() > LONGEST_INTEGRATION || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                mistakes.add(&path, "not an integration id", "copy the GUID that Genesys shows");
            } else if let Some(other) = integrations.insert(id.to_ascii_lowercase(), at) {
                let what = format!("is {other}.integration");
                mistakes.add(&path, what, "give each account its own integration");
            }
        }
    }
}

/// API and login host of a client.
fn urls(r: &mut Reader<'_>, platform: &Platform, name: &str) -> Option<(String, String)> {
    let at = |key| [platform.name, name, key];
    let region = r.optional_text(&at("region"));
    let (api, login) = (r.optional_text(&at("api_url")), r.optional_text(&at("login_url")));
    let path = format!("{}.{name}", platform.name);
    let part = |key: &str| format!("{path}.{key}");
    match (region, api, login) {
        (Some(region), None, None) => REGIONS
            .iter()
            .find(|(known, _)| *known == region)
            .map(|(_, domain)| (format!("https://api.{domain}"), format!("https://login.{domain}"))),
        (Some(_), _, _) => {
            let what = "given together with api_url or login_url";
            r.mistakes.add(&part("region"), what, "give either the region or both URLs");
            None
        }
        (None, Some(api), Some(login)) => Some((api, login)),
        (None, api, login) => {
            // A region or URL that is there and wrong has its own mistake.
            if r.mistakes.spare(&[&part("region"), &part("api_url"), &part("login_url")]) {
                let missing = match (api, login) {
                    (None, None) => "region",
                    (None, _) => "api_url",
                    _ => "login_url",
                };
                r.mistakes.add(&part(missing), "missing", "give the region, or both api_url and login_url");
            }
            None
        }
    }
}

//! `[line.<account>]`: one LINE Official Account.

use std::time::Duration;

use config::{Fallback, Field, Kind, Moved, Reader, Secret};
use Fallback::{Required, Value};
use Kind::{Integer, Secrets, Url};

use crate::{Authorization, Channel, ChannelAccount, Rate};

/// LINE counts calls of a channel to an endpoint over this time (Messaging API reference, "Rate limits").
const WINDOW: Duration = Duration::from_secs(1);

/// The section.
pub(super) struct LineSection;

#[rustfmt::skip]
static FIELDS: &[Field] = &[
    Field::new("<account>.channel_secrets", Secrets { min: (1, "a secret") }, Required,
        r#"[{ env = "LINE_CHANNEL_SECRET" }]"#,
        "Channel secret; two while one is being rotated"),
    Field::new("<account>.access_token", Kind::ANY_SECRET, Required, r#"{ env = "LINE_ACCESS_TOKEN" }"#,
        "Long-lived channel access token"),
    Field::new("<account>.api_url", Url, Value(r#""https://api.line.me""#), "",
        "API host"),
    Field::new("<account>.calls_per_second", Integer { min: 1, max: 1_000_000 }, Value("2000"), "",
        "Calls in any second to one endpoint, as LINE allows"),
];

impl Channel for LineSection {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn sample(&self) -> &'static str {
        "shop-th"
    }

    fn moved(&self) -> &'static [Moved] {
        &[Moved { from: "processors.hold_line", to: "sources.line.hold" }]
    }

    fn read(&self, r: &mut Reader<'_>, platform: &str, account: &str) -> ChannelAccount {
        let at = |key| [platform, account, key];
        let token = r.secret(&at("access_token"));
        ChannelAccount {
            secrets: r.secrets(&at("channel_secrets")),
            addresses: Vec::new(),
            api_url: r.text(&at("api_url")),
            authorization: Authorization::Bearer(Secret::new(format!("Bearer {}", token.reveal()))),
            rate: Rate { calls: r.integer(&at("calls_per_second")), window: WINDOW },
        }
    }
}

//! `[custom.<account>]`: one channel of the operator's own.

use std::time::Duration;

use config::{Fallback, Field, Kind, Reader, Secret};
use Fallback::{Absent, Required, Value};
use Kind::{Choice, Integer, Networks, Secrets, WholeUrl};

use super::sign;
use crate::{Authorization, Channel, ChannelAccount, Rate};

/// The limit of calls counts over this time.
const WINDOW: Duration = Duration::from_secs(1);

/// The words of `authentication`.
const SIGNATURE: &str = "signature";
const ADDRESSES: &str = "addresses";

/// The section.
pub(super) struct CustomSection;

#[rustfmt::skip]
static FIELDS: &[Field] = &[
    Field::new("<account>.secrets", Secrets { min: (1, "a secret") }, Absent,
        r#"[{ env = "CUSTOM_SECRET" }]"#,
        "What signs the channel's webhooks: `whsec_` and the base64 of 24 to 64 bytes; two while one is being rotated"),
    Field::new("<account>.authentication", Choice(&[SIGNATURE, ADDRESSES]), Value(r#""signature""#), "",
        "How webhooks are authenticated; `addresses` asks for no signature and relies on `addresses` alone"),
    Field::new("<account>.addresses", Networks, Absent, r#"["192.0.2.0/24"]"#,
        "Networks that webhooks may come from; from anywhere without it"),
    Field::new("<account>.url", WholeUrl, Required, r#""https://chat.example.com/naru""#,
        "Where messages of agents are posted"),
    Field::new("<account>.outbound_secrets", Secrets { min: (1, "a secret") }, Required,
        r#"[{ env = "CUSTOM_OUTBOUND_SECRET" }]"#,
        "What signs them; each carries a signature of every secret, so that the channel can rotate"),
    Field::new("<account>.calls_per_second", Integer { min: 1, max: 1_000_000 }, Value("50"), "",
        "Calls in any second to the channel"),
];

impl Channel for CustomSection {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn sample(&self) -> &'static str {
        "web-chat"
    }

    fn read(&self, r: &mut Reader<'_>, platform: &str, account: &str) -> ChannelAccount {
        let at = |key| [platform, account, key];
        let addresses = r.networks(&at("addresses"));
        let mut inbound = secrets(r, platform, account, "secrets");
        let relies_on_addresses = r.text(&at("authentication")) == ADDRESSES;
        let (needed, is_missing) = if relies_on_addresses {
            inbound.clear();
            ("addresses", addresses.is_empty())
        } else {
            ("secrets", inbound.is_empty())
        };
        let path = at(needed).join(".");
        if is_missing && r.mistakes.spare(&[&path]) {
            r.mistakes.add(&path, "missing", format!("`authentication` relies on {needed}"));
        }
        ChannelAccount {
            secrets: inbound,
            addresses,
            api_url: r.text(&at("url")),
            authorization: Authorization::Signed(secrets(r, platform, account, "outbound_secrets")),
            rate: Rate { calls: r.integer(&at("calls_per_second")), window: WINDOW },
        }
    }
}

/// Secrets in the form of Standard Webhooks. Each that is none is a mistake.
fn secrets(r: &mut Reader<'_>, platform: &str, account: &str, key: &str) -> Vec<Secret> {
    let all = r.secrets(&[platform, account, key]);
    for (i, _) in all.iter().enumerate().filter(|(_, secret)| sign::key(secret).is_none()) {
        let path = format!("{platform}.{account}.{key}[{i}]");
        r.mistakes.add(
            &path,
            "not a secret of Standard Webhooks",
            format!("write {} and the base64 of 24 to 64 random bytes", sign::SECRET_PREFIX),
        );
    }
    all
}

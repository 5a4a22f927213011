//! The command by which a person sends a message of their own.

use crate::clock::iso;
use crate::curl::{post, quoted};
use crate::custom::{self, Content, Event};
use crate::ids::{self, digest};
use crate::line::text_event;
use crate::server::Standins;

/// Somebody who is not in the demo traffic.
const LINE_USER: &str = "U11111111111111111111111111111111";
const VISITOR: &str = "visitor-with-curl";
const TEXT: &str = "hello from curl";

impl Standins {
    /// A command for a POSIX shell that sends one text message of `now_ms` to `ingress` (`http://host:port`), on the
    /// first channel. Empty where there is no channel.
    #[must_use]
    pub fn sample(&self, ingress: &str, now_ms: u64) -> String {
        self.samples(ingress, now_ms).into_iter().next().unwrap_or_default()
    }

    /// Such a command for each channel: for its first account.
    #[must_use]
    pub fn samples(&self, ingress: &str, now_ms: u64) -> Vec<String> {
        let ingress = ingress.trim_end_matches('/');
        [self.line_sample(ingress, now_ms), self.custom_sample(ingress, now_ms)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn line_sample(&self, ingress: &str, now_ms: u64) -> Option<String> {
        let account = self.line().accounts().into_iter().next()?;
        let bytes = digest(&["sample", &now_ms.to_string()]);
        let (event_id, message_id) = (ids::ulid(now_ms, bytes), ids::line_message(bytes));
        let event = text_event(LINE_USER, TEXT, now_ms, &event_id, &message_id);
        let (body, signature) = self.line().compose(&account, vec![event])?.signed();
        let url = format!("{ingress}/webhooks/line/{account}");
        Some(post(&url, "X-Line-Signature", &signature, &String::from_utf8_lossy(&body)))
    }

    /// The time of the attempt is part of what is signed, and is accepted for a few minutes only: the command takes the
    /// time and signs when it runs.
    fn custom_sample(&self, ingress: &str, now_ms: u64) -> Option<String> {
        let account = self.custom().accounts().into_iter().next()?;
        let key = self.custom().key(&account)?.hex();
        let data = custom::Message {
            id: format!("m-{}", ids::hex(digest(&["sample", &now_ms.to_string()]))),
            person: VISITOR.to_owned(),
            sequence: None,
            content: Content::text(TEXT),
        };
        let webhook = self.custom().compose(&account, &Event::Message { timestamp: iso(now_ms), data })?;
        Some(format!(
            "ID={} TIMESTAMP=$(date +%s)\n\
             BODY={}\n\
             SIGNATURE=v1,$(printf %s \"$ID.$TIMESTAMP.$BODY\" | \
             openssl dgst -sha256 -mac HMAC -macopt hexkey:{key} -binary | base64)\n\
             curl -sS -i {} \\\n  -H 'Content-Type: application/json' \\\n  -H \"webhook-id: $ID\" \
             -H \"webhook-timestamp: $TIMESTAMP\" -H \"webhook-signature: $SIGNATURE\" \\\n  \
             --data-binary \"$BODY\"",
            webhook.id,
            quoted(&String::from_utf8_lossy(&webhook.body)),
            quoted(&format!("{ingress}/webhooks/custom/{account}"))
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::curl::tests::arguments;
    use crate::setup::{Setup, WebhookPeer};
    use crate::sign;
    use crate::standard_webhooks::Secret;

    const NOW_MS: u64 = 1_790_000_000_000;

    fn standins(peers: &[(&str, &str, &str)]) -> Standins {
        let webhooks: Vec<WebhookPeer> = peers
            .iter()
            .map(|(platform, name, secret)| WebhookPeer {
                platform: (*platform).into(),
                name: (*name).into(),
                secrets: vec![(*secret).into()],
            })
            .collect();
        Standins::new(Setup::of(&webhooks, &[], "http://ingress"), Clock::new(|| NOW_MS))
    }

    #[tokio::test]
    async fn the_sample_is_a_signed_webhook_for_the_first_account() {
        let standins = standins(&[("line", "th", "secret-1"), ("line", "jp", "secret-2")]);
        let arguments = arguments(&standins.sample("http://127.0.0.1:8080/", NOW_MS)).await;
        assert!(arguments.contains(&"http://127.0.0.1:8080/webhooks/line/th".to_owned()), "{arguments:?}");
        let body = arguments.last().unwrap();
        let signature = format!("X-Line-Signature: {}", sign::line("secret-1", body.as_bytes()));
        assert!(arguments.contains(&signature), "{arguments:?}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["events"][0]["timestamp"], NOW_MS);
        assert_eq!(body["events"][0]["message"]["text"], TEXT);
        let later = standins.sample("http://127.0.0.1:8080/", NOW_MS + 1);
        let id = body["events"][0]["message"]["id"].as_str().unwrap();
        assert!(!later.contains(id), "another sample is another message");
    }
    /// The command signs by itself, with the tools that it names, so that the test needs them too.
    #[tokio::test]
    async fn the_sample_of_a_custom_channel_signs_when_it_runs() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let standins = standins(&[("line", "th", "secret-1"), ("custom", "shop", secret)]);
        let samples = standins.samples("http://127.0.0.1:8080", NOW_MS);
        assert_eq!((samples.len(), &samples[0]), (2, &standins.sample("http://127.0.0.1:8080", NOW_MS)));
        let arguments = arguments(&samples[1]).await;
        assert!(
            arguments.contains(&"http://127.0.0.1:8080/webhooks/custom/shop".to_owned()),
            "{arguments:?}"
        );
        let header = |name: &str| {
            let prefix = format!("{name}: ");
            let value = arguments.iter().find_map(|argument| argument.strip_prefix(&prefix));
            value.unwrap_or_else(|| panic!("{name} is not in {arguments:?}")).to_owned()
        };
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        let body = arguments.last().unwrap();
        let expected = Secret::parse(secret).unwrap().sign(&id, timestamp.parse().unwrap(), body.as_bytes());
        assert_eq!(header("webhook-signature"), expected);
        let event: Event = serde_json::from_str(body).unwrap();
        assert_eq!(event.message().unwrap().content, Content::text(TEXT));
        assert_eq!(event.timestamp(), iso(NOW_MS));
    }
}

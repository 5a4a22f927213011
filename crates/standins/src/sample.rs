//! The command by which a person sends a message of their own.

use crate::curl::post;
use crate::ids::{self, digest};
use crate::line::text_event;
use crate::server::Standins;

/// Somebody who is not in the demo traffic.
const LINE_USER: &str = "U11111111111111111111111111111111";
const TEXT: &str = "hello from curl";

impl Standins {
    /// A command for a POSIX shell that sends one text message of `now_ms` to `ingress` (`http://host:port`), on the
    /// first channel. Empty where there is no channel.
    #[must_use]
    pub fn sample(&self, ingress: &str, now_ms: u64) -> String {
        self.line_sample(ingress.trim_end_matches('/'), now_ms).unwrap_or_default()
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::curl::tests::arguments;
    use crate::setup::{Setup, WebhookPeer};
    use crate::sign;

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
}

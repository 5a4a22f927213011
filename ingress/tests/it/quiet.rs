//! Nothing of a body, an id, a path or a secret is ever logged, answered, or shown by `Debug`.

use ingress::AppendError;

use crate::harness::{
    GENESYS, GENESYS_SECRET, LINE, LINE_SECRET, Mood, Server, captured, request, settings, signed, webhooks,
};

/// Stands in every place that a request has; a test that finds it in the log has found a leak.
const MARK: &str = "Zq7markQz";

#[tokio::test]
async fn neither_log_nor_answer_nor_debug_shows_what_came_in() {
    let own = format!("secret-{MARK}");
    let server = Server::with(settings(), webhooks(&[LINE_SECRET, &own], &[GENESYS_SECRET, &own])).await;
    let event = format!(
        r#"{{"type":"{MARK}","timestamp":1,"source":{{"userId":"{MARK}"}},"text":"{MARK}","webhookEventId":"{MARK}"}}"#
    );
    let bodies = [
        format!(r#"{{"destination":"{MARK}","events":[{event},{{"a":"{MARK}"}}]}}"#),
        format!(r#"{{"id":"{MARK}","channel":{{"to":{{"id":"{MARK}"}},"time":"{MARK}"}}}}"#),
        format!("not json {MARK}"),
        format!(r#"{{"events":"{MARK}"}}"#),
    ];
    let moods = [
        Mood::Takes,
        Mood::Fails(AppendError::Refused("too large".into())),
        Mood::Fails(AppendError::TimedOut),
        Mood::Takes,
    ];
    let mut shown = String::new();
    for mood in moods {
        server.log.set(mood);
        for body in &bodies {
            for platform in [LINE, GENESYS] {
                shown += &server.send(&signed(platform, body.as_bytes())).await.text();
            }
        }
    }
    let raw = [
        request(&format!("/webhooks/line/{MARK}?{MARK}={MARK}"), &[("x-line-signature", MARK)], b""),
        request("/webhooks/line/shop-th", &[("x-line-signature", MARK), (MARK, MARK)], b""),
        format!("{MARK} /{MARK} HTTP/1.1\r\nhost: {MARK}\r\n\r\n").into_bytes(),
        format!("GET {MARK} {MARK}\r\n{MARK}\r\n\r\n").into_bytes(),
        format!("POST /webhooks/line/shop-th HTTP/1.1\r\nx-line-signature: mBe9cwp463GqQ5EE52ncJGoGAKDqf5MkcCmU6g/PzpI=\r\ntransfer-encoding: chunked\r\n\r\n{MARK}\r\n").into_bytes(),
    ];
    for request in &raw {
        shown += &server.send(request).await.text();
    }
    shown += &format!("{:?}", server.log.take());
    assert!(!shown.contains(MARK), "{shown}");

    let log = String::from_utf8_lossy(&captured().lock().unwrap()).into_owned();
    assert!(log.contains("broker refuses records for good"), "the capture works");
    assert!(!log.contains(MARK), "{log}");
    for secret in [LINE_SECRET, GENESYS_SECRET] {
        assert!(!log.contains(secret));
    }
}

//! What is answered when the log does not take the records.

use std::time::Duration;

use ingress::AppendError;
use tokio::time::Instant;

use crate::harness::{GENESYS, LINE, Mood, Server, signed};

const BODY: &[u8] =
    br#"{"events":[{"type":"message","timestamp":1790000000000,"source":{"type":"user","userId":"U1"}}]}"#;

#[tokio::test]
async fn a_silent_broker_is_answered_503_within_two_seconds_and_forgotten_when_it_speaks() {
    let server = Server::start().await;
    server.log.set(Mood::Silent);
    let mut client = server.connect().await;
    let begin = Instant::now();
    client.write(&signed(LINE, BODY)).await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert!(begin.elapsed() < Duration::from_secs(2), "LINE gives up after 2 s");
    assert!(server.log.take().is_empty());

    server.log.set(Mood::Takes);
    client.write(&signed(LINE, BODY)).await;
    assert_eq!(client.answer().await.unwrap().status, 200, "on the same connection");
    assert_eq!(server.log.take().len(), 1);
}

#[tokio::test]
async fn nothing_is_2xx_that_the_broker_does_not_take() {
    let server = Server::start().await;
    for error in [
        AppendError::TimedOut,
        AppendError::Unavailable("queue full".into()),
        AppendError::Refused("message too large".into()),
    ] {
        server.log.set(Mood::Fails(error.clone()));
        for platform in [LINE, GENESYS] {
            let answer = server.post(platform, BODY).await;
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{error}");
        }
        // A dead letter is no less a promise.
        assert_eq!(server.post(LINE, b"not json").await.status, 503);
    }
}

#[tokio::test]
async fn an_empty_list_of_events_needs_no_broker() {
    let server = Server::start().await;
    server.log.set(Mood::Silent);
    assert_eq!(server.post(LINE, br#"{"destination":"U0","events":[]}"#).await.status, 200);
    assert_eq!(*server.log.asked.borrow(), 0);
}

//! Methods, paths, sizes and times.

use std::time::Duration;

use ingress::Settings;
use schemas::WEBHOOK_BODY_LIMIT;

use crate::harness::{
    ACCOUNT, Client, GENESYS_SECRET, INTEGRATION, LINE, LINE_SECRET, Server, chunk, path, request, settings,
    signature, signed, signed_chunked_head, webhooks,
};

const BODY: &[u8] =
    br#"{"events":[{"type":"message","timestamp":1790000000000,"source":{"type":"user","userId":"U1"}}]}"#;

/// Short, so that a test that waits for it is quick; long enough for loopback.
const SHORT: Duration = Duration::from_millis(150);

async fn with(change: impl FnOnce(&mut Settings)) -> Server {
    let mut settings = settings();
    change(&mut settings);
    Server::with(settings, webhooks(&[LINE_SECRET], &[GENESYS_SECRET])).await
}

#[tokio::test]
async fn only_configured_paths_and_only_post() {
    let server = Server::start().await;
    let line = path(LINE);
    let text = String::from_utf8(signed(LINE, BODY)).unwrap();
    let unknown = [
        "/".to_owned(),
        "/webhooks".to_owned(),
        "/webhooks/line".to_owned(),
        "/webhooks/line/".to_owned(),
        "/webhooks/line/nobody".to_owned(),
        format!("/webhooks/line/{INTEGRATION}"),
        format!("/webhooks/genesys/{ACCOUNT}"),
        format!("/webhooks/kakao/{ACCOUNT}"),
        format!("{line}/"),
        format!("{line}/x"),
        format!("/{line}"),
        line.replace("shop", "sh%6fp"),
        line.to_uppercase(),
    ];
    for path in unknown {
        let answer = server.send(text.replace(&line, &path).as_bytes()).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains(ACCOUNT) && !answer.text().contains("nobody"), "never echoed");
        let get = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
        assert_eq!(server.send(get.as_bytes()).await.status, 404, "GET {path}");
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "post"] {
        let answer = server.send(text.replacen("POST", method, 1).as_bytes()).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
    }
    assert!(server.log.take().is_empty());
    let with_query = text.replacen(&line, &format!("{line}?a=b"), 1);
    assert_eq!(server.send(with_query.as_bytes()).await.status, 200, "a query changes nothing");
}

#[tokio::test]
async fn an_announced_body_over_the_limit_is_refused_before_it_is_sent() {
    let server = Server::start().await;
    let (name, value) = signature(LINE, b"");
    for expect in ["", "expect: 100-continue\r\n"] {
        let mut client = server.connect().await;
        let length = WEBHOOK_BODY_LIMIT + 1;
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: test\r\n{name}: {value}\r\n{expect}content-length: {length}\r\n\r\n",
            path(LINE)
        );
        client.write(head.as_bytes()).await;
        let answer = client.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
        assert!(client.ends().await);
    }
}

#[tokio::test]
async fn the_limit_is_exact_also_without_an_announced_length() {
    let server = Server::start().await;
    for (length, status) in [(WEBHOOK_BODY_LIMIT, 200), (WEBHOOK_BODY_LIMIT + 1, 413)] {
        let body = vec![b' '; length];
        assert_eq!(server.post(LINE, &body).await.status, status, "announced, {length}");
        let mut client = server.connect().await;
        client.write(&signed_chunked_head(LINE, &body)).await;
        for part in body.chunks(50_000) {
            client.write(&chunk(part)).await;
        }
        client.write(b"0\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().status, status, "chunked, {length}");
    }
    let written = server.log.take();
    assert_eq!(written.len(), 2);
    assert!(written.iter().all(|record| record.value.len() == WEBHOOK_BODY_LIMIT));
}

#[tokio::test]
async fn an_endless_chunked_body_is_refused_at_the_limit() {
    let server = with(|s| s.body_limit = 10_000).await;
    let mut client = server.connect().await;
    client.write(&signed_chunked_head(LINE, b"")).await;
    client.write(&chunk(&[b' '; 10_001])).await;
    assert_eq!(client.answer().await.unwrap().status, 413, "before its end, which never comes");
}

#[tokio::test]
async fn a_chunked_body_is_put_together() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write(&signed_chunked_head(LINE, BODY)).await;
    for part in BODY.chunks(7) {
        client.write(&chunk(part)).await;
    }
    client.write(b"0\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    let written = server.log.take();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].value, BODY[11..BODY.len() - 2]);
}

#[tokio::test]
async fn an_empty_body_is_refused_unsigned_and_a_dead_letter_signed() {
    let server = Server::start().await;
    assert_eq!(server.send(&request(&path(LINE), &[], b"")).await.status, 401);
    assert_eq!(server.post(LINE, b"").await.status, 200);
    assert_eq!(server.log.take().len(), 1);
}

#[tokio::test]
async fn a_slow_body_is_408_however_steadily_it_drips() {
    let server = with(|s| s.body_timeout = SHORT).await;
    let request = signed(LINE, BODY);
    let head = request.len() - BODY.len();

    let mut stalled = server.connect().await;
    stalled.write(&request[..head + 10]).await;
    let answer = stalled.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(stalled.ends().await);

    let mut client = server.connect().await;
    client.write(&request[..head]).await;
    assert_eq!(drip(&mut client, &request[head..]).await, Some(408));
    assert!(server.log.take().is_empty());
}

#[tokio::test]
async fn a_slow_head_is_cut_however_steadily_it_drips() {
    let server = with(|s| s.header_timeout = SHORT).await;
    let request = signed(LINE, BODY);

    let mut silent = server.connect().await;
    assert!(silent.ends().await, "a connection that says nothing");

    let mut dripping = server.connect().await;
    assert_eq!(drip(&mut dripping, &request).await, None, "a head that comes byte by byte");

    let mut second = server.connect().await;
    second.write(&request).await;
    assert_eq!(second.answer().await.unwrap().status, 200);
    assert_eq!(drip(&mut second, &request).await, None, "the same on a used connection");
    assert_eq!(server.log.take().len(), 1);
}

/// Sends a byte every 20 ms until the server answers or closes; the status, if it answered.
async fn drip<S>(client: &mut Client<S>, bytes: &[u8]) -> Option<u16>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for byte in bytes {
        client.write(&[*byte]).await;
        tokio::select! {
            answer = client.answer() => return answer.map(|answer| answer.status),
            _ = pace.tick() => {}
        }
    }
    panic!("the server took all of it")
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head_but_not_its_own() {
    let server = with(|s| s.header_timeout = SHORT).await;
    let mut client = server.connect().await;
    client.write(&signed(LINE, BODY)).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    // The pause is what is tested: longer than a head may take.
    tokio::time::sleep(3 * SHORT).await;
    client.write(&signed(LINE, BODY)).await;
    assert_eq!(client.answer().await.unwrap().status, 200);

    let server = with(|s| s.idle_timeout = SHORT).await;
    let mut client = server.connect().await;
    client.write(&signed(LINE, BODY)).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert!(client.ends().await);
}

#[tokio::test]
async fn an_early_answer_is_not_overtaken_by_a_reset() {
    let server = Server::start().await;
    let body = vec![b' '; WEBHOOK_BODY_LIMIT];
    let mut client = server.connect().await;
    client.write(&request(&path(LINE), &[], &body)).await;
    assert_eq!(client.answer().await.unwrap().status, 401, "given before the body was read");
    assert!(client.ends().await && !client.reset, "the rest of the body is read and thrown away");
}

#[tokio::test]
async fn an_unverified_sender_keeps_no_connection() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write(&request(&path(LINE), &[("x-line-signature", "AAAA")], BODY)).await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (401, Some("close")));
    assert!(client.ends().await);
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_place() {
    let server = with(|s| s.max_connections = 1).await;
    let mut first = server.connect().await;
    // Half a request: it holds the place for certain once the second one is answered only after it.
    let request = signed(LINE, BODY);
    first.write(&request[..20]).await;
    let mut second = server.connect().await;
    second.write(&request).await;
    let early = tokio::time::timeout(SHORT, second.answer()).await;
    assert!(early.is_err(), "no place, no answer");
    first.write(&request[20..]).await;
    let answer = first.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "gives its place up");
    drop(first);
    assert_eq!(second.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_large_head_is_431_and_broken_framing_400() {
    let server = Server::start().await;
    let large = format!("POST {} HTTP/1.1\r\nx: {}\r\n\r\n", path(LINE), "y".repeat(100_000));
    assert_eq!(server.send(large.as_bytes()).await.status, 431);
    let mut head = signed_chunked_head(LINE, BODY);
    head.extend_from_slice(b"no-hex\r\n");
    assert_eq!(server.send(&head).await.status, 400);
}

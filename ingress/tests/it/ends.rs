//! How connections end: keep-alive, the end of the service, and what still runs then.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::harness::{
    DEADLINE, GENESYS, GENESYS_SECRET, LINE, LINE_SECRET, Mood, Server, settings, signed, webhooks,
};

const BODY: &[u8] =
    br#"{"events":[{"type":"message","timestamp":1790000000000,"source":{"type":"user","userId":"U1"}}]}"#;

#[tokio::test]
async fn a_connection_serves_many_webhooks_also_pipelined() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.write(&signed(LINE, BODY)).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
    let two = [signed(LINE, BODY), signed(GENESYS, b"{}")].concat();
    client.write(&two).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(server.log.take().len(), 5);
}

#[tokio::test]
async fn the_end_waits_for_what_runs_and_closes_what_is_idle() {
    let server = Server::start().await;
    let mut idle = server.connect().await;
    idle.write(&signed(LINE, BODY)).await;
    assert_eq!(idle.answer().await.unwrap().status, 200);

    server.log.set(Mood::Silent);
    let mut busy = server.connect().await;
    busy.write(&signed(LINE, BODY)).await;
    server.log.asked.subscribe().wait_for(|asked| *asked == 2).await.unwrap();

    server.shutdown.trigger();
    assert!(idle.ends().await, "an idle connection is closed");
    assert!(!server.task.is_finished(), "one request still runs");
    assert!(TcpStream::connect(server.address).await.is_err(), "no new connection");
    server.log.set(Mood::Takes);
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(busy.ends().await);
    drop((busy, idle));
    tokio::time::timeout(DEADLINE, server.task).await.expect("then it ends").unwrap();
    assert_eq!(server.log.take().len(), 2);
}

#[tokio::test]
async fn the_end_is_bounded() {
    let mut short = settings();
    short.drain_timeout = Duration::from_millis(100);
    short.ack_timeout = DEADLINE;
    let server = Server::with(short, webhooks(&[LINE_SECRET], &[GENESYS_SECRET])).await;
    server.log.set(Mood::Silent);
    let mut stuck = server.connect().await;
    stuck.write(&signed(LINE, BODY)).await;
    server.log.asked.subscribe().wait_for(|asked| *asked == 1).await.unwrap();
    server.shutdown.trigger();
    tokio::time::timeout(DEADLINE / 2, server.task).await.expect("cut off").unwrap();
    assert!(stuck.ends().await, "unanswered, so its sender comes again");
}

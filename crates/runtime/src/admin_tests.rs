//! The admin port over real HTTP on loopback.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

async fn start(readiness: &Readiness) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(serve(listener, readiness.clone()));
    address
}

async fn ask(address: SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let head = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("reads");
    answer
}

#[tokio::test]
async fn routes() {
    metrics::install();
    let readiness = Readiness::new();
    let condition = readiness.condition("routes-test");
    condition.set(true);
    let address = start(&readiness).await;
    for (line, status, within) in [
        ("GET /health/live", 200, "live"),
        ("HEAD /health/live", 200, "content-length: 5"),
        ("GET /health/ready", 200, "ready"),
        ("GET /metrics", 200, "# TYPE naru_ready gauge"),
        ("POST /metrics", 405, "allow: GET, HEAD"),
        ("GET /", 404, ""),
        ("POST /nowhere", 404, ""),
    ] {
        let answer = ask(address, line).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
        assert!(answer.contains(within), "{line}: {answer}");
    }
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let readiness = Readiness::new();
    let (kafka, tables) = (readiness.condition("kafka"), readiness.condition("tables"));
    let address = start(&readiness).await;
    assert!(ask(address, "GET /health/ready").await.ends_with("not ready: kafka, tables\n"));
    kafka.set(true);
    let answer = ask(address, "GET /health/ready").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("not ready: tables\n"), "{answer}");
    tables.set(true);
    assert!(readiness.is_ready());
    assert!(ask(address, "GET /health/ready").await.starts_with("HTTP/1.1 200 "));
    kafka.set(false);
    assert!(ask(address, "GET /health/ready").await.ends_with("not ready: kafka\n"));
    assert!(ask(address, "GET /health/live").await.starts_with("HTTP/1.1 200 "));
}

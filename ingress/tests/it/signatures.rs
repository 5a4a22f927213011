//! Every signature vector, negatives included, through the port; and two secrets at once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use platforms::Platform;
use serde::Deserialize;

use crate::harness::{
    GENESYS, GENESYS_SECRET, INTEGRATION, LINE, LINE_SECRET, Server, path, request, settings, signature,
    signed, webhooks,
};

#[derive(Deserialize)]
struct File {
    header: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    secret: String,
    body_base64: String,
    header: String,
    valid: bool,
}

async fn walk(platform: &'static Platform, text: &str, expected: usize) {
    let file: File = serde_json::from_str(text).unwrap();
    assert_eq!(file.vectors.len(), expected, "the file holds what was copied");
    for vector in &file.vectors {
        let secret: &[&str] = &[&vector.secret];
        let server = Server::with(settings(), webhooks(secret, secret)).await;
        let body = STANDARD.decode(&vector.body_base64).unwrap();
        let answer = server.send(&request(&path(platform), &[(&file.header, &vector.header)], &body)).await;
        assert_eq!(answer.status, if vector.valid { 200 } else { 401 }, "{}", vector.name);
        assert!(vector.valid || server.log.take().is_empty(), "{}: nothing of it is written", vector.name);
    }
}

#[tokio::test]
async fn line_vectors() {
    walk(LINE, include_str!("../data/line-signatures.json"), LINE_VECTORS).await;
}

#[tokio::test]
async fn genesys_vectors() {
    walk(GENESYS, include_str!("../data/genesys-signatures.json"), GENESYS_VECTORS).await;
}

const LINE_VECTORS: usize = 12;
const GENESYS_VECTORS: usize = 7;
const BODY: &[u8] = br#"{"events":[]}"#;

#[tokio::test]
async fn either_of_two_secrets_will_do_and_a_third_will_not() {
    for (secrets, status) in [
        (["other-secret-than-used", LINE_SECRET], 200),
        ([LINE_SECRET, "other-secret-than-used"], 200),
        (["other-secret-than-used", "and-yet-another-secret"], 401),
    ] {
        let server = Server::with(settings(), webhooks(&secrets, &[GENESYS_SECRET])).await;
        assert_eq!(server.post(LINE, BODY).await.status, status);
    }
    for (secrets, status) in [
        (["other-secret-than-used", GENESYS_SECRET], 200),
        ([GENESYS_SECRET, "other-secret-than-used"], 200),
        (["other-secret-than-used", "and-yet-another-secret"], 401),
    ] {
        let server = Server::with(settings(), webhooks(&[LINE_SECRET], &secrets)).await;
        assert_eq!(server.post(GENESYS, BODY).await.status, status);
    }
}

#[tokio::test]
async fn the_header_must_be_there_once_and_well_formed() {
    let server = Server::start().await;
    for platform in [LINE, GENESYS] {
        let (name, value) = signature(platform, BODY);
        let (path, upper) = (path(platform), name.to_uppercase());
        let bare = value.trim_start_matches("sha256=");
        let unpadded = value.trim_end_matches('=');
        let inner_space = value.replacen('=', " =", 1);
        let other = if platform == LINE {
            ("x-hub-signature-256", format!("sha256={value}"))
        } else {
            ("x-line-signature", bare.to_owned())
        };
        let cases = [
            ("once", vec![(name, value.as_str())], 200),
            ("name in capitals", vec![(&upper, &value)], 200),
            ("absent", vec![], 401),
            ("twice the same", vec![(name, &value), (name, &value)], 401),
            ("a wrong one beside it", vec![(name, &value), (name, "AAAA")], 401),
            ("no padding", vec![(name, unpadded)], 401),
            ("a space in it", vec![(name, &inner_space)], 401),
            ("not ASCII", vec![(name, "\u{e9}")], 401),
            ("the other platform's header", vec![(other.0, &other.1)], 401),
        ];
        for (case, headers, status) in cases {
            let answer = server.send(&request(&path, &headers, BODY)).await;
            assert_eq!(answer.status, status, "{platform:?}: {case}");
        }
    }
}

#[tokio::test]
async fn a_signature_holds_for_its_own_account_only() {
    let server = Server::start().await;
    let line = signed(LINE, BODY);
    let text = String::from_utf8(line).unwrap();
    let elsewhere = text.replace("/webhooks/line/shop-th", &format!("/webhooks/genesys/{INTEGRATION}"));
    assert_eq!(server.send(elsewhere.as_bytes()).await.status, 401);
    assert_eq!(server.send(text.as_bytes()).await.status, 200);
}

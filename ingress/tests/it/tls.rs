//! A webhook over the edge's own TLS.

use std::sync::Arc;

use runtime::config;
use runtime::tls::ServerTls;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::harness::{Client, GENESYS_SECRET, LINE, LINE_SECRET, Start, settings, signed, webhooks};

#[tokio::test]
async fn a_webhook_over_tls_is_served_and_a_plain_one_is_not() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files =
        config::Tls { certificate: folder.path().join("chain.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let tls = ServerTls::load(&files).unwrap().acceptor();
    let start = Start::new(settings(), webhooks(&[LINE_SECRET], &[GENESYS_SECRET]));
    let server = Start { tls: Some(tls), ..start }.start().await;

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
    let mut client = Client::new(stream);
    for _ in 0..2 {
        client.write(&signed(LINE, br#"{"events":[]}"#)).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }

    let mut plain = server.connect().await;
    plain.write(&signed(LINE, br#"{"events":[]}"#)).await;
    assert!(plain.answer().await.is_none());
}

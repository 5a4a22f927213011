//! TLS handshakes over an in-memory pipe, with certificates made for the test.

use std::fs;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::*;

struct Made {
    folder: tempfile::TempDir,
    files: config::Tls,
}

fn certificate() -> (String, String, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("makes a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().clone())
}

fn write(chain: &str, key: &str) -> Made {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files =
        config::Tls { certificate: folder.path().join("chain.pem"), key: folder.path().join("key.pem") };
    fs::write(&files.certificate, chain).expect("writes");
    fs::write(&files.key, key).expect("writes");
    Made { folder, files }
}

/// Whether a client that trusts only `root` completes a handshake of `version`.
async fn trusts(
    tls: &ServerTls,
    root: &CertificateDer<'static>,
    version: &'static rustls::SupportedProtocolVersion,
) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    let client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("supported")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (near, far) = tokio::io::duplex(16 * 1024);
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(Arc::new(client));
    let (client, _server) = tokio::join!(connector.connect(name, near), tls.acceptor().accept(far));
    client.is_ok()
}

#[tokio::test]
async fn serves_and_follows_a_renewal() {
    let (old_chain, old_key, old) = certificate();
    let (new_chain, new_key, new) = certificate();
    let made = write(&old_chain, &old_key);
    let tls = ServerTls::load(&made.files).expect("loads");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        assert!(trusts(&tls, &old, version).await);
        assert!(!trusts(&tls, &new, version).await);
    }
    assert!(!tls.reload().expect("reloads"), "nothing has changed");

    fs::write(&made.files.certificate, &new_chain).expect("writes");
    assert!(tls.reload().is_err(), "the key does not fit yet");
    assert!(trusts(&tls, &old, &rustls::version::TLS13).await, "the old one stays in use");

    fs::write(&made.files.key, &new_key).expect("writes");
    assert!(tls.reload().expect("reloads"));
    assert!(trusts(&tls, &new, &rustls::version::TLS13).await);
    assert!(!trusts(&tls, &old, &rustls::version::TLS13).await);
}

#[test]
fn says_which_file_is_wrong() {
    let (chain, key, _) = certificate();
    let (_, other_key, _) = certificate();
    for (chain, key, expected) in [
        ("", key.as_str(), "chain.pem"),
        ("nonsense", key.as_str(), "chain.pem"),
        (chain.as_str(), "", "key.pem"),
        (chain.as_str(), chain.as_str(), "key.pem"),
        (chain.as_str(), other_key.as_str(), "certificate and key"),
    ] {
        let made = write(chain, key);
        let error = ServerTls::load(&made.files).expect_err("cannot be used").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let made = write(&chain, &key);
    fs::remove_file(&made.files.key).expect("removes");
    assert!(ServerTls::load(&made.files).expect_err("missing").to_string().contains("key.pem"));
    drop(made.folder);
}

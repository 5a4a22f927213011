//! TLS of the HTTP edge: a certificate chain and key in PEM, TLS 1.2 and up, renewed without a restart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config;

/// Between looks at the files, for renewals that send no SIGHUP.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Why a certificate cannot be used. The texts name files and never their content.
#[derive(Debug)]
pub enum TlsError {
    /// The file cannot be read, or holds nothing in PEM of the kind.
    Pem {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        error: rustls_pki_types::pem::Error,
    },
    /// The file of the chain has no certificate.
    Empty(PathBuf),
    /// Chain and key do not fit, or are of a kind that is not supported.
    Unusable(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Pem { file, error } => write!(f, "{}: {error}", file.display()),
            TlsError::Empty(file) => write!(f, "{}: no certificate in it", file.display()),
            TlsError::Unusable(error) => write!(f, "certificate and key: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// The certificate in use; handshakes take whichever is the newest.
pub struct ServerTls {
    files: config::Tls,
    current: Arc<Current>,
}

struct Current(RwLock<Arc<CertifiedKey>>);

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// If a file cannot be read, or chain and key do not fit.
    pub fn load(files: &config::Tls) -> Result<Self, TlsError> {
        let current = Arc::new(Current(RwLock::new(Arc::new(read(files)?))));
        Ok(Self { files: files.clone(), current })
    }

    /// What turns accepted connections into TLS ones. It follows later reloads.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("ring has suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(self.current.clone());
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(server))
    }

    /// Reads the files again; says whether the certificate is another one. On error the old one stays in use.
    ///
    /// # Errors
    /// As [`ServerTls::load`].
    pub fn reload(&self) -> Result<bool, TlsError> {
        let new = read(&self.files)?;
        let mut current = self.current.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = current.cert != new.cert;
        *current = Arc::new(new);
        Ok(changed)
    }

    /// Reloads on SIGHUP and every minute, for as long as the future lives.
    ///
    /// # Errors
    /// If the signal handler cannot be installed.
    pub async fn keep_fresh(self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangup = signal(SignalKind::hangup())?;
        let mut look = tokio::time::interval(LOOK_AGAIN);
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                _ = look.tick() => {}
            }
            match self.reload() {
                Ok(true) => tracing::info!("certificate renewed"),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%error, "certificate cannot be reloaded, the old one stays in use");
                }
            }
        }
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current(certificate)")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The one crypto provider of the binary.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Makes ring the provider of every TLS client and server in this process that asks for none. Calling it again
/// changes nothing.
pub fn install_provider() {
    // The only error says that one is installed already, and there is but one in the binary.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn read(files: &config::Tls) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem(&files.certificate, error))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(files.certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| pem(&files.key, error))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::Unusable)
}

fn pem(file: &Path, error: rustls_pki_types::pem::Error) -> TlsError {
    TlsError::Pem { file: file.to_owned(), error }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;

//! TLS for endpoints, with rustls and one provider of cryptography, aws-lc-rs.
//!
//! Server side only, without client certificates; TLS 1.2 and 1.3. A role whose certificate changes is restarted,
//! so a [`TlsListener`] reads its files once.

use std::{error::Error, fmt, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
pub use tokio_rustls::server::TlsStream;

use crate::{
    certificates::{CertificateFiles, UnknownCertificate},
    environment::RoleEnvironment,
    error::ListenError,
};

/// How long a client may take for its handshake: several round trips over the slowest of lines.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Why an endpoint has no TLS.
#[derive(Debug)]
pub enum TlsError {
    /// The certificate is not there.
    Unknown {
        /// Which.
        source: UnknownCertificate,
    },
    /// A file of the certificate cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Certificate and key cannot be used.
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The endpoint cannot be listened on.
    Listen {
        /// Why.
        source: ListenError,
    },
}

impl fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { .. } => formatter.write_str("no certificate for TLS"),
            Self::File { path, .. } => write!(formatter, "cannot read {}", path.display()),
            Self::Unusable { path, .. } => {
                write!(formatter, "cannot use the certificate {}", path.display())
            }
            Self::Listen { .. } => formatter.write_str("cannot listen for TLS"),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unknown { source } => Some(source),
            Self::File { source, .. } => Some(source),
            Self::Unusable { source, .. } => Some(source),
            Self::Listen { source } => Some(source),
        }
    }
}

/// Turns accepted connections into TLS streams. Cheap to clone.
#[derive(Clone)]
pub struct TlsAcceptor {
    acceptor: tokio_rustls::TlsAcceptor,
}

impl TlsAcceptor {
    /// An acceptor that shows the certificate in `files`.
    ///
    /// # Errors
    ///
    /// When the files cannot be read, or are no certificate and its key.
    pub fn new(files: &CertificateFiles) -> Result<Self, TlsError> {
        let file = |path: &PathBuf| {
            let path = path.clone();
            |source| TlsError::File { path, source }
        };
        let certificates = CertificateDer::pem_file_iter(&files.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(file(&files.certificate))?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(file(&files.key))?;
        let unusable = |source| TlsError::Unusable {
            path: files.certificate.clone(),
            source,
        };
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(unusable)?;
        Ok(Self {
            acceptor: Arc::new(config).into(),
        })
    }

    /// The server's side of the handshake, which is given ten seconds. Run it in the connection's own task: a client that
    /// says nothing must not keep others from being accepted. Dropping it closes the connection.
    ///
    /// # Errors
    ///
    /// When the client speaks no TLS, or too slowly, or refuses the certificate.
    pub async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let shaken = timeout(HANDSHAKE_LIMIT, self.acceptor.accept(stream)).await;
        shaken.map_err(io::Error::from)?
    }
}

/// A listener with the acceptor for its connections.
pub struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsListener {
    /// The next connection, with the acceptor for its handshake. Cancel safe: no connection is lost.
    ///
    /// # Errors
    ///
    /// What accept(2) says.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, TlsAcceptor)> {
        let (stream, peer) = self.listener.accept().await?;
        Ok((stream, peer, self.acceptor.clone()))
    }

    /// The two parts, for [`serve`](crate::serve), whose `handle` begins with [`TlsAcceptor::handshake`].
    pub fn into_parts(self) -> (TcpListener, TlsAcceptor) {
        (self.listener, self.acceptor)
    }
}

impl RoleEnvironment {
    /// Listens on an endpoint of this instance, as [`RoleEnvironment::listen`] does, for TLS with the declared
    /// certificate `certificate`.
    ///
    /// # Errors
    ///
    /// When the certificate is not there or cannot be used, and as for [`RoleEnvironment::listen`].
    pub fn listen_tls(&self, endpoint: &str, certificate: &str) -> Result<TlsListener, TlsError> {
        let files = self
            .certificate(certificate)
            .map_err(|source| TlsError::Unknown { source })?;
        let acceptor = TlsAcceptor::new(&files)?;
        let listener = self
            .listen(endpoint)
            .map_err(|source| TlsError::Listen { source })?;
        Ok(TlsListener { listener, acceptor })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn certificate(folder: &std::path::Path) -> (CertificateFiles, ClientConfig) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = CertificateFiles {
            certificate: folder.join("a.crt"),
            key: folder.join("a.key"),
        };
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (files, client)
    }

    #[tokio::test]
    async fn a_client_that_trusts_the_certificate_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let (files, client) = certificate(folder.path());
        let acceptor = TlsAcceptor::new(&files).unwrap();
        let listener = RoleEnvironment::listen_at("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let tls = TlsListener { listener, acceptor };
        let server = tokio::spawn(async move {
            let (stream, _, acceptor) = tls.accept().await.unwrap();
            let mut stream = acceptor.handshake(stream).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            stream.shutdown().await.unwrap();
            let (stream, _, acceptor) = tls.accept().await.unwrap();
            acceptor.handshake(stream).await.unwrap_err()
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let mut stream = connector.connect(name, stream).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "hello");

        let mut plain = TcpStream::connect(address).await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(server.await.unwrap().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_file_that_is_not_there_or_holds_no_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (files, _) = certificate(folder.path());
        fs::remove_file(&files.key).unwrap();
        let named = |error: TlsError| error.to_string();
        let error = TlsAcceptor::new(&files).err().map(named);
        assert_eq!(error, Some(format!("cannot read {}", files.key.display())));
        fs::write(&files.key, "nothing").unwrap();
        let error = TlsAcceptor::new(&files).err().map(named);
        assert_eq!(error, Some(format!("cannot read {}", files.key.display())));
    }
}

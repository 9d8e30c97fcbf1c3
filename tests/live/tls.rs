//! TLS around the peers: rustls, which logs its keys as programs do.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, KeyLog, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// For `localhost`, a hundred years: `openssl req -x509 -newkey ec …`.
const CERTIFICATE: &[u8] = include_bytes!("certificate.der");
const KEY: &[u8] = include_bytes!("key.der");

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// A stream of bytes, encrypted or not.
pub(crate) struct Wire(Box<dyn Both>);

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl tonic::transport::server::Connected for Wire {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

/// How the peers talk.
#[derive(Clone)]
pub(crate) enum Way {
    Clear,
    Tls(Arc<(TlsConnector, TlsAcceptor)>),
}

impl Way {
    /// Over TLS; the client logs its keys to this file, and does so late.
    pub(crate) fn tls(keys: &Path, late: Duration) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(Arc::clone(&provider))))
            .with_no_client_auth();
        client.key_log = Arc::new(Log::new(keys, late)?);
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(CERTIFICATE)],
                PrivateKeyDer::try_from(KEY)?,
            )?;
        let pair = (TlsConnector::from(Arc::new(client)), TlsAcceptor::from(Arc::new(server)));
        Ok(Self::Tls(Arc::new(pair)))
    }

    pub(crate) fn scheme(&self, plain: &'static str) -> &'static str {
        match (self, plain) {
            (Self::Tls(_), "ws") => "wss",
            _ => plain,
        }
    }

    pub(crate) async fn connect(&self, stream: TcpStream) -> Result<Wire> {
        stream.set_nodelay(true)?;
        Ok(Wire(match self {
            Self::Clear => Box::new(stream),
            Self::Tls(pair) => {
                let name = ServerName::try_from("localhost")?;
                Box::new(pair.0.connect(name, stream).await?)
            }
        }))
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<Wire> {
        stream.set_nodelay(true)?;
        Ok(Wire(match self {
            Self::Clear => Box::new(stream),
            Self::Tls(pair) => Box::new(pair.1.accept(stream).await?),
        }))
    }
}

/// Takes any certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Writes a key log, line by line, later than the keys are used.
struct Log {
    file: Arc<Mutex<File>>,
    path: PathBuf,
    late: Duration,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({})", self.path.display())
    }
}

impl Log {
    fn new(path: &Path, late: Duration) -> Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { file: Arc::new(Mutex::new(file)), path: path.into(), late })
    }
}

impl KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        let (file, late) = (Arc::clone(&self.file), self.late);
        std::thread::spawn(move || {
            std::thread::sleep(late);
            let mut file = file.lock().unwrap();
            // In two pieces: whoever follows must wait for the end of a line.
            let (a, b) = line.as_bytes().split_at(line.len() / 2);
            file.write_all(a).unwrap();
            file.write_all(b).unwrap();
        });
    }
}

//! The TLS connections of requests. They differ from those of ureq in how they are established:
//! addresses that lead nowhere, or to another server, cost little time. And a pinned certificate is
//! trusted, too.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use rookery_trust::{CertificatePin, Trust, TrustedBefore, Verdict, Verifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use super::tcp::{TcpTransport, remaining, timeout_or};
use super::{cause, is_disconnect, tls_error};

/// A client certificate with its key, for a server that requires one of operators.
pub struct ClientKey {
    /// The certificate, followed by the intermediate ones.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub(super) key: PrivateKeyDer<'static>,
}

/// Which certificates of the server are trusted, and which one it presents.
#[derive(Debug)]
pub(super) struct TrustState {
    /// What is trusted from the next connection on.
    pub(super) trust: Trust,
    /// The certificate that the server presented last, if it was trusted.
    pub(super) presented: Option<CertificatePin>,
}

/// A [`TrustState`] that the client and its connector share.
#[derive(Clone, Debug)]
pub(super) struct SharedTrust(Arc<Mutex<TrustState>>);

impl SharedTrust {
    pub(super) fn new(trust: Trust) -> Self {
        Self(Arc::new(Mutex::new(TrustState {
            trust,
            presented: None,
        })))
    }

    /// Calls `with` on the state.
    pub(super) fn with<T>(&self, with: impl FnOnce(&mut TrustState) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The error for a certificate about which the operator must decide.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is not trusted")]
pub(super) struct Unknown {
    pub(super) shown: CertificatePin,
    pub(super) before: TrustedBefore,
    pub(super) problem: Option<String>,
}

/// The error for a connection that was not established, so that no request was sent.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct NotConnected(pub(super) Error);

/// Layers TLS on a connection.
pub(super) struct Tls {
    pub(super) trust: SharedTrust,
    pub(super) key: Option<ClientKey>,
}

impl Tls {
    fn config(&self, verifier: &Arc<Verifier>) -> Result<ClientConfig, rustls::Error> {
        let config = verifier.config()?;
        match &self.key {
            Some(ClientKey { chain, key }) => {
                config.with_client_auth_cert(chain.clone(), key.clone_key())
            }
            None => Ok(config.with_no_client_auth()),
        }
    }

    /// Performs the handshake on a connection to one of the server's addresses.
    async fn handshake(
        &self,
        stream: TcpStream,
        name: ServerName<'static>,
    ) -> Result<(std::net::TcpStream, ClientConnection), Error> {
        let verifier = Verifier::new(self.trust.with(|state| state.trust.clone()));
        let config = Arc::new(self.config(&verifier)?);
        stream.set_nodelay(true)?;
        match TlsConnector::from(config).connect(name, stream).await {
            Ok(stream) => {
                let (stream, connection) = stream.into_inner();
                let stream = stream.into_std()?;
                stream.set_nonblocking(false)?;
                Ok((stream, connection))
            }
            Err(error) => Err(match verifier.verdict() {
                Some(Verdict::Unknown {
                    shown,
                    before,
                    problem,
                }) => io::Error::other(Unknown {
                    shown: *shown,
                    before: *before,
                    problem: problem.clone(),
                })
                .into(),
                _ => error.into(),
            }),
        }
    }

    fn establish(&self, details: &ConnectionDetails<'_>) -> Result<TlsTransport, Error> {
        let host = details.uri.host().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let (stream, connection) = rookery_dial::connect_blocking(
            details.addrs.to_vec(),
            async |stream| self.handshake(stream, name.clone()).await,
            is_about_certificate,
            remaining(details.timeout)?,
        )
        .map_err(|error| match error {
            Error::Io(error) => timeout_or(error, details.timeout),
            error => error,
        })?;
        let presented = connection.peer_certificates().and_then(<[_]>::first);
        let presented = presented.map(CertificatePin::of);
        self.trust.with(|state| state.presented = presented);
        let config = details.config;
        let transport = TcpTransport::new(stream, config);
        let socket = TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        Ok(TlsTransport {
            stream: StreamOwned::new(connection, socket),
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
        })
    }
}

/// Whether the server presented a certificate that is not trusted.
fn is_about_certificate(error: &Error) -> bool {
    cause::<Unknown>(error).is_some()
        || matches!(tls_error(error), Some(rustls::Error::InvalidCertificate(_)))
}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Connector for Tls {
    type Out = TlsTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<TlsTransport>, Error> {
        match self.establish(details) {
            Ok(transport) => Ok(Some(transport)),
            Err(error) => Err(Error::Other(Box::new(NotConnected(error)))),
        }
    }
}

/// An established connection.
pub(super) struct TlsTransport {
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: LazyBuffers,
}

impl TlsTransport {
    /// Returns the error to report for one of the stream. If the server has closed the connection,
    /// an alert may say why: it is not read yet if the error is that of a write.
    fn reason(&mut self, error: io::Error) -> Error {
        let StreamOwned { conn, sock } = &mut self.stream;
        while is_disconnect(&error) && conn.read_tls(sock).is_ok_and(|amount| amount > 0) {
            if let Err(alert) = conn.process_new_packets() {
                return alert.into();
            }
        }
        error.into()
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = &self.buffers.output()[..amount];
        let written = self.stream.write_all(output);
        written.map_err(|error| self.reason(error))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.get_mut().set_timeout(timeout);
        let read = self.stream.read(self.buffers.input_append_buf());
        let amount = read.map_err(|error| self.reason(error))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

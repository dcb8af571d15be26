//! The TLS listener: a certificate may be presented, and if so it is the authority's and in its time.
//!
//! Whether one must be presented is each address's business (`gate`).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::bank::Bank;
use crate::tls::authority::TestAuthority;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a refused client may read why.
const LINGER: Duration = Duration::from_secs(1);

type Accepted = (TlsStream<TcpStream>, SocketAddr);

/// Hands over connections whose handshake succeeded.
pub(super) struct TlsListener {
    accepted: mpsc::Receiver<Accepted>,
    address: SocketAddr,
}

/// The certificate a client presented, if any.
#[derive(Debug, Clone)]
pub(super) struct Presented(pub(super) Option<CertificateDer<'static>>);

/// The bank's clock, for the lives of certificates.
struct BankTime(Arc<Bank>);

impl fmt::Debug for BankTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BankTime")
    }
}

impl TimeProvider for BankTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

impl TlsListener {
    pub(super) fn new(
        listener: TcpListener,
        authority: &TestAuthority,
        bank: &Arc<Bank>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(Arc::new(config(authority, bank)?));
        let (sender, accepted) = mpsc::channel(16);
        tokio::spawn(accept(listener, acceptor, sender));
        Ok(Self { accepted, address })
    }
}

fn config(authority: &TestAuthority, bank: &Arc<Bank>) -> io::Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.der().clone())
        .map_err(io::Error::other)?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(io::Error::other)?;
    let (certificate, key) = authority.server().map_err(io::Error::other)?;
    ServerConfig::builder_with_details(provider, Arc::new(BankTime(Arc::clone(bank))))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(io::Error::other)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)
}

/// One task per handshake: a slow client holds up nobody.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, sender: mpsc::Sender<Accepted>) {
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if sender.is_closed() {
            return;
        }
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        tokio::spawn(async move {
            let shaken = acceptor.accept(stream).into_fallible();
            match tokio::time::timeout(HANDSHAKE, shaken).await {
                Ok(Ok(stream)) => {
                    // A bank that closes meanwhile has nobody left to serve.
                    let _ = sender.send((stream, address)).await;
                }
                Ok(Err((error, stream))) => {
                    tracing::info!(%error, "a handshake was refused");
                    say_goodbye(stream).await;
                }
                Err(_) => {}
            }
        });
    }
}

/// Closing at once would reset the connection before the client has read the alert.
async fn say_goodbye(mut stream: TcpStream) {
    let drained = async {
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    // Whatever goes wrong here, the connection is over.
    let _ = tokio::time::timeout(LINGER, drained).await;
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            // The accepting task ends only after this listener.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Presented {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        let (_, session) = stream.io().get_ref();
        let own = session.peer_certificates().and_then(<[_]>::first);
        Self(own.map(|certificate| certificate.clone().into_owned()))
    }
}

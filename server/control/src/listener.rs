//! The admin port: TLS from the first byte, HTTP/1.1 inside, and everything bounded.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Plane;
use super::extract::Arrival;
use super::router::router;
use super::stream::Lease;
use rookery_base::net::{close_with, is_tls};
use rookery_engine::quota::Connections;

/// Connections at once; others wait to be accepted.
const CONNECTIONS: usize = 64;
/// Connections at once from one network; others are closed.
const CONNECTIONS_PER_NETWORK: usize = 16;
/// From the first byte to the end of the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// For a request's head; a connection without a request ends after that too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// However busy it is: nobody keeps a place for ever.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(5);
/// For the answer that is under way at that point.
const LAST_ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
/// After a failure to accept, which is most likely a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const NOT_TLS: &str = "HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 70\r\n\
    Connection: close\r\n\
    \r\n\
    This port speaks HTTPS only: use https:// in front of the same address";

/// Accepts and serves until it is dropped, and its connections with it.
pub async fn run(plane: Arc<Plane>, listener: TcpListener) {
    let router = router(Arc::clone(&plane));
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let networks = Arc::new(Connections::default());
    let mut connections = JoinSet::new();
    loop {
        let admission = Arc::clone(&free)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin port could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let Some(share) =
            Connections::try_acquire(&networks, from.ip(), CONNECTIONS, CONNECTIONS_PER_NETWORK)
        else {
            tracing::debug!(%from, "too many connections to the admin port from one network");
            continue;
        };
        let (plane, router) = (Arc::clone(&plane), router.clone());
        connections.spawn(async move {
            if let Err(error) = connection(&plane, router, stream, from).await {
                tracing::debug!(%from, %error, "a connection to the admin port ended early");
            }
            drop((admission, share));
        });
    }
}

async fn connection(
    plane: &Plane,
    router: Router,
    mut stream: TcpStream,
    from: SocketAddr,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let accepted = tokio::time::timeout(HANDSHAKE_TIMEOUT, async {
        if !is_tls(&stream).await? {
            close_with(&mut stream, NOT_TLS.as_bytes()).await;
            return Ok(None);
        }
        let tls = plane
            .control
            .certificates
            .admin_tls(&plane.control.config.get())?;
        anyhow::Ok(Some(TlsAcceptor::from(tls).accept(stream).await?))
    });
    let Some(stream) = accepted.await?? else {
        return Ok(());
    };

    let (lease, mut streaming) = Lease::new();
    let service = TowerToHyperService::new(router);
    let stamped = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arrival {
            from,
            at: Timestamp::now(),
        });
        request.extensions_mut().insert(lease.clone());
        service.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), stamped);
    let mut served = pin!(served);
    if let Ok(ended) = tokio::time::timeout(CONNECTION_TIMEOUT, served.as_mut()).await {
        return Ok(ended?);
    }
    served.as_mut().graceful_shutdown();
    // A stream goes on for as long as its sign-in.
    tokio::select! {
        ended = served.as_mut() => return Ok(ended?),
        _ = streaming.wait_for(|under_way| !under_way) => {}
    }
    Ok(tokio::time::timeout(LAST_ANSWER_TIMEOUT, served).await??)
}

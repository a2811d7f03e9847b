//! The control port: HTTP/1.1 over TLS, with limits on the number and the duration of connections.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
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

use super::extract::RequestOrigin;
use super::stream::StreamState;
use crate::plane::ControlPlane;
use crate::routes::router;
use rookery_base::net::{close_with, is_tls};
use rookery_engine::quota::Connections;

/// The maximum number of connections; others wait to be accepted.
const CONNECTIONS: usize = 64;
/// The maximum number of connections from one network; others are closed.
const CONNECTIONS_PER_NETWORK: usize = 16;
/// How long the first byte and the TLS handshake may take together.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the head of a request may take to arrive. A connection without a request ends after
/// this time as well.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The maximum age of a connection, so that none occupies a place forever, however busy it is.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(5);
/// How long an answer that is in progress at that age may still take.
const LAST_ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
/// The pause after a failure to accept, which is most likely a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const NOT_TLS: &str = "HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 70\r\n\
    Connection: close\r\n\
    \r\n\
    This port speaks HTTPS only: use https:// in front of the same address";

/// Accepts and serves connections until the future is dropped, which closes them.
pub async fn run(plane: Arc<ControlPlane>, listener: TcpListener) {
    // Built for the first connection: `utoipa-axum` describes each route while it adds it, and the
    // descriptions take several MB for a moment.
    let lazy_router = Arc::new(LazyLock::new({
        let plane = Arc::clone(&plane);
        move || router(plane)
    }));
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let networks = Arc::new(Connections::default());
    let mut connections = JoinSet::new();
    loop {
        let permit = Arc::clone(&permits)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection on the control port");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let Some(network_permit) = Connections::try_acquire(
            &networks,
            address.ip(),
            CONNECTIONS,
            CONNECTIONS_PER_NETWORK,
        ) else {
            tracing::debug!(%address, "too many connections to the control port from one network");
            continue;
        };
        let (plane, lazy_router) = (Arc::clone(&plane), Arc::clone(&lazy_router));
        connections.spawn(async move {
            if let Err(error) = serve(&plane, &lazy_router, stream, address).await {
                tracing::debug!(%address, %error, "a connection to the control port failed");
            }
            drop((permit, network_permit));
        });
    }
}

/// Serves one connection until it ends.
async fn serve(
    plane: &ControlPlane,
    lazy_router: &LazyLock<Router, impl FnOnce() -> Router>,
    mut stream: TcpStream,
    address: SocketAddr,
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
            .admin_tls(&plane.control.config.admin.get())?;
        anyhow::Ok(Some(TlsAcceptor::from(tls).accept(stream).await?))
    });
    let Some(stream) = accepted.await?? else {
        return Ok(());
    };

    let (stream_state, mut streaming) = StreamState::new();
    let service = TowerToHyperService::new(Router::clone(lazy_router));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(RequestOrigin {
            address,
            at: Timestamp::now(),
        });
        request.extensions_mut().insert(stream_state.clone());
        service.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    if let Ok(ended) = tokio::time::timeout(CONNECTION_TIMEOUT, served.as_mut()).await {
        return Ok(ended?);
    }
    served.as_mut().graceful_shutdown();
    // An event stream may last as long as its session.
    tokio::select! {
        ended = served.as_mut() => return Ok(ended?),
        _ = streaming.wait_for(|is_open| !is_open) => {}
    }
    Ok(tokio::time::timeout(LAST_ANSWER_TIMEOUT, served).await??)
}

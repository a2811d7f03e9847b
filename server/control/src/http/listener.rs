//! The control port: HTTP/1.1 over TLS, with limits on the number and the duration of connections.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;

use super::extract::RequestOrigin;
use super::pace::Pace;
use super::places::{Place, Places};
use super::stream::StreamState;
use crate::auth::operator::operator_of;
use crate::plane::ControlPlane;
use crate::routes::router;
use rookery_base::net::{close_with, is_tls};
use rookery_record::Network;

/// How long the head of a request may take to arrive. A connection without a request ends after
/// this time as well; before the first one, [`Places`] are less patient.
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
    let places = Arc::new(Places::default());
    let mut connections = JoinSet::new();
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection on the control port");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let Some(permit) = places.queue(Instant::now(), Network::of_site(address.ip())) else {
            tracing::debug!(%address, "too many connections to the control port are waiting");
            continue;
        };
        let (plane, lazy_router) = (Arc::clone(&plane), Arc::clone(&lazy_router));
        connections.spawn(async move {
            permit.entered().await;
            let permit = Arc::new(permit);
            tokio::select! {
                served = serve(&plane, &lazy_router, stream, address, &permit) => {
                    if let Err(error) = served {
                        tracing::debug!(%address, %error, "a connection to the control port failed");
                    }
                }
                () = permit.lost() => {
                    tracing::debug!(%address, "a connection to the control port lost its place");
                }
            }
        });
        // A connection that has lost its place to this one is an open file until it notices.
        tokio::task::yield_now().await;
    }
}

/// Serves one connection until it ends.
async fn serve(
    plane: &Arc<ControlPlane>,
    lazy_router: &LazyLock<Router, impl FnOnce() -> Router>,
    mut stream: TcpStream,
    address: SocketAddr,
    permit: &Arc<Place>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    if !is_tls(&stream).await? {
        close_with(&mut stream, NOT_TLS.as_bytes()).await;
        return Ok(());
    }
    permit.advance(Instant::now());
    let tls = plane
        .control
        .certificates
        .admin_tls(&plane.control.config.admin.get())?;
    let handshake = TlsAcceptor::from(tls).accept(stream);
    let network = Network::of(address.ip());
    let stream = plane.handshake_turns.take(network, handshake).await?;
    permit.advance(Instant::now());

    let (stream_state, mut streaming) = StreamState::new();
    let service = TowerToHyperService::new(Router::clone(lazy_router));
    let (request_plane, permit) = (Arc::clone(plane), Arc::clone(permit));
    let pace = Arc::new(Pace::new(Instant::now()));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let origin = RequestOrigin {
            address,
            at: Timestamp::now(),
            instant: std::time::Instant::now(),
        };
        let operator = operator_of(&request_plane, request.headers(), origin.at);
        let now = Instant::now();
        permit.begin_request(now, operator.as_deref());
        let pace = operator.is_none().then(|| Arc::clone(&pace));
        let handled_at = pace.as_ref().map_or(now, |pace| pace.next(now));
        request.extensions_mut().insert(origin);
        request.extensions_mut().insert(stream_state.clone());
        request.extensions_mut().insert(Arc::clone(&permit));
        let (answer, permit) = (service.call(request), Arc::clone(&permit));
        async move {
            sleep_until(handled_at).await;
            let answer = answer.await;
            let now = Instant::now();
            permit.end_request(now);
            if let (Some(pace), Ok(answer)) = (pace, &answer) {
                pace.count_answer(now, answer.size_hint().lower());
            }
            answer
        }
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

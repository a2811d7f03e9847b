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
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::extract::RequestOrigin;
use super::pace::Pace;
use super::places::Place;
use super::stream::StreamState;
use crate::auth::operator::operator_of;
use crate::plane::ControlPlane;
use crate::routes::router;
use rookery_base::net::{close_with, is_tls};
use rookery_record::Network;

/// How long the head of a request may take to arrive. A connection without a request ends after
/// this time as well; before the first one, [`Places`](super::places::Places) are less
/// patient.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The maximum age of a connection, so that none occupies a place forever, however busy it is.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(5);
/// How long an answer that is in progress at that age may still take.
const LAST_ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
/// How long an answer that is in progress when the connection loses its place may still take.
const DISPLACED_ANSWER_TIMEOUT: Duration = Duration::from_millis(100);
/// The maximum number of such answers. Their connections are open files besides those that have a
/// place, so further ones end at once.
const DISPLACED_ANSWERS: usize = 64;
/// The pause after a failure to accept, which is most likely a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const LOST_PLACE: &str = "it lost its place";
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
    let displaced_answers = Arc::new(Semaphore::new(DISPLACED_ANSWERS));
    let mut connections = JoinSet::new();
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection on the control port");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let entered = plane
            .places
            .enter(Instant::now(), Network::of_site(address.ip()));
        let permit = Arc::new(entered);
        let (plane, lazy_router) = (Arc::clone(&plane), Arc::clone(&lazy_router));
        let displaced_answers = Arc::clone(&displaced_answers);
        connections.spawn(async move {
            let served = serve(
                &plane,
                &lazy_router,
                stream,
                address,
                &permit,
                &displaced_answers,
            );
            if let Err(error) = served.await {
                tracing::debug!(%address, %error, "a connection to the control port failed");
            }
        });
        // A connection that has lost its place to this one is an open file until it notices.
        tokio::task::yield_now().await;
    }
}

/// Serves one connection until it ends or loses its place.
async fn serve(
    plane: &Arc<ControlPlane>,
    lazy_router: &LazyLock<Router, impl FnOnce() -> Router>,
    stream: TcpStream,
    address: SocketAddr,
    permit: &Arc<Place>,
    displaced_answers: &Semaphore,
) -> anyhow::Result<()> {
    let stream = tokio::select! {
        stream = connect(plane, stream, address, permit) => stream?,
        () = permit.lost() => anyhow::bail!(LOST_PLACE),
    };
    let Some(stream) = stream else {
        return Ok(());
    };
    let (stream_state, mut streaming) = StreamState::new();
    let service = TowerToHyperService::new(Router::clone(lazy_router));
    let (request_plane, own_place) = (Arc::clone(plane), Arc::clone(permit));
    let pace = Arc::new(Pace::new(Instant::now()));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let origin = RequestOrigin {
            address,
            at: Timestamp::now(),
            instant: std::time::Instant::now(),
        };
        let operator = operator_of(&request_plane, request.headers(), origin.at);
        let now = Instant::now();
        own_place.begin_request(now, operator.as_deref());
        let pace = operator.is_none().then(|| Arc::clone(&pace));
        let handled_at = pace.as_ref().map_or(now, |pace| pace.next(now));
        request.extensions_mut().insert(origin);
        request.extensions_mut().insert(stream_state.clone());
        request.extensions_mut().insert(Arc::clone(&own_place));
        let (answer, own_place) = (service.call(request), Arc::clone(&own_place));
        async move {
            sleep_until(handled_at).await;
            let answer = answer.await;
            own_place.end_request();
            if let (Some(pace), Ok(answer)) = (pace, &answer) {
                pace.count_answer(Instant::now(), answer.size_hint().lower());
            }
            answer
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    tokio::select! {
        ended = served.as_mut() => return Ok(ended?),
        () = sleep(CONNECTION_TIMEOUT) => {}
        () = permit.lost() => {}
    }
    served.as_mut().graceful_shutdown();
    let last_answer = async {
        // An event stream may last as long as its session.
        let _ = streaming.wait_for(|is_open| !is_open).await;
        sleep(LAST_ANSWER_TIMEOUT).await;
    };
    tokio::select! {
        ended = served => Ok(ended?),
        () = last_answer => anyhow::bail!("its last answer took too long"),
        () = async {
            permit.lost().await;
            if permit.has_asked()
                && let Ok(_answer) = displaced_answers.try_acquire()
            {
                sleep(DISPLACED_ANSWER_TIMEOUT).await;
            }
        } => anyhow::bail!(LOST_PLACE),
    }
}

/// Performs the TLS handshake. Returns none if the client does not speak TLS, which is answered.
async fn connect(
    plane: &ControlPlane,
    mut stream: TcpStream,
    address: SocketAddr,
    own_place: &Place,
) -> anyhow::Result<Option<TlsStream<TcpStream>>> {
    stream.set_nodelay(true)?;
    if !is_tls(&stream).await? {
        close_with(&mut stream, NOT_TLS.as_bytes()).await;
        return Ok(None);
    }
    own_place.advance(Instant::now());
    let tls = plane
        .control
        .certificates
        .admin_tls(&plane.control.config.admin.get())?;
    let handshake = TlsAcceptor::from(tls).accept(stream);
    let network = Network::of(address.ip());
    let stream = plane.handshake_turns.take(network, handshake).await?;
    own_place.advance(Instant::now());
    Ok(Some(stream))
}

//! The metrics' listener: plain HTTP for a Prometheus on the same machine, on a port of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use rookery_base::metrics::METRICS;
use rookery_engine::probes::Probes;

/// Connections at once; others wait.
const CONNECTIONS: usize = 16;
/// For a request's head; a connection without a request ends after that too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Nobody keeps a place for ever.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(5);
/// What Prometheus calls its text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves until the task is dropped.
pub async fn serve(probes: Probes, listener: TcpListener) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .with_state(probes);
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&free)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the metrics port could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| service.call(request));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            // Whoever asks for metrics asks again.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, served).await;
            drop(place);
        });
    }
}

async fn metrics(State(probes): State<Probes>) -> Response {
    match probes.read().await {
        Ok(readings) => (
            [(header::CONTENT_TYPE, TEXT_FORMAT)],
            METRICS.text(&readings),
        )
            .into_response(),
        Err(stopped) => (StatusCode::SERVICE_UNAVAILABLE, stopped.to_string()).into_response(),
    }
}

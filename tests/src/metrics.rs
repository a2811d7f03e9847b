//! The metrics of a server, as Prometheus reads them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::DEADLINE;
use crate::server::Server;

/// Starts a server with a port for metrics.
pub async fn start_server() -> Server {
    Server::with(&["metrics.listen = \"127.0.0.1:0\""]).await
}

/// Sends an HTTP request without TLS, and returns the whole response.
pub async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

/// Returns the value of a metric in a response.
pub fn value(metrics: &str, name: &str) -> u64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in\n{metrics}"))
        .parse()
        .unwrap()
}

/// Waits until a counter has reached `count`.
pub async fn expect_count(server: &Server, name: &str, count: u64) {
    let reaches = async {
        while value(&send(server.metrics(), "GET /metrics").await, name) < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, reaches)
        .await
        .unwrap_or_else(|_| panic!("waited too long for {name} to reach {count}"));
}

//! The control port itself: TLS, and clients that do not use it.

use std::io::Write as _;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::http::listener;
use rookery_record::Network;

/// Starts the listener of a control plane and returns its address.
async fn start(plane: &TestPlane) -> SocketAddr {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = port.local_addr().unwrap();
    tokio::spawn(listener::run(Arc::clone(&plane.state), port));
    address
}

/// Returns the local authority, which signed the server's certificate.
fn authority(folder: &Path) -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(folder.join("certs/ca.pem")).unwrap())
        .unwrap();
    roots
}

fn connector(plane: &TestPlane) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority(plane.folder.path()))
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn connect(plane: &TestPlane, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    connect_with(&connector(plane), address).await
}

async fn connect_with(
    connector: &TlsConnector,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, stream).await
}

/// Sends a request, and returns what is answered until the connection ends.
async fn send(stream: &mut TlsStream<TcpStream>, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A missing close_notify does not matter here.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn the_port_speaks_http_over_tls() {
    let plane = TestPlane::new().await;
    let address = start(&plane).await;
    let mut stream = connect(&plane, address).await.unwrap();
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = send(&mut stream, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"ok"}"#), "{answer}");

    let mut stream = connect(&plane, address).await.unwrap();
    send(
        &mut stream,
        "GET /v1/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    let entry = plane.trail().await.pop().unwrap();
    let local = stream.get_ref().0.local_addr().unwrap();
    assert_eq!(
        entry.origin,
        local.to_string(),
        "the trail has the origin of the request"
    );
}

#[tokio::test]
async fn a_plaintext_request_is_answered_that_the_port_is_https() {
    let plane = TestPlane::new().await;
    let address = start(&plane).await;
    for plain in [
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "NICK alice\r\n",
        "\0\0\0",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(plain.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{answer}"
        );
        assert!(body.contains("HTTPS only"), "{answer}");
    }
}

/// The listener and the test share a thread, so that it accepts all of them at the same moment:
/// silent ones, and some that begin a handshake.
#[tokio::test]
async fn an_operator_is_served_behind_more_connections_than_there_are_places() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.listen(1024).unwrap();
    let address = port.local_addr().unwrap();
    tokio::spawn(listener::run(Arc::clone(&plane.state), port));
    let strangers: Vec<_> = (0..700)
        .map(|number| {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            if number % 2 == 0 {
                stream.write_all(&[0x16, 3, 1]).unwrap();
            }
            stream
        })
        .collect();
    let mut stream = connect(&plane, address).await.unwrap();
    let request = format!(
        "GET /v1/bans HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\
         Connection: close\r\n\r\n"
    );
    let answer = send(&mut stream, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    drop(strangers);
}

/// Sends a request with a body on a connection that stays open, and returns the answer's body.
async fn post(stream: &mut TlsStream<TcpStream>, path: &str, body: Value) -> Value {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        let (_, body) = std::str::from_utf8(&answer)
            .unwrap()
            .split_once("\r\n\r\n")
            .unwrap_or_default();
        if let Ok(body) = serde_json::from_str(body) {
            return body;
        }
    }
}

/// Signs in on two connections in turn, with a device token on the second. Before the code of the
/// second sign-in, and before each request with a token, so many strangers of the same network
/// connect that a stranger would lose its place.
#[tokio::test]
async fn a_connection_with_a_device_token_or_that_has_signed_in_is_not_displaced() {
    let plane = TestPlane::new().await;
    let address = start(&plane).await;
    let surround = || {
        let stranger = |_| {
            let now = Instant::now();
            let stranger = plane.state.places.enter(now, Network::of(address.ip()));
            stranger.advance(now);
            stranger.begin_request(now, None);
            stranger
        };
        (0..4000).map(stranger).collect::<Vec<_>>()
    };
    let mut device = Value::Null;
    for number in 0..2 {
        let mut operator = connect(&plane, address).await.unwrap();
        let password = json!({"name": "root", "password": PASSWORD, "device": device});
        let login = post(&mut operator, "/v1/login", password).await;
        let code = plane.code_of_mail(number).await;
        let code = json!({"challenge": login["challenge"], "code": code});
        let strangers = (number == 1).then(surround);
        let signed_in = post(&mut operator, "/v1/login/verify", code).await;
        drop(strangers);
        device = signed_in["device"].clone();
        let token = signed_in["token"].as_str().unwrap();
        let request = format!(
            "GET /v1/bans HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\
             Connection: close\r\n\r\n"
        );
        let _strangers = surround();
        let answer = send(&mut operator, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn bytes_that_only_begin_like_tls_block_no_other_client() {
    let plane = TestPlane::new().await;
    let address = start(&plane).await;
    let mut broken = TcpStream::connect(address).await.unwrap();
    broken.write_all(&[0x16; 600]).await.unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(&[0x16]).await.unwrap();
    let mut stream = connect(&plane, address).await.unwrap();
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(
        send(&mut stream, request)
            .await
            .starts_with("HTTP/1.1 200 OK\r\n")
    );
}

#[tokio::test]
async fn the_requests_of_a_stranger_are_paced_on_one_connection_and_those_of_an_operator_are_not() {
    let plane = TestPlane::new().await;
    let token = plane.sign_in("root").await;
    let address = start(&plane).await;
    let took = async |path: &str, header: &str, count: usize| {
        let mut stream = connect(&plane, address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n{header}");
        let last = format!("{request}Connection: close\r\n\r\n");
        let start = Instant::now();
        let requests = format!("{request}\r\n").repeat(count - 1) + &last;
        let answers = send(&mut stream, &requests).await;
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), count);
        start.elapsed()
    };
    let took_stranger = took("/healthz", "", 130).await;
    assert!(took_stranger >= Duration::from_secs(2), "{took_stranger:?}");
    let took_stranger = took("/v1/openapi.json", "", 4).await;
    assert!(took_stranger >= Duration::from_secs(2), "{took_stranger:?}");
    let header = format!("Authorization: Bearer {token}\r\n");
    let took_operator = took("/healthz", &header, 450).await;
    assert!(took_operator < Duration::from_secs(10), "{took_operator:?}");
}

#[tokio::test]
async fn handshakes_have_their_turn_and_others_are_served_meanwhile() {
    let plane = TestPlane::new().await;
    let address = start(&plane).await;
    let (has_turn, turns) = std::sync::mpsc::channel();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let busy: Vec<_> = (0..(cores / 2).max(1))
        .map(|_| {
            let (release, released) = std::sync::mpsc::channel::<()>();
            let (plane, has_turn) = (Arc::clone(&plane.state), has_turn.clone());
            let runtime = tokio::runtime::Handle::current();
            let thread = std::thread::spawn(move || {
                let work = async {
                    has_turn.send(()).unwrap();
                    released.recv().unwrap();
                };
                let other = Network::of([192, 0, 2, 9].into());
                runtime.block_on(plane.handshake_turns.take(other, work));
            });
            turns.recv().unwrap();
            (release, thread)
        })
        .collect();
    let mut handshake = std::pin::pin!(connect(&plane, address));
    let others = async {
        for _ in 0..50 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        }
    };
    tokio::select! {
        _ = &mut handshake => panic!("it did not wait for its turn"),
        () = others => {}
    }
    for (release, thread) in busy {
        release.send(()).unwrap();
        thread.join().unwrap();
    }
    handshake.await.unwrap();
}

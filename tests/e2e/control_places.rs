//! Connections of strangers that hold the control port's places: operators are served anyway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rookery_tests::admin::Operator;
use rookery_tests::control::ControlClient;
use rookery_tests::server::{Server, ServerBuilder};
use rookery_tests::{tls, wait_for};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

/// How a stranger holds its place.
#[derive(Clone, Copy, Debug)]
enum Stranger {
    ConnectsOnly,
    SendsHalfAHandshake,
    IsSilentOverTls,
    SendsAHeaderByteByByte,
    SendsNoBody,
    KeepsItsConnectionAlive,
    AsksAgainAndAgain,
}

impl Stranger {
    const ALL: [Self; 7] = [
        Self::ConnectsOnly,
        Self::SendsHalfAHandshake,
        Self::IsSilentOverTls,
        Self::SendsAHeaderByteByByte,
        Self::SendsNoBody,
        Self::KeepsItsConnectionAlive,
        Self::AsksAgainAndAgain,
    ];

    /// Returns how many of them are more than there are places for, with those that are kept for
    /// networks from which an admin has signed in, such as theirs.
    fn crowd(self) -> usize {
        match self {
            Self::ConnectsOnly => 388,
            _ => 196,
        }
    }

    /// Connects, and does what it does until the server closes the connection. `connected` counts
    /// the connections.
    async fn connect(
        self,
        address: SocketAddr,
        config: Arc<ClientConfig>,
        connected: &AtomicUsize,
    ) -> std::io::Result<()> {
        let mut tcp = TcpStream::connect(address).await?;
        connected.fetch_add(1, Ordering::Relaxed);
        match self {
            Self::ConnectsOnly => return read_to_end(&mut tcp).await,
            Self::SendsHalfAHandshake => {
                tcp.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await?;
                return read_to_end(&mut tcp).await;
            }
            _ => {}
        }
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(config).connect(name, tcp).await?;
        let head = match self {
            Self::SendsAHeaderByteByByte => {
                stream.write_all(b"GET /v1/users HTTP/1.1\r\n").await?;
                loop {
                    stream.write_all(b"x").await?;
                    sleep(Duration::from_millis(100)).await;
                }
            }
            Self::AsksAgainAndAgain => loop {
                stream
                    .write_all(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
                    .await?;
                // An answer, or the end of the connection.
                if stream.read(&mut [0; 1024]).await? == 0 {
                    return Ok(());
                }
                // Often enough, without using up the CPU that the server needs.
                sleep(Duration::from_millis(500)).await;
            },
            Self::SendsNoBody => {
                "POST /v1/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                 Content-Length: 100\r\n\r\n"
            }
            Self::KeepsItsConnectionAlive => "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
            _ => "",
        };
        stream.write_all(head.as_bytes()).await?;
        read_to_end(&mut stream).await
    }
}

async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

/// Lets strangers connect to the control port, again whenever the server closes a connection, and
/// waits until many have done so.
async fn surround(
    server: &Server,
    config: &Arc<ClientConfig>,
    strangers: &[Stranger],
) -> JoinSet<()> {
    let (address, mut connecting) = (server.admin(), JoinSet::new());
    let connected = Arc::new(AtomicUsize::new(0));
    for &stranger in strangers {
        let (config, connected) = (Arc::clone(config), Arc::clone(&connected));
        connecting.spawn(async move {
            loop {
                let _ = stranger
                    .connect(address, Arc::clone(&config), &connected)
                    .await;
                sleep(Duration::from_millis(100)).await;
            }
        });
    }
    wait_for("some to connect again", || {
        (connected.load(Ordering::Relaxed) > strangers.len() + 20).then_some(())
    })
    .await;
    connecting
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_of_strangers_keeps_an_operator_waiting() {
    let server = Server::start().await;
    Operator::add(&server, "root");
    let client = ControlClient::new(&server);
    let token = client.sign_in(&server, "root").await;
    let config = tls::client_config(&server.ca(), None);
    for stranger in Stranger::ALL {
        let mut strangers = surround(&server, &config, &vec![stranger; stranger.crowd()]).await;
        for _ in 0..3 {
            // Each client opens a connection.
            let (client, start) = (ControlClient::new(&server), Instant::now());
            assert_eq!(client.get("/v1/users", Some(&token)).await.status, 200);
            let took = start.elapsed();
            assert!(took < Duration::from_secs(1), "{stranger:?}: {took:?}");
        }
        let (client, start) = (ControlClient::new(&server), Instant::now());
        client.sign_in(&server, "root").await;
        let took = start.elapsed();
        assert!(took < Duration::from_secs(3), "{stranger:?}: {took:?}");
        strangers.shutdown().await;
    }
}

/// Opens connections from one address, and lets them wait.
async fn open(from: [u8; 4], to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        open.push(socket.connect(to).await.unwrap());
    }
    open
}

/// Each connection is an open file. The server starts with 1280, which strangers on both ports
/// together cannot use up.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_on_both_ports_leave_open_files_for_operators() {
    let limits = [
        "limits.connections_per_address = 0",
        "limits.connect_rate = 0",
        "limits.tls_handshake_seconds = 0",
    ];
    let server = ServerBuilder::new(&limits)
        .with_open_files(1280)
        .start()
        .await;
    let operator = Operator::sign_in(&server, "root").await;
    let strangers = [Stranger::SendsHalfAHandshake, Stranger::SendsNoBody];
    let strangers = strangers.map(|stranger| vec![stranger; stranger.crowd()]);
    let config = tls::client_config(&server.ca(), None);
    let _strangers = surround(&server, &config, &strangers.concat()).await;
    let chat = open([127, 0, 0, 1], server.chat(), 700).await;
    let mut control = Vec::new();
    for network in 2..=4 {
        control.extend(open([127, 0, 0, network], server.admin(), 320).await);
    }
    wait_for("the chat to refuse connections", || {
        let is_closed = |stream: &TcpStream| match stream.try_read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        };
        chat.iter().any(is_closed).then_some(())
    })
    .await;
    operator.run_ok(&["list"]).await;
    let log = server.log();
    assert!(!log.contains("cannot accept"), "{log}");
}

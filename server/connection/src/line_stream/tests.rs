//! What is read and sent, and when a connection ends.

use jiff::Timestamp;
use rookery_chat::event::SessionId;
use rookery_engine::receipts::DELAY;
use rookery_engine::sendq::Delivered;
use rookery_record::Network;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::flood::SharedFlood;
use crate::metered::MeteredStream;
use crate::tls_stream::TlsStream;

const DEADLINE: Duration = Duration::from_secs(30);

/// Returns both ends of a connection. The client reads nothing by itself.
async fn connect() -> (LineStream, client::TlsStream<TcpStream>) {
    let made = rcgen::generate_simple_self_signed(["irc.test".to_owned()]).unwrap();
    let (cert, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
    let provider = Arc::new(default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.clone()], PrivateKeyDer::try_from(key).unwrap())
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap());
    let (stream, accepted) = tokio::join!(stream, listener.accept());
    let accepted = MeteredStream::new(accepted.unwrap().0);
    let connector = TlsConnector::from(Arc::new(client));
    let name = "irc.test".try_into().unwrap();
    let (socket, client) = tokio::join!(
        TlsStream::accept(Arc::new(server), accepted),
        connector.connect(name, stream.unwrap())
    );
    let now = Instant::now();
    let flood = SharedFlood::new(now).open(Network::of([127, 0, 0, 1].into()), 0, 0, now);
    let socket = Socket::Tls(socket.unwrap());
    let stream = LineStream::new(socket, Sendq::new(0), flood, now);
    (stream, client.unwrap())
}

/// Queues more than the kernel takes from it.
fn fill(sendq: &Sendq) {
    let line = Bytes::from(vec![b'x'; 1 << 20]);
    sendq.push_all(vec![line; 64]);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected_for_that_whatever_it_sends() {
    let (room, _rooms) = mpsc::unbounded_channel();
    for is_reading in [false, true] {
        let (mut stream, _client) = connect().await;
        fill(&stream.sendq);
        let at = Instant::now().checked_sub(READ_TIMEOUT).unwrap();
        stream.sendq.await_room(SessionId(1), &room, at);
        // While the session waits for the reply to a command, and otherwise.
        let end = if is_reading {
            timeout(DEADLINE, stream.next(None)).await
        } else {
            timeout(DEADLINE, stream.send_until_closed()).await
        };
        match end.expect("it ends") {
            StreamEvent::Closed(disconnect) => {
                assert_eq!(disconnect.reason, DisconnectReason::ReadTimeout);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_long_reply_begins_once_the_client_has_read_what_waits() {
    let (mut stream, mut client) = connect().await;
    fill(&stream.sendq);
    let short = Duration::from_millis(50);
    let early = timeout(short, stream.wait_for_room()).await;
    assert!(early.is_err(), "it has read nothing");
    let reader = tokio::spawn(async move {
        let mut rest = vec![0; 64 << 20];
        client.read_exact(&mut rest).await
    });
    let ready = timeout(DEADLINE, stream.wait_for_room()).await;
    assert!(ready.expect("in time").is_ok());
    reader.abort();
}

#[tokio::test]
async fn what_arrives_after_the_client_has_closed_is_not_among_what_it_was_sent() {
    let (mut stream, mut client) = connect().await;
    let delivered = Arc::<Delivered>::default();
    stream.sendq.ask_receipts(&delivered);
    client.shutdown().await.unwrap();
    let end = timeout(DEADLINE, stream.next(None)).await;
    assert!(matches!(end, Ok(StreamEvent::Closed(_))), "{end:?}");
    stream.sendq.push(Bytes::from_static(b"late\r\n"));
    delivered.set(Mark {
        message: 1,
        at: Timestamp::UNIX_EPOCH,
    });
    assert_eq!(stream.read_until(), Some(Mark::START));
}

/// Reads until the server asks what the client has received. Returns the answer.
async fn question(client: &mut client::TlsStream<TcpStream>) -> String {
    let read = read_until(client, "PING 1\r\n").await;
    assert_eq!(read, "a message\r\nPING 1\r\n");
    "PONG 1\r\n".to_owned()
}

/// Reads until the server has sent the last of these lines.
async fn read_until(client: &mut client::TlsStream<TcpStream>, last: &str) -> String {
    let mut read = String::new();
    while !read.ends_with(last) {
        let mut bytes = [0; 100];
        let count = client.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "closed after {read:?}");
        read += str::from_utf8(&bytes[..count]).unwrap();
    }
    read
}

/// The mark of the first message.
const FIRST: Mark = Mark {
    message: 1,
    at: Timestamp::UNIX_EPOCH,
};

/// Connects a client that is asked what it has received, and queues the first message for it.
async fn connect_with_message() -> (LineStream, client::TlsStream<TcpStream>) {
    let (stream, client) = connect().await;
    let delivered = Arc::<Delivered>::default();
    stream.sendq.ask_receipts(&delivered);
    stream
        .sendq
        .push_all([Bytes::from_static(b"a message\r\n")]);
    delivered.set(FIRST);
    (stream, client)
}

/// What the kernel accepts for a client may never arrive.
#[tokio::test]
async fn a_client_that_has_not_answered_is_not_known_to_have_received_what_it_was_sent() {
    for answers in [false, true] {
        let (mut stream, mut client) = connect_with_message().await;
        let client = async {
            let answer = question(&mut client).await;
            if answers {
                client.write_all(answer.as_bytes()).await.unwrap();
            }
            client.shutdown().await.unwrap();
        };
        let server = async {
            let mut answered = None;
            loop {
                match stream.next(None).await {
                    StreamEvent::Input(Input::Message(message)) => {
                        answered = stream.answer(&message);
                    }
                    StreamEvent::Closed(_) => break answered,
                    other => panic!("{other:?}"),
                }
            }
        };
        let (answered, ()) = timeout(DEADLINE, async { tokio::join!(server, client) })
            .await
            .expect("in time");
        let expected = answers.then_some(FIRST);
        assert_eq!((answered, stream.read_until()), (expected, expected));
    }
}

/// The answer may follow what ended the session, such as `QUIT`.
#[tokio::test]
async fn a_session_that_the_core_has_ended_waits_for_the_last_answer() {
    let (mut stream, mut client) = connect().await;
    stream.sendq.ask_receipts(&Arc::default());
    stream
        .sendq
        .push_all([Bytes::from_static(b"a message\r\n")]);
    let (answer, end) = tokio::join!(question(&mut client), async {
        timeout(2 * DELAY, stream.next(None)).await
    });
    assert!(end.is_err(), "{end:?}");
    stream
        .sendq
        .end(Bytes::from_static(b"ERROR :bye\r\n"), false);
    let end = timeout(DEADLINE, stream.next(None)).await;
    assert!(matches!(end, Ok(StreamEvent::Drained)), "{end:?}");
    stream.set_read();
    assert_eq!(stream.read_until(), None);
    let answer = format!("PING other\r\n{answer}");
    client.write_all(answer.as_bytes()).await.unwrap();
    timeout(DEADLINE, stream.await_answer())
        .await
        .expect("in time");
    assert_eq!(stream.read_until(), Some(Mark::START));
}

/// The client's link may be dead when the server stops, a moment after it was sent something.
#[tokio::test]
async fn a_session_that_the_core_ends_is_asked_for_what_it_was_sent_last() {
    for (is_sent, answers) in [(true, true), (true, false), (false, true), (false, false)] {
        let (mut stream, mut client) = connect_with_message().await;
        if is_sent {
            let sent = timeout(DELAY / 10, stream.next(None)).await;
            assert!(sent.is_err(), "{sent:?}");
        }
        let last = Bytes::from_static(b"ERROR :bye\r\n");
        stream.sendq.end(last, true);
        let client = async {
            let read = read_until(&mut client, "ERROR :bye\r\n").await;
            assert_eq!(read, "a message\r\nPING 1\r\nERROR :bye\r\n");
            if answers {
                client.write_all(b"PONG 1\r\n").await.unwrap();
            }
            client
        };
        let server = async {
            let end = stream.next(None).await;
            assert!(matches!(end, StreamEvent::Drained), "{end:?}");
            stream.await_answer().await;
            stream.set_read();
        };
        let end = timeout(DEADLINE, async { tokio::join!(server, client) }).await;
        end.expect("in time");
        assert_eq!(stream.read_until(), answers.then_some(FIRST));
        assert_eq!(stream.sendq.bytes(), 0);
    }
}

#[test]
fn a_line_with_a_secret_is_overwritten_and_what_follows_it_stays() {
    let read = b"AUTHENTICATE AGEAcGFzc3dvcmQ=\r\nPING a\r\n";
    let (input, rest) = first_input(&mut LineFramer::new(MAX_CLIENT_TAGS), read);
    assert!(carries_secret(input.as_ref()));
    let (line, rest) = (read.len() - rest.len(), rest.to_vec());
    // As after earlier lines, the bytes are a part of what was read.
    let unread = Bytes::copy_from_slice(&[b"PING\n".as_slice(), read].concat()).slice(5..);
    let unread = overwrite(unread, line);
    assert!(unread[..line].iter().all(|&byte| byte == 0));
    assert_eq!(unread[line..], rest);
    let (input, _) = first_input(&mut LineFramer::new(MAX_CLIENT_TAGS), &rest);
    assert!(!carries_secret(input.as_ref()));
}

#[test]
fn one_of_many_lines_is_parsed_and_the_others_stay_bytes() {
    let mut framer = LineFramer::new(MAX_CLIENT_TAGS);
    let mut first = |bytes: &'static [u8]| {
        let (input, rest) = first_input(&mut framer, bytes);
        let text = match input {
            Some(Input::Message(message)) => message.to_string(),
            other => format!("{other:?}"),
        };
        (text, rest)
    };
    assert_eq!(
        first(b"\r\nPING a\r\n\xff\nPI"),
        ("PING :a".to_owned(), b"\n\xff\nPI".as_slice())
    );
    assert_eq!(
        first(b"\n\xff\nPI"),
        ("Some(Fault(NotUtf8(None)))".to_owned(), b"PI".as_slice())
    );
    assert_eq!(
        first(b"PI"),
        ("None".to_owned(), b"".as_slice()),
        "the rest of the line follows"
    );
    assert_eq!(first(b"NG b\n"), ("PING :b".to_owned(), b"".as_slice()));
    let long = [b'x'; 8000].as_slice();
    assert_eq!(first(long).0, "Some(Fault(TooLong(None)))");
    assert_eq!(
        first(b"xxx\nPING c\n"),
        ("PING :c".to_owned(), b"".as_slice())
    );
}

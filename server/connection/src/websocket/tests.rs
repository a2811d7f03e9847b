//! Tests of the lines over WebSocket, with a client of the same library.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::*;

type Client = WebSocketStream<DuplexStream>;

/// Connects both ends. Returns them with the subprotocol that was chosen; the client sends
/// these headers too.
async fn pair(
    origins: &[&str],
    headers: &[(header::HeaderName, &'static str)],
) -> Result<(Client, WebSocketLines<DuplexStream>, Option<String>), Error> {
    let (near, far) = duplex(64 * 1024);
    let mut request = "ws://irc.test/".into_client_request().unwrap();
    for (name, value) in headers {
        request
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
    let (client, server) = tokio::join!(client_async(request, near), accept(far, &origins));
    let (client, response) = client?;
    let agreed = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
    Ok((
        client,
        server?,
        agreed.map(|name| name.to_str().unwrap().to_owned()),
    ))
}

async fn plain_pair() -> (Client, WebSocketLines<DuplexStream>) {
    let (client, server, _) = pair(&[], &[]).await.unwrap();
    (client, server)
}

async fn read_line(server: &mut WebSocketLines<DuplexStream>) -> Vec<u8> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(server.read_u8().await.unwrap());
    }
    line
}

async fn close_code(client: &mut Client) -> CloseCode {
    loop {
        match client.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code,
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_clients_first_choice_counts() {
    const PROTOCOL: header::HeaderName = header::SEC_WEBSOCKET_PROTOCOL;
    for (listed, agreed, is_binary) in [
        ("text.ircv3.net", Some("text.ircv3.net"), false),
        (
            "binary.ircv3.net, text.ircv3.net",
            Some("binary.ircv3.net"),
            true,
        ),
        (
            "chat, text.ircv3.net,binary.ircv3.net",
            Some("text.ircv3.net"),
            false,
        ),
    ] {
        let (mut client, mut server, got) = pair(&[], &[(PROTOCOL, listed)]).await.unwrap();
        assert_eq!(got.as_deref(), agreed, "{listed}");
        server
            .write_all(b":s NOTICE a :h\xc3\xa9\r\nPING x\r\n")
            .await
            .unwrap();
        server.flush().await.unwrap();
        let (first, second) = (
            client.next().await.unwrap().unwrap(),
            client.next().await.unwrap().unwrap(),
        );
        assert_eq!(
            (first.is_binary(), first.into_text().unwrap().as_str()),
            (is_binary, ":s NOTICE a :hé")
        );
        assert_eq!(second.into_text().unwrap().as_str(), "PING x");
    }
    let (_, server, got) = pair(&[], &[]).await.unwrap();
    assert!(got.is_none() && !server.is_binary);
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let listed = ["https://chat.example.org"].as_slice();
    for (origins, origin, allowed) in [
        (listed, "https://CHAT.example.org", true),
        (listed, "https://chat.example.org:444", false),
        (listed, "https://irc.test", false),
        (listed, "https://evil.example", false),
        (listed, "null", false),
        // Without a list, the host of the request, which is `irc.test`.
        (&[], "https://IRC.test", true),
        (&[], "https://irc.test:8443", true),
        (&[], "https://irc.test:", false),
        (&[], "https://irc.test:x", false),
        (&[], "https://irc.test:65536", false),
        (&[], "https://user@irc.test", false),
        (&[], "https://irc.test/", false),
        (&[], "http://irc.test", false),
        (&[], "https://irc.test.evil.example", false),
        (&[], "https://irc.test@evil.example", false),
        (&[], "https://evil.example", false),
        (&[], "null", false),
        (&["*"], "https://evil.example", true),
    ] {
        let result = pair(origins, &[(header::ORIGIN, origin)]).await;
        match result {
            Ok(_) => assert!(allowed, "{origins:?} {origin}"),
            Err(Error::Http(response)) => {
                assert!(!allowed && response.status() == 403, "{origins:?} {origin}");
            }
            Err(other) => panic!("{other}"),
        }
    }
    for origins in [listed, &[]] {
        assert!(pair(origins, &[]).await.is_ok(), "no page, no origin");
    }
}

#[tokio::test]
async fn a_message_is_one_line_even_in_fragments_and_pings_are_answered() {
    let (mut client, mut server) = plain_pair().await;
    client.send(Message::Ping("x".into())).await.unwrap();
    client.send(Message::text("PING a")).await.unwrap();
    client
        .send(Message::binary(b"PING \xff\r\n".as_slice()))
        .await
        .unwrap();
    client.send(Message::text("PING a\r\nQUIT")).await.unwrap();
    for (opcode, text, last) in [(Data::Text, "PING ", false), (Data::Continue, "b", true)] {
        let frame = Frame::message(text.as_bytes().to_vec(), OpCode::Data(opcode), last);
        client.send(Message::Frame(frame)).await.unwrap();
    }
    assert_eq!(read_line(&mut server).await, b"PING a\r\n");
    assert_eq!(
        read_line(&mut server).await,
        b"PING \xff\r\n",
        "UTF-8 is checked later"
    );
    assert_eq!(
        read_line(&mut server).await,
        b"PING a\0\0QUIT\r\n",
        "a message cannot contain a second line"
    );
    assert_eq!(read_line(&mut server).await, b"PING b\r\n");
    assert!(matches!(client.next().await, Some(Ok(Message::Pong(text))) if text == "x"));
}

#[tokio::test]
async fn invalid_messages_end_the_connection_with_a_close_code() {
    let frame = |opcode, bytes: &[u8]| {
        Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(opcode), true))
    };
    for (message, code) in [
        (Message::text("x".repeat(MAX_MESSAGE + 1)), CloseCode::Size),
        (frame(Data::Text, b"\xff"), CloseCode::Invalid),
        (frame(Data::Continue, b"x"), CloseCode::Protocol),
    ] {
        let (mut client, mut server) = plain_pair().await;
        client.send(message).await.unwrap();
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
        let (_, got) = tokio::join!(server.shutdown(), close_code(&mut client));
        assert_eq!(got, code);
    }
}

#[tokio::test]
async fn either_side_may_close_first() {
    let (mut client, mut server) = plain_pair().await;
    server.write_all(b"ERROR :bye\r\n").await.unwrap();
    let client_side = async {
        assert_eq!(
            client
                .next()
                .await
                .unwrap()
                .unwrap()
                .into_text()
                .unwrap()
                .as_str(),
            "ERROR :bye"
        );
        let code = close_code(&mut client).await;
        // The client's own close frame is sent by the next poll.
        let _ = client.next().await;
        code
    };
    let (shut, code) = tokio::join!(server.shutdown(), client_side);
    assert_eq!((shut.is_ok(), code), (true, CloseCode::Normal));

    let (mut client, mut server) = plain_pair().await;
    client.close(None).await.unwrap();
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.unwrap();
    let _ = server.shutdown().await;
    assert!(matches!(
        client.next().await,
        Some(Ok(Message::Close(_))) | None
    ));
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_sent_after_a_time_without_messages() {
    let (mut client, mut server) = plain_pair().await;
    let start = Instant::now();
    let server = async {
        sleep(PING_AFTER / 2).await;
        server.write_all(b"PING x\r\n").await.unwrap();
        server.flush().await.unwrap();
        read_line(&mut server).await
    };
    let client = async {
        assert!(client.next().await.unwrap().unwrap().is_text());
        for count in 1..=3 {
            let next = timeout(2 * PING_AFTER, client.next()).await;
            assert!(next.expect("a ping").unwrap().unwrap().is_ping());
            assert_eq!(start.elapsed().as_secs(), 15 + count * 30);
        }
        client.send(Message::text("PONG x")).await.unwrap();
    };
    let (line, ()) = tokio::join!(server, client);
    assert_eq!(line, b"PONG x\r\n");
}

#[tokio::test]
async fn writing_to_a_client_that_reads_nothing_blocks() {
    let (_client, mut server) = plain_pair().await;
    let line = format!("NOTICE a :{}\r\n", "x".repeat(400));
    let mut written_bytes = 0;
    loop {
        let write = timeout(Duration::from_millis(200), server.write(line.as_bytes()));
        let Ok(written) = write.await else { break };
        written_bytes += written.unwrap();
        assert!(
            written_bytes < 256 * 1024,
            "the writer accepts lines without end"
        );
    }
}

#[tokio::test]
async fn pings_of_a_client_that_reads_nothing_take_no_memory() {
    const PINGS: usize = 10_000;
    let (mut client, mut server) = plain_pair().await;
    let flood = async {
        for _ in 0..PINGS {
            client
                .feed(Message::Ping(vec![0; 125].into()))
                .await
                .unwrap();
        }
        client.send(Message::text("PING last")).await.unwrap();
    };
    let (line, ()) = tokio::join!(read_line(&mut server), flood);
    assert_eq!(line, b"PING last\r\n");
    let _ = timeout(Duration::from_millis(50), server.flush()).await;
    let mut pongs = 0;
    let answers = async {
        while let Some(Ok(Message::Pong(_))) = client.next().await {
            pongs += 1;
        }
    };
    let answers = timeout(Duration::from_millis(500), answers);
    let (_, ()) = tokio::join!(answers, async {
        let _ = server.flush().await;
    });
    assert!(pongs > 0 && pongs < PINGS / 4, "{pongs} pongs were stored");
}

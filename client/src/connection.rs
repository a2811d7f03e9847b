//! Sends and receives messages over a stream. Answers the server's `PING`, and sends a `PING` of
//! its own to a silent server, to find out whether the connection still works.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use rookery_protocol::framing::MAX_TAGS;
use rookery_protocol::{Line, LineFramer, Message};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};
use tokio::time::Instant;

/// The bytes of unsent answers to `PING` from which on nothing is read: a server that sends `PING`
/// without end and does not read the answers waits for itself.
const MAX_UNSENT_PONGS: usize = 64 * 1024;

/// The time for which the server may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The silence after which a `PING` is sent.
    pub idle: Duration,
    /// The further silence after which the connection counts as lost.
    pub pong: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(90),
            pong: Duration::from_secs(30),
        }
    }
}

/// The reason for which messages can no longer be read.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// Reading from the network failed.
    #[error("the connection failed: {0}")]
    Failed(std::io::Error),
    /// The server is a web server, such as the control plane.
    #[error(
        "the server speaks HTTP and not IRC on this port; the chat's port is 6697 if the operators \
         have not changed it"
    )]
    Http,
    /// The server did not answer within that many seconds.
    #[error("the server has not answered for {0} seconds")]
    Silent(u64),
}

/// A connection over which messages are sent and received.
pub struct Connection<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    buffer: Box<[u8]>,
    framer: LineFramer,
    /// Messages that were received but not yet returned.
    received: VecDeque<Message>,
    unsent: Vec<u8>,
    /// The most bytes of answers to `PING` that `unsent` may contain.
    unsent_pongs: usize,
    /// Whether TLS may still buffer data that was written.
    unflushed: bool,
    /// Whether writing has failed. Reading continues, since the server may have sent the reason.
    write_failed: bool,
    timeouts: Timeouts,
    last_read_at: Instant,
    ping_sent: bool,
}

impl<S: AsyncRead + AsyncWrite> Connection<S> {
    /// Creates a connection over `stream`, whose TLS handshake is complete.
    pub fn new(stream: S, timeouts: Timeouts) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            buffer: vec![0; 16 * 1024].into_boxed_slice(),
            framer: LineFramer::new(MAX_TAGS),
            received: VecDeque::new(),
            unsent: Vec::new(),
            unsent_pongs: 0,
            unflushed: false,
            write_failed: false,
            timeouts,
            last_read_at: Instant::now(),
            ping_sent: false,
        }
    }

    /// Queues a message; [`Self::next`] sends it.
    pub fn send(&mut self, message: &Message) {
        if self.write_failed {
            return;
        }
        // A line break in typed text must not start another message.
        let line = message.to_string().replace(['\r', '\n', '\0'], " ");
        self.unsent.extend_from_slice(line.as_bytes());
        self.unsent.extend_from_slice(b"\r\n");
    }

    /// Returns the next message; sends queued messages while it waits. Cancellation safe.
    pub async fn next(&mut self) -> Result<Message, ConnectionError> {
        loop {
            match self.received.pop_front() {
                Some(message) if message.command == "PING" => {
                    let before = self.unsent.len();
                    self.send(&Message::new("PONG", message.params));
                    self.unsent_pongs += self.unsent.len() - before;
                }
                Some(message) => return Ok(message),
                None => self.read_or_write().await?,
            }
        }
    }

    /// Reads or writes once, or handles a timeout.
    async fn read_or_write(&mut self) -> Result<(), ConnectionError> {
        let wait = if self.ping_sent {
            self.timeouts.idle + self.timeouts.pong
        } else {
            self.timeouts.idle
        };
        let can_write = !self.write_failed && (self.unflushed || !self.unsent.is_empty());
        tokio::select! {
            read = self.reader.read(&mut self.buffer), if self.unsent_pongs < MAX_UNSENT_PONGS => {
                match read {
                    Ok(0) => return Err(ConnectionError::Closed),
                    Ok(read) => self.parse_read(read)?,
                    // The connection closed without a TLS close_notify, as when a process dies.
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                        return Err(ConnectionError::Closed);
                    }
                    Err(error) => return Err(ConnectionError::Failed(error)),
                }
            }
            written = write(&mut self.writer, &self.unsent), if can_write => match written {
                Ok(0) => self.unflushed = false,
                Ok(written) => {
                    self.unsent.drain(..written);
                    self.unsent_pongs = self.unsent_pongs.min(self.unsent.len());
                    self.unflushed = true;
                }
                Err(_) => {
                    self.write_failed = true;
                    self.unsent = Vec::new();
                    self.unsent_pongs = 0;
                }
            },
            () = tokio::time::sleep_until(self.last_read_at + wait) => {
                if self.ping_sent {
                    return Err(ConnectionError::Silent(wait.as_secs()));
                }
                self.ping_sent = true;
                self.send(&Message::new("PING", ["rook"]));
            }
        }
        Ok(())
    }

    /// Parses the first `bytes` of the buffer, which have just been read.
    fn parse_read(&mut self, bytes: usize) -> Result<(), ConnectionError> {
        let mut is_http = false;
        self.last_read_at = Instant::now();
        self.ping_sent = false;
        self.framer.push(&self.buffer[..bytes], |line| {
            // Other lines that are not messages are ignored.
            if let Line::Text(text) = line {
                is_http |= text.starts_with("HTTP/");
                self.received.extend(Message::parse(text));
            }
        });
        if is_http {
            Err(ConnectionError::Http)
        } else {
            Ok(())
        }
    }
}

/// Writes some of `bytes`; without any, flushes and returns 0.
async fn write<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> std::io::Result<usize> {
    if bytes.is_empty() {
        writer.flush().await?;
        return Ok(0);
    }
    match writer.write(bytes).await? {
        0 => Err(ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, BufReader, DuplexStream};

    use super::*;

    fn pair(timeouts: Timeouts) -> (Connection<DuplexStream>, BufReader<DuplexStream>) {
        let (ours, theirs) = tokio::io::duplex(256);
        (Connection::new(ours, timeouts), BufReader::new(theirs))
    }

    async fn read_line(server: &mut BufReader<DuplexStream>) -> String {
        let mut line = String::new();
        server.read_line(&mut line).await.unwrap();
        line
    }

    #[tokio::test]
    async fn a_ping_is_answered_and_not_passed_on() {
        let (mut connection, mut server) = pair(Timeouts::default());
        server
            .get_mut()
            .write_all(b"PING :a b\r\nNOTICE * hi\r\n")
            .await
            .unwrap();
        assert_eq!(connection.next().await.unwrap().command, "NOTICE");
        let (answer, _) = tokio::join!(read_line(&mut server), async {
            tokio::time::timeout(Duration::from_secs(1), connection.next()).await
        });
        assert_eq!(answer, "PONG :a b\r\n");
    }

    #[tokio::test]
    async fn invalid_lines_are_ignored() {
        let (mut connection, mut server) = pair(Timeouts::default());
        server
            .get_mut()
            .write_all(b"\xff\xfe\r\n:only-a-source\r\n\r\nNOTICE * hi\r\n")
            .await
            .unwrap();
        assert_eq!(connection.next().await.unwrap().params, ["*", "hi"]);
    }

    #[tokio::test]
    async fn a_web_server_is_recognised() {
        let (mut connection, mut server) = pair(Timeouts::default());
        server
            .get_mut()
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        let error = connection.next().await.unwrap_err();
        assert!(matches!(error, ConnectionError::Http), "{error}");
    }

    #[tokio::test]
    async fn a_silent_server_is_pinged_once_and_then_counts_as_lost() {
        let timeouts = Timeouts {
            idle: Duration::from_millis(40),
            pong: Duration::from_millis(40),
        };
        let (mut connection, mut server) = pair(timeouts);
        let lost = connection.next().await.unwrap_err();
        assert!(matches!(lost, ConnectionError::Silent(_)), "{lost}");
        drop(connection);
        assert_eq!(read_line(&mut server).await, "PING :rook\r\n");
        assert_eq!(read_line(&mut server).await, "");
    }

    #[tokio::test]
    async fn a_message_with_line_breaks_is_sent_as_one_line() {
        let (mut connection, mut server) = pair(Timeouts::default());
        connection.send(&Message::new("PRIVMSG", ["#a", "x\r\nQUIT :y\0"]));
        let (sent, _) = tokio::join!(read_line(&mut server), async {
            tokio::time::timeout(Duration::from_millis(200), connection.next()).await
        });
        assert_eq!(sent, "PRIVMSG #a :x  QUIT :y \r\n");
    }

    #[tokio::test]
    async fn reading_and_writing_do_not_block_each_other() {
        let (mut connection, mut server) = pair(Timeouts::default());
        for number in 0..500 {
            connection.send(&Message::new("PRIVMSG", ["#a", &format!("line {number}")]));
        }
        let server_task = async {
            for number in 0..500 {
                server
                    .get_mut()
                    .write_all(format!("NOTICE * {number}\r\n").as_bytes())
                    .await
                    .unwrap();
                assert_eq!(
                    read_line(&mut server).await,
                    format!("PRIVMSG #a :line {number}\r\n")
                );
            }
        };
        let client_task = async {
            for number in 0..500 {
                assert_eq!(
                    connection.next().await.unwrap().params[1],
                    number.to_string()
                );
            }
            // The last messages still have to be sent.
            let _ = tokio::time::timeout(Duration::from_millis(200), connection.next()).await;
        };
        tokio::join!(server_task, client_task);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_reads_no_answers_is_not_read_either() {
        let (mut connection, mut server) = pair(Timeouts::default());
        let mut sent = 0;
        let flood = async {
            while sent < 100_000 {
                server
                    .get_mut()
                    .write_all(b"PING :0123456789\r\n")
                    .await
                    .unwrap();
                sent += 1;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            lost = connection.next() => assert!(matches!(lost, Err(ConnectionError::Silent(_)))),
            () = flood => {}
        }
        assert!(sent < 8192, "{sent} were read");
    }

    #[tokio::test]
    async fn messages_are_read_after_writing_has_failed() {
        let (mut connection, mut server) = pair(Timeouts::default());
        server
            .get_mut()
            .write_all(b"ERROR :Kicked: no\r\n")
            .await
            .unwrap();
        drop(server);
        connection.send(&Message::new("PRIVMSG", ["#a", "hi"]));
        assert_eq!(connection.next().await.unwrap().command, "ERROR");
        assert!(matches!(
            connection.next().await,
            Err(ConnectionError::Closed)
        ));
    }
}

//! A scripted server, and a running `rook` as a user or a script uses it. Every wait has a
//! deadline.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rcgen::{Certificate, CertificateParams, KeyPair};
use rookery_protocol::Message;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// The time after which a wait fails.
const DEADLINE: Duration = Duration::from_secs(20);
/// The time to wait for something that should not happen.
const GRACE_PERIOD: Duration = Duration::from_millis(300);

pub struct Server {
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    key: KeyPair,
    fingerprint: String,
    folder: TempDir,
}

/// Creates a certificate for `key` with a new serial number, and the settings to present it.
fn certify(key: &KeyPair) -> (Arc<ServerConfig>, Certificate) {
    let certificate = CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .self_signed(key)
        .unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    (Arc::new(tls), certificate)
}

fn fingerprint(certificate: &Certificate) -> String {
    let bytes = Sha256::digest(certificate.der());
    bytes
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

pub struct Session {
    stream: BufReader<StreamOwned<ServerConnection, TcpStream>>,
}

impl Server {
    pub fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        let (tls, certificate) = certify(&key);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            tls,
            key,
            fingerprint: fingerprint(&certificate),
            folder,
        }
    }

    /// Presents a new certificate for the same key from now on.
    pub fn renew_certificate(&mut self) {
        let (tls, certificate) = certify(&self.key);
        (self.tls, self.fingerprint) = (tls, fingerprint(&certificate));
    }

    /// Presents a certificate for a new key from now on.
    pub fn renew_key(&mut self) {
        self.key = KeyPair::generate().unwrap();
        self.renew_certificate();
    }

    pub fn address(&self) -> String {
        format!("localhost:{}", self.listener.local_addr().unwrap().port())
    }

    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    /// Returns the certificate as a PEM file.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Returns a state folder in which alice is signed in to this server and its certificate is
    /// pinned.
    pub fn known_home(&self) -> PathBuf {
        self.home_with_pin(Some(&self.fingerprint))
    }

    /// Like [`Self::known_home`], with another pin or none. The folder lives as long as the server.
    pub fn home_with_pin(&self, fingerprint: Option<&str>) -> PathBuf {
        let home = self.folder.path().to_owned();
        let folder = home.join("rookery/rook");
        std::fs::create_dir_all(&folder).unwrap();
        let pin = fingerprint.map_or(String::new(), |pin| format!("fingerprint = \"{pin}\"\n"));
        let account = format!(
            "[account]\nname = \"alice\"\nemail = \"alice@example.org\"\ncredential = \"rkd1_{}\"\n",
            "ab".repeat(32)
        );
        std::fs::write(
            folder.join(self.address().replace(':', "%3A") + ".toml"),
            pin + &account,
        )
        .unwrap();
        home
    }

    /// Accepts the next connection and completes its TLS handshake.
    pub fn accept(&self) -> Session {
        let mut session = Session {
            stream: BufReader::new(self.connection()),
        };
        let stream = session.stream.get_mut();
        stream
            .conn
            .complete_io(&mut stream.sock)
            .expect("a TLS handshake");
        session
    }

    /// Trusts this server's certificate in a home folder.
    pub fn trust_in(&self, home: &impl AsRef<Path>) {
        let rook = Rook::start(home, &["trust", &self.address(), &self.fingerprint]);
        assert!(self.only_handshake(), "it is accepted at this address");
        let ended = rook.wait();
        assert_eq!(ended.code, 0, "{ended:?}");
    }

    /// Waits for a connection that is closed after the TLS handshake; returns whether the client
    /// sent nothing.
    pub fn only_handshake(&self) -> bool {
        let mut stream = self.connection();
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received);
        !stream.conn.is_handshaking() && received.is_empty()
    }

    /// Writes the config of the user with a home folder.
    pub fn configure(home: &impl AsRef<Path>, config: &str) {
        let folder = home.as_ref().join("config/rookery");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("rook.toml"), config).unwrap();
    }

    /// Waits for a connection whose client aborts the TLS handshake; returns whether it sent
    /// nothing after that.
    pub fn refused_handshake(&self) -> bool {
        let mut stream = self.connection();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).is_err() && received.is_empty()
    }

    /// Waits for a connection and closes it at once; returns whether that succeeded.
    pub fn close_connection(&self) -> bool {
        self.connection()
            .sock
            .shutdown(std::net::Shutdown::Both)
            .is_ok()
    }

    /// Whether another client has connected meanwhile.
    pub fn has_connection(&self) -> bool {
        self.listener.accept().is_ok()
    }

    fn connection(&self) -> StreamOwned<ServerConnection, TcpStream> {
        let until = Instant::now() + DEADLINE;
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(false).unwrap();
                    socket.set_read_timeout(Some(DEADLINE)).unwrap();
                    return StreamOwned::new(
                        ServerConnection::new(Arc::clone(&self.tls)).unwrap(),
                        socket,
                    );
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < until, "nobody connects");
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Session {
    pub fn send(&mut self, line: &str) {
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .unwrap();
    }

    /// Sends lines, ignoring whether the client still reads them.
    pub fn try_send(&mut self, lines: &str) {
        let _ = self.stream.get_mut().write_all(lines.as_bytes());
    }

    /// Returns the next line that begins with `start`; skips others.
    pub fn expect(&mut self, start: &str) -> String {
        loop {
            let line = self.line();
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// Returns the label of the next labelled message, which must be `command`: its words separated
    /// by single spaces.
    pub fn expect_labelled(&mut self, command: &str) -> String {
        loop {
            let message = Message::parse(&self.line()).unwrap();
            if let Some(label) = message.tags.get("label") {
                assert_eq!(
                    format!("{} {}", message.command, message.params.join(" ")),
                    command
                );
                return label.to_owned();
            }
        }
    }

    /// Whether another line arrives within a short time.
    pub fn receives_more(&mut self) -> bool {
        self.stream
            .get_ref()
            .sock
            .set_read_timeout(Some(GRACE_PERIOD))
            .unwrap();
        let more = self.stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        self.stream
            .get_ref()
            .sock
            .set_read_timeout(Some(DEADLINE))
            .unwrap();
        more
    }

    /// Plays the server's part of the capability negotiation.
    pub fn negotiate(&mut self) {
        self.expect("CAP LS 302");
        self.send(
            ":s CAP * LS :message-tags batch echo-message labeled-response server-time standard-replies \
             sasl=PLAIN,X-EMAIL-CODE draft/account-registration=before-connect",
        );
        let asked = self.expect("CAP REQ :");
        self.send(&format!(":s CAP * ACK :{}", &asked["CAP REQ :".len()..]));
    }

    /// Plays the server's part of the sign-in up to the welcome.
    pub fn authenticate(&mut self) {
        self.negotiate();
        self.accept_credential();
    }

    /// Plays the server's part of the authentication with the stored credential.
    pub fn accept_credential(&mut self) {
        self.expect("AUTHENTICATE PLAIN");
        self.send("AUTHENTICATE +");
        self.expect("AUTHENTICATE ");
        self.send(":s 903 alice :Signed in");
        self.expect("CAP END");
    }

    /// Plays the server's part of the whole sign-in, with the join of the lobby.
    pub fn sign_in(&mut self) {
        self.sign_in_with(":s 353 alice = #lobby :alice");
    }

    /// Like [`Self::sign_in`], with another reply to `NAMES`.
    pub fn sign_in_with(&mut self, names: &str) {
        self.authenticate();
        self.send(":s 001 alice :Welcome back, alice.");
        self.send(":s 422 alice :No MOTD");
        self.send(":alice!a@h JOIN #lobby");
        self.send(names);
        self.send(":s 366 alice #lobby :End");
        self.answer_ready_ping();
    }

    /// Welcomes a new user, who joins the lobby.
    pub fn admit(&mut self) {
        self.send(":s 001 alice :Welcome, alice. You are new here.");
        self.send(":alice!a@h JOIN #lobby");
        self.answer_ready_ping();
    }

    /// Answers the `PING` with which the client waits for the end of the greeting.
    pub fn answer_ready_ping(&mut self) {
        let ping = self.expect("PING ");
        self.send(&format!(":s PONG s {}", &ping["PING ".len()..]));
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self
            .stream
            .read_line(&mut line)
            .expect("a line within the deadline");
        assert_ne!(read, 0, "the connection was closed");
        line.trim_end().to_owned()
    }
}

/// The program under test.
const ROOK: &str = env!("CARGO_BIN_EXE_rook");

/// A running `rook`.
pub struct Rook {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    printed: String,
}

#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Rook {
    pub fn start(home: &impl AsRef<Path>, arguments: &[&str]) -> Self {
        Self::run(home, Command::new(ROOK).args(arguments))
    }

    /// Starts `rook` with a pipe from its output into `head`, which ends after the first line. The
    /// exit code of `rook` is the last line of standard error.
    pub fn start_into_head(home: &impl AsRef<Path>, arguments: &[&str]) -> Self {
        let script = "{ \"$0\" \"$@\"; echo \"exit code $?\" >&2; } | head -n 1";
        let shell = ["-c", script, ROOK];
        Self::run(home, Command::new("sh").args(shell).args(arguments))
    }

    fn run(home: &impl AsRef<Path>, command: &mut Command) -> Self {
        let mut child = command
            .env("XDG_STATE_HOME", home.as_ref())
            .env("XDG_CONFIG_HOME", home.as_ref().join("config"))
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let stdout = child.stdout.take().unwrap();
        let (sender, output) = channel();
        // The thread ends, and closes the pipe, when the test drops the receiver or `rook` exits.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            input,
            output,
            printed: String::new(),
        }
    }

    pub fn type_line(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    pub fn close_input(&mut self) {
        self.input = None;
    }

    pub fn close_output(&mut self) {
        self.output = channel().1;
    }

    pub fn interrupt(&self) {
        let sent = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for a line of output that contains `text`.
    pub fn expect_output(&mut self, text: &str) {
        loop {
            let line = self.output.recv_timeout(DEADLINE).unwrap_or_else(|_| {
                panic!("{text:?} is not printed, only:\n{}", self.printed);
            });
            self.printed += &(line.clone() + "\n");
            if line.contains(text) {
                return;
            }
        }
    }

    /// Types the last lines, closes the input and waits for the exit.
    pub fn finish_with(mut self, lines: &[&str]) -> Ended {
        for line in lines {
            self.type_line(line);
        }
        self.close_input();
        self.wait()
    }

    /// Closes the input, answers `QUIT`, and waits for the exit.
    pub fn quit(mut self, session: &mut Session) -> Ended {
        self.close_input();
        session.expect("QUIT");
        session.send("ERROR :Quit");
        self.wait()
    }

    /// Calls `action` repeatedly until the program has exited.
    pub fn wait_while(&mut self, mut action: impl FnMut()) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < until,
                "rook does not exit; it printed:\n{}",
                self.printed
            );
            action();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the program has exited. The input stays open if it was.
    pub fn wait(mut self) -> Ended {
        let status = self.wait_while(|| {});
        let mut stderr = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        while let Ok(line) = self.output.recv_timeout(DEADLINE) {
            self.printed += &(line + "\n");
        }
        let stdout = std::mem::take(&mut self.printed);
        Ended {
            code: status.code().expect("rook exits without a signal"),
            stdout,
            stderr,
        }
    }
}

/// Kills the process, so that a failed test leaves none running.
impl Drop for Rook {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

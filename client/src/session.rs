//! One session: a connection that signs in and then exchanges messages, until it ends. It hides
//! sockets, certificates and the steps of the sign-in; its caller only waits for the next event.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use rookery_protocol::{AccountName, Email, Message, Nick, numeric};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::address::ServerAddress;
use crate::authority::Authority;
use crate::connection::{Connection, Timeouts};
use crate::exit::{EndTracker, Exit, SessionEnd};
use crate::fingerprint::CertificatePin;
use crate::sign_in::{Action, Plan, SignIn};
use crate::state::{ServerState, StateFile, StoredAccount};
use crate::tls::{self, ConnectError, PinPolicy, Trust};

/// The timeout for a step of the sign-in that does not wait for the user.
const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout for the end of the connection after `QUIT`.
const QUIT_TIMEOUT: Duration = Duration::from_secs(3);
/// The token of the `PING` after the sign-in. Its answer arrives after the server's greeting.
const READY: &str = "rook-ready";
/// The token of the `PING` that [`Session::measure_lag`] sends.
const LAG: &str = "rook-lag";

/// An event in a session.
#[derive(Debug)]
pub enum Event {
    /// The user must enter the mailed code, to be passed to [`Session::answer`].
    CodeRequired {
        /// The address to which it was mailed.
        email: Email,
        /// If set, the mail was sent only if the email is that of this account.
        if_email_of: Option<AccountName>,
    },
    /// A notice about the sign-in.
    Notice(String),
    /// The account must be stored.
    Store(StoredAccount),
    /// The user is signed in and admitted.
    SignedIn,
    /// The server's greeting is complete, so the model knows which channels we are in.
    Ready,
    /// A message.
    Message(Message),
    /// The round-trip time that [`Session::measure_lag`] has measured.
    Lag(Duration),
    /// The session has ended. Nothing follows.
    Closed(SessionEnd),
}

/// A session with the server.
pub struct Session {
    connection: Connection<TlsStream<TcpStream>>,
    /// The sign-in, until it is complete.
    sign_in: Option<SignIn>,
    end_tracker: EndTracker,
    events: VecDeque<Event>,
    /// The time by which the server must have answered.
    deadline: Option<Instant>,
    /// When [`Self::measure_lag`] sent its `PING`.
    measured_at: Option<Instant>,
}

/// A connection to the server before the sign-in.
pub struct Connected {
    /// The connection, over TLS.
    pub connection: Connection<TlsStream<TcpStream>>,
    /// The certificate to pin, if it is not pinned already.
    pub pin: Option<CertificatePin>,
    /// The named authority, if one was required to vouch for the server.
    pub authority: Option<Authority>,
}

/// Connects to a server; `trust` says which certificates are accepted.
pub async fn connect(
    server: &ServerAddress,
    trust: Result<Trust, Exit>,
    state_file: &StateFile,
) -> Result<Connected, SessionEnd> {
    let trust = trust.map_err(SessionEnd::Exit)?;
    match tls::connect(server, &trust).await {
        Ok(secured) => Ok(Connected {
            connection: Connection::new(secured.stream, Timeouts::default()),
            pin: secured.pin,
            authority: match trust {
                Trust::Authority(authority) => Some(authority),
                Trust::SystemOr(_) => None,
            },
        }),
        Err(error @ ConnectError::Unreachable { .. }) => Err(SessionEnd::Lost(error.to_string())),
        Err(error) => Err(SessionEnd::Exit(Exit::Failed(explain(&error, state_file)))),
    }
}

/// Explains why a certificate was refused, and what the user can do.
fn explain(error: &ConnectError, state_file: &StateFile) -> String {
    let file = state_file.path().display();
    match error {
        ConnectError::Changed {
            server,
            pinned,
            shown,
        } => format!(
            "THE CERTIFICATE OF {server} HAS CHANGED. Nothing was sent to it.\n\
             \x20 pinned here:  SHA-256 {pinned}\n\
             \x20 shown now:    SHA-256 {shown}\n\
             \x20 The pin is stored in {file}\n\
             Either the server has a new certificate, or someone intercepts your connection. Ask \
             the server's operators for its fingerprint. If it is the one shown now, put it into \
             the line `fingerprint` of that file and connect again."
        ),
        ConnectError::NoLongerVouched { server, shown } => format!(
            "No authority vouches for the certificate of {server}, as one did when you signed in. \
             Nothing was sent to it.\n\
             \x20 shown now:    SHA-256 {shown}\n\
             If you signed in with `--ca FILE`, use that option again. Otherwise ask the server's \
             operators for its fingerprint; if it is this one, add it as the first line of {file}:\n\
             fingerprint = \"{shown}\""
        ),
        ConnectError::Untrusted { .. } => format!(
            "{error}. Only certificates of the authority that was named with --ca are trusted. It is \
             stored in {file}; if the server uses another authority now, name it with --ca FILE."
        ),
        ConnectError::Unreachable { .. } => error.to_string(),
    }
}

/// Returns which certificates are accepted: those of the authority in the file `ca`, or as stored
/// for the server.
pub fn trust(ca: Option<&Path>, state: &ServerState) -> Result<Trust, Exit> {
    if let Some(file) = ca {
        let authority = Authority::read(file).map_err(|cause| {
            Exit::Failed(format!(
                "cannot use the authority in {}: {cause}",
                file.display()
            ))
        })?;
        return Ok(Trust::Authority(authority));
    }
    Ok(match (&state.authority, state.pinned(), &state.account) {
        (Some(authority), ..) => Trust::Authority(authority.clone()),
        (None, Some(pinned), _) => Trust::SystemOr(PinPolicy::Known(pinned)),
        (None, None, None) => Trust::SystemOr(PinPolicy::TrustFirst),
        (None, None, Some(_)) => Trust::SystemOr(PinPolicy::Refuse),
    })
}

impl Session {
    /// Starts the sign-in on a connection.
    pub fn start(
        connection: Connection<TlsStream<TcpStream>>,
        plan: Plan,
        temporary_nick: Nick,
    ) -> Self {
        let (sign_in, actions) = SignIn::start(plan, temporary_nick);
        let mut session = Self {
            connection,
            sign_in: Some(sign_in),
            end_tracker: EndTracker::default(),
            events: VecDeque::new(),
            deadline: None,
            measured_at: None,
        };
        session.perform(actions);
        session
    }

    /// Waits for the next event. Cancellation safe.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let message = match self.deadline {
                None => self.connection.next().await,
                Some(deadline) => {
                    match tokio::time::timeout_at(deadline, self.connection.next()).await {
                        Ok(message) => message,
                        Err(_) => {
                            return Event::Closed(
                                self.end_tracker
                                    .closed("the server did not complete the sign-in in time"),
                            );
                        }
                    }
                }
            };
            match message {
                Err(lost) => return Event::Closed(self.end_tracker.closed(&lost.to_string())),
                Ok(message) => match self.end_tracker.handle(&message) {
                    Some(end) => return Event::Closed(end),
                    None => self.handle_message(message),
                },
            }
        }
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Message) {
        self.connection.send(message);
    }

    /// Measures the round-trip time, unless a measurement is under way.
    pub fn measure_lag(&mut self) {
        if self.sign_in.is_none() && self.measured_at.is_none() {
            self.measured_at = Some(Instant::now());
            self.connection.send(&Message::new("PING", [LAG]));
        }
    }

    /// Handles the code that the user has entered after [`Event::CodeRequired`].
    pub fn answer(&mut self, code: &str) {
        if let Some(sign_in) = &mut self.sign_in {
            let actions = sign_in.answer(code);
            self.perform(actions);
        }
    }

    /// Restarts the sign-in as `account` on the same connection; returns false if the sign-in is
    /// already complete.
    pub fn restart_sign_in(&mut self, account: &StoredAccount) -> bool {
        let Some(sign_in) = &mut self.sign_in else {
            return false;
        };
        let actions = sign_in.restart(account.clone());
        // Questions and notices of the previous attempt are obsolete.
        self.events.clear();
        self.perform(actions);
        true
    }

    /// Sends `QUIT`. [`Event::Closed`] follows.
    pub fn quit(&mut self, reason: Option<&str>) {
        self.end_tracker.quit_sent();
        self.connection.send(&Message::new("QUIT", reason));
        self.deadline = Some(Instant::now() + QUIT_TIMEOUT);
    }

    fn handle_message(&mut self, message: Message) {
        // The model reads the nick from the welcome, and the capabilities in use.
        let is_for_model = matches!(message.command.as_str(), numeric::RPL_WELCOME | "CAP");
        match self
            .sign_in
            .as_mut()
            .and_then(|sign_in| sign_in.handle(&message))
        {
            Some(actions) => {
                self.perform(actions);
                if is_for_model {
                    self.events.push_back(Event::Message(message));
                }
            }
            None if message.command == "PONG" => {
                match (message.params.last().map(String::as_str), self.measured_at) {
                    (Some(READY), _) => self.events.push_back(Event::Ready),
                    (Some(LAG), Some(sent_at)) => {
                        self.measured_at = None;
                        self.events.push_back(Event::Lag(sent_at.elapsed()));
                    }
                    _ => {}
                }
            }
            None => self.events.push_back(Event::Message(message)),
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.events.push_back(match action {
                Action::Send(message) => {
                    self.connection.send(&message);
                    self.deadline = Some(Instant::now() + SIGN_IN_TIMEOUT);
                    continue;
                }
                Action::AskCode { email, if_email_of } => {
                    self.deadline = None;
                    Event::CodeRequired { email, if_email_of }
                }
                Action::Notify(text) => Event::Notice(text),
                Action::Store(account) => Event::Store(account),
                Action::Done => {
                    self.sign_in = None;
                    self.deadline = None;
                    self.connection.send(&Message::new("PING", [READY]));
                    Event::SignedIn
                }
                Action::Fail(reason) => Event::Closed(SessionEnd::Exit(Exit::NotSignedIn(reason))),
            });
        }
    }
}

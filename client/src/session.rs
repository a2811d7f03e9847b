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
use crate::connection::{Connection, Timeouts};
use crate::exit::{EndTracker, Exit, SessionEnd};
use crate::sign_in::{Action, Plan, SignIn};
use crate::state::{ServerState, StoredAccount};
use crate::tls::{self, ConnectError};
use rookery_trust::{Authority, CertificatePin, PinPolicy, Trust, UnknownCertificate};

/// The timeout for a step of the sign-in that does not wait for the user.
const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout for the end of the connection after `QUIT`.
const QUIT_TIMEOUT: Duration = Duration::from_secs(3);
/// The most characters of a device's label. The server has the same limit.
const MAX_LABEL: usize = 64;
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
    /// The nick to use where the account's nick is refused before the sign-in.
    temporary_nick: Nick,
    /// Whether the nick is that one.
    has_temporary_nick: bool,
    /// The account's name, once a mailed code has signed the user in.
    account: Option<AccountName>,
}

/// A connection to the server before the sign-in.
pub struct Connected {
    /// The connection, over TLS.
    pub connection: Connection<TlsStream<TcpStream>>,
    /// A new certificate for the pinned key, to be pinned.
    pub renewed_pin: Option<CertificatePin>,
    /// The named authority, if one was required to vouch for the server.
    pub authority: Option<Authority>,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum NotConnected {
    /// The user must decide whether the certificate is trusted.
    UnknownCertificate(UnknownCertificate),
    /// The attempt has ended.
    Ended(SessionEnd),
}

/// Connects to a server; `trust` says which certificates are accepted.
pub async fn connect(
    server: &ServerAddress,
    trust: Result<Trust, String>,
) -> Result<Connected, NotConnected> {
    // Whatever fails, a later attempt may succeed: an operator may renew the certificate.
    let failed = |reason: String| NotConnected::Ended(SessionEnd::Lost(reason));
    let trust = trust.map_err(failed)?;
    match tls::connect(server, &trust).await {
        Ok(secured) => Ok(Connected {
            connection: Connection::new(secured.stream, Timeouts::default()),
            renewed_pin: secured.renews_pin.then_some(secured.certificate),
            authority: match trust {
                Trust::Authority(authority) => Some(authority),
                Trust::SystemOr(_) => None,
            },
        }),
        Err(ConnectError::Unknown(unknown)) => Err(NotConnected::UnknownCertificate(unknown)),
        Err(error @ (ConnectError::Unreachable { .. } | ConnectError::Untrusted { .. })) => {
            Err(failed(error.to_string()))
        }
    }
}

/// Returns which certificates are accepted: those of the authority in the file `ca`, or as stored
/// for the server. The error is the reason for which the file cannot be used.
pub fn trust(ca: Option<&Path>, state: &ServerState) -> Result<Trust, String> {
    if let Some(file) = ca {
        let authority = Authority::read(file)
            .map_err(|cause| format!("cannot use the authority in {}: {cause}", file.display()))?;
        return Ok(Trust::Authority(authority));
    }
    Ok(match &state.authority {
        Some(authority) => Trust::Authority(authority.clone()),
        None => Trust::SystemOr(pin_policy(state)),
    })
}

/// Returns the policy for a certificate that no authority vouches for.
pub fn pin_policy(state: &ServerState) -> PinPolicy {
    match (state.pinned(), &state.account) {
        (Some(pinned), _) => PinPolicy::Known(pinned),
        (None, None) => PinPolicy::FirstUse,
        (None, Some(_)) => PinPolicy::VouchedBefore,
    }
}

/// Returns how the owner of the account recognises this device: by its name and the terminal.
fn device_label() -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let terminal = variable("TERM_PROGRAM").or_else(|| variable("TERM"));
    let label = match terminal {
        Some(terminal) => format!("rook on {host} ({terminal})"),
        None => format!("rook on {host}"),
    };
    label
        .chars()
        .filter(|char| !char.is_control())
        .take(MAX_LABEL)
        .collect()
}

impl Session {
    /// Starts the sign-in on a connection.
    pub fn start(
        connection: Connection<TlsStream<TcpStream>>,
        plan: Plan,
        temporary_nick: Nick,
    ) -> Self {
        let (sign_in, actions) = SignIn::start(plan, temporary_nick.clone());
        let mut session = Self {
            connection,
            sign_in: Some(sign_in),
            end_tracker: EndTracker::default(),
            events: VecDeque::new(),
            deadline: None,
            measured_at: None,
            temporary_nick,
            has_temporary_nick: false,
            account: None,
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
        let is_temporary = |nick: Option<&str>| nick == Some(self.temporary_nick.as_str());
        match message.command.as_str() {
            numeric::RPL_WELCOME => self.has_temporary_nick = is_temporary(message.param(0)),
            "NICK" if is_temporary(message.source_nick()) => self.has_temporary_nick = false,
            _ => {}
        }
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
                    (Some(READY), _) => {
                        self.replace_temporary_nick();
                        self.events.push_back(Event::Ready);
                    }
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

    /// Changes a temporary nick to the account's name. A server with free nicks leaves that to us.
    /// If the account has another nick there, as on another device, it has replaced the temporary
    /// one before.
    fn replace_temporary_nick(&mut self) {
        if self.has_temporary_nick
            && let Some(account) = &self.account
        {
            self.connection
                .send(&Message::new("NICK", [account.as_str()]));
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
                Action::Store(account) => {
                    self.account = Some(account.name.clone());
                    Event::Store(account)
                }
                Action::Done => {
                    let sign_in = self.sign_in.take();
                    if sign_in.is_some_and(|sign_in| sign_in.lists_devices()) {
                        let label = Message::new("CREDENTIAL", ["LABEL", &device_label()]);
                        self.connection.send(&label);
                    }
                    self.deadline = None;
                    self.connection.send(&Message::new("PING", [READY]));
                    Event::SignedIn
                }
                Action::Fail(reason) => Event::Closed(SessionEnd::Exit(Exit::NotSignedIn(reason))),
            });
        }
    }
}

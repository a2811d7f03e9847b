//! A series of sessions with one server for one account. It connects, signs in, stores the account
//! and the trusted certificate for the next start, and reports the end of each session. The caller
//! decides whether to reconnect.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use rookery_protocol::{AccountName, DeviceCredential, Email, Message, Nick};
use tokio::time::Instant;

use crate::address::ServerAddress;
use crate::config::AutoJoin;
use crate::exit::{Exit, SessionEnd};
use crate::session::{self, Connected, NotConnected, Session};
use crate::sign_in::Plan;
use crate::state::{Preferences, ServerState, StateFile, StoredAccount};
use rookery_trust::{CertificatePin, UnknownCertificate};

/// The shortest pause between two attempts to connect.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// After a connection that lasted this long, the next pause is the shortest again.
const STABLE_AFTER: Duration = Duration::from_mins(1);

/// The server to connect to, with the settings from the command line and the config.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// The server.
    pub server: ServerAddress,
    /// The PEM file of the only trusted authority.
    pub ca: Option<PathBuf>,
    /// The account's name.
    pub name: Option<AccountName>,
    /// The address that codes are mailed to.
    pub email: Option<Email>,
    /// The channels to join, besides the lobby.
    pub join: Vec<AutoJoin>,
}

impl ConnectOptions {
    /// Returns the stored account, unless the user has named another one.
    pub fn stored_account<'a>(&self, state: &'a ServerState) -> Option<&'a StoredAccount> {
        let wanted =
            |account: &&StoredAccount| self.name.as_ref().is_none_or(|name| *name == account.name);
        state.account.as_ref().filter(wanted)
    }

    /// Returns the stored account, or the account that the user has named, with a new credential.
    /// Returns `None` if its name or email is missing.
    pub fn known_account(&self, state: &ServerState) -> anyhow::Result<Option<StoredAccount>> {
        if let Some(stored) = self.stored_account(state) {
            return Ok(Some(stored.clone()));
        }
        let Some((name, email)) = self.name.clone().zip(self.email.clone()) else {
            return Ok(None);
        };
        new_account(name, email).map(Some)
    }

    /// Returns the stored account for a command that cannot ask the user for one.
    pub fn require_account<'a>(&self, state: &'a ServerState) -> Result<&'a StoredAccount, Exit> {
        self.stored_account(state).ok_or_else(|| {
            let (account, option) = match &self.name {
                None => (String::new(), String::new()),
                Some(name) => (format!(" as {name}"), format!(" --name {name}")),
            };
            Exit::NotSignedIn(format!(
                "not signed in to {0}{account}: run `rook {0}{option}` once on this device",
                self.server
            ))
        })
    }
}

/// An event on the connection.
#[derive(Debug)]
pub enum Event {
    /// A notice about the server or the sign-in, of one or more lines.
    Notice(String),
    /// The server presents a certificate that is not trusted, at the start. Nothing follows until
    /// [`Reconnector::trust`] is called.
    UnknownCertificate(UnknownCertificate),
    /// The server presents a certificate that is not trusted, after a lost connection. It is
    /// reported once; the attempts go on.
    CertificateRefused(UnknownCertificate),
    /// The server can be reached and is trusted, but no account is known. Nothing follows until
    /// [`Reconnector::sign_in_as`] is called.
    AccountRequired,
    /// The user must enter the mailed code, to be passed to [`Reconnector::answer`].
    CodeRequired {
        /// A sentence that says where it was mailed.
        mailed: String,
    },
    /// The user is signed in and admitted.
    SignedIn,
    /// The server's greeting is complete, so the model knows which channels we are in.
    Ready,
    /// A message.
    Message(Message),
    /// The round-trip time that [`Reconnector::measure_lag`] has measured.
    Lag(Duration),
    /// The connection was lost, for this reason. Nothing follows until [`Reconnector::retry`] is
    /// called.
    Lost(String),
    /// The program should exit. Nothing follows.
    Exit(Exit),
}

type Connecting = Pin<Box<dyn Future<Output = Result<Connected, NotConnected>>>>;

enum Stage {
    /// The next attempt is made at this time.
    Waiting(Instant),
    Connecting(Connecting),
    Online(Box<Session>),
    /// The connection was lost or has ended.
    Disconnected,
}

/// The connection to one server for one account.
pub struct Reconnector {
    options: ConnectOptions,
    state_file: StateFile,
    /// The state as last loaded or stored. Another instance may have changed the file since.
    state: ServerState,
    /// The account that signs in. `None` until the user has named one.
    account: Option<StoredAccount>,
    /// Whether the account's credential was stored on this device, so that it signs in without a
    /// mailed code.
    has_stored_credential: bool,
    /// Whether a user is there to enter a code when the stored credential is refused, and to decide
    /// about an unknown certificate.
    interactive: bool,
    stage: Stage,
    events: VecDeque<Event>,
    /// Whether the user has been signed in at least once.
    admitted: bool,
    /// When the last attempt to connect began.
    began: Instant,
    next_pause: Duration,
    /// The certificate that was refused since the connection was lost.
    refused: Option<UnknownCertificate>,
}

impl Reconnector {
    /// Prepares the connection for an account, whose credential is the stored one or a new one.
    /// [`Self::next`] connects. Without an account, [`Event::AccountRequired`] follows.
    pub fn new(
        options: ConnectOptions,
        state_file: StateFile,
        state: ServerState,
        account: Option<StoredAccount>,
        interactive: bool,
    ) -> Self {
        Self {
            options,
            state_file,
            has_stored_credential: account.is_some() && state.account == account,
            state,
            account,
            interactive,
            stage: Stage::Waiting(Instant::now()),
            events: VecDeque::new(),
            admitted: false,
            began: Instant::now(),
            next_pause: MIN_PAUSE,
            refused: None,
        }
    }

    /// Waits for the next event. Cancellation safe.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            match &mut self.stage {
                Stage::Waiting(until) => {
                    tokio::time::sleep_until(*until).await;
                    self.connect();
                }
                Stage::Connecting(connecting) => match connecting.await {
                    Ok(connected) => self.start(connected),
                    Err(NotConnected::Ended(end)) => return self.end(end),
                    Err(NotConnected::UnknownCertificate(unknown)) => {
                        self.stage = Stage::Disconnected;
                        return self.refuse(unknown);
                    }
                },
                Stage::Online(session) => match session.next().await {
                    session::Event::CodeRequired { email, if_email_of } => {
                        let mailed = match if_email_of {
                            None => format!("A code was mailed to {email}."),
                            Some(name) => {
                                format!(
                                    "If {email} is the email of {name}, a code was mailed there."
                                )
                            }
                        };
                        return Event::CodeRequired { mailed };
                    }
                    session::Event::Notice(text) => return Event::Notice(text),
                    session::Event::Store(account) => {
                        self.notify_account_replaced(&account);
                        self.account = Some(account.clone());
                        self.has_stored_credential = true;
                        self.update(|state| state.account = Some(account.clone()));
                    }
                    session::Event::SignedIn => {
                        self.admitted = true;
                        return Event::SignedIn;
                    }
                    session::Event::Ready => return Event::Ready,
                    session::Event::Message(message) => return Event::Message(message),
                    session::Event::Lag(lag) => return Event::Lag(lag),
                    session::Event::Closed(end) => return self.end(end),
                },
                Stage::Disconnected => return std::future::pending().await,
            }
        }
    }

    /// Reconnects after [`Event::Lost`], after a pause that doubles with every failure; returns the
    /// pause.
    pub fn retry(&mut self) -> Duration {
        if self.began.elapsed() >= STABLE_AFTER {
            self.next_pause = MIN_PAUSE;
        }
        let pause = jittered(self.next_pause, getrandom::u32().unwrap_or_default());
        self.next_pause = (self.next_pause * 2).min(MAX_PAUSE);
        self.stage = Stage::Waiting(Instant::now() + pause);
        pause
    }

    /// Sends a message. Without a connection it is dropped.
    pub fn send(&mut self, message: &Message) {
        if let Stage::Online(session) = &mut self.stage {
            session.send(message);
        }
    }

    /// Handles the code that the user has entered after [`Event::CodeRequired`].
    pub fn answer(&mut self, code: &str) {
        if let Stage::Online(session) = &mut self.stage {
            session.answer(code);
        }
    }

    /// Pins a certificate after [`Event::UnknownCertificate`] or [`Event::CertificateRefused`] in
    /// place of what was trusted before, and connects again.
    pub fn trust(&mut self, unknown: &UnknownCertificate) {
        self.options.ca = None;
        self.update(|state| state.pin(unknown.shown));
        self.stage = Stage::Waiting(Instant::now());
    }

    /// Returns the certificate that was refused since the connection was lost, if any.
    pub fn refused(&self) -> Option<&UnknownCertificate> {
        self.refused.as_ref()
    }

    /// Whether the user has been signed in at least once.
    pub fn was_admitted(&self) -> bool {
        self.admitted
    }

    /// Signs in as `account`: restarts the sign-in that is under way, or connects again.
    pub fn sign_in_as(&mut self, account: StoredAccount) {
        let restarted = match &mut self.stage {
            Stage::Online(session) => session.restart_sign_in(&account),
            _ => false,
        };
        if !restarted {
            self.stage = Stage::Waiting(Instant::now());
        }
        self.account = Some(account);
        self.has_stored_credential = false;
    }

    /// Returns the account that signs in, if it is known.
    pub fn account(&self) -> Option<&StoredAccount> {
        self.account.as_ref()
    }

    /// Stores the changes between two versions of the preferences for the next start.
    pub fn save_preferences(&mut self, before: &Preferences, after: &Preferences) {
        self.update(|state| state.preferences.apply_changes(before, after));
    }

    /// Stores the new email of the account that is signed in.
    pub fn save_email(&mut self, email: &Email) {
        let Some(own) = &mut self.account else {
            return;
        };
        own.email.clone_from(email);
        let name = own.name.clone();
        self.update(|state| {
            if let Some(stored) = state.account.as_mut().filter(|stored| stored.name == name) {
                stored.email.clone_from(email);
            }
        });
    }

    /// Measures the round-trip time; [`Event::Lag`] follows.
    pub fn measure_lag(&mut self) {
        if let Stage::Online(session) = &mut self.stage {
            session.measure_lag();
        }
    }

    /// Quits. [`Event::Exit`] follows.
    pub fn quit(&mut self, reason: Option<&str>) {
        if let Stage::Online(session) = &mut self.stage {
            session.quit(reason);
        } else {
            self.stage = Stage::Disconnected;
            self.events.push_back(Event::Exit(Exit::Finished));
        }
    }

    fn connect(&mut self) {
        self.began = Instant::now();
        self.reload();
        let server = self.options.server.clone();
        let trust = session::trust(self.options.ca.as_deref(), &self.state);
        let connecting = async move { session::connect(&server, trust).await };
        self.stage = Stage::Connecting(Box::pin(connecting));
    }

    /// Loads the state, since another instance may have stored a new credential of the account or
    /// another certificate. If the file is missing or damaged, the state stays as it is.
    fn reload(&mut self) {
        match self.state_file.load() {
            Ok(state) if state != ServerState::default() => self.state = state,
            _ => return,
        }
        if self.has_stored_credential
            && let (Some(own), Some(stored)) = (&mut self.account, &self.state.account)
            && own.name == stored.name
        {
            own.clone_from(stored);
        }
    }

    fn start(&mut self, connected: Connected) {
        self.refused = None;
        if let Some(pinned) = connected.renewed_pin {
            self.renew_pin(pinned);
        }
        if let Some(authority) = connected.authority
            && self.state.authority.as_ref() != Some(&authority)
        {
            self.events.push_back(Event::Notice(format!(
                "{}: from now on only certificates of this authority are trusted, even \
                 without --ca.",
                self.options.server
            )));
            self.update(|state| state.trust_authority(authority.clone()));
        }
        let Some(account) = &self.account else {
            // The server would not wait until the user has typed name and email.
            self.stage = Stage::Disconnected;
            self.events.push_back(Event::AccountRequired);
            return;
        };
        match self.plan(account) {
            Ok(plan) => {
                self.stage = Stage::Online(Box::new(Session::start(
                    connected.connection,
                    plan,
                    temporary_nick(),
                )));
            }
            Err(error) => {
                self.stage = Stage::Disconnected;
                self.events
                    .push_back(Event::Exit(Exit::Failed(format!("{error:#}"))));
            }
        }
    }

    /// Pins a new certificate for the pinned key.
    fn renew_pin(&mut self, pinned: CertificatePin) {
        // If only the key is new, an older version or the user has stored the pin without it.
        if self.state.fingerprint != Some(pinned.certificate) {
            self.events.push_back(Event::Notice(format!(
                "{} has a new certificate for the same key, which is now pinned: SHA-256 {}",
                self.options.server, pinned.certificate
            )));
        }
        self.update(|state| state.pin(pinned));
    }

    fn plan(&self, account: &StoredAccount) -> anyhow::Result<Plan> {
        if !self.has_stored_credential {
            return Ok(Plan::MailedCode(account.clone()));
        }
        let fallback = if self.interactive {
            Some(new_credential()?)
        } else {
            None
        };
        Ok(Plan::StoredCredential {
            account: account.clone(),
            fallback,
        })
    }

    /// Notifies the user when the account replaces another one, since only one is stored per
    /// server.
    fn notify_account_replaced(&mut self, account: &StoredAccount) {
        if let Some(before) = self
            .state
            .account
            .as_ref()
            .filter(|before| before.name != account.name)
        {
            self.events.push_back(Event::Notice(format!(
                "From now on this device signs in to {} as {}; {} will need a new code.",
                self.options.server, account.name, before.name
            )));
        }
    }

    /// Changes the stored state. If it cannot be stored, the change applies to this run only.
    fn update(&mut self, change: impl Fn(&mut ServerState)) {
        match self.state_file.update(&change) {
            Ok(state) => self.state = state,
            Err(error) => {
                change(&mut self.state);
                self.events.push_back(Event::Notice(format!(
                    "{error:#}: you will have to sign in again next time"
                )));
            }
        }
    }

    /// Handles an unknown certificate. The user decides about it at the start, but during a
    /// reconnection, someone may intercept the connection for a moment: a question would stay after
    /// that, and take what the user types into the chat as its answer.
    fn refuse(&mut self, unknown: UnknownCertificate) -> Event {
        if !self.interactive {
            return Event::Exit(Exit::Failed(unknown.refusal()));
        }
        if !self.admitted {
            return Event::UnknownCertificate(unknown);
        }
        let lost = Event::Lost(unknown.declined());
        if self.refused.as_ref() == Some(&unknown) {
            return lost;
        }
        self.refused = Some(unknown.clone());
        self.events.push_back(lost);
        Event::CertificateRefused(unknown)
    }

    fn end(&mut self, end: SessionEnd) -> Event {
        self.stage = Stage::Disconnected;
        match end {
            SessionEnd::Exit(exit) => Event::Exit(exit),
            // Before the first sign-in, the user sees the error and decides whether to try again.
            SessionEnd::Lost(reason) if !self.admitted => Event::Exit(Exit::Failed(reason)),
            SessionEnd::Lost(reason) => Event::Lost(reason),
        }
    }
}

/// Returns an account with a new credential, which signs in with a mailed code.
pub fn new_account(name: AccountName, email: Email) -> anyhow::Result<StoredAccount> {
    Ok(StoredAccount {
        name,
        email,
        credential: new_credential()?,
    })
}

/// Returns a new random credential.
fn new_credential() -> anyhow::Result<DeviceCredential> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(DeviceCredential::from_random(bytes))
}

/// Returns a random nick to use until the server has authenticated the account, whose nick may be
/// in use by another device.
pub fn temporary_nick() -> Nick {
    let number = getrandom::u32().unwrap_or_default() % 100_000;
    Nick::parse(&format!("rook{number:05}")).expect("letters and digits make a nick")
}

/// Shortens a pause by up to a quarter at random, so that clients of a restarted server do not all
/// reconnect at once.
fn jittered(pause: Duration, random: u32) -> Duration {
    pause.mul_f64(1.0 - f64::from(random) / f64::from(u32::MAX) / 4.0)
}

#[cfg(test)]
mod tests {
    use rookery_trust::{Fingerprint, TrustedBefore};

    use super::*;
    use crate::address::ServerAddress;

    /// Returns the connection of a user at a terminal, and an unknown certificate.
    fn refusing() -> (Reconnector, UnknownCertificate) {
        let server: ServerAddress = "chat.example.org".parse().expect("an address");
        let state_file = StateFile::of(&server).expect("a state file");
        let options = ConnectOptions {
            server,
            ca: None,
            name: None,
            email: None,
            join: Vec::new(),
        };
        let unknown = UnknownCertificate {
            server: "chat.example.org".to_owned(),
            command: "rook trust chat.example.org".to_owned(),
            shown: CertificatePin {
                certificate: Fingerprint::of(b"new"),
                key: None,
            },
            before: TrustedBefore::Nothing,
            problem: None,
        };
        let server = Reconnector::new(options, state_file, ServerState::default(), None, true);
        (server, unknown)
    }

    #[test]
    fn only_at_the_start_is_the_user_asked_about_an_unknown_certificate() {
        let (mut server, unknown) = refusing();
        let asked = server.refuse(unknown.clone());
        assert!(matches!(asked, Event::UnknownCertificate(_)), "{asked:?}");
        server.admitted = true;
        let shown = server.refuse(unknown.clone());
        assert!(matches!(shown, Event::CertificateRefused(_)), "{shown:?}");
        let next = server.events.pop_front();
        assert!(matches!(next, Some(Event::Lost(_))), "{next:?}");
        let again = server.refuse(unknown);
        assert!(
            matches!(again, Event::Lost(_)),
            "it is shown once: {again:?}"
        );
    }

    #[test]
    fn pauses_vary_within_a_quarter() {
        let pause = Duration::from_secs(8);
        assert_eq!(jittered(pause, 0), pause);
        assert_eq!(jittered(pause, u32::MAX), Duration::from_secs(6));
    }
}

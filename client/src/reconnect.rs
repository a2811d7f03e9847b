//! The way to one server, over as many connections as it takes: connects, signs in, keeps what the
//! next time needs, and says how each connection ended. Whoever talks over it decides whether it is
//! tried again.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use rookery_protocol::{AccountName, DeviceCredential, Email, Message, Nick};
use tokio::time::Instant;

use crate::address::ServerAddress;
use crate::config::AutoJoin;
use crate::exit::{Exit, SessionEnd};
use crate::fingerprint::CertificatePin;
use crate::session::{self, Connected, Session};
use crate::sign_in::Plan;
use crate::state::{Preferences, ServerState, StateFile, StoredAccount};

/// The shortest pause between two attempts to connect.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// A connection that held so long was a good one: the next pause is short again.
const STABLE_AFTER: Duration = Duration::from_mins(1);

/// Which server, and what the command line and the config say about it.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// The server.
    pub server: ServerAddress,
    /// The authority to trust.
    pub ca: Option<PathBuf>,
    /// Who to be.
    pub name: Option<AccountName>,
    /// Where the code is mailed.
    pub email: Option<Email>,
    /// The channels to be in, beside the lobby.
    pub join: Vec<AutoJoin>,
}

impl ConnectOptions {
    /// The account kept from an earlier sign-in, unless another one is wanted.
    pub fn stored_account<'a>(&self, kept: &'a ServerState) -> Option<&'a StoredAccount> {
        let wanted =
            |account: &&StoredAccount| self.name.as_ref().is_none_or(|name| *name == account.name);
        kept.account.as_ref().filter(wanted)
    }

    /// The same for those who cannot ask.
    pub fn require_account<'a>(&self, kept: &'a ServerState) -> Result<&'a StoredAccount, Exit> {
        self.stored_account(kept).ok_or_else(|| {
            let (whom, option) = match &self.name {
                None => (String::new(), String::new()),
                Some(name) => (format!(" as {name}"), format!(" --name {name}")),
            };
            Exit::NotSignedIn(format!(
                "not signed in to {0}{whom}: run `rook {0}{option}` once on this device",
                self.server
            ))
        })
    }
}

/// What happens on the way.
#[derive(Debug)]
pub enum Event {
    /// Something the person should know about the server or the sign-in; perhaps several lines.
    Notice(String),
    /// The person has to fetch the code that was mailed; the answer goes to [`Reconnector::answer`].
    CodeRequired {
        /// Where it was mailed, in words.
        mailed: String,
    },
    /// Signed in and admitted.
    SignedIn,
    /// The server has told a newcomer all it had to: which channels we are in, for one.
    Ready,
    /// A message of the chat.
    Message(Message),
    /// The answer to [`Reconnector::measure_lag`].
    Lag(Duration),
    /// The connection is gone, for this reason. Nothing follows but after [`Reconnector::retry`].
    Lost(String),
    /// Nothing follows.
    Exit(Exit),
}

type Connecting = Pin<Box<dyn Future<Output = Result<Connected, SessionEnd>>>>;

enum Stage {
    /// Nothing is under way: waits until then, and connects.
    Waiting(Instant),
    Connecting(Connecting),
    Online(Box<Session>),
    /// Lost or over.
    Disconnected,
}

/// The way to one server, for one account.
pub struct Reconnector {
    options: ConnectOptions,
    state: StateFile,
    kept: ServerState,
    /// Who signs in; good for SASL PLAIN once it is in `kept`.
    account: StoredAccount,
    /// Whether there is a person who can fetch a code when the kept credential is refused.
    interactive: bool,
    stage: Stage,
    events: VecDeque<Event>,
    /// Signed in at least once.
    admitted: bool,
    began: Instant,
    next_pause: Duration,
}

impl Reconnector {
    /// For `account`, whose credential is either the kept one or a new one. [`Self::next`] does the
    /// work.
    pub fn new(
        options: ConnectOptions,
        state: StateFile,
        kept: ServerState,
        account: StoredAccount,
        interactive: bool,
    ) -> Self {
        Self {
            options,
            state,
            kept,
            account,
            interactive,
            stage: Stage::Waiting(Instant::now()),
            events: VecDeque::new(),
            admitted: false,
            began: Instant::now(),
            next_pause: MIN_PAUSE,
        }
    }

    /// The next event. Nothing is lost when the future is dropped half-way.
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
                    Err(end) => return self.end(end),
                },
                Stage::Online(session) => match session.next().await {
                    session::Event::CodeRequired { email, if_email_of } => {
                        let mailed = match if_email_of {
                            None => format!("A code was mailed to {email}."),
                            Some(name) => {
                                format!(
                                    "If {email} is the email of {name}, a code was mailed to it."
                                )
                            }
                        };
                        return Event::CodeRequired { mailed };
                    }
                    session::Event::Notice(words) => return Event::Notice(words),
                    session::Event::Store(account) => {
                        self.notify_account_replaced(&account);
                        self.account = account.clone();
                        self.kept.account = Some(account);
                        self.save();
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

    /// After [`Event::Lost`]: connects again after a pause, which grows with every failure. Gives
    /// the pause.
    pub fn retry(&mut self) -> Duration {
        if self.began.elapsed() >= STABLE_AFTER {
            self.next_pause = MIN_PAUSE;
        }
        let pause = jittered(self.next_pause, getrandom::u32().unwrap_or_default());
        self.next_pause = (self.next_pause * 2).min(MAX_PAUSE);
        self.stage = Stage::Waiting(Instant::now() + pause);
        pause
    }

    /// Sends a message; without a connection it goes nowhere.
    pub fn send(&mut self, message: &Message) {
        if let Stage::Online(session) = &mut self.stage {
            session.send(message);
        }
    }

    /// Takes the answer to [`Event::CodeRequired`].
    pub fn answer(&mut self, code: &str) {
        if let Stage::Online(session) = &mut self.stage {
            session.answer(code);
        }
    }

    /// Signs in as `account` instead; false when there is no sign-in under way.
    pub fn restart_sign_in(&mut self, account: &StoredAccount) -> bool {
        let Stage::Online(session) = &mut self.stage else {
            return false;
        };
        let started = session.restart_sign_in(account);
        if started {
            self.account = account.clone();
        }
        started
    }

    /// Keeps for the next time how the person has arranged things.
    pub fn save_preferences(&mut self, preferences: Preferences) {
        self.kept.preferences = preferences;
        self.save();
    }

    /// Asks how long the server takes to answer; gives [`Event::Lag`].
    pub fn measure_lag(&mut self) {
        if let Stage::Online(session) = &mut self.stage {
            session.measure_lag();
        }
    }

    /// Says goodbye; what is left is [`Event::Exit`], after what is still to come.
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
        let (server, state) = (self.options.server.clone(), self.state.clone());
        let trust = session::trust(self.options.ca.as_deref(), &self.kept);
        let connecting = async move { session::connect(&server, trust, &state).await };
        self.stage = Stage::Connecting(Box::pin(connecting));
    }

    fn start(&mut self, connected: Connected) {
        if let Some(pinned) = connected.pin {
            self.pin(pinned);
        }
        if let Some(authority) = connected.authority
            && self.kept.trust_authority(authority)
        {
            self.events.push_back(Event::Notice(format!(
                "{}: only certificates of this authority will do from now on, also without --ca.",
                self.options.server
            )));
            self.save();
        }
        match self.plan() {
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

    fn pin(&mut self, pinned: CertificatePin) {
        let ConnectOptions { server, .. } = &self.options;
        let shown = pinned.certificate;
        match self.kept.fingerprint {
            None => self.events.push_back(Event::Notice(format!(
                "No authority vouches for the certificate of {server}. Its fingerprint is\n  SHA-256 {shown}\n\
                 It is trusted from now on, and pinned in {}",
                self.state.path().display()
            ))),
            // CertificatePin by a version that did not keep the key, or by hand: there is no news.
            Some(known) if known == shown => {}
            Some(_) => self.events.push_back(Event::Notice(format!(
                "{server} has a new certificate for the same key; it is pinned from now on: SHA-256 {shown}"
            ))),
        }
        self.kept.pin(pinned);
        self.save();
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        if self.kept.account.as_ref() != Some(&self.account) {
            return Ok(Plan::MailedCode(self.account.clone()));
        }
        let fallback = if self.interactive {
            Some(new_credential()?)
        } else {
            None
        };
        Ok(Plan::StoredCredential {
            account: self.account.clone(),
            fallback,
        })
    }

    /// A device keeps one account for each server.
    fn notify_account_replaced(&mut self, account: &StoredAccount) {
        if let Some(before) = self
            .kept
            .account
            .as_ref()
            .filter(|before| before.name != account.name)
        {
            self.events.push_back(Event::Notice(format!(
                "This device signs in to {} as {} from now on; for {}, a code will be mailed again.",
                self.options.server, account.name, before.name
            )));
        }
    }

    fn save(&mut self) {
        if let Err(error) = self.state.save(&self.kept) {
            self.events.push_back(Event::Notice(format!(
                "{error:#}: you will be asked again the next time"
            )));
        }
    }

    fn end(&mut self, over: SessionEnd) -> Event {
        self.stage = Stage::Disconnected;
        match over {
            SessionEnd::Exit(exit) => Event::Exit(exit),
            // Whoever never got in is told why, and decides.
            SessionEnd::Lost(why) if !self.admitted => Event::Exit(Exit::Failed(why)),
            SessionEnd::Lost(why) => Event::Lost(why),
        }
    }
}

/// A credential that the server has not seen yet.
pub fn new_credential() -> anyhow::Result<DeviceCredential> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(DeviceCredential::from_random(bytes))
}

/// A nick for the time until the server knows whose the wanted one is.
pub fn temporary_nick() -> Nick {
    let number = getrandom::u32().unwrap_or_default() % 100_000;
    Nick::parse(&format!("rook{number:05}")).expect("letters and digits make a nick")
}

/// Up to a quarter less, so that a server that comes back is not met by everyone at once.
fn jittered(pause: Duration, random: u32) -> Duration {
    pause.mul_f64(1.0 - f64::from(random) / f64::from(u32::MAX) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_vary_within_a_quarter() {
        let pause = Duration::from_secs(8);
        assert_eq!(jittered(pause, 0), pause);
        assert_eq!(jittered(pause, u32::MAX), Duration::from_secs(6));
    }
}

//! Accounts of the Rookery server: how a session proves that it belongs to one, and how accounts
//! are registered and changed.
//!
//! The crate owns the handshake and the waiting room ([`handshake`]), the sign-in of every session
//! ([`sign_in`], which documents the proofs and the order of the checks), registrations and
//! invitations that wait for their codes, the limits on failures and mails (`throttle`), password
//! hashing, the texts of the mails to users, and the CSV files beside the database ([`csv_sync`]).
//!
//! It must not read from or write to a connection, and it must not admit anyone: it receives
//! messages and returns replies and identities, and `rookery-connection` asks the core for
//! admission. It may depend on the crates for the engine, base, store, chat and record, and on
//! nothing that serves a port.

mod attempts;
mod authenticate;
pub mod codes;
mod common_passwords;
mod credentials;
mod credentials_change;
pub mod csv_sync;
mod email_code;
#[cfg(feature = "test-support")]
pub mod fuzz;
pub mod handshake;
pub mod hash_slots;
mod invitations;
mod mail_templates;
pub mod password;
mod pending;
pub mod registration;
pub mod reply_format;
mod sasl;
mod scram;
pub mod sign_in;
#[cfg(test)]
mod test_log;
#[cfg(test)]
mod tests;
mod throttle;
pub mod verifier_key;

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rookery_control_api::{Port, ServerEvent};
use rookery_protocol::{AccountName, NameError, Nick, composed, numeric};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, OnceCell};

use crate::csv_sync::CsvSync;
use pending::PendingRegistrations;
use rookery_base::config::{self, Live};
use rookery_base::events::EventBus;
use rookery_base::fair_queue::{FairQueue, Group};
use rookery_base::mail::{Mailer, Requester};
use rookery_base::random::random;
use rookery_base::recent_refusals::RecentRefusals;
use rookery_chat::event::{Identity, SignedInWith};
use rookery_record::{Account, AccountId, Network};
use rookery_store::{Database, Durability, Result};
use throttle::Throttle;
use verifier_key::VerifierKey;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address and port.
    pub address: SocketAddr,
    /// The SHA-256 fingerprint of its client certificate.
    pub certificate: Option<[u8; 32]>,
    /// The TLS version and key exchange, such as `TLSv1.3 X25519MLKEM768`.
    pub tls: Box<str>,
    /// Notified when the connection is ending: an attempt to sign in then no longer waits for its
    /// turn.
    pub ending: Arc<Notify>,
}

impl Peer {
    /// On whose behalf mails that it requests are sent.
    fn requester(&self) -> Requester {
        Requester::Site(Network::of_site(self.address.ip()))
    }
}

/// The sections of the config that accounts depend on.
pub struct AccountsConfig {
    /// `[accounts]`, for who may register and sign in.
    pub accounts: Live<config::Accounts>,
    /// `[chat]`, for the names of the server and the network.
    pub chat: Live<config::Chat>,
    /// `[history]`, for the capabilities that are offered during the handshake.
    pub history: Live<config::History>,
    /// `[limits]`, for the numbers of failed sign-ins and mails, and the length of passwords.
    pub limits: Live<config::Limits>,
    /// `[tls]`, for the duration of the policy that clients connect over TLS only (IRCv3 sts).
    pub tls: Live<config::Tls>,
}

/// The parts that all sign-ins share: the database, the mailer, the limits, and the registrations
/// that wait for a code.
pub struct Accounts {
    config: AccountsConfig,
    database: Database,
    mailer: Mailer,
    csv: CsvSync,
    events: EventBus,
    throttle: Throttle,
    /// Limits how many passwords of users are hashed at once, for sign-ins, registrations and
    /// changes of passwords, so that the chat's slots are free for the next in turn. Networks and
    /// sites take turns, since right passwords are hashed, too, and one account may have many
    /// sessions. A sign-in has its turn from the check of the failure limit until the failure is
    /// counted.
    hash_turns: FairQueue<Group>,
    pending: PendingRegistrations,
    /// The sign-ins that were refused most recently.
    pub refused: RecentRefusals,
    /// The key of the decoy SCRAM parameters of unknown accounts; read from the database when it is
    /// first needed.
    decoy_key: OnceCell<[u8; 32]>,
    verifier_key: VerifierKey,
}

/// Why a nick is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// It is, or looks like, the name of an account.
    Account,
    /// Others would take its owner for someone who runs the server.
    Misleading,
    /// Nothing new may have it.
    Refused(NameError),
}

impl Reservation {
    /// Returns the numeric that refuses the nick, and its text.
    pub fn refusal(self) -> (&'static str, String) {
        let in_use = |text: &str| (numeric::ERR_NICKNAMEINUSE, text.to_owned());
        match self {
            Self::Account => in_use(
                "This nick is the name of an account, or looks like one; sign in if it is yours, \
                 or choose another",
            ),
            Self::Misleading => {
                in_use("This nick is reserved, and nobody can have it; choose another")
            }
            Self::Refused(error) => {
                let text = format!("This cannot be a nick: {error}");
                (numeric::ERR_ERRONEUSNICKNAME, text)
            }
        }
    }
}

impl Accounts {
    /// Creates the accounts over a database, its CSV files, the mailer, and the key that encrypts
    /// the SCRAM verifiers in the database.
    pub fn new(
        config: AccountsConfig,
        database: Database,
        mailer: Mailer,
        csv: CsvSync,
        events: EventBus,
        verifier_key: VerifierKey,
    ) -> Self {
        let slots = password::CHAT_SLOTS.count();
        Self {
            config,
            database,
            mailer,
            csv,
            events,
            throttle: Throttle::default(),
            hash_turns: FairQueue::new(slots, slots),
            pending: PendingRegistrations::default(),
            refused: RecentRefusals::new(Port::Chat),
            decoy_key: OnceCell::new(),
            verifier_key,
        }
    }

    /// Returns why the nick is reserved, if it is: it is, or looks like, the name of an account
    /// other than `own`, or a name that nobody may take, or one that nothing new may have.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn reservation(
        &self,
        nick: &Nick,
        own: Option<&AccountName>,
    ) -> Result<Option<Reservation>> {
        let name = nick.to_account();
        // An account may be from before the server was as strict with names. In another letter
        // case, its name may look like that of another account.
        if own.is_some_and(|own| own.as_str() == name.as_str()) {
            return Ok(None);
        }
        let is_refused = nick.check_new().map_err(Reservation::Refused).err();
        if own.is_some_and(|own| own.skeleton() == name.skeleton()) {
            // Two accounts with names that look the same may be older than the rule by which they
            // do.
            let is_own = own.is_some_and(|own| own.folded() == name.folded());
            let existing = self
                .database
                .read(move |store| store.account_by_name(&name));
            let is_taken = !is_own && existing.await?.is_some();
            return Ok(is_taken.then_some(Reservation::Account).or(is_refused));
        }
        if self.is_misleading(&name) {
            return Ok(Some(Reservation::Misleading));
        }
        let is_taken = self.database.is_name_taken(name).await?;
        Ok(is_taken.then_some(Reservation::Account).or(is_refused))
    }

    /// Returns whether the name is, or looks like, one that nobody may take: one that the
    /// configuration reserves, that of the server or the network, a word by which programs call the
    /// server or the person before them, or the name of a channel.
    pub(crate) fn is_misleading(&self, name: &AccountName) -> bool {
        let (accounts, chat) = (self.config.accounts.get(), self.config.chat.get());
        let skeleton = name.skeleton();
        // A host name is no name of an account, but what looks like a dot may be a letter.
        let own = [&chat.server_name, &chat.network].map(|own| rookery_protocol::skeleton(own));
        let words = ["server", "you"].map(rookery_protocol::skeleton);
        // Programs put signs such as `!` before lines of their own.
        let is_sign = !name.as_str().is_ascii() && !skeleton.contains(char::is_alphanumeric);
        // A letter that looks like the sign before the name of a channel. UTS #39 does not list it.
        let is_channel = name.as_str().starts_with('\u{2d4c}');
        let mut reserved = accounts.reserved_names.iter().map(AccountName::skeleton);
        own.contains(&skeleton)
            || words.contains(&skeleton)
            || is_sign
            || is_channel
            || reserved.any(|reserved| reserved == skeleton)
    }

    /// Reports a refused sign-in to operators: as an event, and in [`Accounts::refused`]. The name
    /// is composed, as those that operators look for.
    pub fn report_refusal(
        &self,
        name: impl Into<String>,
        address: SocketAddr,
        reason: impl Into<String>,
    ) {
        let (name, reason) = (composed(&name.into()).into_owned(), reason.into());
        self.refused.add(Timestamp::now(), &name, address, &reason);
        let address = address.to_string();
        self.events.publish_now(ServerEvent::SignInRefused {
            name,
            address,
            reason,
        });
    }

    /// Records that the account has been welcomed and is no longer new.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn set_greeted(&self, account: AccountId) -> Result<()> {
        self.database
            .write(Durability::Message, move |store| store.set_greeted(account))
            .await
    }

    /// Returns the name of the server, the source of its messages.
    fn server_name(&self) -> String {
        self.config.chat.get().server_name.clone()
    }
}

fn identity(
    account: &Account,
    authenticated_at: Timestamp,
    signed_in_with: SignedInWith,
) -> Identity {
    Identity {
        id: account.id,
        name: account.name.clone(),
        email: account.email.clone(),
        new: !account.greeted,
        authenticated_at,
        signed_in_with,
    }
}

/// Hashes a device credential for storage. It needs no slow hash, because it is random.
fn device_hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

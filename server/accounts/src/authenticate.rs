//! Authentication by password, device credential, SCRAM proof or client certificate.
//!
//! These methods of [`Accounts`] check one proof and return an [`Identity`], or the reason why it
//! was [`Refused`]. They apply the limits on failures and count failures themselves. They do not
//! know the state of the session, which [`sign_in`](super::sign_in) holds; that module also
//! documents the order of the checks. A mailed code is checked in
//! [`email_code`](super::email_code).

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{AccountName, DeviceCredential, DeviceName, InvalidDeviceName};
use subtle::ConstantTimeEq as _;

use super::password::{self, Password};
use super::registration::tries_left;
use super::sasl::{Claim, Login, Malformed};
use super::scram::{self, ClientFirst, ProofError, ScramKeys};

use super::throttle::{Attempt, NotBegun, Wait};
use super::verifier_key::KEY_FILE;
use super::{Accounts, Peer, device_hash, identity};
use rookery_base::fair_queue::Group;
use rookery_base::metrics::METRICS;
use rookery_base::secret::Secret;
use rookery_chat::event::{Identity, SignedInWith};
use rookery_record::{
    Account, AccountId, Credential, CredentialId, CredentialKind, Network, ScramVerifier,
};
use rookery_store::{Durability, Result as StoreResult, Store, StoreError};

/// How long the record of a network is not renewed by further sign-ins.
const NETWORK_RECORD_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Why a proof was refused. The texts are shown to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The name or the secret is wrong; which of them is not disclosed.
    Wrong,
    /// The payload does not have the format of the mechanism.
    BadForm,
    /// The text after the slash cannot name a device.
    BadDevice(InvalidDeviceName),
    /// Too many recent sign-ins have failed.
    Throttled(Wait),
    /// Too many sign-ins to the account from this network have failed, and another attempt was
    /// drawn.
    NotDrawn,
    /// The account has signed in with its password too often recently.
    TooManySignIns(Wait),
    /// Too many mails were requested recently.
    TooManyMails(Wait),
    /// The connection has no client certificate.
    NoCertificate,
    /// The client certificate belongs to no account, or not to the one named.
    UnknownCertificate,
    /// The name or the password is wrong, or the account has no SCRAM keys that can be used.
    WrongScram,
    /// The session is signed in to another account and cannot change it.
    SignedIn {
        /// The account that the session is signed in to.
        name: AccountName,
    },
    /// There is no account with this name.
    NoAccount,
    /// The account has no email address to send a code to.
    NoEmail,
    /// The code is wrong.
    WrongCode {
        /// How many more codes will be checked.
        attempts_left: u8,
    },
    /// The challenge has expired, or no tries are left.
    InvalidCode,
    /// The proof was valid, but an admin has disabled the account.
    Disabled {
        /// The admin's reason.
        reason: String,
    },
    /// The database cannot be read or written.
    Unavailable,
}

impl Refused {
    /// Returns the reason as a text for the user, without the prefix that `Display` adds.
    pub fn reason(&self) -> String {
        match self {
            Self::Wrong => "wrong name or password".to_owned(),
            Self::BadForm => "malformed response".to_owned(),
            Self::BadDevice(error) => format!("malformed response: after the slash, {error}"),
            Self::Throttled(Wait { minutes }) => format!(
                "too many failed sign-ins; try again in {minutes} min, or from a device that is \
                 already signed in"
            ),
            Self::NotDrawn => "too many failed sign-ins to this account from your network, so one \
                               attempt in ten seconds is made, drawn by lot; try again"
                .to_owned(),
            Self::TooManySignIns(Wait { minutes }) => {
                format!("too many sign-ins with the password; try again in {minutes} min")
            }
            Self::TooManyMails(Wait { minutes }) => {
                format!("too many codes were requested; try again in {minutes} min")
            }
            Self::NoCertificate => "this connection has no client certificate".to_owned(),
            Self::UnknownCertificate => {
                "the client certificate does not belong to the account".to_owned()
            }
            Self::WrongScram => "wrong name or password; SCRAM needs the account name, not the \
                                 email. If both are right, sign in once with PLAIN, which renews \
                                 what the server stores for SCRAM"
                .to_owned(),
            Self::SignedIn { name } => {
                format!("You are signed in as {name}; reconnect to sign in to another account")
            }
            Self::NoEmail => "the account has no email address to send a code to".to_owned(),
            Self::NoAccount => "no account has this name".to_owned(),
            Self::WrongCode { attempts_left: 0 } | Self::InvalidCode => {
                "the code is no longer valid; request a new one".to_owned()
            }
            Self::WrongCode { attempts_left } => {
                format!("wrong code; {}", tries_left(*attempts_left))
            }
            Self::Disabled { reason } => format!("the account is disabled: {reason}"),
            Self::Unavailable => "sign-in is temporarily unavailable; try again later".to_owned(),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self, Self::SignedIn { .. }) {
            out.write_str("SASL authentication failed: ")?;
        }
        out.write_str(&self.reason())
    }
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Form => Self::BadForm,
            Malformed::Device(error) => Self::BadDevice(error),
        }
    }
}

impl From<NotBegun> for Refused {
    fn from(not_begun: NotBegun) -> Self {
        match not_begun {
            NotBegun::TooManyFailures(wait) => Self::Throttled(wait),
            NotBegun::NotDrawn => Self::NotDrawn,
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a sign-in could not be checked");
        Self::Unavailable
    }
}

/// Returns the identity of the account's owner, who signed in in this way. Must be called only
/// after the proof, because a refusal discloses that the account is disabled.
///
/// # Errors
/// [`Refused::Disabled`] if an admin has disabled the account.
pub(crate) fn authenticated(
    account: &Account,
    now: Timestamp,
    signed_in_with: SignedInWith,
) -> Result<Identity, Refused> {
    match &account.disabled {
        None => Ok(identity(account, now, signed_in_with)),
        Some(reason) => Err(Refused::Disabled {
            reason: reason.clone(),
        }),
    }
}

/// Returns the account of a signed-in `owner`, or `None` if it no longer accepts what the owner
/// signed in with: it has been deleted or disabled, the credential was removed, or the password or
/// the email is another.
///
/// Every change that an owner makes to an account calls this in its own transaction, so that
/// nothing can be changed after access has been revoked, even before the session is closed: a
/// session in its handshake, which the core does not know, lasts until it is admitted.
pub(crate) fn still_authorized(store: &Store, owner: &Identity) -> StoreResult<Option<Account>> {
    let Some(account) = store
        .account(owner.id)?
        .filter(|account| account.disabled.is_none())
    else {
        return Ok(None);
    };
    let is_proved = match &owner.signed_in_with {
        SignedInWith::Credential(used) => store
            .credentials(account.id)?
            .iter()
            .any(|credential| credential.id == *used),
        SignedInWith::Password { fingerprint, .. } => {
            account.password_fingerprint() == Some(*fingerprint)
        }
    };
    Ok((is_proved && account.email == owner.email).then_some(account))
}

/// A SCRAM exchange that waits for the client's proof.
pub(crate) struct Scram {
    /// `None` if the claim is not the name of an account with SCRAM keys: no proof is accepted.
    account: Option<Account>,
    /// When the account was read. A later end of the account's sessions makes this proof stale.
    read_at: Timestamp,
    /// The name that the client gives its device.
    device: Option<DeviceName>,
    challenge: scram::Challenge,
    attempt: Attempt,
}

fn account_of(store: &Store, claim: &Claim) -> Result<Option<Account>, StoreError> {
    match claim {
        Claim::Name(name) => store.account_by_name(name),
        Claim::Email(email) => store.account_by_email(email),
    }
}

impl Accounts {
    /// Checks a password or device credential.
    ///
    /// Failures are counted by network and by name or email. A device credential that this server
    /// defined holds 256 random bits and cannot be guessed, so it is compared before the limits
    /// apply: an attacker who exhausts the limit of an account must not lock out its devices.
    pub(crate) async fn authenticate_by_secret(
        &self,
        now: Timestamp,
        peer: &Peer,
        login: Login,
        secret: Secret,
    ) -> Result<Identity, Refused> {
        let Login {
            claim,
            device: device_name,
        } = login;
        let network = Network::of(peer.address.ip());
        let (account, credentials) = self.find(claim.clone()).await?.unzip();
        let attempt = self.attempt(network, &claim, account.as_ref()).await?;
        let hash = device_hash(secret.expose());
        let device = credentials
            .iter()
            .flatten()
            .fold(None, |found, credential| {
                let same = bool::from(credential.hash.ct_eq(&hash))
                    && credential.kind == CredentialKind::Device;
                if same { Some(credential.id) } else { found }
            });
        let is_unguessable = device.is_some() && DeviceCredential::parse(secret.expose()).is_some();
        if !is_unguessable {
            // Held from the check of the limit to the count of the failure: at most as many guesses
            // as there are slots can exceed the limit of a network.
            let _slot = self.begin_with_slot(peer, &attempt).await?;
            if let Some(account) = account.as_ref().filter(|_| device.is_none()) {
                self.throttle
                    .check_sign_ins(account.id)
                    .map_err(Refused::TooManySignIns)?;
            }
            let stored = account
                .as_ref()
                .and_then(|account| account.password_hash.clone());
            // A hash is computed for every claim, so that the time of the answer does not disclose
            // which emails are known.
            if device.is_none()
                && !password::verify(&password::CHAT_QUEUE, secret.clone(), stored).await
            {
                self.throttle.add_failure(&attempt);
                METRICS.chat_sign_ins_refused.increment();
                let account = account.as_ref().map(|account| account.name.as_str());
                tracing::info!(address = %peer.address, account, "sign-in failed");
                return Err(Refused::Wrong);
            }
        }
        let account = account.ok_or(Refused::Wrong)?;
        // A credential identifies the device already.
        let signed_in_with = match device {
            Some(credential) => SignedInWith::Credential(credential),
            None => SignedInWith::Password {
                fingerprint: account.password_fingerprint().ok_or(Refused::Wrong)?,
                device: device_name,
            },
        };
        let identity = authenticated(&account, now, signed_in_with);
        if let Some(device) = device {
            self.record_use(device, now).await;
        } else {
            self.throttle.succeeded(&attempt);
            self.throttle.add_sign_in(account.id);
            if let Ok(identity) = &identity {
                self.accept_codes(identity).await;
            }
            self.renew_verifier(network, &account, secret.expose())
                .await;
        }
        self.record_network(account.id, peer, now).await;
        tracing::info!(address = %peer.address, account = %account.name, "signed in");
        identity
    }

    /// Checks the client certificate of the connection. It cannot be guessed, so failures are not
    /// counted.
    pub(crate) async fn authenticate_by_certificate(
        &self,
        now: Timestamp,
        peer: &Peer,
        named: Option<AccountName>,
    ) -> Result<Identity, Refused> {
        let fingerprint = peer.certificate.ok_or(Refused::NoCertificate)?;
        let found = self
            .database
            .read(move |store| {
                let Some(account) = store.account_by_certificate(&fingerprint)? else {
                    return Ok(None);
                };
                let credentials = store.credentials(account.id)?;
                Ok(Some((account, credentials)))
            })
            .await?;
        let (account, credentials) = found
            .filter(|(account, _)| named.is_none_or(|named| named == account.name))
            .ok_or(Refused::UnknownCertificate)?;
        let used = credentials.iter().find(|credential| {
            credential.kind == CredentialKind::Certificate && credential.hash == fingerprint
        });
        let used = used.ok_or(Refused::UnknownCertificate)?.id;
        self.record_use(used, now).await;
        self.record_network(account.id, peer, now).await;
        tracing::info!(
            address = %peer.address,
            account = %account.name,
            "signed in with a client certificate"
        );
        authenticated(&account, now, SignedInWith::Credential(used))
    }

    /// Returns the attempt to sign in to `account`, which the claim names, as it is counted.
    pub(crate) async fn attempt(
        &self,
        network: Network,
        claim: &Claim,
        account: Option<&Account>,
    ) -> Result<Attempt, StoreError> {
        // An email is not compared with the networks of its account, because the limits would then
        // tell people in these networks that it belongs to an account.
        let named = account.filter(|_| matches!(claim, Claim::Name(_)));
        let known = match named.map(|account| account.id) {
            Some(id) => self.is_known_network(id, network).await?.then_some(id),
            None => None,
        };
        Ok(Attempt {
            network,
            name: Some(claim.folded().to_owned()),
            known,
        })
    }

    /// Returns whether the owner of the account has signed in from the network before.
    pub(crate) async fn is_known_network(
        &self,
        account: AccountId,
        network: Network,
    ) -> Result<bool, StoreError> {
        let used = self
            .database
            .read(move |store| store.account_network(account, network))
            .await?;
        Ok(used.is_some())
    }

    /// Records that the owner of the account has signed in from the network of `peer`.
    pub(crate) async fn record_network(&self, account: AccountId, peer: &Peer, now: Timestamp) {
        let network = Network::of(peer.address.ip());
        let is_recent = self.database.read(move |store| {
            let used = store.account_network(account, network)?;
            Ok(used.is_some_and(|used| now.duration_since(used).abs() < NETWORK_RECORD_AGE))
        });
        let recorded = match is_recent.await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let record = self.database.write(Durability::Message, move |store| {
                    store.set_account_network(account, network, now)
                });
                record.await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = recorded {
            tracing::warn!(%error, "the network of a sign-in could not be recorded");
        }
    }

    /// Begins a SCRAM exchange. Returns the server's first message and what the client's proof is
    /// checked against. An email, and a name without an account with SCRAM keys, get decoy keys.
    pub(crate) async fn begin_scram(
        &self,
        now: Timestamp,
        peer: &Peer,
        first: ClientFirst,
    ) -> Result<(String, Scram), Refused> {
        let secret = self
            .decoy_key
            .get_or_try_init(|| {
                self.database
                    .write(Durability::Record, |store| store.secret("scram"))
            })
            .await?;
        let claim = first.login.claim.clone();
        let found = self
            .database
            .read(move |store| {
                // The salt is public, and the same salt for a name and an email would tell that
                // they belong together.
                let Claim::Name(name) = &claim else {
                    return Ok(None);
                };
                let Some(account) = store.account_by_name(name)? else {
                    return Ok(None);
                };
                let verifier = store.scram_verifier(account.id)?;
                Ok(Some((account, verifier)))
            })
            .await?;
        let (account, verifier) = found.unzip();
        let network = Network::of(peer.address.ip());
        let attempt = self
            .attempt(network, &first.login.claim, account.as_ref())
            .await?;
        self.throttle
            .check(&attempt, self.config.limits.get().failed_sign_ins)
            .map_err(Refused::Throttled)?;
        let (account, real) = account
            .zip(verifier.flatten())
            .and_then(|(account, verifier)| {
                let keys = self.current_keys(&account, &verifier)?;
                Some((account, keys))
            })
            .unzip();
        let is_real = real.is_some();
        let scram_keys = real.unwrap_or_else(|| scram::decoy_keys(secret, &first.login.claim));
        let device = first.login.device.clone();
        let (answer, challenge) = first.challenge(scram_keys, is_real);
        Ok((
            answer,
            Scram {
                account,
                read_at: now,
                device,
                challenge,
                attempt,
            },
        ))
    }

    /// Checks the client's SCRAM proof. Returns the server's final message and the identity.
    pub(crate) async fn finish_scram(
        &self,
        now: Timestamp,
        peer: &Peer,
        scram: &Scram,
        payload: &[u8],
    ) -> Result<(String, Identity), Refused> {
        let checked = match scram.challenge.check(payload) {
            // It is no guess, and takes no turn of those who make one.
            Err(ProofError::BadForm) => return Err(Refused::BadForm),
            Err(ProofError::Wrong) => None,
            Ok(answer) => Some(answer),
        };
        self.begin_attempt(peer, &scram.attempt).await?;
        let name = scram.account.as_ref().map(|account| account.name.as_str());
        let (Some(answer), Some(account)) = (checked, &scram.account) else {
            self.throttle.add_failure(&scram.attempt);
            METRICS.chat_sign_ins_refused.increment();
            tracing::info!(address = %peer.address, account = name, "sign-in failed");
            return Err(Refused::WrongScram);
        };
        self.throttle.succeeded(&scram.attempt);
        tracing::info!(address = %peer.address, account = %account.name, "signed in");
        self.record_network(account.id, peer, now).await;
        let signed_in_with = SignedInWith::Password {
            fingerprint: account.password_fingerprint().ok_or(Refused::WrongScram)?,
            device: scram.device.clone(),
        };
        let identity = authenticated(account, scram.read_at, signed_in_with)?;
        self.accept_codes(&identity).await;
        Ok((answer, identity))
    }

    /// Returns the keys in the account's SCRAM verifier; none if it cannot be decrypted, or
    /// was derived with another number of iterations, which would tell the account from one that
    /// does not exist.
    fn current_keys(&self, account: &Account, verifier: &ScramVerifier) -> Option<ScramKeys> {
        self.verifier_key
            .decrypt(&account.name, verifier)
            .filter(ScramKeys::are_current)
    }

    /// Stores a SCRAM verifier of a verified password if none can be used: the password was set
    /// before the server stored verifiers, with other parameters, or under another key.
    async fn renew_verifier(&self, network: Network, account: &Account, password: &str) {
        let (id, hash) = (account.id, account.password_hash.clone());
        let known = self
            .database
            .read(move |store| store.scram_verifier(id))
            .await;
        let is_usable = match &known {
            Ok(Some(verifier)) => self.current_keys(account, verifier).is_some(),
            Ok(None) => false,
            Err(_) => true,
        };
        let Some(password) = Password::prepare(password).ok().filter(|_| !is_usable) else {
            return;
        };
        if let Ok(Some(_)) = known {
            tracing::warn!(
                account = %account.name,
                "replacing a SCRAM verifier that does not belong to {KEY_FILE} or is out of date"
            );
        }
        let turn = self.hash_turns.acquire(Group::of(network)).await;
        let verifier = password::scram_verifier(&self.verifier_key, &account.name, password).await;
        drop(turn);
        let stored = self.database.write(Durability::Record, move |store| {
            // The password may have been changed since.
            match store.account(id)? {
                Some(account) if account.password_hash == hash => {
                    store.set_scram_verifier(id, &verifier)
                }
                _ => Ok(()),
            }
        });
        if let Err(error) = stored.await {
            tracing::warn!(
                %error,
                account = %account.name,
                "the SCRAM verifier of a password could not be stored"
            );
        }
    }

    async fn find(&self, claim: Claim) -> Result<Option<(Account, Vec<Credential>)>, StoreError> {
        self.database
            .read(move |store| {
                let Some(account) = account_of(store, &claim)? else {
                    return Ok(None);
                };
                let credentials = store.credentials(account.id)?;
                Ok(Some((account, credentials)))
            })
            .await
    }

    async fn record_use(&self, credential: CredentialId, now: Timestamp) {
        let recorded = self.database.write(Durability::Message, move |store| {
            store.set_credential_used(credential, now)
        });
        if let Err(error) = recorded.await {
            tracing::warn!(%error, "the use of a credential could not be recorded");
        }
    }
}

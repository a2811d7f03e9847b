//! Proving to be an account: by password, device credential or client certificate.

use std::fmt;

use jiff::Timestamp;
use rookery_protocol::{AccountName, DeviceCredential};
use subtle::ConstantTimeEq as _;

use super::registration::tries_left;
use super::sasl::Claim;
use super::scram::{self, ClientFirst, NoProof};
use rookery_base::net::network;

use super::throttle::{Key, Wait};
use super::{Accounts, Peer, device_hash, identity, password};
use rookery_base::metrics::METRICS;
use rookery_chat::event::Identity;
use rookery_record::{Account, Credential, CredentialId, CredentialKind};
use rookery_store::{Durability, Result as StoreResult, Store, StoreError};

/// Why a proof is not taken. The texts are for the person who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Name or secret are wrong; which of them is not told.
    Wrong,
    /// The payload does not have the mechanism's form.
    BadForm,
    /// Too many have failed lately.
    Throttled(Wait),
    /// Too many mails were asked for lately.
    TooManyMails(Wait),
    /// The connection came without a client certificate.
    NoCertificate,
    /// The client certificate belongs to no account, or to another than the one named.
    UnknownCertificate,
    /// Name or password are wrong, or the password's SCRAM keys are not known yet.
    WrongScram,
    /// The session is signed in to another account, and cannot go over.
    SignedIn { name: AccountName },
    /// There is no account of that name.
    NoAccount,
    /// The account has no email that a code could go to.
    NoEmail,
    /// The code is wrong; so many tries are left.
    WrongCode { attempts_left: u8 },
    /// No code will do for this challenge any more.
    DeadCode,
    /// It was the account's owner, and an admin has disabled the account.
    Disabled { reason: String },
    /// The record cannot be read or written just now.
    Unavailable,
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong => out.write_str("SASL authentication failed: no account and secret like these"),
            Self::BadForm => {
                out.write_str("SASL authentication failed: the response does not have the mechanism's form")
            }
            Self::Throttled(Wait { minutes }) => write!(
                out,
                "SASL authentication failed: too many sign-ins have failed; try again in {minutes} min, or from a \
                 device that is known already"
            ),
            Self::TooManyMails(Wait { minutes }) => write!(
                out,
                "SASL authentication failed: too many codes were asked for; try again in {minutes} min"
            ),
            Self::NoCertificate => out.write_str(
                "SASL authentication failed: this connection was made without a client certificate",
            ),
            Self::UnknownCertificate => {
                out.write_str("SASL authentication failed: the client certificate is not that of an account")
            }
            Self::WrongScram => out.write_str(
                "SASL authentication failed: no account and password like these; if yours is from before SCRAM came \
                 here, sign in by PLAIN once",
            ),
            Self::SignedIn { name } => {
                write!(out, "You are signed in as {name}; connect anew to be someone else")
            }
            Self::NoEmail => out.write_str(
                "SASL authentication failed: the account has no email that a code could be sent to",
            ),
            Self::NoAccount => out.write_str("SASL authentication failed: no account has exactly that name"),
            Self::WrongCode { attempts_left: 0 } | Self::DeadCode => {
                out.write_str("SASL authentication failed: the code will not do any more; ask for a new one")
            }
            Self::WrongCode { attempts_left } => {
                write!(out, "SASL authentication failed: that is not the code; {}", tries_left(*attempts_left))
            }
            Self::Disabled { reason } => {
                write!(out, "SASL authentication failed: the account is disabled: {reason}")
            }
            Self::Unavailable => {
                out.write_str("SASL authentication failed: sign-in is out of order just now; try again later")
            }
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a sign-in could not be checked");
        Self::Unavailable
    }
}

/// The owner of the account, unless it is disabled: only its owner is told so. It has come with
/// that credential, if one belongs to its device.
pub fn proved(
    account: &Account,
    now: Timestamp,
    credential: Option<CredentialId>,
) -> Result<Identity, Refused> {
    match &account.disabled {
        None => Ok(Identity {
            credential,
            ..identity(account, now)
        }),
        Some(reason) => Err(Refused::Disabled {
            reason: reason.clone(),
        }),
    }
}

/// The account of someone who has signed in, unless it is disabled, or what they came with opens it
/// no more: whoever is shut out changes nothing from then on, admitted or not. To be asked in the
/// transaction of the change.
pub fn still_authorized(store: &dyn Store, owner: &Identity) -> StoreResult<Option<Account>> {
    let Some(account) = store
        .account(owner.id)?
        .filter(|account| account.disabled.is_none())
    else {
        return Ok(None);
    };
    let opens = match owner.credential {
        Some(device) => store
            .credentials(account.id)?
            .iter()
            .any(|credential| credential.id == device),
        None => account.password_hash.is_some(),
    };
    Ok(opens.then_some(account))
}

/// A SCRAM exchange that waits for the client's proof.
pub struct Scram {
    /// None where there is none, or none with such keys.
    account: Option<Account>,
    /// When the record was asked for it: whatever became of the account since then, this proof is
    /// older.
    asked_at: Timestamp,
    challenge: scram::Challenge,
    keys: [Key; 2],
}

fn account_of(store: &dyn Store, claim: &Claim) -> Result<Option<Account>, StoreError> {
    match claim {
        Claim::Name(name) => store.account_by_name(name),
        Claim::Email(email) => store.account_by_email(email),
    }
}

impl Accounts {
    /// Checks a password or device credential.
    ///
    /// Failures are counted by address and by name. A device credential of ours holds 256 random
    /// bits, so guessing is no danger, and it is checked before the counts: however many strangers
    /// fail at an account's name, its owner's devices still open it. Only passwords have to wait
    /// then.
    pub async fn authenticate_by_secret(
        &self,
        now: Timestamp,
        peer: &Peer,
        claim: Claim,
        secret: String,
    ) -> Result<Identity, Refused> {
        let (account, credentials) = self.find(claim.clone()).await?.unzip();
        let hash = device_hash(&secret);
        let device = credentials
            .iter()
            .flatten()
            .fold(None, |found, credential| {
                let same = bool::from(credential.hash.ct_eq(&hash))
                    && credential.kind == CredentialKind::Device;
                if same { Some(credential.id) } else { found }
            });
        let keys = [
            Key::FailuresFrom(network(peer.address.ip())),
            Key::FailuresFor(claim.folded().to_owned()),
        ];
        let beyond_guessing = device.is_some() && DeviceCredential::parse(&secret).is_some();
        if !beyond_guessing {
            // As many as are hashed at once: between the check and the count no more than these can
            // slip through.
            let _permit = self
                .password_checks
                .acquire()
                .await
                .expect("the semaphore is never closed");
            let limit = self.config.get().limits.failed_sign_ins;
            self.throttle
                .check(now, &keys, limit)
                .map_err(Refused::Throttled)?;
            let stored = account
                .as_ref()
                .and_then(|account| account.password_hash.clone());
            // Names are public, but whose email is known is not: the same time is taken for all.
            if device.is_none() && !password::verify(secret.clone(), stored).await {
                self.throttle.add(now, &keys);
                METRICS.chat_sign_ins_refused.increment();
                let account = account.as_ref().map(|account| account.name.as_str());
                tracing::info!(address = %peer.address, account, "a sign-in failed");
                return Err(Refused::Wrong);
            }
        }
        let account = account.ok_or(Refused::Wrong)?;
        match device {
            Some(device) => self.record_use(device, now).await,
            None => self.store_missing_scram_keys(&account, secret).await,
        }
        tracing::info!(address = %peer.address, account = %account.name, "signed in");
        proved(&account, now, device)
    }

    /// Checks the client certificate. It cannot be guessed, so nothing is counted.
    pub async fn authenticate_by_certificate(
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
        let used = used.map(|used| used.id);
        if let Some(used) = used {
            self.record_use(used, now).await;
        }
        tracing::info!(address = %peer.address, account = %account.name, "signed in by certificate");
        proved(&account, now, used)
    }

    /// Whether the address may try another code.
    pub fn check_failures(&self, now: Timestamp, peer: &Peer) -> Result<(), Wait> {
        let limit = self.config.get().limits.failed_sign_ins;
        self.throttle
            .check(now, &[Key::FailuresFrom(network(peer.address.ip()))], limit)
    }

    /// A code from the address was wrong.
    pub fn add_failure(&self, now: Timestamp, peer: &Peer) {
        METRICS.chat_sign_ins_refused.increment();
        self.throttle
            .add(now, &[Key::FailuresFrom(network(peer.address.ip()))]);
    }

    /// Begins to check a password by SCRAM: what the client is answered, and what its proof is
    /// judged by. An account that is not there, or has no such keys, looks like any other.
    pub async fn begin_scram(
        &self,
        now: Timestamp,
        peer: &Peer,
        first: ClientFirst,
    ) -> Result<(String, Scram), Refused> {
        let keys = [
            Key::FailuresFrom(network(peer.address.ip())),
            Key::FailuresFor(first.claim.folded().to_owned()),
        ];
        self.throttle
            .check(now, &keys, self.config.get().limits.failed_sign_ins)
            .map_err(Refused::Throttled)?;
        let secret = self
            .decoy_key
            .get_or_try_init(|| {
                self.database
                    .write(Durability::Record, |store| store.secret("scram"))
            })
            .await?;
        let claim = first.claim.clone();
        let found = self
            .database
            .read(move |store| {
                let Some(account) = account_of(store, &claim)? else {
                    return Ok(None);
                };
                let keys = store.scram_keys(account.id)?;
                Ok(keys.map(|keys| (account, keys)))
            })
            .await?;
        let (account, real) = found.unzip();
        let is_real = real.is_some();
        let scram_keys = real.unwrap_or_else(|| scram::decoy_keys(secret, &first.claim));
        let (answer, challenge) = first.challenge(scram_keys, is_real);
        Ok((
            answer,
            Scram {
                account,
                asked_at: now,
                challenge,
                keys,
            },
        ))
    }

    /// Judges the proof of the password. Gives the server's own proof, and who it was.
    pub fn finish_scram(
        &self,
        now: Timestamp,
        peer: &Peer,
        scram: &Scram,
        payload: &[u8],
    ) -> Result<(String, Identity), Refused> {
        let limit = self.config.get().limits.failed_sign_ins;
        self.throttle
            .check(now, &scram.keys, limit)
            .map_err(Refused::Throttled)?;
        let name = scram.account.as_ref().map(|account| account.name.as_str());
        match (scram.challenge.check(payload), &scram.account) {
            (Ok(answer), Some(account)) => {
                tracing::info!(address = %peer.address, account = %account.name, "signed in");
                Ok((answer, proved(account, scram.asked_at, None)?))
            }
            (Err(NoProof::BadForm), _) => Err(Refused::BadForm),
            (Err(NoProof::Wrong) | Ok(_), _) => {
                self.throttle.add(now, &scram.keys);
                METRICS.chat_sign_ins_refused.increment();
                tracing::info!(address = %peer.address, account = name, "a sign-in failed");
                Err(Refused::WrongScram)
            }
        }
    }

    /// Keeps the password for SCRAM too, if that was not done when it was set.
    async fn store_missing_scram_keys(&self, account: &Account, password: String) {
        let (id, hash) = (account.id, account.password_hash.clone());
        let known = self
            .database
            .read(move |store| Ok(store.scram_keys(id)?.is_some()))
            .await;
        if known.unwrap_or(true) {
            return;
        }
        let keys = password::scram_keys(password).await;
        let learnt = self.database.write(Durability::Record, move |store| {
            // It may have been changed meanwhile.
            match store.account(id)? {
                Some(account) if account.password_hash == hash => store.set_scram_keys(id, &keys),
                _ => Ok(()),
            }
        });
        if let Err(error) = learnt.await {
            tracing::warn!(%error, account = %account.name, "the SCRAM keys of a password could not be kept");
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
        let noted = self.database.write(Durability::Message, move |store| {
            store.set_credential_used(credential, now)
        });
        if let Err(error) = noted.await {
            tracing::warn!(%error, "the use of a credential could not be noted");
        }
    }
}

//! The mailed code that signs a new device in to an existing account (SASL `X-EMAIL-CODE`).
//!
//! A right code registers the device credential that the client sent along. A challenge for an
//! email that is not the account's looks the same from outside, in replies, timing and mail
//! notices, and cannot be completed.
//!
//! The codes that are tried are counted in the database, for each account: in networks in which its
//! owner has signed in before, elsewhere, and in sessions that are signed in to it
//! ([`credentials_change`](super::credentials_change)). After too many without a sign-in in between,
//! no code is accepted there, and a mail to the owner says so instead of one with a code; for a
//! stranger this looks as before. A sign-in with the password, or with a code in the other kind of
//! network, ends this, and so do a code for a new password in a session that is signed in, and an
//! operator (`admin-cli account enable`). So guessing ends for good, and strangers stop neither an
//! owner who is signed in or has a device credential nor, if they are elsewhere, one who is where
//! the owner has been before.

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email};
use tokio::sync::watch;

use super::authenticate::{Refused, still_authorized};
use super::codes::{PendingCode, Verdict};
use super::throttle::{Key, Wait, mails_from};
use super::{Accounts, Peer, device_hash, identity, mail_templates};
use rookery_base::mail::MailState;
use rookery_chat::event::{Identity, SignedInWith};
use rookery_record::{Account, AccountId, CredentialId, CredentialKind, Network};
use rookery_store::{Durability, Store, StoreError, TriedBy, TriedCode};

/// The maximum number of credentials of an account. For another device, the one that has been
/// unused for longest is removed.
const MAX_CREDENTIALS: usize = 50;
/// How many networks it takes to use up the codes that are mailed to one mailbox within an hour.
const NETWORKS_PER_MAILBOX: u32 = 3;

/// A sign-in that waits for its code.
pub(crate) struct Challenge {
    account: AccountId,
    /// Whether no code is accepted: the email is not the account's, or too many codes were tried.
    /// The replies do not disclose which.
    is_decoy: bool,
    name: AccountName,
    email: Email,
    code: PendingCode,
}

impl Challenge {
    /// Returns whether the challenge was begun for this account and email.
    pub fn is_for(&self, name: &AccountName, email: &Email) -> bool {
        self.name == *name && self.email == *email
    }

    /// Returns the account name as the client sent it.
    pub fn name(&self) -> &AccountName {
        &self.name
    }
}

impl Accounts {
    /// Mails a code to the account's email if that is `email`; otherwise simulates the delivery, so
    /// that both cases look the same.
    pub(crate) async fn begin_challenge(
        &self,
        now: Timestamp,
        peer: &Peer,
        name: AccountName,
        email: Email,
    ) -> Result<(Challenge, watch::Receiver<MailState>), Refused> {
        let (wanted, from) = (name.clone(), Network::of(peer.address.ip()));
        let (account, accepts_codes, is_known) = self
            .database
            .read(move |store| {
                let Some(account) = store.account_by_name(&wanted)? else {
                    return Ok(None);
                };
                let accepts_codes = store.accepts_codes(account.id, from)?;
                let is_known = store.account_network(account.id, from)?.is_some();
                Ok(Some((account, accepts_codes, is_known)))
            })
            .await?
            .ok_or(Refused::NoAccount)?;
        let known = account.email.as_ref().ok_or(Refused::NoEmail)?;
        self.count_code_mail(peer, &account, &email).await?;
        let (digits, code) = PendingCode::issue(now);
        let matches = *known == email;
        let network = &self.config.chat.get().network;
        let mail = if accepts_codes {
            mail_templates::sign_in(network, &account, known, &digits)
        } else {
            mail_templates::codes_stopped(network, &account, known, is_known)
        };
        let useful_for = mail.useful_for;
        let delivery = if matches {
            self.mailer.send(mail, peer.requester())
        } else {
            self.mailer.send_dummy(useful_for, peer.requester())
        };
        Ok((
            Challenge {
                account: account.id,
                is_decoy: !matches || !accepts_codes,
                name,
                email,
                code,
            },
            delivery,
        ))
    }

    /// Checks the code; if it is right, registers `credential` as a device credential of the
    /// account. Also returns the credential that it displaces, if the account has too many: its
    /// sessions must be ended.
    pub(crate) async fn answer_challenge(
        &self,
        now: Timestamp,
        peer: &Peer,
        challenge: &mut Challenge,
        code: &str,
        credential: &str,
    ) -> Result<(Identity, Option<CredentialId>), Refused> {
        self.check_failures(peer, challenge.code.is_untried())?;
        let account = challenge.account;
        let tried = if challenge.is_decoy {
            TriedCode::Decoy
        } else {
            TriedCode::Real
        };
        let by = TriedBy::Anyone(Network::of(peer.address.ip()));
        let is_counted = self.count_code(account, by, tried).await?;
        let refused = match challenge.code.check(now, code) {
            Verdict::Right if is_counted && !challenge.is_decoy => {
                return self
                    .add_device(now, peer, challenge, device_hash(credential))
                    .await;
            }
            Verdict::Right => Refused::WrongCode { attempts_left: 0 },
            Verdict::Wrong { attempts_left } => Refused::WrongCode { attempts_left },
            Verdict::Invalid => Refused::InvalidCode,
        };
        self.add_failure(peer);
        tracing::info!(address = %peer.address, account = %challenge.name, "wrong sign-in code");
        Err(refused)
    }

    async fn add_device(
        &self,
        now: Timestamp,
        peer: &Peer,
        challenge: &Challenge,
        hash: [u8; 32],
    ) -> Result<(Identity, Option<CredentialId>), Refused> {
        let (account, email) = (challenge.account, challenge.email.clone());
        let (account, credential, displaced) = self
            .database
            .write(Durability::Record, move |store| {
                let Some(found) = store.account(account)? else {
                    return Ok(Err(Refused::NoAccount));
                };
                // The code proves a mailbox that may no longer be the account's.
                if found.email.as_ref() != Some(&email) {
                    return Ok(Err(Refused::InvalidCode));
                }
                if let Some(reason) = found.disabled {
                    return Ok(Err(Refused::Disabled { reason }));
                }
                let displaced = remove_stalest_device(store, account)?;
                let credential =
                    store.add_credential(account, CredentialKind::Device, &hash, now)?;
                store.reset_account_codes(account)?;
                Ok(Ok((found, credential, displaced)))
            })
            .await??;
        tracing::info!(
            address = %peer.address,
            account = %account.name,
            "signed in on a new device"
        );
        self.record_network(account.id, peer, now).await;
        let identity = identity(&account, now, SignedInWith::Credential(credential));
        Ok((identity, displaced))
    }

    /// Counts a code that is tried for the account, durably. Returns whether the account accepts
    /// codes from there.
    pub(crate) async fn count_code(
        &self,
        account: AccountId,
        by: TriedBy,
        code: TriedCode,
    ) -> Result<bool, StoreError> {
        let count = move |store: &mut Store| store.count_account_code(account, by, code);
        self.database.write(Durability::Record, count).await
    }

    /// Accepts codes for the account again, because its owner has signed in with the password, or
    /// has proved in a session that the mailbox is the owner's; unless the account no longer
    /// accepts that proof.
    pub(crate) async fn accept_codes(&self, owner: &Identity) {
        let (account, owner) = (owner.id, owner.clone());
        let has_tried = move |store: &Store| store.has_tried_codes(account);
        let reset = match self.database.read(has_tried).await {
            Ok(false) => Ok(()),
            Ok(true) => {
                let reset = move |store: &mut Store| match still_authorized(store, &owner)? {
                    Some(_) => store.reset_account_codes(account),
                    None => Ok(()),
                };
                self.database.write(Durability::Message, reset).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = reset {
            tracing::warn!(%error, "the count of tried codes could not be reset");
        }
    }

    /// Counts a mail to `email`, or a request of an account without one, from the network of
    /// `peer`. One network gets a part of the mails to an email, so that it cannot keep its owner,
    /// who is elsewhere, from registering.
    ///
    /// # Errors
    /// If too many mails were requested within the last hour; nothing is counted then.
    pub(crate) fn count_mail(&self, peer: &Peer, email: Option<&Email>) -> Result<(), Wait> {
        let limit = self.config.limits.get().mails_per_hour;
        let network = Network::of(peer.address.ip());
        let mut keys = mails_from(network, limit);
        if let Some(email) = email {
            let mailbox = self.mailbox(email);
            let part = limit.div_ceil(NETWORKS_PER_MAILBOX);
            keys.push((Key::RegistrationsFromTo(network, mailbox.clone()), part));
            keys.push((Key::RegistrationsTo(mailbox), limit));
        }
        self.throttle.count(keys)
    }

    /// Counts the mail of a code for signing in to the account. Strangers must not use up the mails
    /// of its owner: those requested from a network in which the owner has signed in before are
    /// counted separately, and any other network gets a part of the rest.
    async fn count_code_mail(
        &self,
        peer: &Peer,
        account: &Account,
        email: &Email,
    ) -> Result<(), Refused> {
        let limit = self.config.limits.get().mails_per_hour;
        let network = Network::of(peer.address.ip());
        let keys = if self.is_known_network(account.id, network).await? {
            vec![(Key::MailsAt(account.id, network), limit)]
        } else {
            let mailbox = self.mailbox(email);
            let part = limit.div_ceil(NETWORKS_PER_MAILBOX);
            let mut keys = mails_from(network, limit);
            keys.push((Key::MailsFromTo(network, mailbox.clone()), part));
            keys.push((Key::MailsTo(mailbox), limit));
            keys
        };
        self.throttle.count(keys).map_err(Refused::TooManyMails)
    }

    fn mailbox(&self, email: &Email) -> String {
        let aliases = self.config.accounts.get().email_aliases();
        aliases.mailbox(email).into_owned()
    }
}

/// Removes the device that has been unused for longest if the account has the maximum number of
/// credentials.
fn remove_stalest_device(
    store: &mut Store,
    account: AccountId,
) -> rookery_store::Result<Option<CredentialId>> {
    let credentials = store.credentials(account)?;
    if credentials.len() < MAX_CREDENTIALS {
        return Ok(None);
    }
    let stalest = credentials
        .iter()
        .filter(|credential| credential.kind == CredentialKind::Device)
        .min_by_key(|credential| credential.used_at.unwrap_or(credential.created_at));
    if let Some(stalest) = stalest {
        store.remove_credential(account, stalest.id)?;
    }
    Ok(stalest.map(|stalest| stalest.id))
}

//! Registration (IRCv3 draft/account-registration): what `REGISTER` and `VERIFY` do.
//!
//! A registration is checked, waits in memory for its mailed code (`pending`) where emails are
//! verified, and is then stored in one transaction. A mailbox has one account, however its email is
//! spelled. Where a mail can notify the owner of an email, replies do not disclose whether the
//! mailbox already belongs to an account.

use std::net::IpAddr;

use jiff::Timestamp;
use rookery_control_api::ServerEvent;
use rookery_protocol::{AccountName, DeviceCredential, Email};
use tokio::sync::watch;

use super::codes::PendingCode;
use super::common_passwords::is_common;
use super::password::{Password, StoredPassword};
pub use super::pending::Waiting;
use super::pending::{AttemptId, CodeCheck, PendingError, Registration, StoredSecret};
use super::sasl::MAX_SECRET;
use super::throttle::Wait;
use super::{Accounts, Peer, device_hash, identity, mail_templates};
use rookery_base::fair_queue::Group;
use rookery_base::mail::{Mail, MailState, Requester};
use rookery_chat::event::{Identity, SignedInWith};
use rookery_record::{
    Account, AccountConflict, Ban, BanTarget, CredentialKind, EmailAliases, Invitation, Network,
    NewAccount, PasswordFingerprint, covers_account,
};
use rookery_store::{Durability, Result as StoreResult, Store, StoreError};

/// The outcome of `REGISTER`.
pub enum Registered {
    /// The account has been created.
    Created(Identity),
    /// The email is invited: the code of the invitation completes the registration.
    Invited(Box<Registration>),
    /// A code is being mailed.
    CodeMailed {
        /// Identifies the registration that waits for it.
        attempt: AttemptId,
        /// The state of the mail.
        delivery: watch::Receiver<MailState>,
    },
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// The code of the `FAIL` reply.
    pub code: &'static str,
    /// The text for the user.
    pub text: String,
}

/// Checks that a user may type this email as that of an account.
pub(crate) fn check_new(email: &Email) -> Result<(), Failure> {
    let refused = |error| {
        failure(
            "INVALID_EMAIL",
            format!("This email is not accepted: {error}"),
        )
    };
    email.check_new().map_err(refused)
}

/// Creates a [`Failure`].
pub(crate) fn failure(code: &'static str, text: impl Into<String>) -> Failure {
    Failure {
        code,
        text: text.into(),
    }
}

/// Formats how many more codes will be checked.
pub(crate) fn tries_left(left: u8) -> String {
    if left == 1 {
        "one try is left".to_owned()
    } else {
        format!("{left} tries are left")
    }
}

/// The secret of a new account, or a new password.
pub(crate) enum NewSecret {
    Password(Password),
    Device(DeviceCredential),
}

/// The records about an email in the database.
struct EmailRecords {
    /// The account that the mailbox belongs to.
    owner: Option<Account>,
    invitation: Option<Invitation>,
}

impl Accounts {
    /// Begins a registration, or completes it at once where emails are not verified. `own` is an
    /// earlier attempt of the session at this name: it is replaced, and its code becomes invalid.
    pub async fn register(
        &self,
        now: Timestamp,
        peer: &Peer,
        name: AccountName,
        email: Option<Email>,
        secret: &str,
        own: Option<AttemptId>,
    ) -> Result<Registered, Failure> {
        let accounts = self.config.accounts.get();
        if email.is_none() && (accounts.verify_email || !accounts.open) {
            return Err(failure(
                "INVALID_EMAIL",
                "Accounts on this server need an email address",
            ));
        }
        if self.is_misleading(&name) {
            let text = "This name is reserved, and nobody can register it; choose another";
            return Err(failure("BAD_ACCOUNT_NAME", text));
        }
        let length = self.config.limits.get().password_length;
        let secret = new_secret(secret, &name, email.as_ref(), length)?;
        self.check_registrations(peer)?;
        let EmailRecords { owner, invitation } = self
            .check_name_and_email(now, peer, &name, email.as_ref())
            .await?;
        // An invitation may be from before the server was as strict.
        if let Some(email) = email.as_ref().filter(|_| invitation.is_none()) {
            check_new(email).or_else(|refused| {
                // The reply discloses whether the email is invited.
                self.count_registration(peer)?;
                Err(refused)
            })?;
        }
        let needs_invitation = !accounts.open;
        if needs_invitation && invitation.is_none() {
            // The reply discloses whether the email is invited.
            self.count_registration(peer)?;
            return Err(closed());
        }
        if owner.is_none() && invitation.is_some_and(|invitation| invitation.attempts_left > 0) {
            self.count_registration(peer)?;
            let secret = self.stored(peer, &name, secret).await;
            let registration = Registration {
                name,
                email,
                secret,
                is_decoy: false,
                needs_invitation,
            };
            return Ok(Registered::Invited(Box::new(registration)));
        }
        // Invited users must always prove that the email is theirs.
        let needs_code = accounts.verify_email || needs_invitation;
        if needs_code {
            let can_add = self.pending.check_can_add(now, &name, email.as_ref(), own);
            if let Err(refused) = can_add {
                match refused {
                    PendingError::NameReserved => self.count_taken_name(peer)?,
                    PendingError::TooMany => {}
                }
                return Err(refused.into());
            }
            self.count_mail(peer, email.as_ref())?;
        } else {
            self.count_registration(peer)?;
            if owner.is_some() {
                // Without a mail, the owner cannot be notified in secret.
                return Err(failure(
                    "UNACCEPTABLE_EMAIL",
                    "This email belongs to another account",
                ));
            }
        }
        let secret = self.stored(peer, &name, secret).await;
        let registration = Registration {
            name,
            email: email.clone(),
            secret,
            is_decoy: owner.is_some(),
            needs_invitation,
        };
        let Some(email) = email.filter(|_| needs_code) else {
            return self
                .create(now, peer, registration)
                .await
                .map(Registered::Created);
        };
        let (digits, code) = PendingCode::issue(now);
        let mail = code_mail(
            &self.config.chat.get().network,
            &registration,
            &email,
            owner.as_ref(),
            &digits,
        );
        let attempt = self.pending.add(now, registration, code, own)?;
        Ok(Registered::CodeMailed {
            attempt,
            delivery: self.mailer.send(mail, peer.requester()),
        })
    }

    /// Returns the form in which the secret of the account is stored.
    async fn stored(&self, peer: &Peer, account: &AccountName, secret: NewSecret) -> StoredSecret {
        match secret {
            NewSecret::Password(password) => {
                StoredSecret::Password(self.derive(peer, account, password).await)
            }
            NewSecret::Device(credential) => StoredSecret::Device(device_hash(credential.expose())),
        }
    }

    /// Derives what is stored for the password of `account`, when it is the turn of the client's
    /// network.
    pub(crate) async fn derive(
        &self,
        peer: &Peer,
        account: &AccountName,
        password: Password,
    ) -> StoredPassword {
        let network = Network::of(peer.address.ip());
        let _turn = self.hash_turns.acquire(Group::of(network)).await;
        StoredPassword::derive(&self.verifier_key, account, password).await
    }

    /// Completes the registration that waits for `code`. `own` is the session's own attempt.
    pub async fn verify(
        &self,
        now: Timestamp,
        peer: &Peer,
        own: Option<AttemptId>,
        name: &AccountName,
        code: &str,
    ) -> Result<Identity, Failure> {
        let is_untried = own.is_some_and(|own| self.pending.is_untried(own));
        self.check_failures(peer, is_untried)?;
        if self.config.accounts.get().open {
            self.check_accounts(peer)?;
        }
        let checked = self
            .pending
            .check_code(now, Network::of(peer.address.ip()), name, own, code);
        if !matches!(checked, CodeCheck::Right(_)) {
            self.add_failure(peer);
        }
        match checked {
            CodeCheck::Right(registration) => self.create(now, peer, *registration).await,
            CodeCheck::Wrong { attempts_left } => Err(wrong_code(attempts_left)),
            CodeCheck::NotFound => {
                let text = "No registration of this name is waiting for a code, or the code has \
                            expired; REGISTER again";
                Err(failure("INVALID_CODE", text))
            }
        }
    }

    /// Returns the registrations that wait for their codes, oldest first.
    pub fn waiting_registrations(&self, now: Timestamp) -> Vec<Waiting> {
        self.pending.all(now)
    }

    /// Mails a new code for a registration on behalf of an operator; the earlier one becomes
    /// invalid. Returns `None` if the registration no longer waits.
    pub async fn resend(
        &self,
        now: Timestamp,
        operator: &str,
        id: u64,
    ) -> StoreResult<Option<(Waiting, watch::Receiver<MailState>)>> {
        let (digits, code) = PendingCode::issue(now);
        let Some((waiting, registration)) = self.pending.renew(now, id, code) else {
            return Ok(None);
        };
        let email = waiting.email.clone();
        let aliases = self.config.accounts.get().email_aliases();
        let owner = self
            .database
            .read(move |store| store.accounts_of_mailbox(&email, &aliases))
            .await?
            .into_iter()
            .next();
        let network = &self.config.chat.get().network;
        let mail = code_mail(
            network,
            &registration,
            &waiting.email,
            owner.as_ref(),
            &digits,
        );
        let requester = Requester::OnBehalf(operator.into());
        let delivery = self.mailer.send(mail, requester);
        Ok(Some((waiting, delivery)))
    }

    /// Refuses taken names, and banned names, emails and addresses. Returns the records about the
    /// email.
    async fn check_name_and_email(
        &self,
        now: Timestamp,
        peer: &Peer,
        name: &AccountName,
        email: Option<&Email>,
    ) -> Result<EmailRecords, Failure> {
        let (wanted, given, address) = (name.clone(), email.cloned(), peer.address.ip());
        let aliases = self.config.accounts.get().email_aliases();
        let (taken, found, ban) = self
            .database
            .read(move |store| {
                let ban = ban_against(store, now, &aliases, &wanted, given.as_ref(), address)?;
                let (owner, invitation) = match &given {
                    Some(email) => (
                        store
                            .accounts_of_mailbox(email, &aliases)?
                            .into_iter()
                            .next(),
                        store.invitation_for(email, now)?,
                    ),
                    None => (None, None),
                };
                Ok((
                    store.is_name_taken(&wanted)?,
                    EmailRecords { owner, invitation },
                    ban,
                ))
            })
            .await?;
        if let Some(ban) = ban {
            // The reply discloses that the email or its mailbox is banned.
            self.count_registration(peer)?;
            return Err(banned(&ban, name));
        }
        if taken {
            self.count_taken_name(peer)?;
            return Err(name_taken());
        }
        Ok(found)
    }

    /// Stores the account and its secret in one transaction, and removes the invitation of the
    /// email. Where registration is closed, nothing is stored without an invitation.
    pub(crate) async fn create(
        &self,
        now: Timestamp,
        peer: &Peer,
        registration: Registration,
    ) -> Result<Identity, Failure> {
        if !registration.needs_invitation {
            self.count_account(peer)?;
        }
        let (address, aliases) = (
            peer.address.ip(),
            self.config.accounts.get().email_aliases(),
        );
        let created =
            self.database
                .write(Durability::Record, move |store| {
                    let Registration {
                        name,
                        email,
                        secret,
                        needs_invitation,
                        ..
                    } = registration;
                    // A ban may have been made while the code was on its way.
                    if let Some(ban) =
                        ban_against(store, now, &aliases, &name, email.as_ref(), address)?
                    {
                        return Ok(Err(banned(&ban, &name)));
                    }
                    let invitation = match &email {
                        Some(email) => store.invitation_for(email, now)?,
                        None => None,
                    };
                    if needs_invitation && invitation.is_none() {
                        return Ok(Err(closed()));
                    }
                    if let Some(email) = &email
                        && !store.accounts_of_mailbox(email, &aliases)?.is_empty()
                    {
                        return Ok(Err(AccountConflict::Email.into()));
                    }
                    let account = NewAccount {
                        name,
                        email,
                        password_hash: None,
                        created_at: now,
                        greeted: false,
                    };
                    let account = match store.create_account(&account)? {
                        Ok(account) => account,
                        Err(taken) => return Ok(Err(Failure::from(taken))),
                    };
                    let signed_in_with = match secret {
                        StoredSecret::Password(password) => {
                            store.set_password(account.id, &password.hash, &password.scram)?;
                            SignedInWith::Password {
                                fingerprint: PasswordFingerprint::of(&password.hash),
                                device: None,
                            }
                        }
                        StoredSecret::Device(hash) => SignedInWith::Credential(
                            store.add_credential(account.id, CredentialKind::Device, &hash, now)?,
                        ),
                    };
                    if let Some(invitation) = invitation {
                        store.remove_invitation(invitation.id)?;
                    }
                    Ok(Ok((account, signed_in_with)))
                })
                .await?;
        let (account, signed_in_with) = created?;
        self.csv.users_changed();
        self.record_network(account.id, peer, now).await;
        tracing::info!(address = %peer.address, account = %account.name, "account created");
        let (name, email) = (
            account.name.to_string(),
            account.email.as_ref().map(ToString::to_string),
        );
        let address = peer.address.to_string();
        self.events.publish_now(ServerEvent::AccountCreated {
            account: name,
            email,
            address,
        });
        Ok(identity(&account, now, signed_in_with))
    }
}

/// Returns the ban that forbids an account with this name and email, created from this address. A
/// ban of an account also covers its mailbox.
pub(crate) fn ban_against(
    store: &Store,
    now: Timestamp,
    aliases: &EmailAliases,
    name: &AccountName,
    email: Option<&Email>,
    address: IpAddr,
) -> StoreResult<Option<Ban>> {
    let covers = |ban: &Ban| {
        let own = ban.account_email.as_ref();
        covers_account(&ban.target, own, aliases, name, email) || ban.target.covers_address(address)
    };
    let found = store.bans_that_may_cover(now, name, email, address)?;
    Ok(found.into_iter().find(covers))
}

/// Returns the failure for an account that the ban forbids.
pub(crate) fn banned(ban: &Ban, name: &AccountName) -> Failure {
    let code = match &ban.target {
        BanTarget::Account(banned) if banned == name => "BAD_ACCOUNT_NAME",
        BanTarget::Account(_) | BanTarget::Email(_) | BanTarget::EmailPattern(_) => {
            "UNACCEPTABLE_EMAIL"
        }
        BanTarget::Address(_) | BanTarget::Network(_) => "TEMPORARILY_UNAVAILABLE",
    };
    failure(
        code,
        format!("You are banned from this server: {}", ban.reason),
    )
}

impl From<AccountConflict> for Failure {
    fn from(taken: AccountConflict) -> Self {
        match taken {
            AccountConflict::Name => name_taken(),
            AccountConflict::Email => failure(
                "UNACCEPTABLE_EMAIL",
                "This email now belongs to another account",
            ),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "an account could not be created or changed");
        failure(
            "TEMPORARILY_UNAVAILABLE",
            "Accounts are temporarily unavailable; try again later",
        )
    }
}

impl From<PendingError> for Failure {
    fn from(reason: PendingError) -> Self {
        match reason {
            PendingError::NameReserved => failure(
                "ACCOUNT_EXISTS",
                "This name, or one that looks the same, is being registered; choose another",
            ),
            PendingError::TooMany => failure(
                "TEMPORARILY_UNAVAILABLE",
                "Too many registrations are waiting for their codes; use the code you have, or try \
                 again in 5 min",
            ),
        }
    }
}

impl From<Wait> for Failure {
    fn from(Wait { minutes }: Wait) -> Self {
        failure(
            "TEMPORARILY_UNAVAILABLE",
            format!("Too many codes were requested; try again in {minutes} min"),
        )
    }
}

/// Returns the mail for a registration: the code, or a notice that the email belongs to `owner`.
fn code_mail(
    network: &str,
    registration: &Registration,
    email: &Email,
    owner: Option<&Account>,
    digits: &str,
) -> Mail {
    match owner {
        None => mail_templates::registration(network, &registration.name, email, digits),
        Some(account) => {
            let known = account.email.as_ref().unwrap_or(email);
            mail_templates::already_registered(network, account, known)
        }
    }
}

/// Returns the failure for a wrong code.
pub(crate) fn wrong_code(attempts_left: u8) -> Failure {
    let text = if attempts_left == 0 {
        "Wrong code, and no tries are left; REGISTER again for a new code".to_owned()
    } else {
        format!("Wrong code; {}", tries_left(attempts_left))
    };
    failure("INVALID_CODE", text)
}

fn closed() -> Failure {
    let text = "Registration is closed, and this email is not invited; ask the operators of this \
                server for an invitation";
    failure("TEMPORARILY_UNAVAILABLE", text)
}

fn name_taken() -> Failure {
    failure(
        "ACCOUNT_EXISTS",
        "This name, or one that looks the same, is taken; choose another",
    )
}

/// Checks a secret as typed: a device credential, or a password of at least `length` characters
/// that is neither the name nor the email. A `length` of 0 permits any other password.
pub(crate) fn new_secret(
    text: &str,
    name: &AccountName,
    email: Option<&Email>,
    length: usize,
) -> Result<NewSecret, Failure> {
    if let Some(credential) = DeviceCredential::parse(text) {
        return Ok(NewSecret::Device(credential));
    }
    let password = Password::prepare(text)
        .map_err(|error| failure("UNACCEPTABLE_PASSWORD", error.to_string()))?;
    let prepared = password.as_str();
    if prepared.len() > MAX_SECRET {
        let reason = format!("The password may have at most {MAX_SECRET} bytes");
        return Err(failure("UNACCEPTABLE_PASSWORD", reason));
    }
    if prepared.chars().count() < length.max(1) {
        let reason = match length {
            0 | 1 => "The password is empty".to_owned(),
            _ => format!("The password must have at least {length} characters"),
        };
        return Err(failure("WEAK_PASSWORD", reason));
    }
    let mut own = [name.as_str()].into_iter().chain(email.map(Email::as_str));
    if own.any(|known| known.eq_ignore_ascii_case(prepared)) {
        return Err(failure(
            "WEAK_PASSWORD",
            "The password must not be the name or email",
        ));
    }
    if length > 0 && is_common(prepared) {
        return Err(failure(
            "WEAK_PASSWORD",
            "This password is one of the most common ones; choose another",
        ));
    }
    Ok(NewSecret::Password(password))
}

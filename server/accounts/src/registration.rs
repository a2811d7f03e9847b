//! CreateAs accounts (IRCv3 draft/account-registration): what `REGISTER` and `VERIFY` do.

use std::net::IpAddr;

use jiff::Timestamp;
use rookery_control_api::ServerEvent;
use rookery_protocol::{AccountName, DeviceCredential, Email};
use tokio::sync::watch;

use super::codes::PendingCode;
use super::password::StoredPassword;
pub use super::pending::Waiting;
use super::pending::{AttemptId, CannotWait, CodeCheck, Registration, StoredSecret};
use super::sasl::MAX_SECRET;
use super::throttle::Wait;
use super::{Accounts, Peer, device_hash, identity, mail_templates};
use rookery_base::mail::{Mail, MailState};
use rookery_chat::event::Identity;
use rookery_record::{
    Account, Ban, BanTarget, CredentialKind, EmailAliases, Invitation, NewAccount, Taken,
    covers_account,
};
use rookery_store::{Durability, Result as StoreResult, Store, StoreError};

/// What a registration has come to.
pub enum Registered {
    /// The account is there.
    Made(Identity),
    /// The email is invited: the code of the invitation makes the account.
    Invited(Box<Registration>),
    /// A code is on its way.
    CodeMailed {
        attempt: AttemptId,
        follow: watch::Receiver<MailState>,
    },
}

/// Why it failed: the code of the standard reply, and words for the person.
#[derive(Debug)]
pub struct Failure {
    pub code: &'static str,
    pub text: String,
}

/// A failure of that code, in those words.
pub fn failure(code: &'static str, text: impl Into<String>) -> Failure {
    Failure {
        code,
        text: text.into(),
    }
}

/// How many more codes will be looked at.
pub fn tries_left(left: u8) -> String {
    if left == 1 {
        "one try is left".to_owned()
    } else {
        format!("{left} tries are left")
    }
}

/// What the client wants to open its account with.
pub enum NewSecret {
    Password(String),
    Device(DeviceCredential),
}

/// As it is kept.
async fn stored(secret: NewSecret) -> StoredSecret {
    match secret {
        NewSecret::Password(text) => StoredSecret::Password(StoredPassword::derive(text).await),
        NewSecret::Device(credential) => StoredSecret::Device(device_hash(credential.expose())),
    }
}

/// What is known of an email.
struct Found {
    /// The account that has it.
    owner: Option<Account>,
    invitation: Option<Invitation>,
}

impl Accounts {
    /// Begins an account, or makes it where emails need no proof. `own` is an attempt at that name
    /// that the session made before: this one takes its place, and its code no longer does.
    pub async fn register(
        &self,
        now: Timestamp,
        peer: &Peer,
        name: AccountName,
        email: Option<Email>,
        secret: &str,
        own: Option<AttemptId>,
    ) -> Result<Registered, Failure> {
        let config = self.config.get();
        if email.is_none() && (config.accounts.verify_email || !config.accounts.open) {
            return Err(failure(
                "INVALID_EMAIL",
                "An account needs an email address here",
            ));
        }
        let secret = new_secret(secret, &name, email.as_ref(), config.limits.password_length)?;
        let Found { owner, invitation } = self.look_up(now, peer, &name, email.as_ref()).await?;
        let needs_invitation = !config.accounts.open;
        if needs_invitation && invitation.is_none() {
            // The answer tells whether the email is invited.
            self.count_registration(now, peer)?;
            return Err(closed());
        }
        if owner.is_none() && invitation.is_some_and(|invitation| invitation.attempts_left > 0) {
            self.count_registration(now, peer)?;
            let secret = stored(secret).await;
            let registration = Registration {
                name,
                email,
                secret,
                is_decoy: false,
                needs_invitation,
            };
            return Ok(Registered::Invited(Box::new(registration)));
        }
        // Whoever is invited always proves to be meant.
        let needs_code = config.accounts.verify_email || needs_invitation;
        if needs_code {
            self.pending.ensure_room(now, &name, email.as_ref(), own)?;
            self.count_mail(now, peer, email.as_ref())?;
        } else {
            self.count_registration(now, peer)?;
            if owner.is_some() {
                // Without a mail there is no way to tell its owner alone.
                return Err(failure(
                    "UNACCEPTABLE_EMAIL",
                    "That email belongs to another account",
                ));
            }
        }
        let secret = stored(secret).await;
        let registration = Registration {
            name,
            email: email.clone(),
            secret,
            is_decoy: owner.is_some(),
            needs_invitation,
        };
        let Some(email) = email.filter(|_| needs_code) else {
            return self
                .make(now, peer, registration)
                .await
                .map(Registered::Made);
        };
        let (digits, code) = PendingCode::issue(now);
        let mail = code_mail(
            &config.chat.network,
            &registration,
            &email,
            owner.as_ref(),
            &digits,
        );
        let attempt = self.pending.add(now, registration, code, own)?;
        Ok(Registered::CodeMailed {
            attempt,
            follow: self.mailer.send(mail),
        })
    }

    /// Makes the account that waits for `code`. `own` is the session's own attempt, if it made one.
    pub async fn verify(
        &self,
        now: Timestamp,
        peer: &Peer,
        own: Option<AttemptId>,
        name: &AccountName,
        code: &str,
    ) -> Result<Identity, Failure> {
        self.check_failures(now, peer).map_err(|Wait { minutes }| {
            failure(
                "TEMPORARILY_UNAVAILABLE",
                format!("Too many tries; try again in {minutes} min"),
            )
        })?;
        let judged = self
            .pending
            .check_code(now, peer.address.ip(), name, own, code);
        if !matches!(judged, CodeCheck::Right(_)) {
            self.add_failure(now, peer);
        }
        match judged {
            CodeCheck::Right(registration) => self.make(now, peer, *registration).await,
            CodeCheck::Wrong { attempts_left } => Err(wrong_code(attempts_left)),
            CodeCheck::NotFound => {
                let text = "No registration of that name waits for a code, or its code has expired; REGISTER again";
                Err(failure("INVALID_CODE", text))
            }
        }
    }

    /// The registrations that wait for their codes, oldest first.
    pub fn waiting_registrations(&self, now: Timestamp) -> Vec<Waiting> {
        self.pending.all(now)
    }

    /// Mails another code for a registration, in the place of the one before. None if it does not
    /// wait any more.
    pub async fn resend(
        &self,
        now: Timestamp,
        id: u64,
    ) -> StoreResult<Option<(Waiting, watch::Receiver<MailState>)>> {
        let (digits, code) = PendingCode::issue(now);
        let Some((waiting, registration)) = self.pending.renew(now, id, code) else {
            return Ok(None);
        };
        let email = waiting.email.clone();
        let owner = self
            .database
            .read(move |store| store.account_by_email(&email))
            .await?;
        let network = &self.config.get().chat.network;
        let mail = code_mail(
            network,
            &registration,
            &waiting.email,
            owner.as_ref(),
            &digits,
        );
        Ok(Some((waiting, self.mailer.send(mail))))
    }

    /// Refuses names and emails that are not to be had. Gives the account that has the email, and
    /// its invitation.
    async fn look_up(
        &self,
        now: Timestamp,
        peer: &Peer,
        name: &AccountName,
        email: Option<&Email>,
    ) -> Result<Found, Failure> {
        let (wanted, given, address) = (name.clone(), email.cloned(), peer.address.ip());
        let aliases = self.config.get().accounts.email_aliases();
        let (taken, found, ban) = self
            .database
            .read(move |store| {
                let ban = ban_against(store, now, &aliases, &wanted, given.as_ref(), address)?;
                let (owner, invitation) = match &given {
                    Some(email) => (
                        store.account_by_email(email)?,
                        store.invitation_for(email, now)?,
                    ),
                    None => (None, None),
                };
                Ok((
                    store.is_name_taken(&wanted)?,
                    Found { owner, invitation },
                    ban,
                ))
            })
            .await?;
        if let Some(ban) = ban {
            return Err(banned(&ban, name));
        }
        if taken {
            return Err(name_taken());
        }
        Ok(found)
    }

    /// Writes the account and what opens it, both or neither. Its invitation, which it needs where
    /// registration is closed, is used up by that.
    pub async fn make(
        &self,
        now: Timestamp,
        peer: &Peer,
        registration: Registration,
    ) -> Result<Identity, Failure> {
        let (address, aliases) = (
            peer.address.ip(),
            self.config.get().accounts.email_aliases(),
        );
        let made = self
            .database
            .write(Durability::Record, move |store| {
                let Registration {
                    name,
                    email,
                    secret,
                    needs_invitation,
                    ..
                } = registration;
                // One may have been made while the code was on its way.
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
                let credential = match secret {
                    StoredSecret::Password(password) => {
                        store.set_password(account.id, &password.hash, &password.scram)?;
                        None
                    }
                    StoredSecret::Device(hash) => Some(store.add_credential(
                        account.id,
                        CredentialKind::Device,
                        &hash,
                        now,
                    )?),
                };
                if let Some(invitation) = invitation {
                    store.remove_invitation(invitation.id)?;
                }
                Ok(Ok((account, credential)))
            })
            .await?;
        let (account, credential) = made?;
        self.csv.users_changed();
        tracing::info!(address = %peer.address, account = %account.name, "account made");
        let (name, email) = (
            account.name.to_string(),
            account.email.as_ref().map(ToString::to_string),
        );
        let address = peer.address.to_string();
        self.events.tell(ServerEvent::AccountCreated {
            account: name,
            email,
            address,
        });
        Ok(Identity {
            credential,
            ..identity(&account, now)
        })
    }
}

/// The ban that stands against an account of that name and email, made from that address. A ban of
/// an account stands against whoever has its mailbox.
pub fn ban_against(
    store: &dyn Store,
    now: Timestamp,
    aliases: &EmailAliases,
    name: &AccountName,
    email: Option<&Email>,
    address: IpAddr,
) -> StoreResult<Option<Ban>> {
    let mailbox = email.map(|email| aliases.mailbox(email));
    for ban in store.bans(now)? {
        let of_banned_account = match &ban.target {
            BanTarget::Account(banned) => store
                .account_by_name(banned)?
                .and_then(|account| account.email)
                .is_some_and(|email| mailbox.as_ref() == Some(&aliases.mailbox(&email))),
            _ => false,
        };
        if of_banned_account
            || covers_account(&ban.target, aliases, name, email)
            || ban.target.covers_address(address)
        {
            return Ok(Some(ban));
        }
    }
    Ok(None)
}

/// What is said to whom the ban stands against.
pub fn banned(ban: &Ban, name: &AccountName) -> Failure {
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

impl From<Taken> for Failure {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Name => name_taken(),
            Taken::Email => failure(
                "UNACCEPTABLE_EMAIL",
                "That email belongs to another account by now",
            ),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "an account could not be made or changed");
        failure(
            "TEMPORARILY_UNAVAILABLE",
            "Accounts are out of order just now; try again later",
        )
    }
}

impl From<CannotWait> for Failure {
    fn from(reason: CannotWait) -> Self {
        match reason {
            CannotWait::NameHeld => failure(
                "ACCOUNT_EXISTS",
                "Someone is registering that name, or one that looks the same; choose another",
            ),
            CannotWait::Full => failure(
                "TEMPORARILY_UNAVAILABLE",
                "Too many registrations wait for their codes; use the code you have, or try again in 5 min",
            ),
        }
    }
}

impl From<Wait> for Failure {
    fn from(Wait { minutes }: Wait) -> Self {
        failure(
            "TEMPORARILY_UNAVAILABLE",
            format!("Too many codes were asked for; try again in {minutes} min"),
        )
    }
}

/// What is mailed for a registration: the code, or word that the email belongs to `owner`.
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

/// What a wrong code is told.
pub fn wrong_code(attempts_left: u8) -> Failure {
    let text = if attempts_left == 0 {
        "The code is not right, and no other will do any more; REGISTER again for a new one"
            .to_owned()
    } else {
        format!("The code is not right; {}", tries_left(attempts_left))
    };
    failure("INVALID_CODE", text)
}

fn closed() -> Failure {
    let text = "Registration is closed here, and that email is not invited; ask whoever runs this server for an \
                invitation";
    failure("TEMPORARILY_UNAVAILABLE", text)
}

fn name_taken() -> Failure {
    failure(
        "ACCOUNT_EXISTS",
        "An account has that name, or one that looks the same; choose another",
    )
}

/// A password has at least `length` characters.
pub fn new_secret(
    text: &str,
    name: &AccountName,
    email: Option<&Email>,
    length: usize,
) -> Result<NewSecret, Failure> {
    if let Some(credential) = DeviceCredential::parse(text) {
        return Ok(NewSecret::Device(credential));
    }
    if text.len() > MAX_SECRET {
        let reason = format!("The password is longer than {MAX_SECRET} bytes");
        return Err(failure("UNACCEPTABLE_PASSWORD", reason));
    }
    if text.chars().count() < length.max(1) {
        let reason = format!("A password has at least {} characters", length.max(1));
        return Err(failure("WEAK_PASSWORD", reason));
    }
    let mut own = [name.as_str()].into_iter().chain(email.map(Email::as_str));
    if own.any(|known| known.eq_ignore_ascii_case(text)) {
        return Err(failure("WEAK_PASSWORD", "The name or email is no password"));
    }
    Ok(NewSecret::Password(text.to_owned()))
}

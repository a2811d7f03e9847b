//! `SETPASS` and `SETEMAIL`, commands of this server: change the password or email of the account
//! that the session is signed in to.
//!
//! - `SETPASS <current password> <new password>` → `SETPASS SUCCESS <account> :text`. With `*` for
//!   the current password, a code is mailed to the account's email, and `VERIFY <account> <code>`
//!   completes the change. For an account that has neither a password nor an email, `*` changes the
//!   password at once.
//! - `SETEMAIL <email> <password>` → `SETEMAIL VERIFICATION_REQUIRED <account> :text`, and `VERIFY`
//!   with the code that was mailed to the new email; the old one is notified. Without the password,
//!   `VERIFY` with a code that is mailed to the old email comes first; an account that has neither
//!   needs none. Where emails are not verified, the change is then made at once, and `SETEMAIL *`
//!   removes the email.
//!
//! An email of the mailbox of another account is not accepted, as at a registration.
//!
//! A session's own sign-in proves who it is, so the codes that it tries are counted apart from
//! those of strangers, whose failures do not make it wait either. Too many wrong ones stop its
//! codes ([`email_code`](super::email_code)); the refusal says what the owner can do then. A right
//! code to the account's present email ends every stop.
//!
//! A change rests on the password and the email that the account had when it was requested. If
//! either has changed since, it is refused, so that of two changes at once only the first is made.
//!
//! A new password ends the other sessions that signed in with the old one, and a new email all
//! other sessions. Devices and certificates are not affected; `CREDENTIAL` revokes these.

use jiff::Timestamp;
use rookery_protocol::Email;
use tokio::sync::watch;

use super::authenticate::still_authorized;
use super::codes::{PendingCode, Verdict};
use super::password::{self, StoredPassword};
use super::registration::{
    Failure, NewSecret, ban_against, banned, check_new, failure, new_secret, tries_left,
};
use super::sasl::Claim;
use super::throttle::{Key, Wait};
use super::{Accounts, Peer, mail_templates};
use rookery_base::mail::MailState;
use rookery_chat::event::{Identity, SignedInWith};
use rookery_record::{Account, AccountConflict, Network, PasswordFingerprint};
use rookery_store::{Durability, Result as StoreResult, Store, TriedBy, TriedCode};

/// The new value of a password or email.
enum NewValue {
    Password(StoredPassword),
    Email {
        email: Email,
        /// Whether the mailbox belongs to another account, so that no code completes the change.
        is_decoy: bool,
    },
    /// An email that the owner of the present one has yet to approve. `None` removes the email.
    UnapprovedEmail(Option<Email>),
}

/// A change that waits for its mailed code.
pub(crate) struct PendingChange {
    new_value: NewValue,
    /// The account as it was when the change was requested.
    requested_for: Account,
    code: PendingCode,
}

/// The outcome of a requested change.
pub(crate) enum Changed {
    /// The password has been changed. Contains the identity from now on.
    Password(Box<Identity>),
    /// The email has been changed. Contains the identity from now on.
    Email(Box<Identity>),
    /// A code is on its way to the email `to`.
    CodeMailed {
        change: Box<PendingChange>,
        to: Email,
        delivery: watch::Receiver<MailState>,
    },
}

impl Accounts {
    /// Changes the password, or mails a code for the change if `current` is `*`.
    pub(crate) async fn change_password(
        &self,
        now: Timestamp,
        peer: &Peer,
        owner: &Identity,
        current: &str,
        new: &str,
    ) -> Result<Changed, Failure> {
        let length = self.config.limits.get().password_length;
        let NewSecret::Password(new) = new_secret(new, &owner.name, owner.email.as_ref(), length)?
        else {
            return Err(failure(
                "UNACCEPTABLE_PASSWORD",
                "This looks like a device credential; choose another password",
            ));
        };
        let account = self.account_of(owner).await?;
        if current == "*" && account.email.is_none() && account.password_hash.is_some() {
            let text = "The account has no email to send a code to; enter the current password";
            return Err(failure("INVALID_PASSWORD", text));
        }
        if current != "*" {
            self.check_password(peer, &account, current).await?;
        }
        if account.email.is_some() {
            self.count_own_mail(owner)?;
        }
        let password = self.derive(peer, &owner.name, new).await;
        let Some(to) = account.email.clone().filter(|_| current == "*") else {
            return self.set_password(peer, owner, account, password).await;
        };
        let (digits, code) = PendingCode::issue(now);
        let network = &self.config.chat.get().network;
        let mail = mail_templates::new_password(network, &owner.name, &to, &digits);
        let change = Box::new(PendingChange {
            new_value: NewValue::Password(password),
            requested_for: account,
            code,
        });
        Ok(Changed::CodeMailed {
            change,
            to,
            delivery: self.mailer.send(mail, peer.requester()),
        })
    }

    /// Changes the email if `password` is right, or mails a code to the present email first.
    pub(crate) async fn change_email(
        &self,
        now: Timestamp,
        peer: &Peer,
        owner: &Identity,
        new: Option<Email>,
        password: Option<&str>,
    ) -> Result<Changed, Failure> {
        if new.is_none() && self.config.accounts.get().verify_email {
            return Err(failure(
                "INVALID_EMAIL",
                "Accounts on this server need an email address",
            ));
        }
        new.as_ref().map_or(Ok(()), check_new)?;
        let account = self.account_of(owner).await?;
        if let Some(password) = password {
            self.check_password(peer, &account, password).await?;
            return self.propose_email(now, peer, owner, account, new).await;
        }
        let Some(present) = account.email.clone() else {
            if account.password_hash.is_some() {
                let text = "Enter your password after the new email: SETEMAIL email :password";
                return Err(failure("INVALID_PASSWORD", text));
            }
            return self.propose_email(now, peer, owner, account, new).await;
        };
        self.count_own_mail(owner)?;
        let (digits, code) = PendingCode::issue(now);
        let network = &self.config.chat.get().network;
        let mail = mail_templates::approve_email(network, &owner.name, &present, &digits);
        let change = Box::new(PendingChange {
            new_value: NewValue::UnapprovedEmail(new),
            requested_for: account,
            code,
        });
        Ok(Changed::CodeMailed {
            change,
            to: present,
            delivery: self.mailer.send(mail, peer.requester()),
        })
    }

    /// Changes or removes the email, or mails a code for the change where emails are verified. The
    /// owner of the account, which was `requested_for` then, has approved it.
    async fn propose_email(
        &self,
        now: Timestamp,
        peer: &Peer,
        owner: &Identity,
        requested_for: Account,
        new: Option<Email>,
    ) -> Result<Changed, Failure> {
        let accounts = self.config.accounts.get();
        let Some(email) = new else {
            return self.set_email(now, peer, owner, requested_for, None).await;
        };
        let (name, given, address) = (owner.name.clone(), email.clone(), peer.address.ip());
        let aliases = accounts.email_aliases();
        let (holders, ban) = self
            .database
            .read(move |store| {
                let ban = ban_against(store, now, &aliases, &name, Some(&given), address)?;
                Ok((store.accounts_of_mailbox(&given, &aliases)?, ban))
            })
            .await?;
        if let Some(ban) = ban {
            // The reply discloses that the email is banned.
            self.count_registration(peer)?;
            return Err(banned(&ban, &owner.name));
        }
        let is_own = |holder: &Account| holder.id == owner.id;
        if holders
            .iter()
            .any(|holder| is_own(holder) && holder.email.as_ref() == Some(&email))
        {
            return Err(failure(
                "UNACCEPTABLE_EMAIL",
                "This is already the email of your account",
            ));
        }
        let holder = holders.into_iter().find(|holder| !is_own(holder));
        if !accounts.verify_email {
            // The reply discloses whether another account has the email.
            self.count_registration(peer)?;
            return self
                .set_email(now, peer, owner, requested_for, Some(email))
                .await;
        }
        let limit = self.config.limits.get().mails_per_hour;
        self.throttle.count(vec![(Key::MailsOf(owner.id), limit)])?;
        self.count_mail(peer, Some(&email))?;
        let (digits, code) = PendingCode::issue(now);
        let network = &self.config.chat.get().network;
        let mail = match &holder {
            None => mail_templates::new_email(network, &owner.name, &email, &digits),
            Some(holder) => {
                let known = holder.email.as_ref().unwrap_or(&email);
                mail_templates::already_registered(network, holder, known)
            }
        };
        let change = Box::new(PendingChange {
            new_value: NewValue::Email {
                email: email.clone(),
                is_decoy: holder.is_some(),
            },
            requested_for,
            code,
        });
        Ok(Changed::CodeMailed {
            change,
            to: email,
            delivery: self.mailer.send(mail, peer.requester()),
        })
    }

    /// Applies the change if the code is right. Also returns the change if it still waits for a
    /// code.
    pub(crate) async fn confirm_change(
        &self,
        now: Timestamp,
        peer: &Peer,
        owner: &Identity,
        mut change: Box<PendingChange>,
        code: &str,
    ) -> (Option<Box<PendingChange>>, Result<Changed, Failure>) {
        let tried = self.count_code(owner.id, TriedBy::SignedIn, TriedCode::Real);
        match tried.await {
            Ok(true) => {}
            Ok(false) => {
                let refused = self
                    .account_of(owner)
                    .await
                    .map(|account| stopped(&account));
                return (None, Err(refused.unwrap_or_else(|failure| failure)));
            }
            Err(error) => return (Some(change), Err(error.into())),
        }
        let is_decoy = matches!(change.new_value, NewValue::Email { is_decoy: true, .. });
        match change.code.check(now, code) {
            Verdict::Right if !is_decoy => {
                let requested_for = change.requested_for;
                if let Err(failure) = self.check_unchanged(owner, &requested_for).await {
                    return (None, Err(failure));
                }
                let applied = match change.new_value {
                    NewValue::Email { email, .. } => {
                        // It proves another mailbox than the account's, so it ends no stop.
                        let tried = self.count_code(owner.id, TriedBy::SignedIn, TriedCode::Right);
                        if let Err(error) = tried.await {
                            return (None, Err(error.into()));
                        }
                        self.set_email(now, peer, owner, requested_for, Some(email))
                            .await
                    }
                    NewValue::UnapprovedEmail(email) => {
                        self.accept_codes(owner).await;
                        self.propose_email(now, peer, owner, requested_for, email)
                            .await
                    }
                    NewValue::Password(password) => {
                        self.accept_codes(owner).await;
                        self.set_password(peer, owner, requested_for, password)
                            .await
                    }
                };
                (None, applied)
            }
            Verdict::Wrong {
                attempts_left: left @ 1..,
            } => {
                self.add_failure(peer);
                let text = format!("Wrong code; {}", tries_left(left));
                (Some(change), Err(failure("INVALID_CODE", text)))
            }
            Verdict::Wrong { .. } | Verdict::Right | Verdict::Invalid => {
                self.add_failure(peer);
                (
                    None,
                    Err(failure(
                        "INVALID_CODE",
                        "The code is no longer valid; request the change again",
                    )),
                )
            }
        }
    }

    async fn check_password(
        &self,
        peer: &Peer,
        account: &Account,
        password: &str,
    ) -> Result<(), Failure> {
        if account.password_hash.is_none() {
            let text = "Your account has no password: use * instead of it (SETPASS), or leave it \
                        out (SETEMAIL)";
            return Err(failure("INVALID_PASSWORD", text));
        }
        let claim = Claim::Name(account.name.clone());
        let network = Network::of(peer.address.ip());
        let attempt = self.attempt(network, &claim, Some(account)).await?;
        let _slot = self.begin_with_slot(peer, &attempt).await?;
        if password::verify(
            &password::CHAT_QUEUE,
            password.into(),
            account.password_hash.clone(),
        )
        .await
        {
            self.throttle.succeeded(&attempt);
            return Ok(());
        }
        self.throttle.add_failure(&attempt);
        tracing::info!(
            address = %peer.address,
            account = %account.name,
            "password change refused: wrong password"
        );
        let text = match account.email {
            Some(_) => {
                "Wrong password; to have a code mailed to you, use * instead of it (SETPASS), or \
                 leave it out (SETEMAIL)"
            }
            None => "Wrong password",
        };
        Err(failure("INVALID_PASSWORD", text))
    }

    /// Changes the email to one that no other account has, and notifies the old one.
    async fn set_email(
        &self,
        now: Timestamp,
        peer: &Peer,
        owner: &Identity,
        requested_for: Account,
        email: Option<Email>,
    ) -> Result<Changed, Failure> {
        let (present, new, address) = (owner.clone(), email.clone(), peer.address.ip());
        let aliases = self.config.accounts.get().email_aliases();
        let old = self
            .database
            .write(Durability::Record, move |store| {
                let account = match unchanged(store, &present, &requested_for)? {
                    Ok(account) => account,
                    Err(failure) => return Ok(Err(failure)),
                };
                // A ban may have been made while the code was on its way.
                if let Some(ban) =
                    ban_against(store, now, &aliases, &present.name, new.as_ref(), address)?
                {
                    return Ok(Err(banned(&ban, &present.name)));
                }
                if let Some(new) = &new {
                    let holders = store.accounts_of_mailbox(new, &aliases)?;
                    if holders.iter().any(|holder| holder.id != account.id) {
                        return Ok(Err(AccountConflict::Email.into()));
                    }
                }
                Ok(store
                    .set_email(account.id, new.as_ref())?
                    .map(|()| account.email)
                    .map_err(Failure::from))
            })
            .await??;
        self.csv.users_changed();
        tracing::info!(address = %peer.address, account = %owner.name, "email changed");
        if let Some(old) = old {
            let network = &self.config.chat.get().network;
            let mail = mail_templates::email_changed(network, &owner.name, &old);
            self.mailer.send(mail, peer.requester());
        }
        // This does not renew the time of the proof, because a change proves nothing.
        Ok(Changed::Email(Box::new(Identity {
            email,
            new: false,
            ..owner.clone()
        })))
    }

    /// Changes the password, and notifies the account's email.
    async fn set_password(
        &self,
        peer: &Peer,
        owner: &Identity,
        requested_for: Account,
        password: StoredPassword,
    ) -> Result<Changed, Failure> {
        let (present, fingerprint) = (owner.clone(), PasswordFingerprint::of(&password.hash));
        let account = self
            .database
            .write(Durability::Record, move |store| {
                let account = unchanged(store, &present, &requested_for)?;
                if let Ok(account) = &account {
                    store.set_password(account.id, &password.hash, &password.scram)?;
                }
                Ok(account)
            })
            .await??;
        tracing::info!(address = %peer.address, account = %owner.name, "password changed");
        if let Some(email) = &account.email {
            let network = &self.config.chat.get().network;
            let mail = mail_templates::password_changed(network, &owner.name, email);
            self.mailer.send(mail, peer.requester());
        }
        // The session has proved the password that it set, unless it signed in without one.
        let signed_in_with = match &owner.signed_in_with {
            SignedInWith::Credential(used) => SignedInWith::Credential(*used),
            SignedInWith::Password { device, .. } => SignedInWith::Password {
                fingerprint,
                device: device.clone(),
            },
        };
        Ok(Changed::Password(Box::new(Identity {
            signed_in_with,
            ..owner.clone()
        })))
    }

    /// Counts a mail at the request of the account's owner. Counted by account, so that strangers
    /// cannot use up the mails of its owner.
    fn count_own_mail(&self, owner: &Identity) -> Result<(), Wait> {
        let limit = self.config.limits.get().mails_per_hour;
        self.throttle.count(vec![(Key::MailsOf(owner.id), limit)])
    }

    async fn check_unchanged(
        &self,
        owner: &Identity,
        requested_for: &Account,
    ) -> Result<(), Failure> {
        let (owner, requested_for) = (owner.clone(), requested_for.clone());
        self.database
            .read(move |store| unchanged(store, &owner, &requested_for))
            .await?
            .map(drop)
    }

    async fn account_of(&self, owner: &Identity) -> Result<Account, Failure> {
        let owner = owner.clone();
        self.database
            .read(move |store| still_authorized(store, &owner))
            .await?
            .ok_or_else(no_longer_authorized)
    }
}

/// Returns the account of `owner`, unless its password or email is no longer that of the account as
/// it was when a change was requested. The change calls this in its own transaction.
fn unchanged(
    store: &Store,
    owner: &Identity,
    requested_for: &Account,
) -> StoreResult<Result<Account, Failure>> {
    let is_changed = |account: &Account| {
        account.password_hash != requested_for.password_hash || account.email != requested_for.email
    };
    // The other change may also have ended the proof, but says more.
    if store
        .account(owner.id)?
        .is_some_and(|account| is_changed(&account))
    {
        let text = "The password or email of the account was changed in the meantime; if you did \
                    not do this, change your password";
        return Ok(Err(failure("ACCOUNT_CHANGED", text)));
    }
    Ok(still_authorized(store, owner)?.ok_or_else(no_longer_authorized))
}

/// Returns the refusal of a code for an account whose signed-in sessions have tried too many.
fn stopped(account: &Account) -> Failure {
    let (name, operator) = (
        &account.name,
        "ask an operator of this server to accept codes",
    );
    let operator = format!("{operator} again (admin-cli account enable {name})");
    let remedy = match (&account.password_hash, &account.email) {
        (Some(_), _) => "sign in again with your password".to_owned(),
        (None, Some(_)) => format!("sign in on a new device with a mailed code, or {operator}"),
        (None, None) => operator,
    };
    let text = format!("Too many codes were wrong; {remedy}, then request the change again");
    failure("INVALID_CODE", text)
}

fn no_longer_authorized() -> Failure {
    failure(
        "ACCOUNT_REQUIRED",
        "Your sign-in is no longer valid; sign in again",
    )
}

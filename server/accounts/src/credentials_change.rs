//! Changing what an account is opened by, for whoever is signed in to it: `SETPASS` and `SETEMAIL`.
//!
//! - `SETPASS <present password> <new password>` → `SETPASS SUCCESS <account> :text`. With `*` for
//!   the present password, a code is mailed to the account's email and `VERIFY <account> <code>`
//!   completes the change; an account that has neither password nor email needs neither.
//! - `SETEMAIL <email>` → `SETEMAIL VERIFICATION_REQUIRED <account> :text`, and `VERIFY` with the
//!   code that was mailed to the new email; the old one is told. Where emails are not verified, the
//!   change is made at once, and `SETEMAIL *` leaves the account without one.
//!
//! Open sessions, devices and certificates stay; `CREDENTIAL` takes these away.

use jiff::Timestamp;
use rookery_protocol::Email;
use tokio::sync::watch;

use super::authenticate::still_authorized;
use super::codes::{PendingCode, Verdict};
use super::registration::{
    Failure, NewSecret, ban_against, banned, failure, new_secret, tries_left,
};
use rookery_base::net::network;

use super::password::{self, StoredPassword};
use super::throttle::{Key, Wait};
use super::{Accounts, Peer, mail_templates};
use rookery_base::mail::MailState;
use rookery_chat::event::Identity;
use rookery_record::Account;
use rookery_store::Durability;

/// What is to be another.
enum What {
    Password(StoredPassword),
    /// A decoy is the email of another account: no code makes the change.
    Email {
        email: Email,
        is_decoy: bool,
    },
}

/// A change that waits for its mailed code.
pub struct PendingChange {
    what: What,
    code: PendingCode,
}

/// What a change has come to.
pub enum Changed {
    /// It is made; who the session's owner is from now on, and words for the person.
    Made(Box<Identity>, &'static str),
    /// A code is on its way to that email.
    CodeMailed {
        change: Box<PendingChange>,
        to: Email,
        follow: watch::Receiver<MailState>,
    },
}

const PASSWORD_SET: &str = "The password is set. Open sessions, devices and certificates stay; CREDENTIAL LIST shows those";
const EMAIL_SET: &str = "The email is set";

impl Accounts {
    /// Puts a password in the place of the one before. `current` is `*` for whoever does not know
    /// it.
    pub async fn change_password(
        &self,
        now: Timestamp,
        peer: &Peer,
        owner: &Identity,
        current: &str,
        new: &str,
    ) -> Result<Changed, Failure> {
        let config = self.config.get();
        let length = config.limits.password_length;
        let NewSecret::Password(new) = new_secret(new, &owner.name, owner.email.as_ref(), length)?
        else {
            return Err(failure(
                "UNACCEPTABLE_PASSWORD",
                "That has the form of a device credential",
            ));
        };
        let account = self.account_of(owner).await?;
        if current == "*" && account.email.is_none() && account.password_hash.is_some() {
            let text = "The account has no email to send a code to; give its present password";
            return Err(failure("INVALID_PASSWORD", text));
        }
        if current != "*" {
            self.check_password(now, peer, &account, current).await?;
        }
        if let Some(email) = &account.email {
            self.count_mail(now, peer, Some(email))?;
        }
        let password = StoredPassword::derive(new).await;
        let Some(to) = account.email.filter(|_| current == "*") else {
            return self.set_password(peer, owner, password).await;
        };
        let (digits, code) = PendingCode::issue(now);
        let mail = mail_templates::new_password(&config.chat.network, &owner.name, &to, &digits);
        let change = Box::new(PendingChange {
            what: What::Password(password),
            code,
        });
        Ok(Changed::CodeMailed {
            change,
            to,
            follow: self.mailer.send(mail),
        })
    }

    /// Puts an email in the place of the one before.
    pub async fn change_email(
        &self,
        now: Timestamp,
        peer: &Peer,
        owner: &Identity,
        new: Option<Email>,
    ) -> Result<Changed, Failure> {
        let config = self.config.get();
        let Some(email) = new else {
            if config.accounts.verify_email {
                return Err(failure(
                    "INVALID_EMAIL",
                    "An account needs an email address here",
                ));
            }
            return self.set_email(now, peer, owner, None).await;
        };
        let (name, given, address) = (owner.name.clone(), email.clone(), peer.address.ip());
        let aliases = config.accounts.email_aliases();
        let (holder, ban) = self
            .database
            .read(move |store| {
                let ban = ban_against(store, now, &aliases, &name, Some(&given), address)?;
                Ok((store.account_by_email(&given)?, ban))
            })
            .await?;
        if let Some(ban) = ban {
            return Err(banned(&ban, &owner.name));
        }
        if holder.as_ref().is_some_and(|holder| holder.id == owner.id) {
            return Err(failure(
                "UNACCEPTABLE_EMAIL",
                "That is the account's email already",
            ));
        }
        if !config.accounts.verify_email {
            // The answer tells whether another account has it.
            self.count_registration(now, peer)?;
            return self.set_email(now, peer, owner, Some(email)).await;
        }
        self.count_mail(now, peer, Some(&email))?;
        let (digits, code) = PendingCode::issue(now);
        let mail = match &holder {
            None => mail_templates::new_email(&config.chat.network, &owner.name, &email, &digits),
            Some(holder) => {
                let known = holder.email.as_ref().unwrap_or(&email);
                mail_templates::already_registered(&config.chat.network, holder, known)
            }
        };
        let what = What::Email {
            email: email.clone(),
            is_decoy: holder.is_some(),
        };
        let change = Box::new(PendingChange { what, code });
        Ok(Changed::CodeMailed {
            change,
            to: email,
            follow: self.mailer.send(mail),
        })
    }

    /// Makes a change if the code is right. None: it waits for another try.
    pub async fn confirm_change(
        &self,
        now: Timestamp,
        peer: &Peer,
        owner: &Identity,
        mut change: Box<PendingChange>,
        code: &str,
    ) -> (Option<Box<PendingChange>>, Result<Changed, Failure>) {
        if let Err(Wait { minutes }) = self.check_failures(now, peer) {
            let text = format!("Too many tries; try again in {minutes} min");
            return (Some(change), Err(failure("TEMPORARILY_UNAVAILABLE", text)));
        }
        let is_decoy = matches!(change.what, What::Email { is_decoy: true, .. });
        match change.code.check(now, code) {
            Verdict::Right if !is_decoy => {
                let made = match change.what {
                    What::Email { email, .. } => {
                        self.set_email(now, peer, owner, Some(email)).await
                    }
                    What::Password(password) => self.set_password(peer, owner, password).await,
                };
                (None, made)
            }
            Verdict::Wrong {
                attempts_left: left @ 1..,
            } => {
                self.add_failure(now, peer);
                let text = format!("The code is not right; {}", tries_left(left));
                (Some(change), Err(failure("INVALID_CODE", text)))
            }
            Verdict::Wrong { .. } | Verdict::Right | Verdict::Dead => {
                self.add_failure(now, peer);
                (
                    None,
                    Err(failure(
                        "INVALID_CODE",
                        "The code will not do any more; ask for the change anew",
                    )),
                )
            }
        }
    }

    async fn check_password(
        &self,
        now: Timestamp,
        peer: &Peer,
        account: &Account,
        password: &str,
    ) -> Result<(), Failure> {
        let keys = [
            Key::FailuresFrom(network(peer.address.ip())),
            Key::FailuresFor(account.name.folded().to_owned()),
        ];
        let _permit = self
            .password_checks
            .acquire()
            .await
            .expect("the semaphore is never closed");
        self.throttle
            .check(now, &keys, self.config.get().limits.failed_sign_ins)
            .map_err(|Wait { minutes }| {
                failure(
                    "TEMPORARILY_UNAVAILABLE",
                    format!("Too many tries; try again in {minutes} min"),
                )
            })?;
        if password::verify(password.to_owned(), account.password_hash.clone()).await {
            return Ok(());
        }
        self.throttle.add(now, &keys);
        tracing::info!(address = %peer.address, account = %account.name, "a change of password was refused");
        let text = "That is not the present password; with * in its place, a code is mailed to you";
        Err(failure("INVALID_PASSWORD", text))
    }

    /// An email that is free: the change is made, and the old email told.
    async fn set_email(
        &self,
        now: Timestamp,
        peer: &Peer,
        owner: &Identity,
        email: Option<Email>,
    ) -> Result<Changed, Failure> {
        let (present, new, address) = (owner.clone(), email.clone(), peer.address.ip());
        let aliases = self.config.get().accounts.email_aliases();
        let old = self
            .database
            .write(Durability::Record, move |store| {
                let Some(account) = still_authorized(store, &present)? else {
                    return Ok(Err(no_longer_authorized()));
                };
                // One may have been made while the code was on its way.
                if let Some(ban) =
                    ban_against(store, now, &aliases, &present.name, new.as_ref(), address)?
                {
                    return Ok(Err(banned(&ban, &present.name)));
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
            self.mailer.send(mail_templates::email_changed(
                &self.config.get().chat.network,
                &owner.name,
                &old,
            ));
        }
        Ok(made(
            Identity {
                email,
                ..owner.clone()
            },
            EMAIL_SET,
        ))
    }

    /// The password is another from now on, and the account's email told.
    async fn set_password(
        &self,
        peer: &Peer,
        owner: &Identity,
        password: StoredPassword,
    ) -> Result<Changed, Failure> {
        let present = owner.clone();
        let account = self
            .database
            .write(Durability::Record, move |store| {
                let Some(account) = still_authorized(store, &present)? else {
                    return Ok(None);
                };
                store.set_password(account.id, &password.hash, &password.scram)?;
                Ok(Some(account))
            })
            .await?
            .ok_or_else(no_longer_authorized)?;
        tracing::info!(address = %peer.address, account = %owner.name, "password changed");
        if let Some(email) = &account.email {
            self.mailer.send(mail_templates::password_changed(
                &self.config.get().chat.network,
                &owner.name,
                email,
            ));
        }
        Ok(made(owner.clone(), PASSWORD_SET))
    }

    async fn account_of(&self, owner: &Identity) -> Result<Account, Failure> {
        let owner = owner.clone();
        self.database
            .read(move |store| still_authorized(store, &owner))
            .await?
            .ok_or_else(no_longer_authorized)
    }
}

/// Nothing is proved anew by a change.
fn made(owner: Identity, text: &'static str) -> Changed {
    Changed::Made(
        Box::new(Identity {
            new: false,
            ..owner
        }),
        text,
    )
}

fn no_longer_authorized() -> Failure {
    failure(
        "ACCOUNT_REQUIRED",
        "What you came with opens the account no more; sign in anew",
    )
}

//! Invitations: an invited email registers with the code of its invitation, whether registration is
//! open or closed.
//!
//! The code is six digits and valid for days, so only a few tries are allowed. Wrong tries, no
//! matter who makes them, use up the code but not the invitation: `REGISTER` then mails a code that
//! is valid for ten minutes, as where registration is open. A code completes only the `REGISTER`
//! of the same connection. Otherwise, an attacker could register the email with another password
//! and have its owner confirm it.

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::Email;
use rookery_protocol::code::without_separators;

use super::pending::Registration;
use super::registration::{Failure, failure, wrong_code};

use super::password::{self, Password};
use super::throttle::{Wait, accounts_from, mails_from, taken_names_from};
use super::{Accounts, Peer, codes, mail_templates};
use rookery_base::fair_queue::Group;
use rookery_base::mail::Mail;
use rookery_base::secret::Secret;
use rookery_chat::event::Identity;
use rookery_record::{Network, NewInvitation};
use rookery_store::Durability;

/// How long an invitation is valid.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How many codes are checked for one invitation.
pub const TRIES: u8 = 5;

impl Accounts {
    /// Creates an invitation by the admin `by`. Returns it with the mail that contains its code.
    pub async fn invitation(
        &self,
        now: Timestamp,
        email: Email,
        by: String,
    ) -> (NewInvitation, Mail) {
        let digits = codes::digits(now);
        let mail = mail_templates::invitation(&self.config.chat.get().network, &email, &digits);
        let expires_at = now.saturating_add(LIFETIME).unwrap_or(now);
        let code_hash = password::hash(&password::CHAT_QUEUE, Password::generated(digits)).await;
        (
            NewInvitation {
                email,
                code_hash,
                attempts: TRIES,
                by,
                created_at: now,
                expires_at,
            },
            mail,
        )
    }

    /// Creates the account of an invited person if `code` is that of the invitation.
    /// `is_first_try` is whether the session has tried none since its `REGISTER`.
    pub(crate) async fn accept_invitation(
        &self,
        now: Timestamp,
        peer: &Peer,
        registration: Registration,
        code: &str,
        is_first_try: bool,
    ) -> Result<Identity, Failure> {
        self.check_failures(peer, is_first_try)?;
        if !registration.needs_invitation {
            self.check_accounts(peer)?;
        }
        let email = registration.email.clone();
        // The try is counted before the code is checked, so that concurrent guesses cannot exceed
        // the limit.
        let invitation = self
            .database
            .write(Durability::Record, move |store| {
                let Some(email) = &email else { return Ok(None) };
                let Some(invitation) = store.invitation_for(email, now)? else {
                    return Ok(None);
                };
                Ok(store
                    .use_invitation_try(invitation.id)?
                    .then_some(invitation))
            })
            .await?;
        let Some(invitation) = invitation else {
            self.add_failure(peer);
            return Err(wrong_code(0));
        };
        let network = Network::of(peer.address.ip());
        let turn = self.hash_turns.acquire(Group::of(network)).await;
        let is_right = password::verify(
            &password::CHAT_QUEUE,
            Secret::new(without_separators(code)),
            Some(invitation.code_hash),
        )
        .await;
        drop(turn);
        if !is_right {
            self.add_failure(peer);
            tracing::info!(
                address = %peer.address,
                account = %registration.name,
                "wrong invitation code"
            );
            return Err(wrong_code(invitation.attempts_left.saturating_sub(1)));
        }
        self.create(now, peer, registration).await
    }

    /// Counts a registration from the address of `peer` that sends no mail.
    ///
    /// # Errors
    /// If too many were requested within the last hour; nothing is counted then.
    pub(crate) fn count_registration(&self, peer: &Peer) -> Result<(), Wait> {
        let limit = self.config.limits.get().mails_per_hour;
        let network = Network::of(peer.address.ip());
        self.throttle.count(mails_from(network, limit))
    }

    /// Checks that the network of `peer` may register, before the database is read for it.
    ///
    /// # Errors
    /// If it has registered, or tried taken names, too often within the last hour, or created too
    /// many accounts within the last day.
    pub(crate) fn check_registrations(&self, peer: &Peer) -> Result<(), Failure> {
        let limit = self.config.limits.get().mails_per_hour;
        let network = Network::of(peer.address.ip());
        self.throttle.check_all(&mails_from(network, limit))?;
        if self.config.accounts.get().open {
            self.check_accounts(peer)?;
        }
        self.throttle
            .check_all(&taken_names_from(network, limit))
            .map_err(too_many_names)
    }

    /// Checks that an account can be created from the network of `peer` without an invitation. A
    /// code is checked after this, so that a refusal does not use it up.
    pub(crate) fn check_accounts(&self, peer: &Peer) -> Result<(), Failure> {
        let limit = self.config.limits.get().mails_per_hour;
        let network = Network::of(peer.address.ip());
        self.throttle
            .check_all(&accounts_from(network, limit))
            .map_err(too_many_accounts)
    }

    /// Counts an account that the network of `peer` is about to create without an invitation.
    pub(crate) fn count_account(&self, peer: &Peer) -> Result<(), Failure> {
        let limit = self.config.limits.get().mails_per_hour;
        let network = Network::of(peer.address.ip());
        self.throttle
            .count(accounts_from(network, limit))
            .map_err(too_many_accounts)
    }

    /// Counts a registration from the network of `peer` of a name that is taken, or is being
    /// registered.
    pub(crate) fn count_taken_name(&self, peer: &Peer) -> Result<(), Failure> {
        let limit = self.config.limits.get().mails_per_hour;
        let network = Network::of(peer.address.ip());
        self.throttle
            .count(taken_names_from(network, limit))
            .map_err(too_many_names)
    }
}

fn too_many_accounts(Wait { minutes }: Wait) -> Failure {
    let hours = (minutes + 59) / 60;
    failure(
        "TEMPORARILY_UNAVAILABLE",
        format!("Too many accounts were created from here today; try again in {hours} h"),
    )
}

fn too_many_names(Wait { minutes }: Wait) -> Failure {
    failure(
        "TEMPORARILY_UNAVAILABLE",
        format!("Too many names were tried that are taken; try again in {minutes} min"),
    )
}

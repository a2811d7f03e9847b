//! Invitations: an email that was invited makes an account with the code of its invitation, whether
//! registration is open or closed.
//!
//! The code is six digits and good for days, so it may be tried a few times only. Whoever tries it
//! in vain, and be it a stranger, uses up the code and not the invitation: the email is then proved
//! by a code of five minutes that `REGISTER` mails, as where registration is open. The code goes
//! with the `REGISTER` of the same connection; otherwise a stranger could register the email with a
//! password of their own, and have its owner confirm it.

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::Email;

use super::pending::Registration;
use super::registration::{Failure, failure, wrong_code};
use rookery_base::net::network;

use super::throttle::{Key, Wait};
use super::{Accounts, Peer, codes, mail_templates, password};
use rookery_base::mail::Mail;
use rookery_chat::event::Identity;
use rookery_record::NewInvitation;
use rookery_store::Durability;

/// How long an invitation is good.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Codes that are looked at, for one invitation.
pub const TRIES: u8 = 5;

impl Accounts {
    /// An invitation by `by`, and the letter with its code.
    pub async fn invitation(
        &self,
        now: Timestamp,
        email: Email,
        by: String,
    ) -> (NewInvitation, Mail) {
        let digits = codes::digits(now);
        let mail = mail_templates::invitation(&self.config.get().chat.network, &email, &digits);
        let expires_at = now.saturating_add(LIFETIME).unwrap_or(now);
        let code_hash = password::hash(digits).await;
        (
            NewInvitation {
                email,
                code_hash,
                tries: TRIES,
                by,
                created_at: now,
                expires_at,
            },
            mail,
        )
    }

    /// Makes the account of someone who was invited, if `code` is that of the invitation.
    pub async fn accept_invitation(
        &self,
        now: Timestamp,
        peer: &Peer,
        registration: Registration,
        code: &str,
    ) -> Result<Identity, Failure> {
        self.check_failures(now, peer).map_err(|Wait { minutes }| {
            failure(
                "TEMPORARILY_UNAVAILABLE",
                format!("Too many tries; try again in {minutes} min"),
            )
        })?;
        let email = registration.email.clone();
        // The try is used up before the code is looked at: of many at once, no more than are left
        // get through.
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
            self.add_failure(now, peer);
            return Err(wrong_code(0));
        };
        if !password::verify(code.trim().to_owned(), Some(invitation.code_hash)).await {
            self.add_failure(now, peer);
            tracing::info!(address = %peer.address, account = %registration.name, "a wrong code of an invitation");
            return Err(wrong_code(invitation.attempts_left.saturating_sub(1)));
        }
        self.make(now, peer, registration).await
    }

    /// Counts a registration that is asked for from `peer` and sends no mail.
    pub fn count_registration(&self, now: Timestamp, peer: &Peer) -> Result<(), Wait> {
        let keys = [Key::MailsFrom(network(peer.address.ip()))];
        self.throttle
            .count(now, &keys, self.config.get().limits.mails_per_hour)
    }
}

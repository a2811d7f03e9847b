//! `CREDENTIAL`, a command of this server: manages an account's credentials other than its
//! password.
//!
//! - `CREDENTIAL LIST` → one `CREDENTIAL LIST <id> <device|certificate> <created_at> <used_at|*>
//!   [<here|*> [:label]]` for each credential (`here`: this session signed in with it), then
//!   `CREDENTIAL END <count>`.
//! - `CREDENTIAL LABEL :text` → `CREDENTIAL LABELLED <id> :text`. The text describes the device or
//!   certificate that this session signed in with, so that the owner recognises it in the list.
//! - `CREDENTIAL ADD` → `CREDENTIAL ADDED <id> :text`. The client certificate of the connection can
//!   then sign in to the account by SASL `EXTERNAL`.
//! - `CREDENTIAL REVOKE <id>` → `CREDENTIAL REVOKED <id> :text`. The sessions that signed in with
//!   it are ended.
//!
//! Errors are `FAIL CREDENTIAL <code> <context> :text`.

use jiff::Timestamp;
use rookery_protocol::Message;

use super::authenticate::still_authorized;
use super::reply_format::{Replies, word};
use super::{Accounts, Peer};
use rookery_chat::event::Identity;
use rookery_record::{CredentialId, CredentialKind};
use rookery_store::{Durability, Result, Store};

/// The outcome of `ADD`.
enum Added {
    As(CredentialId),
    TooMany,
    /// The certificate belongs to another account.
    InUse,
    NoLongerAuthorized,
}

/// The most characters of a label.
const MAX_LABEL: usize = 64;
/// The maximum number of client certificates of one account.
const MAX_CERTIFICATES: usize = 20;

impl Accounts {
    /// Handles `CREDENTIAL` of a session that is signed in as `owner`. Returns the credential that
    /// was revoked, if one was.
    pub(crate) async fn credential_command(
        &self,
        now: Timestamp,
        replies: &mut Replies,
        peer: &Peer,
        owner: &Identity,
        message: &Message,
    ) -> Option<CredentialId> {
        let Some(subcommand) = message.param(0) else {
            replies.need_more_params("CREDENTIAL");
            return None;
        };
        let done = match subcommand.to_ascii_uppercase().as_str() {
            "LIST" => self.list_credentials(replies, owner).await.map(|()| None),
            "ADD" => {
                let Some(fingerprint) = peer.certificate else {
                    let text = "Connect with a client certificate first";
                    fail(replies, "NO_CERTIFICATE", "ADD", text);
                    return None;
                };
                let added = self.add_certificate(now, replies, owner, fingerprint).await;
                added.map(|()| None)
            }
            "LABEL" => match message.param(1).map(str::trim) {
                Some(label) if is_label(label) => {
                    let labelled = self.label_credential(replies, owner, label.to_owned());
                    labelled.await.map(|()| None)
                }
                Some(_) => {
                    let text = "A label has 1 to 64 characters and no control characters";
                    fail(replies, "INVALID_LABEL", "LABEL", text);
                    Ok(None)
                }
                None => {
                    replies.need_more_params("CREDENTIAL");
                    Ok(None)
                }
            },
            "REVOKE" => match message.param(1).map(str::parse) {
                Some(Ok(id)) => {
                    self.revoke_credential(replies, owner, CredentialId(id))
                        .await
                }
                Some(Err(_)) => {
                    let text = "Give the number that CREDENTIAL LIST shows";
                    fail(replies, "NO_SUCH_CREDENTIAL", "REVOKE", text);
                    Ok(None)
                }
                None => {
                    replies.need_more_params("CREDENTIAL");
                    Ok(None)
                }
            },
            _ => {
                let text = "The subcommands are LIST, ADD, LABEL and REVOKE";
                fail(replies, "UNKNOWN_SUBCOMMAND", word(subcommand), text);
                Ok(None)
            }
        };
        done.unwrap_or_else(|error| {
            tracing::error!(%error, "credentials could not be read or written");
            let text = "Credentials are temporarily unavailable; try again later";
            fail(replies, "TEMPORARILY_UNAVAILABLE", word(subcommand), text);
            None
        })
    }

    async fn list_credentials(&self, replies: &mut Replies, owner: &Identity) -> Result<()> {
        let present = owner.clone();
        let credentials = self
            .database
            .read(move |store| match still_authorized(store, &present)? {
                Some(account) => store.credentials(account.id).map(Some),
                None => Ok(None),
            })
            .await?;
        let Some(credentials) = credentials else {
            no_longer_authorized(replies, "LIST");
            return Ok(());
        };
        for credential in &credentials {
            let kind = match credential.kind {
                CredentialKind::Device => "device",
                CredentialKind::Certificate => "certificate",
            };
            let used = credential
                .used_at
                .map_or_else(|| "*".to_owned(), |at| format!("{at:.3}"));
            let created = format!("{:.3}", credential.created_at);
            let id = credential.id.0.to_string();
            let mut params = vec!["LIST", &id, kind, &created, &used];
            let is_here = owner.signed_in_with.credential() == Some(credential.id);
            match &credential.label {
                Some(label) => params.extend([if is_here { "here" } else { "*" }, label]),
                None => params.extend(is_here.then_some("here")),
            }
            replies.command("CREDENTIAL", &params);
        }
        replies.command("CREDENTIAL", &["END", &credentials.len().to_string()]);
        Ok(())
    }

    async fn add_certificate(
        &self,
        now: Timestamp,
        replies: &mut Replies,
        owner: &Identity,
        fingerprint: [u8; 32],
    ) -> Result<()> {
        let present = owner.clone();
        let added = self
            .database
            .write(Durability::Record, move |store| {
                let Some(account) = still_authorized(store, &present)? else {
                    return Ok(Added::NoLongerAuthorized);
                };
                let id = account.id;
                match store.account_by_certificate(&fingerprint)? {
                    Some(account) if account.id != id => return Ok(Added::InUse),
                    Some(_) => {}
                    None => {
                        let certificates = store.credentials(id)?.into_iter();
                        let count = certificates
                            .filter(|other| other.kind == CredentialKind::Certificate)
                            .count();
                        if count >= MAX_CERTIFICATES {
                            return Ok(Added::TooMany);
                        }
                    }
                }
                store
                    .add_credential(id, CredentialKind::Certificate, &fingerprint, now)
                    .map(Added::As)
            })
            .await?;
        match added {
            Added::As(id) => {
                tracing::info!(account = %owner.name, credential = id.0, "certificate added");
                let text = "This certificate can now sign in to your account by SASL EXTERNAL";
                replies.command("CREDENTIAL", &["ADDED", &id.0.to_string(), text]);
            }
            Added::TooMany => {
                let text = "You have too many certificates; revoke one first";
                fail(replies, "TOO_MANY", "ADD", text);
            }
            Added::InUse => {
                let text = "This certificate belongs to another account";
                fail(replies, "CERTIFICATE_IN_USE", "ADD", text);
            }
            Added::NoLongerAuthorized => no_longer_authorized(replies, "ADD"),
        }
        Ok(())
    }

    /// Labels the credential that the session signed in with. Clients do this at each sign-in, so a
    /// label that stays the same is not written.
    async fn label_credential(
        &self,
        replies: &mut Replies,
        owner: &Identity,
        label: String,
    ) -> Result<()> {
        let Some(id) = owner.signed_in_with.credential() else {
            let text = "You have signed in with the password, which has no label";
            fail(replies, "NO_SUCH_CREDENTIAL", "LABEL", text);
            return Ok(());
        };
        let present = owner.clone();
        let before = self
            .database
            .read(move |store| {
                let Some(account) = still_authorized(store, &present)? else {
                    return Ok(None);
                };
                let credentials = store.credentials(account.id)?;
                Ok(credentials.into_iter().find(|one| one.id == id))
            })
            .await?;
        let Some(before) = before else {
            no_longer_authorized(replies, "LABEL");
            return Ok(());
        };
        if before.label.as_ref() != Some(&label) {
            let label = label.clone();
            let present = owner.clone();
            let set = move |store: &mut Store| match still_authorized(store, &present)? {
                Some(_) => store.set_credential_label(id, &label).map(Some),
                None => Ok(None),
            };
            if self
                .database
                .write(Durability::Record, set)
                .await?
                .is_none()
            {
                no_longer_authorized(replies, "LABEL");
                return Ok(());
            }
        }
        replies.command("CREDENTIAL", &["LABELLED", &id.0.to_string(), &label]);
        Ok(())
    }

    async fn revoke_credential(
        &self,
        replies: &mut Replies,
        owner: &Identity,
        id: CredentialId,
    ) -> Result<Option<CredentialId>> {
        let present = owner.clone();
        let found = self
            .database
            .write(Durability::Record, move |store| {
                match still_authorized(store, &present)? {
                    Some(account) => store.remove_credential(account.id, id).map(Some),
                    None => Ok(None),
                }
            })
            .await?;
        let number = id.0.to_string();
        match found {
            Some(true) => {
                tracing::info!(account = %owner.name, credential = id.0, "credential revoked");
                let text = "It can no longer sign in to your account; its sessions are ended";
                replies.command("CREDENTIAL", &["REVOKED", &number, text]);
                return Ok(Some(id));
            }
            Some(false) => {
                let text = "You have no credential with this number";
                fail(replies, "NO_SUCH_CREDENTIAL", &number, text);
            }
            None => no_longer_authorized(replies, &number),
        }
        Ok(None)
    }
}

/// Whether a text can be a label.
fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn no_longer_authorized(replies: &mut Replies, context: &str) {
    let text = "Your sign-in is no longer valid; sign in again";
    fail(replies, "ACCOUNT_REQUIRED", context, text);
}

fn fail(replies: &mut Replies, code: &str, context: &str, text: &str) {
    replies.fail("CREDENTIAL", code, context, text);
}

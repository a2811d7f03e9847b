//! `CREDENTIAL`, a command of this server: manages an account's credentials other than its
//! password.
//!
//! - `CREDENTIAL LIST` → one `CREDENTIAL LIST <id> <device|certificate> <created_at> <used_at|*>
//!   [here]` for each credential (`here`: this session signed in with it), then `CREDENTIAL END
//!   <count>`.
//! - `CREDENTIAL ADD` → `CREDENTIAL ADDED <id> :text`. The client certificate of the connection can
//!   then sign in to the account by SASL `EXTERNAL`.
//! - `CREDENTIAL REVOKE <id>` → `CREDENTIAL REVOKED <id> :text`. Open sessions stay open.
//!
//! Errors are `FAIL CREDENTIAL <code> <context> :text`.

use jiff::Timestamp;
use rookery_protocol::Message;

use super::authenticate::still_authorized;
use super::reply_format::{Replies, word};
use super::{Accounts, Peer};
use rookery_chat::event::Identity;
use rookery_record::{CredentialId, CredentialKind};
use rookery_store::{Durability, Result};

/// The outcome of `ADD`.
enum Added {
    As(CredentialId),
    TooMany,
    /// The certificate belongs to another account.
    InUse,
    NoLongerAuthorized,
}

/// The maximum number of client certificates of one account.
const MAX_CERTIFICATES: usize = 20;

impl Accounts {
    /// Handles `CREDENTIAL` of a session that is signed in as `owner`.
    pub(crate) async fn credential_command(
        &self,
        now: Timestamp,
        replies: &mut Replies,
        peer: &Peer,
        owner: &Identity,
        message: &Message,
    ) {
        let Some(subcommand) = message.param(0) else {
            return replies.need_more_params("CREDENTIAL");
        };
        let done = match subcommand.to_ascii_uppercase().as_str() {
            "LIST" => self.list_credentials(replies, owner).await,
            "ADD" => {
                let Some(fingerprint) = peer.certificate else {
                    let text = "Connect with a client certificate first";
                    return fail(replies, "NO_CERTIFICATE", "ADD", text);
                };
                self.add_certificate(now, replies, owner, fingerprint).await
            }
            "REVOKE" => match message.param(1).map(str::parse) {
                Some(Ok(id)) => {
                    self.revoke_credential(replies, owner, CredentialId(id))
                        .await
                }
                Some(Err(_)) => {
                    let text = "Give the number that CREDENTIAL LIST shows";
                    return fail(replies, "NO_SUCH_CREDENTIAL", "REVOKE", text);
                }
                None => return replies.need_more_params("CREDENTIAL"),
            },
            _ => {
                let text = "The subcommands are LIST, ADD and REVOKE";
                return fail(replies, "UNKNOWN_SUBCOMMAND", word(subcommand), text);
            }
        };
        if let Err(error) = done {
            tracing::error!(%error, "credentials could not be read or written");
            let text = "Credentials are temporarily unavailable; try again later";
            fail(replies, "TEMPORARILY_UNAVAILABLE", word(subcommand), text);
        }
    }

    async fn list_credentials(&self, replies: &mut Replies, owner: &Identity) -> Result<()> {
        let id = owner.id;
        let credentials = self
            .database
            .read(move |store| store.credentials(id))
            .await?;
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
            if owner.credential == Some(credential.id) {
                params.push("here");
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
            Added::NoLongerAuthorized => {
                let text = "Your sign-in is no longer valid; sign in again";
                fail(replies, "ACCOUNT_REQUIRED", "ADD", text);
            }
        }
        Ok(())
    }

    async fn revoke_credential(
        &self,
        replies: &mut Replies,
        owner: &Identity,
        id: CredentialId,
    ) -> Result<()> {
        let account = owner.id;
        let found = self
            .database
            .write(Durability::Record, move |store| {
                store.remove_credential(account, id)
            })
            .await?;
        let number = id.0.to_string();
        if found {
            tracing::info!(account = %owner.name, credential = id.0, "credential revoked");
            let text = "It can no longer sign in to your account";
            replies.command("CREDENTIAL", &["REVOKED", &number, text]);
        } else {
            let text = "You have no credential with this number";
            fail(replies, "NO_SUCH_CREDENTIAL", &number, text);
        }
        Ok(())
    }
}

fn fail(replies: &mut Replies, code: &str, context: &str, text: &str) {
    replies.fail("CREDENTIAL", code, context, text);
}

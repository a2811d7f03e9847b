//! `CREDENTIAL`, our own command: what opens an account besides its password, for the account's
//! owner.
//!
//! - `CREDENTIAL LIST` → one `CREDENTIAL LIST <id> <device|certificate> <created_at> <used_at|*>
//!   [here]` each (`here`: it opened the account to this session), then `CREDENTIAL END <count>`.
//! - `CREDENTIAL ADD`: from now on the client certificate of this connection opens the account by
//!   SASL EXTERNAL → `CREDENTIAL ADDED <id> :text`.
//! - `CREDENTIAL REVOKE <id>` → `CREDENTIAL REVOKED <id> :text`. Sessions that are open stay open.
//!
//! What cannot be done is answered with `FAIL CREDENTIAL <code> <context> :text`.

use jiff::Timestamp;
use rookery_protocol::Message;

use super::authenticate::still_authorized;
use super::reply_format::{Voice, word};
use super::{Accounts, Peer};
use rookery_chat::event::Identity;
use rookery_record::{CredentialId, CredentialKind};
use rookery_store::{Durability, Result};

/// What came of an `ADD`.
enum Added {
    As(CredentialId),
    Full,
    InUse,
    NoLongerAuthorized,
}

/// The most client certificates of one account.
const MAX_CERTIFICATES: usize = 20;

impl Accounts {
    /// Serves one `CREDENTIAL` of a session that is signed in as `owner`.
    pub async fn credential_command(
        &self,
        now: Timestamp,
        voice: &Voice<'_>,
        peer: &Peer,
        owner: &Identity,
        message: &Message,
    ) -> Vec<Message> {
        let fail = |code: &str, context: &str, text: &str| {
            vec![voice.fail("CREDENTIAL", code, context, text)]
        };
        let Some(subcommand) = message.param(0) else {
            return vec![voice.need_more_params("CREDENTIAL")];
        };
        let done = match subcommand.to_ascii_uppercase().as_str() {
            "LIST" => self.list_credentials(voice, owner).await,
            "ADD" => match peer.certificate {
                Some(fingerprint) => self.add_certificate(now, voice, owner, fingerprint).await,
                None => {
                    return fail(
                        "NO_CERTIFICATE",
                        "ADD",
                        "Connect with a client certificate first",
                    );
                }
            },
            "REVOKE" => match message.param(1).map(str::parse) {
                Some(Ok(id)) => self.revoke_credential(voice, owner, CredentialId(id)).await,
                Some(Err(_)) => {
                    return fail(
                        "NO_SUCH_CREDENTIAL",
                        "REVOKE",
                        "The list gives each its number",
                    );
                }
                None => return vec![voice.need_more_params("CREDENTIAL")],
            },
            _ => {
                return fail(
                    "UNKNOWN_SUBCOMMAND",
                    word(subcommand),
                    "It is LIST, ADD or REVOKE",
                );
            }
        };
        done.unwrap_or_else(|error| {
            tracing::error!(%error, "credentials could not be read or written");
            fail(
                "TEMPORARILY_UNAVAILABLE",
                word(subcommand),
                "Out of order just now; try again later",
            )
        })
    }

    async fn list_credentials(&self, voice: &Voice<'_>, owner: &Identity) -> Result<Vec<Message>> {
        let id = owner.id;
        let credentials = self
            .database
            .read(move |store| store.credentials(id))
            .await?;
        let mut lines: Vec<Message> = credentials
            .iter()
            .map(|credential| {
                let kind = match credential.kind {
                    CredentialKind::Device => "device",
                    CredentialKind::Certificate => "certificate",
                };
                let used = credential
                    .used_at
                    .map_or_else(|| "*".to_owned(), |at| format!("{at:.3}"));
                let made = format!("{:.3}", credential.created_at);
                let id = credential.id.0.to_string();
                let mut params = vec!["LIST", &id, kind, &made, &used];
                if owner.credential == Some(credential.id) {
                    params.push("here");
                }
                voice.say("CREDENTIAL", &params)
            })
            .collect();
        lines.push(voice.say("CREDENTIAL", &["END", &credentials.len().to_string()]));
        Ok(lines)
    }

    async fn add_certificate(
        &self,
        now: Timestamp,
        voice: &Voice<'_>,
        owner: &Identity,
        fingerprint: [u8; 32],
    ) -> Result<Vec<Message>> {
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
                            return Ok(Added::Full);
                        }
                    }
                }
                store
                    .add_credential(id, CredentialKind::Certificate, &fingerprint, now)
                    .map(Added::As)
            })
            .await?;
        Ok(vec![match added {
            Added::As(id) => {
                tracing::info!(account = %owner.name, credential = id.0, "client certificate added");
                let text = "This connection's certificate opens your account by SASL EXTERNAL";
                voice.say("CREDENTIAL", &["ADDED", &id.0.to_string(), text])
            }
            Added::Full => voice.fail(
                "CREDENTIAL",
                "TOO_MANY",
                "ADD",
                "Revoke a certificate of yours first",
            ),
            Added::InUse => voice.fail(
                "CREDENTIAL",
                "CERTIFICATE_IN_USE",
                "ADD",
                "The certificate opens another account",
            ),
            Added::NoLongerAuthorized => {
                let text = "What you came with opens the account no more; sign in anew";
                voice.fail("CREDENTIAL", "ACCOUNT_REQUIRED", "ADD", text)
            }
        }])
    }

    async fn revoke_credential(
        &self,
        voice: &Voice<'_>,
        owner: &Identity,
        id: CredentialId,
    ) -> Result<Vec<Message>> {
        let account = owner.id;
        let found = self
            .database
            .write(Durability::Record, move |store| {
                store.remove_credential(account, id)
            })
            .await?;
        let number = id.0.to_string();
        Ok(vec![if found {
            tracing::info!(account = %owner.name, credential = id.0, "credential revoked");
            voice.say(
                "CREDENTIAL",
                &["REVOKED", &number, "It opens your account no more"],
            )
        } else {
            voice.fail(
                "CREDENTIAL",
                "NO_SUCH_CREDENTIAL",
                &number,
                "None of yours has that number",
            )
        }])
    }
}

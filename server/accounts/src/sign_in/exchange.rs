//! SASL exchanges (IRCv3 sasl 3.2): `AUTHENTICATE`, from the choice of a mechanism to its outcome.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_protocol::{Message, Nick, numeric};

use super::{MailWatch, Phase, SignIn};
use crate::authenticate::{Refused, Scram};
use crate::email_code::Challenge;
use crate::reply_format::Replies;
use crate::sasl::{self, Chunk, Claim, Login, Malformed, Mechanism, Response};
use crate::scram::ClientFirst;
use rookery_base::metrics::METRICS;
use rookery_chat::event::{Identity, Revoked};

/// A SASL exchange in progress.
pub(super) struct Exchange {
    /// The account name or email that the client claims, as reported to operators on a refusal;
    /// empty until the client has sent one.
    claimed: String,
    /// The part of the next response that has been received.
    response: Response,
    awaits: Awaits,
}

/// What the client's next response must be.
enum Awaits {
    /// The first response of the mechanism.
    First(Mechanism),
    /// The mailed code.
    MailedCode(Challenge),
    /// The SCRAM proof of the password.
    ScramProof(Box<Scram>),
    /// An empty response: the client has verified the server's SCRAM signature.
    Acknowledgement(Box<Identity>),
}

/// What a whole response leads to.
enum Outcome {
    Proved(Identity),
    /// The server sends `data`, and the exchange goes on.
    Continue(Awaits, Vec<u8>),
}

impl Exchange {
    fn new(claimed: String, awaits: Awaits) -> Self {
        Self {
            claimed,
            response: Response::default(),
            awaits,
        }
    }
}

impl SignIn {
    /// Handles `AUTHENTICATE`. Returns the identity if it is a new one.
    pub(super) async fn authenticate(
        &mut self,
        now: Timestamp,
        replies: &mut Replies,
        message: &Message,
    ) -> Option<Identity> {
        let Some(param) = message.param(0).filter(|param| !param.is_empty()) else {
            replies.need_more_params("AUTHENTICATE");
            return None;
        };
        if param == "*" {
            self.abort();
            replies.numeric(numeric::ERR_SASLABORTED, &["SASL authentication aborted"]);
            return None;
        }
        let Some(mut exchange) = self.exchange.take() else {
            self.begin_exchange(replies, param);
            return None;
        };
        let (claimed, outcome) = match exchange.response.push(param) {
            Chunk::More => {
                self.exchange = Some(exchange);
                return None;
            }
            Chunk::TooLong => {
                self.abort();
                replies.numeric(numeric::ERR_SASLTOOLONG, &["SASL message too long"]);
                return None;
            }
            Chunk::Malformed => {
                if let Awaits::MailedCode(challenge) = exchange.awaits {
                    self.retry = Some(challenge);
                }
                (exchange.claimed, Err(Refused::BadForm))
            }
            Chunk::Whole(payload) => {
                let Exchange {
                    mut claimed,
                    awaits,
                    ..
                } = exchange;
                let outcome = self.respond(now, &mut claimed, awaits, &payload).await;
                (claimed, outcome)
            }
        };
        let proved = match outcome {
            Ok(Outcome::Continue(awaits, data)) => {
                self.exchange = Some(Exchange::new(claimed, awaits));
                replies.sasl_data(&data);
                return None;
            }
            Ok(Outcome::Proved(identity)) => self.check_identity_change(identity),
            Err(refused) => Err(refused),
        };
        match proved {
            Ok(identity) => {
                METRICS.chat_sign_ins.increment();
                replies.logged_in(&identity);
                let text = "SASL authentication successful";
                replies.numeric(numeric::RPL_SASLSUCCESS, &[text]);
                self.set_identity(identity)
            }
            Err(refused) => {
                self.report(claimed, &refused);
                let code = match refused {
                    Refused::SignedIn { .. } => numeric::ERR_SASLALREADY,
                    _ => numeric::ERR_SASLFAIL,
                };
                replies.numeric(code, &[&refused.to_string()]);
                None
            }
        }
    }

    /// Signs in with a server password (`PASS`), for clients that cannot do SASL:
    /// `account:password` or `account/device:password`, or the password of the account with the
    /// nick. The checks and limits are those of SASL `PLAIN`.
    pub async fn use_server_password(
        &mut self,
        now: Timestamp,
        replies: &mut Replies,
        nick: &Nick,
        password: &str,
    ) {
        let of_nick = Login {
            claim: Claim::Name(nick.to_account()),
            device: None,
        };
        let (login, secret) = match password
            .split_once(':')
            .map(|(login, secret)| (Login::parse(login), secret))
        {
            // A password without an account may have a colon, too.
            None | Some((Err(Malformed::Form), _)) => (Ok(of_nick), password),
            Some((login, secret)) => (login, secret),
        };
        let claimed = login
            .as_ref()
            .map_or(nick.to_account().folded(), |login| login.claim.folded())
            .to_owned();
        let proved = match login {
            Err(malformed) => Err(malformed.into()),
            Ok(login) if (1..=sasl::MAX_SECRET).contains(&secret.len()) => {
                let accounts = Arc::clone(&self.accounts);
                accounts
                    .authenticate_by_secret(now, &self.peer, login, secret.into())
                    .await
            }
            Ok(_) => Err(Refused::Wrong),
        };
        match proved {
            Ok(identity) => {
                METRICS.chat_sign_ins.increment();
                replies.logged_in(&identity);
                self.set_identity(identity);
            }
            Err(refused) => {
                self.report(claimed, &refused);
                let text = format!(
                    "The server password was not accepted: {}. Set it to account:password or \
                     account/device:password, or leave it empty",
                    refused.reason()
                );
                replies.numeric(numeric::ERR_PASSWDMISMATCH, &[&text]);
            }
        }
    }

    /// Reports a refused sign-in to operators. `claimed` is the name or email that the client
    /// claimed.
    fn report(&self, claimed: String, refused: &Refused) {
        self.accounts
            .report_refusal(claimed, self.peer.address, refused.reason());
    }

    fn begin_exchange(&mut self, replies: &mut Replies, mechanism: &str) {
        let Some(mechanism) = Mechanism::from_name(mechanism) else {
            let list = sasl::mechanism_list();
            replies.numeric(
                numeric::RPL_SASLMECHS,
                &[&list, "are available SASL mechanisms"],
            );
            replies.numeric(
                numeric::ERR_SASLFAIL,
                &["SASL authentication failed: unknown mechanism"],
            );
            return;
        };
        self.exchange = Some(Exchange::new(String::new(), Awaits::First(mechanism)));
        replies.sasl_data(&[]);
    }

    /// Refuses to turn an admitted session into another account, unless nicks are free: where a
    /// nick is the account's name, other users would see the user change identity mid-session.
    fn check_identity_change(&self, identity: Identity) -> Result<Identity, Refused> {
        match self.identity() {
            Some(present)
                if self.phase == Phase::Admitted
                    && present.id != identity.id
                    && !self.accounts.config.accounts.get().free_nicks =>
            {
                Err(Refused::SignedIn {
                    name: present.name.clone(),
                })
            }
            _ => Ok(identity),
        }
    }

    /// Handles a whole response. Sets `claimed` as soon as the client has named an account.
    async fn respond(
        &mut self,
        now: Timestamp,
        claimed: &mut String,
        awaits: Awaits,
        payload: &[u8],
    ) -> Result<Outcome, Refused> {
        let peer = &self.peer;
        match awaits {
            Awaits::First(Mechanism::Plain) => {
                let (login, secret) = sasl::plain(payload)?;
                login.claim.folded().clone_into(claimed);
                self.accounts
                    .authenticate_by_secret(now, peer, login, secret)
                    .await
                    .map(Outcome::Proved)
            }
            Awaits::First(Mechanism::ScramSha256) => {
                let first = ClientFirst::parse(payload)?;
                first.login.claim.folded().clone_into(claimed);
                let (data, scram) = self.accounts.begin_scram(now, peer, first).await?;
                let awaits = Awaits::ScramProof(Box::new(scram));
                Ok(Outcome::Continue(awaits, data.into()))
            }
            Awaits::ScramProof(scram) => {
                let (data, identity) = self
                    .accounts
                    .finish_scram(now, peer, &scram, payload)
                    .await?;
                let awaits = Awaits::Acknowledgement(Box::new(identity));
                Ok(Outcome::Continue(awaits, data.into()))
            }
            Awaits::Acknowledgement(identity) if payload.is_empty() => {
                Ok(Outcome::Proved(*identity))
            }
            Awaits::Acknowledgement(_) => Err(Refused::BadForm),
            Awaits::First(Mechanism::External) => {
                let named = sasl::external(payload)?;
                *claimed = named.as_ref().map(ToString::to_string).unwrap_or_default();
                self.accounts
                    .authenticate_by_certificate(now, peer, named)
                    .await
                    .map(Outcome::Proved)
            }
            Awaits::First(Mechanism::EmailCode) => {
                let (name, email) = sasl::account_and_email(payload).ok_or(Refused::BadForm)?;
                *claimed = name.to_string();
                let resumed = self.retry.take_if(|retry| retry.is_for(&name, &email));
                let challenge = if let Some(challenge) = resumed {
                    challenge
                } else {
                    let (challenge, state) = self
                        .accounts
                        .begin_challenge(now, peer, name, email)
                        .await?;
                    let account = challenge.name().clone();
                    self.mail = Some(MailWatch::new("AUTHENTICATE", account, state));
                    self.retry = None;
                    challenge
                };
                Ok(Outcome::Continue(Awaits::MailedCode(challenge), Vec::new()))
            }
            Awaits::MailedCode(mut challenge) => {
                let Some((code, credential)) = sasl::code_and_credential(payload) else {
                    self.retry = Some(challenge);
                    return Err(Refused::BadForm);
                };
                let answered = self
                    .accounts
                    .answer_challenge(
                        now,
                        peer,
                        &mut challenge,
                        code.expose(),
                        credential.expose(),
                    )
                    .await;
                if matches!(
                    answered,
                    Err(Refused::WrongCode { attempts_left: 1.. }
                        | Refused::Throttled(_)
                        | Refused::Unavailable)
                ) {
                    self.retry = Some(challenge);
                }
                let (identity, displaced) = answered?;
                self.revoked = displaced.map(Revoked::Credential);
                Ok(Outcome::Proved(identity))
            }
        }
    }
}

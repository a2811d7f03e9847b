//! `invite`, `invitations` and `registrations`.

use clap::{Args, Subcommand};
use rookery_control_api::{
    InvitationList, InvitationReply, InvitationRequest, InvitationRevoked, RegistrationList,
    ResendReply,
};
use rookery_protocol::composed;

use crate::client::{Client, Query, Reply};
use crate::context::Context;
use crate::failure::Failure;
use crate::pages;
use crate::render::{Clock, printable, with_next};
use crate::table::{table, with_count};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Invite someone by mail to create an account, even while registration is closed
    Invite {
        /// Where the invitation is mailed; the account will have this address
        email: String,
    },
    /// List the open invitations, or revoke one
    Invitations(InvitationsOptions),
    /// List the registrations that wait for a mailed code, or mail another code
    Registrations(RegistrationsOptions),
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct InvitationsOptions {
    #[command(subcommand)]
    command: Option<InvitationsCommand>,
    #[command(flatten)]
    page: NumberedPage,
}

#[derive(Debug, Subcommand)]
enum InvitationsCommand {
    /// Revoke an invitation
    Revoke {
        /// The invited email, or the invitation's id
        #[arg(value_name = "EMAIL|ID")]
        invitation: String,
    },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RegistrationsOptions {
    #[command(subcommand)]
    command: Option<RegistrationsCommand>,
    #[command(flatten)]
    page: NumberedPage,
}

#[derive(Debug, Subcommand)]
enum RegistrationsCommand {
    /// Mail another code, which replaces the previous one
    Resend {
        /// The name that is being registered, or the registration's id
        #[arg(value_name = "NAME|ID")]
        registration: String,
    },
}

/// A page of a list whose entries have numbers.
#[derive(Debug, Args)]
struct NumberedPage {
    /// Start after this id; the previous page names it
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
    /// Entries per page
    #[arg(
        long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    limit: u16,
}

impl NumberedPage {
    fn of(&self, path: &str) -> Query {
        Query::new(path)
            .set("limit", self.limit)
            .maybe("after", self.after)
    }
}

impl Command {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::Invite { email } => {
                let reply: Reply<InvitationReply> =
                    client.post("/v1/invitations", &InvitationRequest { email })?;
                context.show(&reply, invited)
            }
            Self::Invitations(InvitationsOptions {
                command: None,
                page,
            }) => {
                let reply: Reply<InvitationList> = client.get(page.of("/v1/invitations"))?;
                context.show(&reply, invitation_table)
            }
            Self::Invitations(InvitationsOptions {
                command: Some(InvitationsCommand::Revoke { invitation }),
                ..
            }) => {
                let id = match invitation.parse::<i64>() {
                    Ok(id) => id,
                    Err(_) => invitation_id(&client, &invitation)?,
                };
                let reply: Reply<InvitationRevoked> =
                    client.delete(&format!("/v1/invitations/{id}"))?;
                context.show(&reply, |reply, _| {
                    printable(&format!(
                        "Revoked the invitation of {}.",
                        reply.invitation.email
                    ))
                })
            }
            Self::Registrations(RegistrationsOptions {
                command: None,
                page,
            }) => {
                let reply: Reply<RegistrationList> = client.get(page.of("/v1/registrations"))?;
                context.show(&reply, registration_table)
            }
            Self::Registrations(RegistrationsOptions {
                command: Some(RegistrationsCommand::Resend { registration }),
                ..
            }) => {
                let id = match registration.parse::<u64>() {
                    Ok(id) => id,
                    Err(_) => registration_id(&client, &registration)?,
                };
                let reply: Reply<ResendReply> =
                    client.post_empty(&format!("/v1/registrations/{id}/resend"))?;
                context.show(&reply, |reply, _| resent(reply))
            }
        }
    }
}

/// Returns the id of the invitation of that email.
fn invitation_id(client: &Client, email: &str) -> Result<i64, Failure> {
    let list: Reply<InvitationList> = pages::get_all(client, "/v1/invitations")?;
    let found = list
        .value
        .invitations
        .into_iter()
        .find(|it| is_same(&it.email, email));
    let none = || {
        Failure::new(format!(
            "{email} is not invited; `admin-cli invitations` lists the open invitations"
        ))
    };
    found.map(|it| it.id).ok_or_else(none)
}

/// Returns the id of the newest registration of that name.
fn registration_id(client: &Client, name: &str) -> Result<u64, Failure> {
    let list: Reply<RegistrationList> = pages::get_all(client, "/v1/registrations")?;
    let found = list
        .value
        .registrations
        .into_iter()
        .rfind(|it| is_same(&it.name, name));
    let none = || {
        Failure::new(format!(
            "no registration of {name} waits for a code; `admin-cli registrations` lists those \
             that do"
        ))
    };
    found.map(|it| it.id).ok_or_else(none)
}

/// Names and emails are compared without regard to case, and however their letters are encoded: the
/// server composes them.
fn is_same(known: &str, asked: &str) -> bool {
    composed(known).to_lowercase() == composed(asked).to_lowercase()
}

fn invited(reply: &InvitationReply, clock: &Clock) -> String {
    let InvitationReply { invitation, mail } = reply;
    let until = clock.time(invitation.expires_at);
    printable(&format!(
        "Invited {} until {until}; the mail: {mail}.",
        invitation.email
    ))
}

fn invitation_table(list: &InvitationList, clock: &Clock) -> String {
    let rows = list.invitations.iter().map(|invitation| {
        [
            invitation.id.to_string(),
            invitation.email.clone(),
            clock.distance(invitation.expires_at),
            invitation.attempts_left.to_string(),
            invitation.by.clone(),
            clock.time(invitation.created_at),
        ]
    });
    let header = ["ID", "EMAIL", "EXPIRES", "ATTEMPTS LEFT", "BY", "CREATED"];
    let page = with_count(
        &table(header, rows),
        list.invitations.len(),
        "invitation",
        "invitations",
    );
    with_next(page, list.next.as_ref())
}

fn registration_table(list: &RegistrationList, clock: &Clock) -> String {
    let rows = list.registrations.iter().map(|registration| {
        let note = if registration.email_taken {
            "the email belongs to an account"
        } else {
            ""
        };
        [
            registration.id.to_string(),
            registration.name.clone(),
            registration.email.clone(),
            clock.distance(registration.expires_at),
            registration.attempts_left.to_string(),
            note.to_owned(),
        ]
    });
    let header = ["ID", "NAME", "EMAIL", "EXPIRES", "ATTEMPTS LEFT", "NOTE"];
    let page = with_count(
        &table(header, rows),
        list.registrations.len(),
        "registration",
        "registrations",
    );
    with_next(page, list.next.as_ref())
}

fn resent(reply: &ResendReply) -> String {
    let ResendReply { registration, mail } = reply;
    printable(&format!(
        "New code for {} to {}: {mail}.",
        registration.name, registration.email
    ))
}

#[cfg(test)]
mod tests {
    use rookery_control_api::{InvitationEntry, RegistrationEntry};

    use super::*;
    use crate::render::tests::{ago, clock};

    #[test]
    fn invitations_are_shown_with_their_remaining_attempts() {
        let entry = |id, attempts_left| InvitationEntry {
            id,
            email: "dora@example.org".to_owned(),
            by: "root".to_owned(),
            created_at: ago(3_600),
            expires_at: ago(-604_800),
            attempts_left,
        };
        let list = InvitationList {
            invitations: vec![entry(3, 5), entry(4, 0)],
            next: Some(4),
        };
        let expected = "\
ID  EMAIL             EXPIRES  ATTEMPTS LEFT  BY    CREATED
3   dora@example.org  in 7d    5              root  2026-11-22 09:00:00 (1h ago)
4   dora@example.org  in 7d    0              root  2026-11-22 09:00:00 (1h ago)

2 invitations; for more, --after 4";
        assert_eq!(invitation_table(&list, &clock()), expected);
        let reply = InvitationReply {
            invitation: entry(3, 5),
            mail: "sent".to_owned(),
        };
        assert_eq!(
            invited(&reply, &clock()),
            "Invited dora@example.org until 2026-11-29 10:00:00 (in 7d); the mail: sent."
        );
    }

    #[test]
    fn registrations_with_a_known_email_are_marked() {
        let registration = RegistrationEntry {
            id: 9,
            name: "bo".to_owned(),
            email: "bo@example.org".to_owned(),
            email_taken: true,
            expires_at: ago(-120),
            attempts_left: 5,
        };
        let list = RegistrationList {
            registrations: vec![registration.clone()],
            next: None,
        };
        let expected = "\
ID  NAME  EMAIL           EXPIRES  ATTEMPTS LEFT  NOTE
9   bo    bo@example.org  in 2m    5              the email belongs to an account

1 registration";
        assert_eq!(registration_table(&list, &clock()), expected);
        let reply = ResendReply {
            registration,
            mail: "waiting".to_owned(),
        };
        assert_eq!(
            resent(&reply),
            "New code for bo to bo@example.org: waiting."
        );
    }

    #[test]
    fn a_registration_is_found_however_its_name_is_typed() {
        assert!(is_same("Zoé", "zoe\u{301}"));
        assert!(!is_same("Zoé", "zoe"));
    }
}

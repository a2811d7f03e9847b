//! `invite`, `invitations` and `registrations`.

use rookery_control_api::{
    InvitationList, InvitationReply, InvitationRequest, InvitationRevoked, RegistrationList,
    ResendReply,
};

use super::{Show, pages};
use crate::cli::{
    InvitationsCommand, InvitationsOptions, NumberedPage, RegistrationsCommand,
    RegistrationsOptions,
};
use crate::client::{Client, Reply};
use crate::failure::Failure;
use crate::output::{self, Reader};

/// Invites an email.
pub fn invite(client: &Client, email: String, show: &Show) -> Result<(), Failure> {
    let reply: Reply<InvitationReply> =
        client.post("/v1/invitations", &InvitationRequest { email })?;
    show.result(&reply, |reply| Reader::here().invited(reply))
}

/// Who is invited; or takes an invitation back.
pub fn run(client: &Client, options: &InvitationsOptions, show: &Show) -> Result<(), Failure> {
    match &options.command {
        None => {
            let path = format!("/v1/invitations?{}", query(&options.page));
            let reply: Reply<InvitationList> = client.get(&path)?;
            show.result(&reply, |list| Reader::here().invitations(list))
        }
        Some(InvitationsCommand::Revoke { invitation }) => {
            let id = match invitation.parse::<i64>() {
                Ok(id) => id,
                Err(_) => invitation_to(client, invitation)?,
            };
            let reply: Reply<InvitationRevoked> =
                client.delete(&format!("/v1/invitations/{id}"))?;
            show.result(&reply, |reply| {
                output::plain(&format!(
                    "{} is not invited any more.",
                    reply.invitation.email
                ))
            })
        }
    }
}

/// Which registrations wait for their codes; or mails another.
pub fn registrations(
    client: &Client,
    options: &RegistrationsOptions,
    show: &Show,
) -> Result<(), Failure> {
    match &options.command {
        None => {
            let path = format!("/v1/registrations?{}", query(&options.page));
            let reply: Reply<RegistrationList> = client.get(&path)?;
            show.result(&reply, |list| Reader::here().registrations(list))
        }
        Some(RegistrationsCommand::Resend { registration }) => {
            let id = match registration.parse::<u64>() {
                Ok(id) => id,
                Err(_) => registration_of(client, registration)?,
            };
            let reply: Reply<ResendReply> =
                client.post_nothing(&format!("/v1/registrations/{id}/resend"))?;
            show.result(&reply, output::resent)
        }
    }
}

/// The number of the invitation that went to that email.
fn invitation_to(client: &Client, email: &str) -> Result<i64, Failure> {
    let list: Reply<InvitationList> = pages::get_all(client, "/v1/invitations")?;
    let found = list
        .value
        .invitations
        .into_iter()
        .find(|it| is_same(&it.email, email));
    let none = || {
        Failure::new(format!(
            "{email} is not invited; `admin-cli invitations` shows who is"
        ))
    };
    found.map(|it| it.id).ok_or_else(none)
}

/// The number of the newest registration under that name.
fn registration_of(client: &Client, name: &str) -> Result<u64, Failure> {
    let list: Reply<RegistrationList> = pages::get_all(client, "/v1/registrations")?;
    let found = list
        .value
        .registrations
        .into_iter()
        .rfind(|it| is_same(&it.name, name));
    let none = || {
        Failure::new(format!(
            "no registration of {name} waits for its code; `admin-cli registrations` shows those that do"
        ))
    };
    found.map(|it| it.id).ok_or_else(none)
}

/// Letter case makes no other name or email.
fn is_same(known: &str, asked: &str) -> bool {
    known.to_lowercase() == asked.to_lowercase()
}

fn query(NumberedPage { after, limit }: &NumberedPage) -> String {
    let after = after.map_or_else(String::new, |after| format!("&after={after}"));
    format!("limit={limit}{after}")
}

//! `invite`, `invitations` and `registrations`.

use rookery_protocol::control::{
    InvitationList, InvitationReply, InvitationRequest, InvitationRevoked, RegistrationList, ResendReply,
};

use super::Show;
use crate::cli::{
    InvitationsCommand, InvitationsOptions, NumberedPage, RegistrationsCommand, RegistrationsOptions,
};
use crate::client::{Client, Reply};
use crate::failure::Failure;
use crate::output::{self, Reader};

/// Invites an email.
pub fn invite(client: &Client, email: String, show: &Show) -> Result<(), Failure> {
    let reply: Reply<InvitationReply> = client.post("/v1/invitations", &InvitationRequest { email })?;
    show.result(&reply, |reply| Reader::here().invited(reply))
}

/// Who is invited; or takes an invitation back.
pub fn run(client: &Client, options: &InvitationsOptions, show: &Show) -> Result<(), Failure> {
    match options.command {
        None => {
            let path = format!("/v1/invitations?{}", query(&options.page));
            let reply: Reply<InvitationList> = client.get(&path)?;
            show.result(&reply, |list| Reader::here().invitations(list))
        }
        Some(InvitationsCommand::Revoke { id }) => {
            let reply: Reply<InvitationRevoked> = client.delete(&format!("/v1/invitations/{id}"))?;
            show.result(&reply, |reply| {
                output::plain(&format!("{} is not invited any more.", reply.invitation.email))
            })
        }
    }
}

/// Which registrations wait for their codes; or mails another.
pub fn registrations(client: &Client, options: &RegistrationsOptions, show: &Show) -> Result<(), Failure> {
    match options.command {
        None => {
            let path = format!("/v1/registrations?{}", query(&options.page));
            let reply: Reply<RegistrationList> = client.get(&path)?;
            show.result(&reply, |list| Reader::here().registrations(list))
        }
        Some(RegistrationsCommand::Resend { id }) => {
            let reply: Reply<ResendReply> = client.post_nothing(&format!("/v1/registrations/{id}/resend"))?;
            show.result(&reply, output::resent)
        }
    }
}

fn query(NumberedPage { after, limit }: &NumberedPage) -> String {
    let after = after.map_or_else(String::new, |after| format!("&after={after}"));
    format!("limit={limit}{after}")
}

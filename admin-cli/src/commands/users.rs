//! `list` and `kick`.

use rookery_protocol::control::{KickReply, KickRequest, MassKickReply, MassKickRequest, UserList};

use super::{Show, ask_twice};
use crate::cli::KickOptions;
use crate::client::{Client, Reply, segment};
use crate::failure::Failure;
use crate::output::{self, Reader};

/// Who is online.
pub fn list(client: &Client, show: &Show) -> Result<(), Failure> {
    let reply: Reply<UserList> = client.get("/v1/users")?;
    show.result(&reply, |list| Reader::here().users(list))
}

/// Ends the sessions of a user, one of them, or all that match.
pub fn kick(client: &Client, options: KickOptions, show: &Show) -> Result<(), Failure> {
    let KickOptions { name, session, target, reason, dry_run, yes } = options;
    let Some(name) = name else {
        let target = target.unwrap_or_default();
        let request = MassKickRequest { target, reason, dry_run, confirm: yes };
        return kick_all(client, &request, show);
    };
    let path = format!("/v1/users/{}/kick", segment(&name));
    let reply: Reply<KickReply> = client.post(&path, &KickRequest { reason, session })?;
    let whom = session.map_or_else(|| name.clone(), |id| format!("Session {id} of {name}"));
    show.result(&reply, |ended| output::kick(&whom, ended))
}

fn kick_all(client: &Client, request: &MassKickRequest, show: &Show) -> Result<(), Failure> {
    let send = |confirm| client.post("/v1/kick", &MassKickRequest { confirm, ..request.clone() });
    let reply: Reply<MassKickReply> = ask_twice(send, request.confirm)?;
    show.result(&reply, |reply| match reply {
        MassKickReply::Done(ended) => output::kick(&request.target, ended),
        MassKickReply::Preview(preview) => Reader::here().kick_preview(preview),
    })
}

//! `list` and `kick`.

use rookery_protocol::control::{KickReply, KickRequest, UserList};

use super::Show;
use crate::cli::KickOptions;
use crate::client::{Client, Reply, segment};
use crate::failure::Failure;
use crate::output::{self, Reader};

/// Who is online.
pub fn list(client: &Client, show: &Show) -> Result<(), Failure> {
    let reply: Reply<UserList> = client.get("/v1/users")?;
    show.result(&reply, |list| Reader::here().users(list))
}

/// Ends the sessions of a user.
pub fn kick(client: &Client, options: KickOptions, show: &Show) -> Result<(), Failure> {
    let KickOptions { name, reason } = options;
    let path = format!("/v1/users/{}/kick", segment(&name));
    let reply: Reply<KickReply> = client.post(&path, &KickRequest { reason })?;
    show.result(&reply, |ended| output::kick(&name, ended))
}

//! `channels` and `channel`.

use rookery_control_api::{
    ChannelList, ChannelReply, CloseReply, CloseRequest, PurgeReply, PurgeRequest,
};

use super::{Show, ask, pages};
use crate::cli::{ChannelCommand, PageOptions};
use crate::client::{Client, Reply, segment};
use crate::failure::Failure;
use crate::output::{self, Reader};

/// Which there are.
pub fn list(client: &Client, page: &PageOptions, show: &Show) -> Result<(), Failure> {
    let reply: Reply<ChannelList> = pages::get(client, "/v1/channels", page)?;
    show.result(&reply, |list| Reader::here().channels(list))
}

/// Does something with one channel.
pub fn run(client: &Client, command: ChannelCommand, show: &Show) -> Result<(), Failure> {
    match command {
        ChannelCommand::Show { name } => {
            let reply: Reply<ChannelReply> = pages::get_all(client, &path(&name))?;
            show.result(&reply, |channel| Reader::here().channel(channel))
        }
        ChannelCommand::Close { name, reason } => {
            let path = format!("{}/close", path(&name));
            let reply: Reply<CloseReply> = client.post(&path, &CloseRequest { reason })?;
            show.result(&reply, output::closed)
        }
        ChannelCommand::Purge {
            name,
            before,
            reason,
            yes,
        } => {
            let what = before.map_or_else(String::new, |before| {
                format!(" before {}", Reader::here().time(before))
            });
            let warning = format!(
                "What was said in {}{what} will be gone for good.",
                with_mark(&name)
            );
            if !yes && !ask(&warning)? {
                return Err(Failure::new(
                    "not purged: that takes a yes at the terminal, or --yes",
                ));
            }
            let path = format!("{}/purge", path(&name));
            let reply: Reply<PurgeReply> = client.post(&path, &PurgeRequest { before, reason })?;
            show.result(&reply, output::purged)
        }
    }
}

fn path(name: &str) -> String {
    format!("/v1/channels/{}", segment(&with_mark(name)))
}

/// A channel's name; a `#` that was left out is put in its place.
pub fn with_mark(name: &str) -> String {
    let mark = if name.starts_with('#') { "" } else { "#" };
    format!("{mark}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_channel_may_be_left_out() {
        assert_eq!(path("lobby"), "/v1/channels/%23lobby");
        assert_eq!(path("#lobby"), path("lobby"));
        assert_eq!(path("##lobby"), "/v1/channels/%23%23lobby");
    }
}

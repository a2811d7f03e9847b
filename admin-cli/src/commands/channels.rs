//! `channels` and `channel`.

use clap::Subcommand;
use jiff::Timestamp;
use rookery_control_api::{
    ChannelList, ChannelReply, CloseReply, CloseRequest, PurgeReply, PurgeRequest,
};

use crate::args::moment;
use crate::client::{Reply, segment};
use crate::context::Context;
use crate::failure::Failure;
use crate::pages::{self, PageOptions};
use crate::prompt::confirm;
use crate::render::{Clock, count, facts, printable, with_next};
use crate::table::{table, with_count};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the channels
    Channels(PageOptions),
    /// Show who is in a channel, close it, or delete its history
    #[command(subcommand)]
    Channel(ChannelCommand),
}

/// What to do with a channel. The `#` of its name may be left out, because a shell takes it for the
/// start of a comment.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Show the channel and who is in it
    Show {
        /// The channel's name, with or without its #
        name: String,
    },
    /// Kick everyone from the channel, which removes it
    Close {
        /// The channel's name, with or without its #
        name: String,
        /// Shown to everyone in the channel
        #[arg(long, value_name = "R")]
        reason: Option<String>,
    },
    /// Delete the channel's history for good
    Purge {
        /// The channel's name, with or without its #
        name: String,
        /// Only what is older: 7d for all but the last seven days, a day such as 2026-11-22 (before
        /// 0:00 UTC), or a time such as 2026-11-22T10:00:00Z
        #[arg(long, value_name = "WHEN", value_parser = moment)]
        before: Option<Timestamp>,
        /// Shown to everyone in the channel
        #[arg(long, value_name = "R")]
        reason: Option<String>,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

impl Command {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::Channels(page) => {
                let reply: Reply<ChannelList> = pages::get(&client, "/v1/channels", &page)?;
                context.show(&reply, channel_table)
            }
            Self::Channel(ChannelCommand::Show { name }) => {
                let reply: Reply<ChannelReply> = pages::get_all(&client, &path(&name))?;
                context.show(&reply, channel_facts)
            }
            Self::Channel(ChannelCommand::Close { name, reason }) => {
                let path = format!("{}/close", path(&name));
                let reply: Reply<CloseReply> = client.post(&path, &CloseRequest { reason })?;
                context.show(&reply, |reply, _| closed(reply))
            }
            Self::Channel(ChannelCommand::Purge {
                name,
                before,
                reason,
                yes,
            }) => {
                if !yes && !confirm(&purge_warning(&name, before))? {
                    return Err(Failure::new(
                        "not confirmed, nothing was deleted (--yes skips the question)",
                    ));
                }
                let path = format!("{}/purge", path(&name));
                let reply: Reply<PurgeReply> =
                    client.post(&path, &PurgeRequest { before, reason })?;
                context.show(&reply, |reply, _| purged(reply))
            }
        }
    }
}

fn path(name: &str) -> String {
    format!("/v1/channels/{}", segment(&with_mark(name)))
}

/// Returns a channel's name with its `#`, which may have been left out.
pub fn with_mark(name: &str) -> String {
    let mark = if name.starts_with('#') { "" } else { "#" };
    format!("{mark}{name}")
}

fn purge_warning(name: &str, before: Option<Timestamp>) -> String {
    let before = before.map_or_else(String::new, |before| {
        format!(" before {}", Clock::system().time(before))
    });
    format!(
        "The history of {}{before} will be deleted for good.",
        with_mark(name)
    )
}

fn channel_table(list: &ChannelList, clock: &Clock) -> String {
    let rows = list.channels.iter().map(|channel| {
        [
            channel.name.clone(),
            channel.members.to_string(),
            channel.modes.clone(),
            clock.distance(channel.created_at),
            channel.topic.clone().unwrap_or_default(),
        ]
    });
    let table = table(["CHANNEL", "MEMBERS", "MODES", "CREATED", "TOPIC"], rows);
    with_next(
        with_count(&table, list.channels.len(), "channel", "channels"),
        list.next.as_ref(),
    )
}

fn channel_facts(reply: &ChannelReply, clock: &Clock) -> String {
    let ChannelReply {
        channel, members, ..
    } = reply;
    let members: Vec<String> = members
        .iter()
        .map(|member| {
            let prefix = match (member.operator, member.voice) {
                (true, _) => "@",
                (false, true) => "+",
                (false, false) => "",
            };
            format!("{prefix}{}", member.nick)
        })
        .collect();
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let names = if members.is_empty() {
        "0".to_owned()
    } else {
        format!("{}: {}", members.len(), members.join(" "))
    };
    facts([
        ("Channel", channel.name.clone()),
        ("Topic", or_none(&channel.topic)),
        ("Modes", channel.modes.clone()),
        ("Founder", or_none(&channel.founder)),
        ("Created", clock.time(channel.created_at)),
        ("Members", names),
    ])
}

fn closed(reply: &CloseReply) -> String {
    let CloseReply { channel, members } = reply;
    let kicked = if members.is_empty() {
        "nobody was in it".to_owned()
    } else {
        format!(
            "kicked {}: {}",
            count(members.len(), "user", "users"),
            members.join(", ")
        )
    };
    printable(&format!("Closed {channel}; {kicked}."))
}

fn purged(reply: &PurgeReply) -> String {
    let entries = count(reply.entries, "message or event", "messages and events");
    printable(&format!(
        "Deleted {entries} from the history of {}.",
        reply.channel
    ))
}

#[cfg(test)]
mod tests {
    use rookery_control_api::{ChannelEntry, ChannelMember};

    use super::*;
    use crate::render::tests::{ago, clock};

    #[test]
    fn the_mark_of_a_channel_may_be_left_out() {
        assert_eq!(path("lobby"), "/v1/channels/%23lobby");
        assert_eq!(path("#lobby"), path("lobby"));
        assert_eq!(path("##lobby"), "/v1/channels/%23%23lobby");
    }

    #[test]
    fn a_channel_is_shown_with_its_members() {
        let channel = ChannelEntry {
            name: "#lobby".to_owned(),
            members: 2,
            founder: Some("alice".to_owned()),
            topic: Some("Hello".to_owned()),
            modes: "nt".to_owned(),
            created_at: ago(3_600),
        };
        let list = ChannelList {
            channels: vec![channel.clone()],
            next: None,
        };
        let expected = "\
CHANNEL  MEMBERS  MODES  CREATED  TOPIC
#lobby   2        nt     1h ago   Hello

1 channel";
        assert_eq!(channel_table(&list, &clock()), expected);
        let member = |nick: &str, operator, voice| ChannelMember {
            nick: nick.to_owned(),
            operator,
            voice,
        };
        let members = vec![
            member("alice", true, true),
            member("bo", false, true),
            member("cy", false, false),
        ];
        let reply = ChannelReply {
            channel,
            members,
            next: None,
        };
        let text = channel_facts(&reply, &clock());
        assert!(text.contains("\nFounder      alice\n"), "{text}");
        assert!(text.ends_with("Members      3: @alice +bo cy"), "{text}");
    }

    #[test]
    fn closing_and_purging_say_what_was_removed() {
        let mut reply = CloseReply {
            channel: "#lobby".to_owned(),
            members: vec!["alice".to_owned()],
        };
        assert_eq!(closed(&reply), "Closed #lobby; kicked 1 user: alice.");
        reply.members.clear();
        assert_eq!(closed(&reply), "Closed #lobby; nobody was in it.");
        let reply = PurgeReply {
            channel: "#lobby".to_owned(),
            entries: 2,
        };
        assert_eq!(
            purged(&reply),
            "Deleted 2 messages and events from the history of #lobby."
        );
    }
}

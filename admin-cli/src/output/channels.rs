//! Which channels there are, and who is in them.

use rookery_control_api::{ChannelList, ChannelReply, CloseReply, PurgeReply};

use super::{Reader, count, facts, plain, table, with_count, with_next};

impl Reader {
    /// Which channels there are.
    pub fn channels(&self, list: &ChannelList) -> String {
        let rows = list.channels.iter().map(|channel| {
            [
                channel.name.clone(),
                channel.members.to_string(),
                channel.modes.clone(),
                self.distance(channel.created_at),
                channel.topic.clone().unwrap_or_default(),
            ]
        });
        let table = table(["CHANNEL", "MEMBERS", "MODES", "MADE", "TOPIC"], rows);
        with_next(
            with_count(&table, list.channels.len(), "channel", "channels"),
            list.next.as_ref(),
        )
    }

    /// One channel and who is in it.
    pub fn channel(&self, reply: &ChannelReply) -> String {
        let ChannelReply {
            channel, members, ..
        } = reply;
        let members: Vec<String> = members
            .iter()
            .map(|member| {
                let mark = match (member.operator, member.voice) {
                    (true, _) => "@",
                    (false, true) => "+",
                    (false, false) => "",
                };
                format!("{mark}{}", member.nick)
            })
            .collect();
        let lines = [
            ("Channel", channel.name.clone()),
            (
                "Topic",
                channel.topic.clone().unwrap_or_else(|| "none".to_owned()),
            ),
            ("Modes", channel.modes.clone()),
            (
                "Founder",
                channel
                    .founder
                    .clone()
                    .unwrap_or_else(|| "nobody".to_owned()),
            ),
            ("Made", self.time(channel.created_at)),
            (
                "Members",
                format!("{}: {}", members.len(), members.join(" ")),
            ),
        ];
        facts(lines)
    }
}

/// A channel that is gone.
pub fn closed(reply: &CloseReply) -> String {
    let members = count(reply.members.len(), "user was", "users were");
    plain(&format!(
        "{} is closed; {members} in it: {}.",
        reply.channel,
        reply.members.join(", ")
    ))
}

/// A channel whose history is gone.
pub fn purged(reply: &PurgeReply) -> String {
    let entries = count(
        reply.entries,
        "message or event is",
        "messages and events are",
    );
    plain(&format!("{}: {entries} gone.", reply.channel))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rookery_control_api::{ChannelEntry, ChannelMember};

    use super::*;
    use crate::output::tests::{ago, reader};

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
CHANNEL  MEMBERS  MODES  MADE    TOPIC
#lobby   2        nt     1h ago  Hello

1 channel";
        assert_eq!(reader().channels(&list), expected);
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
        let text = reader().channel(&ChannelReply {
            channel,
            members,
            next: None,
        });
        assert!(text.contains("\nFounder      alice\n"), "{text}");
        assert!(text.ends_with("Members      3: @alice +bo cy"), "{text}");
        let reply = CloseReply {
            channel: "#lobby".to_owned(),
            members: vec!["alice".to_owned()],
        };
        assert_eq!(closed(&reply), "#lobby is closed; 1 user was in it: alice.");
        let reply = PurgeReply {
            channel: "#lobby".to_owned(),
            entries: 2,
        };
        assert_eq!(purged(&reply), "#lobby: 2 messages and events are gone.");
    }
}

//! Commands about other users, and about the user's own nick and away state.

#![allow(
    clippy::unnecessary_wraps,
    reason = "all commands have the same signature"
)]

use rookery_protocol::{Message, Nick};

use super::command::{Command, Refusal, Requires, invalid, non_empty, parse_nick};
use super::talk::public_text;
use crate::front_end::AnyFrontEnd;
use crate::model::Conversation;

/// The commands of this family.
pub const COMMANDS: &[Command<AnyFrontEnd>] = &[
    Command {
        name: "who",
        usages: &[(
            "/who [#CHANNEL]",
            "list the people in a channel and who is away",
        )],
        requires: Requires::Connection,
        run: who,
    },
    Command {
        name: "whois",
        usages: &[("/whois NICK", "show details about someone")],
        requires: Requires::Connection,
        run: whois,
    },
    Command {
        name: "away",
        usages: &[(
            "/away [TEXT]",
            "mark yourself as away; without TEXT, as back",
        )],
        requires: Requires::Connection,
        run: away,
    },
    Command {
        name: "nick",
        usages: &[("/nick NAME", "change your nick")],
        requires: Requires::Connection,
        run: nick,
    },
];

fn who(front_end: &mut AnyFrontEnd, mask: &str) -> Result<(), Refusal> {
    if mask.contains(' ') {
        return Err(Refusal::Usage);
    }
    let mask = match (non_empty(mask), front_end.conversation()) {
        (Some(mask), _) => mask.to_owned(),
        (None, Some(Conversation::Channel(channel))) => channel.to_string(),
        (None, _) => return Err("you are not in a channel: /who #CHANNEL".into()),
    };
    front_end.request(Message::new("WHO", [mask]));
    Ok(())
}

fn whois(front_end: &mut AnyFrontEnd, arguments: &str) -> Result<(), Refusal> {
    let (nick, _) = parse_nick(arguments)?;
    front_end.request(Message::new("WHOIS", [nick.as_str()]));
    Ok(())
}

fn away(front_end: &mut AnyFrontEnd, text: &str) -> Result<(), Refusal> {
    let text = public_text(text, front_end.model())?;
    front_end.request(Message::new("AWAY", non_empty(&text)));
    Ok(())
}

fn nick(front_end: &mut AnyFrontEnd, name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::Usage);
    }
    let nick = Nick::parse(name).map_err(|error| invalid(name, error))?;
    front_end.request(Message::new("NICK", [nick.as_str()]));
    Ok(())
}

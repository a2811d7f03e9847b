//! Commands about channels.

#![allow(
    clippy::unnecessary_wraps,
    reason = "all commands have the same signature"
)]

use rookery_protocol::{ChannelName, Message};

use super::command::{
    Command, Refusal, Requires, non_empty, parse_channel, parse_nick, split_word,
};
use super::talk::public_text;
use crate::front_end::AnyFrontEnd;
use crate::model::{Conversation, Rank};

/// The refusal of a command about the current channel when there is none.
const NO_CHANNEL: &str = "you are not in a channel: /join #CHANNEL";

/// The commands of this family.
pub const COMMANDS: &[Command<AnyFrontEnd>] = &[
    Command {
        name: "join",
        usages: &[(
            "/join #CHANNEL [KEY]",
            "join or create a channel, or switch to it",
        )],
        requires: Requires::Connection,
        run: join,
    },
    Command {
        name: "part",
        usages: &[("/part [#CHANNEL] [REASON]", "leave a channel")],
        requires: Requires::Connection,
        run: part,
    },
    Command {
        name: "names",
        usages: &[("/names [#CHANNEL]", "list the members of a channel")],
        requires: Requires::Connection,
        run: names,
    },
    Command {
        name: "list",
        usages: &[("/list", "list the channels of the server")],
        requires: Requires::Connection,
        run: list,
    },
    Command {
        name: "topic",
        usages: &[
            ("/topic [#CHANNEL] [TEXT]", "show or set the topic"),
            ("/topic [#CHANNEL] -", "remove the topic"),
        ],
        requires: Requires::Connection,
        run: topic,
    },
    Command {
        name: "invite",
        usages: &[("/invite NICK [#CHANNEL]", "invite someone")],
        requires: Requires::Connection,
        run: invite,
    },
    Command {
        name: "kick",
        usages: &[(
            "/kick NICK [REASON]",
            "remove someone from the channel (operators)",
        )],
        requires: Requires::Connection,
        run: kick,
    },
    Command {
        name: "ban",
        usages: &[(
            "/ban [NICK]",
            "ban someone; without a nick, list the bans (operators)",
        )],
        requires: Requires::Connection,
        run: ban,
    },
    Command {
        name: "unban",
        usages: &[("/unban NICK", "lift a ban (operators)")],
        requires: Requires::Connection,
        run: unban,
    },
    Command {
        name: "mode",
        usages: &[(
            "/mode [#CHANNEL] [MODES]",
            "show or set the modes of a channel (operators)",
        )],
        requires: Requires::Connection,
        run: mode,
    },
];

/// Returns the current channel.
fn current_channel(front_end: &AnyFrontEnd) -> Result<ChannelName, Refusal> {
    match front_end.conversation() {
        Some(Conversation::Channel(channel)) => Ok(channel),
        _ => Err(NO_CHANNEL.into()),
    }
}

/// Returns the channel of that name, or the current one if the name is empty.
fn channel_or_current(front_end: &AnyFrontEnd, name: &str) -> Result<ChannelName, Refusal> {
    if name.is_empty() {
        current_channel(front_end)
    } else {
        parse_channel(name)
    }
}

/// Splits off the channel at the beginning; without one, returns the current channel with the whole
/// text. What names a channel is for that channel and no other, even if the user was just removed
/// from it.
fn joined_or_current<'a>(
    front_end: &AnyFrontEnd,
    text: &'a str,
) -> Result<(ChannelName, &'a str), Refusal> {
    let (name, rest) = split_word(text);
    match ChannelName::parse(name) {
        Ok(channel) if front_end.model().is_in(&channel) => Ok((channel, rest)),
        Ok(channel) => {
            let here = current_channel(front_end)?;
            Err(Refusal::Reason(format!(
                "you are not in {channel}; for a text of {here} that begins so, write {here} \
                 before it"
            )))
        }
        Err(_) => Ok((current_channel(front_end)?, text)),
    }
}

fn join(front_end: &mut AnyFrontEnd, arguments: &str) -> Result<(), Refusal> {
    let (name, key) = split_word(arguments);
    if name.is_empty() || key.contains(' ') {
        return Err(Refusal::Usage);
    }
    let channel = if name.starts_with('#') {
        parse_channel(name)?
    } else {
        parse_channel(&format!("#{name}"))?
    };
    if front_end.model().is_in(&channel) {
        front_end.switch_to(Conversation::Channel(channel));
        return Ok(());
    }
    let key = non_empty(key);
    front_end.request(Message::new(
        "JOIN",
        std::iter::once(channel.as_str()).chain(key),
    ));
    front_end.model_mut().switch_to_requested(&channel, key);
    front_end.switch_to_requested(&channel);
    Ok(())
}

fn part(front_end: &mut AnyFrontEnd, arguments: &str) -> Result<(), Refusal> {
    let (channel, reason) = if arguments.starts_with('#') {
        let (name, reason) = split_word(arguments);
        (parse_channel(name)?, reason)
    } else {
        let channel = current_channel(front_end)?;
        if !front_end.model().is_in(&channel) {
            front_end.close(&Conversation::Channel(channel));
            return Ok(());
        }
        // `/part ops` is likely meant for #ops, which is then not left, but this channel.
        let named = ChannelName::parse(&format!("#{arguments}"));
        let is_another = |name: &ChannelName| *name != channel && front_end.model().is_in(name);
        if let Some(named) = named.ok().filter(is_another) {
            return Err(Refusal::Reason(format!(
                "to leave {named}, write /part {named}; this is {channel}"
            )));
        }
        (channel, arguments)
    };
    let reason = public_text(reason, front_end.model())?;
    leave(front_end, &channel, &reason);
    Ok(())
}

/// Leaves a channel and closes its conversation. The server answers if the user is not in it.
pub fn leave(front_end: &mut AnyFrontEnd, channel: &ChannelName, reason: &str) {
    front_end.request(Message::new(
        "PART",
        std::iter::once(channel.as_str()).chain(non_empty(reason)),
    ));
    if front_end.model().is_in(channel) {
        front_end.model_mut().switch_when_parted(channel);
        front_end.close(&Conversation::Channel(channel.clone()));
    }
}

/// Lists the members of the current channel from the model; requests those of other channels.
fn names(front_end: &mut AnyFrontEnd, name: &str) -> Result<(), Refusal> {
    if !name.is_empty() {
        let channel = parse_channel(name)?;
        front_end.request(Message::new("NAMES", [channel.as_str()]));
        return Ok(());
    }
    let channel = current_channel(front_end)?;
    let model = front_end.model();
    let mut members: Vec<(Rank, &str)> = model
        .members(&channel)
        .map(|(nick, rank)| (rank, nick.as_str()))
        .collect();
    members.sort();
    let names: Vec<String> = members
        .iter()
        .map(|(rank, nick)| format!("{}{nick}", rank.prefix()))
        .collect();
    front_end.show(&format!("in {channel}: {}", names.join(", ")));
    Ok(())
}

fn list(front_end: &mut AnyFrontEnd, _arguments: &str) -> Result<(), Refusal> {
    front_end.request(Message::new("LIST", None::<&str>));
    Ok(())
}

fn topic(front_end: &mut AnyFrontEnd, text: &str) -> Result<(), Refusal> {
    let (channel, text) = joined_or_current(front_end, text)?;
    let text = public_text(text, front_end.model())?;
    let text = match &*text {
        "" => None,
        "-" => Some(""),
        text => Some(text),
    };
    front_end.request(Message::new(
        "TOPIC",
        std::iter::once(channel.as_str()).chain(text),
    ));
    Ok(())
}

fn invite(front_end: &mut AnyFrontEnd, arguments: &str) -> Result<(), Refusal> {
    let (nick, name) = parse_nick(arguments)?;
    let channel = channel_or_current(front_end, name)?;
    front_end.request(Message::new("INVITE", [nick.as_str(), channel.as_str()]));
    Ok(())
}

fn kick(front_end: &mut AnyFrontEnd, arguments: &str) -> Result<(), Refusal> {
    let (nick, reason) = parse_nick(arguments)?;
    let channel = current_channel(front_end)?;
    let reason = public_text(reason, front_end.model())?;
    let params = [channel.as_str(), nick.as_str()];
    front_end.request(Message::new(
        "KICK",
        params.into_iter().chain(non_empty(&reason)),
    ));
    Ok(())
}

fn ban(front_end: &mut AnyFrontEnd, mask: &str) -> Result<(), Refusal> {
    change_bans(front_end, "+b", non_empty(mask))
}

fn unban(front_end: &mut AnyFrontEnd, mask: &str) -> Result<(), Refusal> {
    if mask.is_empty() {
        return Err(Refusal::Usage);
    }
    change_bans(front_end, "-b", Some(mask))
}

/// Adds or removes a ban, or requests the list of bans if there is no mask. A plain nick becomes a
/// mask that matches the nick from any host.
fn change_bans(front_end: &mut AnyFrontEnd, mode: &str, mask: Option<&str>) -> Result<(), Refusal> {
    if mask.is_some_and(|mask| mask.contains(' ')) {
        return Err(Refusal::Usage);
    }
    let mask = mask.map(|mask| {
        if mask.contains(['!', '@', '*', '?', ':']) {
            mask.to_owned()
        } else {
            format!("{mask}!*@*")
        }
    });
    let channel = current_channel(front_end)?;
    front_end.request(Message::new(
        "MODE",
        [channel.as_str(), mode].into_iter().chain(mask.as_deref()),
    ));
    Ok(())
}

fn mode(front_end: &mut AnyFrontEnd, modes: &str) -> Result<(), Refusal> {
    let (channel, modes) = match split_word(modes) {
        (name, modes) if name.starts_with('#') => (parse_channel(name)?, modes),
        _ => (current_channel(front_end)?, modes),
    };
    front_end.request(Message::new(
        "MODE",
        std::iter::once(channel.as_str()).chain(modes.split_whitespace()),
    ));
    Ok(())
}

//! What people say: `PRIVMSG`, `NOTICE`, `TAGMSG`.

use std::borrow::Cow;

use rookery_protocol::numeric::{
    ERR_CANNOTSENDTOCHAN, ERR_NORECIPIENT, ERR_NOSUCHCHANNEL, ERR_NOSUCHNICK, ERR_NOTEXTTOSEND,
    ERR_TOOMANYTARGETS, RPL_AWAY,
};
use rookery_protocol::{Capability, ChannelName, Message};
use rookery_record::{HistoryEntry, Place};

use crate::commands::{is_empty_list, needs_more, playback, split_list};
use crate::event::{Delivery, Output};
use crate::ids::UserId;
use crate::line::{Line, MAX_BODY, Tags, is_ctcp, truncate};
use crate::multiline::{Several, Wording, cut_lines};
use crate::state::channel::{Channel, Flag, Member};
use crate::state::{Session, User};
use crate::turn::{Caller, Turn, address_each};
use crate::{lengths, multiline};

/// `PRIVMSG <targets> <text>`, `NOTICE <targets> <text>`.
pub fn say(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let command = message.command.as_str();
    // An answer to a notice could go to and fro for ever.
    let quiet = command == "NOTICE";
    let Some(targets) = message.param(0).filter(|targets| !is_empty_list(targets)) else {
        if !quiet {
            turn.reply(
                caller,
                ERR_NORECIPIENT,
                &[],
                &format!("No recipient given ({command})"),
            );
        }
        return;
    };
    let Some(text) = message.param(1).filter(|text| !text.is_empty()) else {
        if !quiet {
            turn.reply(caller, ERR_NOTEXTTOSEND, &[], "No text to send");
        }
        return;
    };
    if turn.settings.history && !quiet && playback::is_meant(targets) {
        return playback::ask(turn, caller, text);
    }
    let said = Said {
        command,
        text: Some(text),
        client_tags: client_tags(caller, message),
        quiet,
    };
    to_each(turn, caller, targets, &said);
}

/// `TAGMSG <targets>`: tags without a text.
pub fn tag(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let targets = message.param(0).unwrap_or_default();
    if is_empty_list(targets) {
        return needs_more(turn, caller, &message.command);
    }
    let client_tags = client_tags(caller, message);
    let said = Said {
        command: &message.command,
        text: None,
        client_tags,
        quiet: false,
    };
    to_each(turn, caller, targets, &said);
}

/// A message of several lines to one target, as [`multiline::lines`] takes its text apart.
pub fn say_lines(
    turn: &mut Turn<'_>,
    caller: Caller,
    command: &str,
    target: &str,
    text: &str,
    client_tags: String,
) {
    turn.state.user_mut(caller.user).active_at = turn.stamp.at;
    let said = Said {
        command,
        text: Some(text),
        client_tags,
        quiet: command == "NOTICE",
    };
    if let Err((code, text)) = to_target(turn, caller, target, &said)
        && !said.quiet
    {
        turn.reply(caller, code, &[target], &text);
    }
}

/// What is said, before it is known to whom.
struct Said<'a> {
    command: &'a str,
    /// None for tags alone. It may have several lines.
    text: Option<&'a str>,
    /// Escaped, as on the wire.
    client_tags: String,
    /// Whether errors are kept from the sender.
    quiet: bool,
}

/// The client-only tags, escaped, of whoever may send any.
pub fn client_tags(caller: Caller, message: &Message) -> String {
    if message.tags.is_empty() || !caller.has(Capability::MessageTags) {
        return String::new();
    }
    message.tags.client_only().to_string()
}

fn to_each(turn: &mut Turn<'_>, caller: Caller, targets: &str, said: &Said<'_>) {
    for (count, target) in split_list(targets).into_iter().enumerate() {
        let result = if count < lengths::TARGETS {
            to_target(turn, caller, target, said)
        } else {
            Err((
                ERR_TOOMANYTARGETS,
                "Too many targets in one message; this one was left out".to_owned(),
            ))
        };
        if let Err((code, text)) = result
            && !said.quiet
        {
            turn.reply(caller, code, &[target], &text);
        }
    }
}

/// A numeric for the sender, with its text.
type Refusal = (&'static str, String);

fn to_target(
    turn: &mut Turn<'_>,
    caller: Caller,
    target: &str,
    said: &Said<'_>,
) -> Result<(), Refusal> {
    let msgid = &turn.state.next_msgid();
    let (status, name) = match target.strip_prefix(['@', '+']) {
        Some(name) if name.starts_with('#') => (target.chars().next(), name),
        _ => (None, target),
    };
    if name.starts_with('#') {
        to_channel(turn, caller, status, name, said, msgid)
    } else {
        to_user(turn, caller, name, said, msgid)
    }
}

fn to_channel(
    turn: &mut Turn<'_>,
    caller: Caller,
    status: Option<char>,
    name: &str,
    said: &Said<'_>,
    msgid: &str,
) -> Result<(), Refusal> {
    let none = || (ERR_NOSUCHCHANNEL, "No such channel".to_owned());
    let name = ChannelName::parse(name).map_err(|_| none())?;
    let channel = turn.state.channel(&name).ok_or_else(none)?;
    let sender = turn.state.user(caller.user);
    let asks = |text| multiline::lines(text).any(|line| is_ctcp(line.text));
    let ctcp = channel.flags.has(Flag::NoCtcp) && said.text.is_some_and(asks);
    let why = ctcp.then_some("+C: no CTCP but ACTION");
    // The lobby is everyone's, also of those who only pass by.
    let at_home = turn.visits(caller) && turn.settings.lobby.contains(&channel.name);
    if let Some(why) = why.or_else(|| kept_silent(channel, sender, at_home)) {
        return Err((
            ERR_CANNOTSENDTOCHAN,
            format!("Cannot send to channel ({why})"),
        ));
    }
    let shown = match status {
        Some(status) => format!("{status}{}", channel.name),
        None => channel.name.to_string(),
    };
    let meant = |member: &&Member| match status {
        _ if member.user == caller.user => false,
        None => true,
        Some('@') => member.standing.runs(),
        Some(_) => member.standing.is_heard(),
    };
    let receivers = channel
        .members()
        .iter()
        .filter(meant)
        .map(|member| member.user);
    let addressed = Addressed {
        target: &shown,
        place: Place::Channel(channel.name.clone()),
        // So that what was meant for some is never read back by all.
        mark: status.map(|status| format!("statusmsg={status}")),
        to_self: false,
    };
    let outgoing = compose(
        turn,
        caller,
        said,
        msgid,
        addressed,
        receivers,
        channel.members().len(),
    );
    send(turn, outgoing);
    count(turn, caller, said, Some(&name));
    Ok(())
}

fn to_user(
    turn: &mut Turn<'_>,
    caller: Caller,
    name: &str,
    said: &Said<'_>,
    msgid: &str,
) -> Result<(), Refusal> {
    let target = turn
        .state
        .named(name)
        .ok_or_else(|| (ERR_NOSUCHNICK, "No such nick".to_owned()))?;
    let addressed = Addressed {
        target: target.nick.as_str(),
        place: Place::Direct {
            from: turn.state.user(caller.user).party(),
            to: target.party(),
        },
        mark: None,
        to_self: target.id == caller.user,
    };
    let away = target.away.as_deref().filter(|_| said.command == "PRIVMSG");
    let away = away.map(|away| (target.nick.clone(), away.to_owned()));
    let outgoing = compose(
        turn,
        caller,
        said,
        msgid,
        addressed,
        std::iter::once(target.id),
        1,
    );
    send(turn, outgoing);
    count(turn, caller, said, None);
    if let Some((nick, away)) = away {
        turn.reply(caller, RPL_AWAY, &[nick.as_str()], &away);
    }
    Ok(())
}

/// For those who look how busy the server is. Tags alone are nothing said.
fn count(turn: &mut Turn<'_>, caller: Caller, said: &Said<'_>, channel: Option<&ChannelName>) {
    if said.text.is_none() {
        return;
    }
    let now = turn.now();
    turn.state.user_mut(caller.user).said.add(now);
    if let Some(channel) = channel.and_then(|name| turn.state.channel_mut(name)) {
        channel.said.add(now);
    }
}

/// Why the user may not speak there. Whoever is `at_home` there counts as a member.
pub fn kept_silent(channel: &Channel, user: &User, at_home: bool) -> Option<&'static str> {
    let member = channel.member(user.id);
    if member.is_some_and(|member| member.standing.is_heard()) {
        return None;
    }
    if member.is_none() && !at_home && channel.flags.has(Flag::NoExternal) {
        return Some("+n: only its members can");
    }
    if channel.flags.has(Flag::Moderated) {
        return Some("+m: only those with a voice can");
    }
    channel.mutes(user).then_some("+b: you are banned from it")
}

/// To whom it goes.
struct Addressed<'a> {
    /// As the receivers see it.
    target: &'a str,
    place: Place,
    /// A tag for the history only.
    mark: Option<String>,
    /// Whether someone talks to themselves.
    to_self: bool,
}

/// A message with all its deliveries.
struct Outgoing {
    entry: Option<Box<HistoryEntry>>,
    /// The echo is the last of them.
    deliveries: Vec<Delivery>,
    refusal: Option<Delivery>,
    to_self: bool,
    has_echo: bool,
}

fn compose(
    turn: &Turn<'_>,
    caller: Caller,
    said: &Said<'_>,
    msgid: &str,
    addressed: Addressed<'_>,
    receivers: impl Iterator<Item = UserId>,
    expected: usize,
) -> Outgoing {
    let sender = turn.state.user(caller.user);
    let head = Line::new(&sender.source, said.command).word(addressed.target);
    let room = MAX_BODY.saturating_sub(head.len() + 2);
    let text: Option<Cow<'_, str>> = said.text.map(|text| {
        if multiline::is_multiline(text) {
            cut_lines(text, room).into()
        } else {
            truncate(text, room).into()
        }
    });
    let wording = match &text {
        Some(text) if multiline::is_multiline(text) => Wording::Several(Several {
            source: &sender.source,
            target: addressed.target,
            head,
            text,
            batch: msgid,
        }),
        Some(text) => Wording::One(head.text(text)),
        None => Wording::One(head),
    };
    let tags = Tags {
        msgid: Some(msgid),
        client: &said.client_tags,
        bot: sender.is_bot,
        ..turn.tags_of(sender)
    };
    // Tags alone mean nothing to whoever cannot read them.
    let can_read =
        |session: &&Session| text.is_some() || session.capabilities.has(Capability::MessageTags);

    let siblings = if addressed.to_self {
        &[]
    } else {
        sender.sessions()
    };
    let siblings = siblings
        .iter()
        .filter(|session| session.id != caller.session);
    let hearers = receivers
        .flat_map(|user| turn.state.user(user).sessions())
        .chain(siblings)
        .filter(can_read);
    let relevant = wording.relevant(&tags);
    let render = |capabilities| wording.render(&tags, capabilities);
    let mut deliveries = address_each(hearers, expected, relevant, render);
    let echo = sender.sessions().iter().filter(|session| {
        session.id == caller.session
            && session.capabilities.has(Capability::EchoMessage)
            && can_read(session)
    });
    let before = deliveries.len();
    deliveries.extend(address_each(echo, 1, relevant, render));
    let has_echo = deliveries.len() > before;

    let kept = turn.settings.history && (text.is_some() || lasts(&said.client_tags));
    let entry = kept.then(|| {
        let bot = if sender.is_bot { "bot" } else { "" };
        let marks = [
            addressed.mark.unwrap_or_default(),
            bot.to_owned(),
            said.client_tags.clone(),
        ];
        Box::new(HistoryEntry {
            msgid: msgid.to_owned(),
            at: turn.now(),
            place: addressed.place,
            source: sender.source.to_string(),
            account: sender
                .identity
                .as_ref()
                .map(|identity| identity.name.clone()),
            command: said.command.to_owned(),
            text: text.as_deref().unwrap_or_default().to_owned(),
            tags: marks
                .iter()
                .filter(|mark| !mark.is_empty())
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(";"),
        })
    });
    let refusal = entry
        .is_some()
        .then(|| not_stored(turn, caller, said.command, addressed.target));
    Outgoing {
        entry,
        deliveries,
        refusal,
        to_self: addressed.to_self,
        has_echo,
    }
}

/// Whether tags alone say something that is worth keeping: more than that someone is typing.
fn lasts(client_tags: &str) -> bool {
    let keys = client_tags
        .split(';')
        .map(|tag| tag.split('=').next().unwrap_or_default());
    keys.into_iter()
        .any(|key| !key.is_empty() && key != "+typing" && key != "+draft/typing")
}

/// What the sender hears in place of everything when the message cannot be stored.
fn not_stored(turn: &Turn<'_>, caller: Caller, command: &str, target: &str) -> Delivery {
    let text = "The server could not store your message, so it was not sent; please try again";
    let line = if caller.has(Capability::StandardReplies) {
        turn.server_line("FAIL")
            .word(command)
            .word("MESSAGE_NOT_STORED")
            .word(target)
            .text(text)
    } else {
        let nick = turn.state.user(caller.user).nick.as_str();
        turn.server_line("NOTICE")
            .word(nick)
            .text(&format!("{target}: {text}"))
    };
    Delivery {
        to: vec![caller.session],
        line: line.render(&turn.server_tags(), caller.capabilities),
    }
}

fn send(turn: &mut Turn<'_>, outgoing: Outgoing) {
    let Outgoing {
        entry,
        deliveries,
        refusal,
        to_self,
        has_echo,
    } = outgoing;
    if let Some(entry) = entry {
        turn.out.push(Output::Store {
            entry,
            then: deliveries,
            otherwise: refusal,
        });
        return;
    }
    let last = deliveries.len().saturating_sub(usize::from(has_echo));
    for (index, delivery) in deliveries.into_iter().enumerate() {
        if to_self && index < last {
            turn.copies.push(turn.out.len());
        }
        turn.out.push(Output::Deliver(delivery));
    }
}

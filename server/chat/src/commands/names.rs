//! Who is in a channel and what it is about: `NAMES`, and what follows a `JOIN`.

use rookery_protocol::numeric::{RPL_ENDOFNAMES, RPL_NAMREPLY, RPL_TOPIC, RPL_TOPICWHOTIME};
use rookery_protocol::{Capability, ChannelName, Message};

use crate::commands::split_list;
use crate::lengths;
use crate::line::fill;
use crate::state::channel::Flag;
use crate::turn::{Caller, Turn};

/// `NAMES [<channels>]`.
pub fn names(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    // Without a channel there is too much to tell.
    let asked = message
        .param(0)
        .filter(|asked| !asked.is_empty())
        .unwrap_or("*");
    for name in split_list(asked).into_iter().take(lengths::TARGETS) {
        if let Ok(name) = ChannelName::parse(name) {
            members(turn, caller, &name);
        }
    }
    end(turn, caller, asked);
}

/// What a session hears of a channel that its user has just come into.
pub fn describe(turn: &mut Turn<'_>, caller: Caller, name: &ChannelName) {
    topic(turn, caller, name);
    turn.tell_marker(caller, name.as_str());
    if !caller.has(Capability::NoImplicitNames) {
        members(turn, caller, name);
        end(turn, caller, name.as_str());
    }
}

/// Tells the topic, if there is one.
pub fn topic(turn: &mut Turn<'_>, caller: Caller, name: &ChannelName) -> bool {
    let Some(topic) = turn
        .state
        .channel(name)
        .and_then(|channel| channel.topic.as_ref())
    else {
        return false;
    };
    let (text, by, at) = (
        topic.text.clone(),
        topic.by.clone(),
        topic.at.as_second().to_string(),
    );
    turn.reply(caller, RPL_TOPIC, &[name.as_str()], &text);
    turn.reply_words(caller, RPL_TOPICWHOTIME, &[name.as_str(), &by, &at]);
    true
}

fn members(turn: &mut Turn<'_>, caller: Caller, name: &ChannelName) {
    let Some(channel) = turn
        .state
        .channel(name)
        .filter(|channel| channel.is_visible_to(caller.user))
    else {
        return;
    };
    let symbol = if channel.flags.has(Flag::Secret) {
        "@"
    } else {
        "="
    };
    let (head, room) = turn.list_head(caller, RPL_NAMREPLY, &[symbol, channel.name.as_str()]);
    let inside = channel.has(caller.user);
    let (prefixes, masks) = (
        caller.has(Capability::MultiPrefix),
        caller.has(Capability::UserhostInNames),
    );
    let names = channel
        .members()
        .iter()
        .map(|member| (member, turn.state.user(member.user)))
        .filter(|(_, user)| inside || !user.is_invisible())
        .map(|(member, user)| {
            [
                member.standing.prefix(prefixes),
                if masks {
                    &user.source
                } else {
                    user.nick.as_str()
                },
            ]
        });
    let lists = fill(names, ' ', room);
    turn.send_lists(caller, &head, &lists);
}

fn end(turn: &mut Turn<'_>, caller: Caller, asked: &str) {
    turn.reply(caller, RPL_ENDOFNAMES, &[asked], "End of the names");
}

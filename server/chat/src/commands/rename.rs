//! A channel's new name: `RENAME`.

use rookery_protocol::numeric::ERR_CHANOPRIVSNEEDED;
use rookery_protocol::{Capability, ChannelName, Message};

use crate::commands::channels::{existing, join_line, needs_operator, not_on_channel};
use crate::commands::names;
use crate::lengths;
use crate::line::{Line, truncate};
use crate::turn::{Caller, Turn};

/// `RENAME <channel> <new name> [<reason>]`: everything else of the channel stays as it is.
pub fn rename(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let Some(old) = existing(turn, caller, message.param(0).unwrap_or_default()) else {
        return;
    };
    let Some(channel) = turn.state.channel(&old) else {
        return;
    };
    if !channel.has(caller.user) {
        return not_on_channel(turn, caller, &old);
    }
    if !channel.is_operator(caller.user) {
        return needs_operator(turn, caller, &old);
    }
    if channel.founder.is_some() && !channel.is_founded_by(turn.state.user(caller.user)) {
        let text = "Only its founder renames a channel that somebody owns";
        return turn.reply(caller, ERR_CHANOPRIVSNEEDED, &[old.as_str()], text);
    }
    let asked = message.param(1).unwrap_or_default();
    let new = match ChannelName::parse(asked) {
        Ok(new) => new,
        Err(error) => {
            return refuse(
                turn,
                caller,
                "CANNOT_RENAME",
                &old,
                asked,
                &format!("Bad name: {error}"),
            );
        }
    };
    if turn.settings.lobby.contains(&old) && old != new {
        return refuse(
            turn,
            caller,
            "CANNOT_RENAME",
            &old,
            asked,
            "The lobby keeps its name",
        );
    }
    if old != new && (turn.state.channel(&new).is_some() || turn.settings.lobby.contains(&new)) {
        return refuse(
            turn,
            caller,
            "CHANNEL_NAME_IN_USE",
            &old,
            asked,
            "There is such a channel already",
        );
    }
    let lasts = channel.founder.is_some();
    turn.state.rename_channel(&old, &new, turn.stamp.at);
    if lasts && old != new {
        turn.forget_channel(&old);
    }
    turn.keep_channel(&new);
    turn.rename_markers(&old, &new);
    let reason = truncate(message.param(2).unwrap_or_default(), lengths::PART);
    let line = turn
        .user_line(caller.user, "RENAME")
        .word(old.as_str())
        .word(new.as_str())
        .text(reason);
    turn.show_channel(caller.user, &new, &line, |session| {
        session.capabilities.has(Capability::ChannelRename)
    });
    // A client that does not know of new names takes letter case for no difference.
    if old != new {
        show_as_move(turn, &old, &new, reason);
    }
}

/// To sessions that cannot take it otherwise, it looks as if their user left one channel and came
/// into another.
fn show_as_move(turn: &mut Turn<'_>, old: &ChannelName, new: &ChannelName, reason: &str) {
    let Some(channel) = turn.state.channel(new) else {
        return;
    };
    let members: Vec<_> = channel.members().iter().map(|member| member.user).collect();
    for member in members {
        for caller in turn.callers(member) {
            if caller.has(Capability::ChannelRename) {
                continue;
            }
            let user = turn.state.user(member);
            let part = Line::new(&user.source, "PART").word(old.as_str());
            let part = if reason.is_empty() {
                part
            } else {
                part.text(reason)
            };
            let join = join_line(user, new, caller.has(Capability::ExtendedJoin));
            turn.send(caller, &part);
            turn.send(caller, &join);
            names::describe(turn, caller, new);
        }
    }
}

fn refuse(
    turn: &mut Turn<'_>,
    caller: Caller,
    code: &str,
    old: &ChannelName,
    new: &str,
    text: &str,
) {
    turn.fail(caller, "RENAME", code, &[old.as_str(), new], text);
}

//! How far one has read: `MARKREAD`.

use rookery_protocol::{Capability, ChannelName, Message};

use crate::commands::{history, unknown};
use crate::turn::{Caller, Turn};

const COMMAND: &str = "MARKREAD";

/// `MARKREAD <channel or nick> [timestamp=<time>]`.
pub fn markread(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    if !caller.has(Capability::ReadMarker) {
        return unknown(
            turn,
            caller,
            COMMAND,
            "MARKREAD needs the capability draft/read-marker",
        );
    }
    let Some(target) = message.param(0).filter(|target| !target.is_empty()) else {
        return turn.fail(
            caller,
            COMMAND,
            "NEED_MORE_PARAMS",
            &[],
            "Missing parameters",
        );
    };
    let news = match message.param(1) {
        None => turn.read_until(caller.user, target).map(|_| false),
        Some(text) => {
            let Some(at) = text.strip_prefix("timestamp=").and_then(history::timestamp) else {
                return turn.fail(
                    caller,
                    COMMAND,
                    "INVALID_PARAMS",
                    &[target, text],
                    "Invalid timestamp",
                );
            };
            turn.mark_read(caller.user, target, at)
        }
    };
    let Ok(news) = news else {
        return turn.fail(
            caller,
            COMMAND,
            "INVALID_PARAMS",
            &[target],
            "That is neither a channel nor a nick",
        );
    };
    let channel = ChannelName::parse(target)
        .ok()
        .and_then(|name| turn.state.channel(&name));
    let name = channel.map_or_else(|| target.to_owned(), |channel| channel.name.to_string());
    turn.tell_marker(caller, &name);
    if news {
        for other in turn
            .callers(caller.user)
            .into_iter()
            .filter(|other| other.session != caller.session)
        {
            turn.tell_marker(other, &name);
        }
    }
}

//! Taking a message back: `REDACT`. The message is looked up outside of the core; what follows is
//! in [`crate::redaction`].

use rookery_protocol::{Capability, Message};

use crate::commands::unknown;
use crate::event::{Fetch, HistoryQuery, Output, Purpose};
use crate::lengths;
use crate::line::truncate;
use crate::turn::{Caller, Turn};

/// `REDACT <target> <msgid> [<reason>]`.
pub fn redact(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    if !caller.has(Capability::MessageRedaction) {
        let text = "REDACT needs the capability draft/message-redaction";
        return unknown(turn, caller, &message.command, text);
    }
    let (Some(target), Some(msgid)) = (message.param(0), message.param(1)) else {
        return;
    };
    if turn.redactable(caller, target).is_none() {
        return turn.no_such_target(caller, target);
    }
    let reason = message.param(2).filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| truncate(reason, lengths::REDACT).to_owned());
    turn.out.push(Output::Fetch(Box::new(Fetch {
        session: caller.session,
        ticket: None,
        label: None,
        purpose: Purpose::Redaction {
            target: target.to_owned(),
            msgid: msgid.to_owned(),
            reason,
        },
        query: HistoryQuery::Message(msgid.to_owned()),
    })));
}

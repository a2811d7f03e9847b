//! Sending text, and the commands that do.

use rookery_protocol::Nick;

use super::command::{Command, Refusal, Requires, invalid, split_word};
use crate::cli::Target;
use crate::front_end::AnyFrontEnd;
use crate::model::{Conversation, MessageKind};

/// The refusal of text without a conversation to send it to.
const NO_CONVERSATION: &str = "you are not in a channel: /join #CHANNEL";

/// The commands of this family.
pub const COMMANDS: &[Command<AnyFrontEnd>] = &[
    Command {
        name: "msg",
        usages: &[("/msg NICK TEXT", "send TEXT to a person or #channel")],
        requires: Requires::Connection,
        run: message,
    },
    Command {
        name: "me",
        usages: &[("/me TEXT", "send an action: * alice waves")],
        requires: Requires::Audience,
        run: action,
    },
];

/// Sends text to the current conversation, or to the nick at the end of the text.
pub fn send_text(front_end: &mut AnyFrontEnd, text: &str) {
    let model = front_end.model();
    if let Some((text, nick)) = addressee(text, |nick| model.is_present(nick)) {
        return front_end.send_text(nick.as_str(), text, MessageKind::Message);
    }
    let Some(conversation) = front_end.conversation() else {
        return front_end.show_refusal(NO_CONVERSATION);
    };
    front_end.send_text(conversation.name(), text, MessageKind::Message);
    // The text may have been meant for that nick only.
    if let (Conversation::Channel(channel), Some((_, nick))) =
        (conversation, addressee(text, |_| true))
    {
        front_end.show(&format!(
            "{nick} is not here, so that was sent to all of {channel}"
        ));
    }
}

/// Splits `TEXT /NICK` into the text and the nick; `None` if the line has another form or
/// `is_present` returns false for the nick.
pub fn addressee(line: &str, is_present: impl Fn(&Nick) -> bool) -> Option<(&str, Nick)> {
    let (text, last) = line.trim_end().rsplit_once(char::is_whitespace)?;
    let nick = Nick::parse(last.strip_prefix('/')?).ok()?;
    let text = text.trim();
    (!text.is_empty() && is_present(&nick)).then_some((text, nick))
}

fn message(front_end: &mut AnyFrontEnd, arguments: &str) -> Result<(), Refusal> {
    let (target, text) = split_word(arguments);
    if text.is_empty() {
        return Err(Refusal::Usage);
    }
    let parsed: Target = target.parse().map_err(|error| invalid(target, error))?;
    front_end.send_text(parsed.as_str(), text, MessageKind::Message);
    Ok(())
}

fn action(front_end: &mut AnyFrontEnd, text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::Usage);
    }
    let Some(conversation) = front_end.conversation() else {
        return Err(NO_CONVERSATION.into());
    };
    front_end.send_text(conversation.name(), text, MessageKind::Action);
    Ok(())
}

//! Sending text, and the commands that do.

use std::borrow::Cow;

use rookery_protocol::Nick;

use super::command::{Command, Refusal, Requires, invalid, split_word};
use crate::cli::Target;
use crate::front_end::AnyFrontEnd;
use crate::model::{MessageKind, Model};

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

/// The recipient of a text, and the text without what names the recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient<'a> {
    /// The current conversation.
    Conversation(Cow<'a, str>),
    /// The person that the text names.
    Person(Nick, &'a str),
}

/// Sends text to the current conversation, or to the nick at the end of the text.
pub fn send_text(front_end: &mut AnyFrontEnd, text: &str) {
    if let Err(refusal) = send(front_end, text, MessageKind::Message) {
        front_end.show_refusal(&refusal);
    }
}

fn send(front_end: &mut AnyFrontEnd, text: &str, kind: MessageKind) -> Result<(), String> {
    match recipient(text, front_end.model())? {
        Recipient::Person(nick, text) => front_end.send_text(nick.as_str(), text, kind),
        Recipient::Conversation(text) => {
            let conversation = front_end.conversation().ok_or(NO_CONVERSATION)?;
            front_end.send_text(conversation.name(), &text, kind);
        }
    }
    Ok(())
}

/// Returns the recipient of a text. Text that may be meant for one person goes to nobody else, so
/// it is refused if that person is not present.
pub fn recipient<'a>(text: &'a str, model: &Model) -> Result<Recipient<'a>, String> {
    match addressee(text) {
        None => Ok(Recipient::Conversation(unescaped(text))),
        Some((text, nick)) if model.is_present(&nick) => Ok(Recipient::Person(nick, text)),
        Some((_, nick)) => Err(format!(
            "{nick} is not here: nothing was sent; write //{nick} to send it as text"
        )),
    }
}

/// Splits `TEXT /NICK` into the text and the nick; `None` if the line has another form.
pub fn addressee(line: &str) -> Option<(&str, Nick)> {
    let (text, last) = line.trim_end().rsplit_once(char::is_whitespace)?;
    let nick = Nick::parse(last.strip_prefix('/')?).ok()?;
    let text = text.trim();
    (!text.is_empty()).then_some((text, nick))
}

/// Turns `TEXT //NICK`, whose last word names no recipient, into `TEXT /NICK`.
fn unescaped(line: &str) -> Cow<'_, str> {
    let end = line.trim_end();
    let last = end.rfind("//").filter(|&at| {
        // What follows the first slash is then the form that names a recipient.
        addressee(&format!("{}{}", &end[..at], &end[at + 1..])).is_some()
    });
    last.map_or(Cow::Borrowed(line), |at| {
        Cow::Owned(format!("{}{}", &line[..at], &line[at + 1..]))
    })
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
    send(front_end, text, MessageKind::Action).map_err(Refusal::Reason)
}

//! Sending text, and the commands that do.

use std::borrow::Cow;
use std::iter;

use rookery_protocol::Nick;

use super::command::{Command, Refusal, Requires, invalid, split_word};
use super::{SLASHES, Typed, may_contain_password};
use crate::cli::Target;
use crate::front_end::AnyFrontEnd;
use crate::model::{Conversation, MessageKind, Model};

/// The refusal of text without a conversation to send it to.
const NO_CONVERSATION: &str = "you are not in a channel: /join #CHANNEL";

/// What may follow a word, or the nick of anyone, at the end of a sentence. Other signs follow only
/// the nick of someone present: `/tmp:` begins a remark about a folder.
const PUNCTUATION: &[char] = &['.', ',', ';', '!', '?', ')', '…'];
/// The most signs on each side of a name that are tried as parts of a nick.
const MAX_SIGNS: usize = 16;

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
    Person(Nick, Cow<'a, str>),
}

/// Sends text to the current conversation, or to the nick at the end of the text.
pub fn send_text(front_end: &mut AnyFrontEnd, text: &str) {
    if let Err(refusal) = send(front_end, text, MessageKind::Message) {
        front_end.show_refusal(&refusal);
    }
}

fn send(front_end: &mut AnyFrontEnd, text: &str, kind: MessageKind) -> Result<(), String> {
    let conversation = front_end.conversation();
    match recipient(text, conversation.as_ref(), front_end.model())? {
        Recipient::Person(nick, text) => front_end.send_text(nick.as_str(), &text, kind),
        Recipient::Conversation(text) => {
            let conversation = conversation.ok_or(NO_CONVERSATION)?;
            front_end.send_text(conversation.name(), &text, kind);
        }
    }
    Ok(())
}

/// Returns the recipient of a text that is typed in a conversation. Text that may be meant for one
/// person goes to nobody else, so it is refused if that person is not in the conversation, or if
/// only some of several lines name one. Someone elsewhere is no recipient: `the file is in /tmp`
/// would be sent to anyone who is called `tmp`.
pub fn recipient<'a>(
    text: &'a str,
    conversation: Option<&Conversation>,
    model: &Model,
) -> Result<Recipient<'a>, String> {
    // A pasted command on the last line is not a recipient, unless a user of that name is present.
    let is_command = |nick: &Nick| {
        let last = text.trim_end().rsplit('\n').next().unwrap_or_default();
        super::find(nick.as_str()).is_some()
            && last.trim().strip_prefix(SLASHES) == Some(nick.as_str())
    };
    let named = addressee(text).filter(|(_, nick)| model.is_present(nick) || !is_command(nick));
    let (text, nick) = match named {
        None => (text, None),
        Some((text, nick)) if conversation.is_some_and(|here| model.is_here(&nick, here)) => {
            (text, Some(nick))
        }
        Some((_, nick)) if model.is_present(&nick) => {
            return Err(format!(
                "{nick} is not in this conversation: nothing was sent; /msg {nick} TEXT is for \
                 {nick}, and //{nick} sends it as text"
            ));
        }
        Some((_, nick)) => {
            return Err(format!(
                "{nick} is not here: nothing was sent; write //{nick} to send it as text"
            ));
        }
    };
    let is_present = |nick: &Nick| model.is_present(nick);
    if nick.is_none()
        && let Some(nick) = text
            .lines()
            .find_map(|line| likely_addressee(line, is_present))
    {
        return Err(format!(
            "nothing was sent: end with /{nick} to send it to {nick}, or write //{nick} to send \
             it as text"
        ));
    }
    let is_one_line = !text.contains('\n');
    let text = match nick {
        Some(_) if is_one_line => Cow::Borrowed(text),
        None if is_one_line => unescaped(text, is_present),
        _ => Cow::Owned(unescaped_lines(text, is_present)?),
    };
    Ok(match nick {
        None => Recipient::Conversation(text),
        Some(nick) => Recipient::Person(nick, text),
    })
}

/// Returns a text that a command shows to everyone, such as a topic, a reason or a message to a
/// channel that is named, as it is sent. Text that may be meant for one person is refused: it is
/// not sent to that person either, since it would then be missing where the command needs it.
pub fn public_text<'a>(text: &'a str, model: &Model) -> Result<Cow<'a, str>, String> {
    let refusal = |nick: Nick| {
        format!(
            "everyone would see that: nothing was sent; /msg {nick} TEXT is for {nick} only, and \
             //{nick} at the end is shown as /{nick}"
        )
    };
    if let Some((_, nick)) = addressee(text).filter(|(_, nick)| model.is_present(nick)) {
        return Err(refusal(nick));
    }
    match recipient(text, None, model)? {
        Recipient::Conversation(text) => Ok(text),
        Recipient::Person(nick, _) => Err(refusal(nick)),
    }
}

/// Returns why a command is not carried out whose arguments may be meant for one person, although
/// others would see them.
pub fn misdirected(
    command: &str,
    arguments: &str,
    conversation: Option<&Conversation>,
    model: &Model,
) -> Option<String> {
    let is_one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(command));
    if is_one_of(&["me", "reply"]) {
        // These send their text to the nick at its end.
        recipient(arguments, conversation, model).err()
    } else if is_one_of(&["topic", "part", "kick", "redact", "away", "quit"]) {
        public_text(arguments, model).err()
    } else if is_one_of(&["msg"]) {
        let (target, text) = split_word(arguments);
        target
            .starts_with('#')
            .then(|| public_text(text, model).err())
            .flatten()
    } else {
        None
    }
}

/// Turns `TEXT //NICK` into `TEXT /NICK` in each line. A line that ends in `/NICK` is refused.
fn unescaped_lines(text: &str, is_present: impl Fn(&Nick) -> bool) -> Result<String, String> {
    let lines = text.split('\n').map(|line| match addressee(line) {
        None => Ok(unescaped(line, &is_present)),
        Some((_, nick)) => Err(format!(
            "one of the lines ends in /{nick}, the others do not: nothing was sent; write \
             //{nick} to send it as text"
        )),
    });
    Ok(lines.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

/// Splits `TEXT /NICK` into the text and the nick; `None` if the line has another form.
pub fn addressee(line: &str) -> Option<(&str, Nick)> {
    let (text, last) = line.trim_end().rsplit_once(char::is_whitespace)?;
    let nick = Nick::parse(last.strip_prefix(SLASHES)?).ok()?;
    let text = text.trim();
    (!text.is_empty()).then_some((text, nick))
}

/// Returns the nick that a line is likely meant for, although it does not end in `/NICK`: it ends
/// in `/NICK` and punctuation; or, if they are present, in `/NICK` or `WORD/NICK` with any signs or
/// spaces around the nick.
pub fn likely_addressee(line: &str, is_present: impl Fn(&Nick) -> bool) -> Option<Nick> {
    let line = line.trim_end();
    if addressee(line).is_some() {
        return None;
    }
    let punctuated = addressee(line.trim_end_matches(PUNCTUATION));
    punctuated
        .map(|(_, nick)| nick)
        .or_else(|| surrounded_nick(line, is_present))
}

/// Returns the nick of someone present at the end of a line, after a slash and among any signs.
fn surrounded_nick(line: &str, is_present: impl Fn(&Nick) -> bool) -> Option<Nick> {
    let is_sign = |char: char| !char.is_alphanumeric();
    let name_end = line.trim_end_matches(is_sign).len();
    let (text, name) = line[..name_end].rsplit_once(SLASHES)?;
    let name_start = name_end - name.trim_start_matches(is_sign).len();
    // Text in which the slash has another meaning, such as `/etc/NICK` or `http://NICK`.
    let last_word = text.split(char::is_whitespace).next_back()?;
    let word = last_word.trim_start_matches(|char| is_sign(char) && !SLASHES.contains(&char));
    let is_other_text = !word
        .trim_end_matches(PUNCTUATION)
        .chars()
        .all(char::is_alphanumeric);
    if is_other_text || text.trim().is_empty() {
        return None;
    }
    // Some of the signs may be part of the nick.
    let before = line[..name_start].char_indices().rev().map(|(at, _)| at);
    let after = line[name_end..].char_indices();
    let after = after.map(|(at, char)| name_end + at + char.len_utf8());
    let starts = iter::once(name_start).chain(before.take(MAX_SIGNS));
    let ends = iter::once(name_end).chain(after.take(MAX_SIGNS));
    starts.into_iter().find_map(|start| {
        let mut nicks = ends.clone().map(|end| Nick::parse(&line[start..end]));
        nicks.find_map(|nick| nick.ok().filter(&is_present))
    })
}

/// Returns the name of the command in a line if its text is not for everyone: it sends it to one
/// person, or contains a password. Among several lines, it is neither carried out nor sent.
pub fn one_line_command(line: &str) -> Option<&str> {
    let is_private = |command: &str| {
        ["msg", "query"]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(command))
    };
    match Typed::parse(line) {
        Typed::Command(name, _) if is_private(name) || may_contain_password(line) => Some(name),
        _ => None,
    }
}

/// Turns `TEXT //NICK`, whose last word names no recipient, into `TEXT /NICK`.
fn unescaped(line: &str, is_present: impl Fn(&Nick) -> bool) -> Cow<'_, str> {
    let end = line.trim_end();
    let last = end.rfind("//").filter(|&at| {
        // What follows the first slash is then a form that names a recipient.
        let plain = format!("{}{}", &end[..at], &end[at + 1..]);
        addressee(&plain).is_some() || likely_addressee(&plain, is_present).is_some()
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
    let target: Target = target.parse().map_err(|error| invalid(target, error))?;
    let text = match target {
        Target::Channel(_) => public_text(text, front_end.model())?,
        Target::User(_) => Cow::Borrowed(text),
    };
    front_end.send_text(target.as_str(), &text, MessageKind::Message);
    Ok(())
}

fn action(front_end: &mut AnyFrontEnd, text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::Usage);
    }
    send(front_end, text, MessageKind::Action).map_err(Refusal::Reason)
}

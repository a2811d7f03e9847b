//! The commands that need the full screen.

#![allow(
    clippy::unnecessary_wraps,
    reason = "all commands have the same signature"
)]

use rookery_protocol::{Email, Nick};

use super::{App, Effect};
use crate::commands::{
    self, Command, Recipient, Refusal, Requires, TEXT_FORMS, Usage, leave, non_empty, parse_nick,
};
use crate::front_end::FrontEnd as _;
use crate::model::{Audience, Body, Conversation, MessageKind};
use crate::tui::account_change::AccountChange;
use crate::tui::overlay::Overlay;
use crate::tui::search::Search;

/// The commands that need the full screen.
const COMMANDS: &[Command<App>] = &[
    Command {
        name: "query",
        usages: &[(
            "/query NICK [TEXT]",
            "open a private conversation with someone",
        )],
        requires: Requires::Connection,
        run: query,
    },
    Command {
        name: "close",
        usages: &[("/close", "leave this channel, or close this conversation")],
        requires: Requires::Nothing,
        run: close,
    },
    Command {
        name: "reply",
        usages: &[(
            "/reply TEXT",
            "reply to the selected message (Alt-Up), or to the last one here that mentioned you",
        )],
        requires: Requires::Connection,
        run: reply,
    },
    Command {
        name: "ignore",
        usages: &[(
            "/ignore [NICK]",
            "ignore or unignore someone; without a nick, list ignored people",
        )],
        requires: Requires::Connection,
        run: ignore,
    },
    Command {
        name: "search",
        usages: &[(
            "/search TEXT",
            "search this conversation and its history on the server",
        )],
        requires: Requires::Connection,
        run: search,
    },
    Command {
        name: "password",
        usages: &[(
            "/password",
            "set the password of your account, for other clients (input is hidden)",
        )],
        requires: Requires::Connection,
        run: password,
    },
    Command {
        name: "email",
        usages: &[(
            "/email NEW",
            "change the email of your account (you are asked for its password or a mailed code)",
        )],
        requires: Requires::Connection,
        run: email,
    },
    Command {
        name: "redact",
        usages: &[(
            "/redact [REASON]",
            "delete the selected message (Alt-Up), or your last one here",
        )],
        requires: Requires::Connection,
        run: redact,
    },
    Command {
        name: "mute",
        usages: &[("/mute", "mute or unmute this conversation")],
        requires: Requires::Connection,
        run: mute,
    },
    Command {
        name: "links",
        usages: &[("/links", "list the links in this conversation")],
        requires: Requires::Nothing,
        run: links,
    },
    Command {
        name: "trust",
        usages: &[(
            "/trust",
            "ask whether to trust the certificate that was refused after a lost connection",
        )],
        requires: Requires::Nothing,
        run: trust,
    },
];

/// Returns the command of that name, if it needs the full screen.
pub fn find(name: &str) -> Option<&'static Command<App>> {
    commands::find_in(COMMANDS, name)
}

/// Returns the syntax and help of the commands of the full screen, which include those of both
/// front ends.
pub fn usages() -> impl Iterator<Item = Usage> {
    let screen = COMMANDS.iter().flat_map(|command| command.usages).copied();
    commands::usages().chain(screen)
}

/// Returns all forms of text and commands, for the help.
pub fn help() -> impl Iterator<Item = Usage> {
    TEXT_FORMS.iter().copied().chain(usages())
}

fn query(app: &mut App, arguments: &str) -> Result<(), Refusal> {
    let (nick, text) = parse_nick(arguments)?;
    app.switch_to(Conversation::Person(nick.clone()));
    if let Some(text) = non_empty(text) {
        app.send_text(nick.as_str(), text, MessageKind::Message);
    }
    Ok(())
}

fn close(app: &mut App, _arguments: &str) -> Result<(), Refusal> {
    let conversation = app.buffers.current().conversation.clone();
    match &conversation {
        Conversation::Server => return Err("the server's conversation cannot be closed".into()),
        Conversation::Channel(channel) if app.model.is_in(channel) => leave(app, channel, ""),
        Conversation::Channel(_) | Conversation::Person(_) => app.buffers.close(&conversation),
    }
    Ok(())
}

fn trust(app: &mut App, _arguments: &str) -> Result<(), Refusal> {
    app.effects.push(Effect::AskTrust);
    Ok(())
}

/// Replies in the current conversation: to the selected message, else to the last one that mentions
/// the user. In a channel, the text is prefixed with the nick of its sender, and goes to the same
/// members. A reply that ends in `/NICK` goes to that person only. It never goes to another
/// conversation, since anyone may mention the user anywhere while the reply is typed.
fn reply(app: &mut App, text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::Usage);
    }
    let text = match app.recipient(text).map_err(Refusal::Reason)? {
        Recipient::Conversation(text) => text,
        Recipient::Person(nick, text) => {
            app.send_text(nick.as_str(), &text, MessageKind::Message);
            return Ok(());
        }
    };
    let conversation = app.buffers.current().conversation.clone();
    let answered = match &app.reply_target {
        Some(target) if target.conversation == conversation => {
            match app.find_message(target) {
                // Everything that is sent now is for the audience of the selected message.
                Some(line) if line.speaker().is_some() => Some((line, Audience::Everyone)),
                _ => return Err("the selected message was deleted: nothing was sent".into()),
            }
        }
        _ => {
            let mention = app.buffers.current().last_mention();
            mention.and_then(|line| match line.body {
                Body::Message { audience, .. } => Some((line, audience)),
                _ => None,
            })
        }
    };
    match (&conversation, answered) {
        (Conversation::Channel(channel), Some((line, audience))) => {
            let nick = app.nick_to_address(line);
            let target = audience.target(channel.as_str());
            let text = format!("{nick}: {text}");
            app.send_text(&target, &text, MessageKind::Message);
        }
        (Conversation::Person(person), _) => {
            app.send_text(person.as_str(), &text, MessageKind::Message);
        }
        (Conversation::Channel(_) | Conversation::Server, _) => {
            return Err("nobody has mentioned you here".into());
        }
    }
    Ok(())
}

fn ignore(app: &mut App, arguments: &str) -> Result<(), Refusal> {
    if arguments.is_empty() {
        let names: Vec<&str> = app.buffers.ignored().map(Nick::as_str).collect();
        let list = match &names[..] {
            [] => "nobody is ignored".to_owned(),
            _ => format!("ignored: {}", names.join(", ")),
        };
        app.show(&list);
        return Ok(());
    }
    let (nick, _) = parse_nick(arguments)?;
    let line = if app.buffers.unignore(&nick) {
        format!("{nick} is no longer ignored")
    } else {
        app.buffers.ignore(nick.clone());
        format!("{nick} is ignored; /ignore {nick} again to unignore")
    };
    app.show(&line);
    app.save_preferences();
    Ok(())
}

fn search(app: &mut App, text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::Usage);
    }
    let conversation = app.buffers.current().conversation.clone();
    app.overlay = Some(Overlay::Search(Search::new(conversation, text)));
    Ok(())
}

/// Opens the dialog. The password is never an argument, since typed lines can be recalled.
fn password(app: &mut App, arguments: &str) -> Result<(), Refusal> {
    if !arguments.is_empty() {
        return Err("type /password alone; you will be asked for the password".into());
    }
    app.overlay = Some(Overlay::AccountChange(AccountChange::password()));
    Ok(())
}

/// Opens the dialog, which asks for the password: as with `/password`, it is never an argument.
fn email(app: &mut App, arguments: &str) -> Result<(), Refusal> {
    let (new, rest) = commands::split_word(arguments);
    if new.is_empty() {
        return Err(Refusal::Usage);
    }
    if !rest.is_empty() {
        return Err("type the new email alone; you will be asked for the password".into());
    }
    let new = Email::parse(new).map_err(|error| Refusal::Reason(format!("{new}: {error}")))?;
    app.overlay = Some(Overlay::AccountChange(AccountChange::email(new)));
    Ok(())
}

fn redact(app: &mut App, reason: &str) -> Result<(), Refusal> {
    let reason = commands::public_text(reason, &app.model)?.into_owned();
    let selected = app.replied_to().map(|line| line.id);
    match selected.or_else(|| app.buffers.current().last_own()) {
        Some(line) => app.confirm_redaction(line, non_empty(&reason)),
        None => return Err("you have no message here that could be deleted".into()),
    }
    Ok(())
}

fn mute(app: &mut App, _arguments: &str) -> Result<(), Refusal> {
    let conversation = app.buffers.current().conversation.clone();
    let name = conversation.name();
    if conversation == Conversation::Server {
        return Err("the server cannot be muted".into());
    }
    let line = if app.buffers.is_muted(&conversation) {
        app.buffers.unmute(&conversation);
        format!("{name} is no longer muted")
    } else {
        app.buffers.mute(conversation.clone());
        format!("{name} is muted: no unread counts and no bell; /mute again to unmute")
    };
    app.show(&line);
    app.save_preferences();
    Ok(())
}

fn links(app: &mut App, _arguments: &str) -> Result<(), Refusal> {
    app.open_links();
    Ok(())
}

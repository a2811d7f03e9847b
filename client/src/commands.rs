//! Slash commands, and what else a typed line can mean.
//!
//! Each command is one row of a table that says how it is written, what it does, what it requires
//! and which function carries it out. The rows stand beside their functions: commands of both front
//! ends in the families below, against the [`FrontEnd`](crate::front_end::FrontEnd) trait; commands
//! that need the full screen in `tui/app/screen_commands.rs`. Help, completion and the status line
//! read the same tables, so a new command is a new row and nothing else.

mod channels;
mod command;
mod people;
mod session;
mod talk;

pub use command::{
    Command, Refusal, Requires, Usage, find as find_in, non_empty, parse_nick, split_word,
};
pub use talk::{addressee, say};

use crate::front_end::AnyFrontEnd;

/// The commands of both front ends, by family.
const FAMILIES: [&[Command<AnyFrontEnd>]; 4] = [
    talk::COMMANDS,
    channels::COMMANDS,
    people::COMMANDS,
    session::COMMANDS,
];

/// Forms of text that are no commands, for the help.
pub const TEXT_FORMS: &[Usage] = &[
    ("TEXT /NICK", "send TEXT to NICK only"),
    ("//TEXT", "send text that begins with a slash"),
];

/// A typed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed<'a> {
    /// Nothing but spaces.
    Nothing,
    /// Text for the current conversation, or for the nick at its end.
    Text(&'a str),
    /// A command: its name without the slash, and its arguments.
    Command(&'a str, &'a str),
}

impl<'a> Typed<'a> {
    /// Parses a line.
    pub fn parse(line: &'a str) -> Self {
        if line.trim().is_empty() {
            return Self::Nothing;
        }
        match line.strip_prefix('/') {
            None => Self::Text(line),
            Some(text) if text.starts_with('/') => Self::Text(text),
            Some(command) => {
                let (name, arguments) = split_word(command);
                Self::Command(name, arguments)
            }
        }
    }
}

/// Whether the text of a message box is a command. Several lines are several messages, even if they
/// begin with a slash.
pub fn is_command(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && !text.contains('\n')
}

/// Returns the command of that name, if both front ends have it.
pub fn find(name: &str) -> Option<&'static Command<AnyFrontEnd>> {
    find_in(FAMILIES.into_iter().flatten(), name)
}

/// Returns how the commands of both front ends are written and what they do.
pub fn usages() -> impl Iterator<Item = Usage> {
    FAMILIES
        .into_iter()
        .flatten()
        .flat_map(|command| command.usages)
        .copied()
}

/// Returns those of `usages` that a line being typed may become: while the first word is typed,
/// those that begin with it; after it, those of exactly that command.
pub fn matching(typed: &str, usages: impl Iterator<Item = Usage>) -> Vec<Usage> {
    let (word, is_whole) = typed
        .split_once(' ')
        .map_or((typed, false), |(word, _)| (word, true));
    let word = word.to_ascii_lowercase();
    usages
        .filter(|(form, _)| {
            let (name, _) = split_word(form);
            if is_whole {
                name == word
            } else {
                name.starts_with(&word)
            }
        })
        .collect()
}

/// Returns what to tell someone who has typed a command that does not exist.
pub fn unknown(name: &str) -> String {
    format!(
        "there is no command /{name}; /help lists all commands, //{name} sends the text, and \
         `TEXT /{name}` sends TEXT to {name} only"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

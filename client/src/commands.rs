//! Parses typed lines, and carries out slash commands.
//!
//! Each command is one row of a table: its syntax, its help, what it requires and the function that
//! carries it out. The tables are in the files of their functions. The commands of both front ends
//! are in the families below and use the [`FrontEnd`](crate::front_end::FrontEnd) trait; those that
//! need the full screen are in `tui/app/screen_commands.rs`. Help, completion and the status line
//! use the same tables, so a new command needs nothing but a new row.

mod channels;
mod command;
mod people;
mod session;
mod talk;

pub use channels::leave;
pub use command::{
    Command, Refusal, Requires, Usage, find as find_in, non_empty, parse_nick, split_word,
};
pub use talk::{
    Recipient, addressee, likely_addressee, misdirected, one_line_command, public_text, recipient,
    send_text,
};

use crate::front_end::AnyFrontEnd;

/// The commands of both front ends, by family.
const FAMILIES: [&[Command<AnyFrontEnd>]; 4] = [
    talk::COMMANDS,
    channels::COMMANDS,
    people::COMMANDS,
    session::COMMANDS,
];

/// Special forms of text that are not commands, for the help.
pub const TEXT_FORMS: &[Usage] = &[
    ("TEXT /NICK", "send TEXT to NICK only"),
    ("TEXT //NICK", "send text that ends in /NICK"),
    ("//TEXT", "send text that begins with a slash"),
];

/// The commands of IRC that have a password as a parameter.
const PASSWORD_COMMANDS: [&str; 6] = [
    "AUTHENTICATE",
    "OPER",
    "PASS",
    "REGISTER",
    "SETEMAIL",
    "SETPASS",
];

/// The slash, and the full-width one, which input methods of East Asia type.
pub const SLASHES: [char; 2] = ['/', '／'];

/// A typed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed<'a> {
    /// Nothing but spaces.
    Nothing,
    /// Text for the current conversation, or for the nick at the end of the text.
    Text(&'a str),
    /// A command: its name without the slash, and its arguments.
    Command(&'a str, &'a str),
}

impl<'a> Typed<'a> {
    /// Parses a line. Spaces before a slash are ignored: with them, a command would become text
    /// that everyone receives.
    pub fn parse(line: &'a str) -> Self {
        if line.trim().is_empty() {
            return Self::Nothing;
        }
        match line.trim_start().strip_prefix(SLASHES) {
            None => Self::Text(line),
            Some(text) if text.starts_with(SLASHES) => Self::Text(text),
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
    !text.contains('\n') && matches!(Typed::parse(text), Typed::Command(..))
}

/// Whether a line may contain a password, so that it must not be recalled later.
pub fn may_contain_password(line: &str) -> bool {
    let Typed::Command(name, arguments) = Typed::parse(line) else {
        return false;
    };
    let (first, rest) = split_word(arguments);
    match name.to_ascii_lowercase().as_str() {
        "password" => !first.is_empty(),
        "email" => !rest.is_empty(),
        "raw" | "quote" => PASSWORD_COMMANDS
            .iter()
            .any(|command| command.eq_ignore_ascii_case(first)),
        _ => false,
    }
}

/// Returns the command of that name, if it works in both front ends.
pub fn find(name: &str) -> Option<&'static Command<AnyFrontEnd>> {
    find_in(FAMILIES.into_iter().flatten(), name)
}

/// Returns the syntax and help of the commands of both front ends.
pub fn usages() -> impl Iterator<Item = Usage> {
    FAMILIES
        .into_iter()
        .flatten()
        .flat_map(|command| command.usages)
        .copied()
}

/// Returns those of `usages` that match a line being typed: while its first word is incomplete, the
/// commands that begin with it; after that, exactly that command.
pub fn matching(typed: &str, usages: impl Iterator<Item = Usage>) -> Vec<Usage> {
    let typed = typed.trim_start().trim_start_matches(SLASHES);
    let (word, is_whole) = typed
        .split_once(' ')
        .map_or((typed, false), |(word, _)| (word, true));
    let word = word.to_ascii_lowercase();
    usages
        .filter(|(form, _)| {
            let name = split_word(form).0.trim_start_matches('/');
            if is_whole {
                name == word
            } else {
                name.starts_with(&word)
            }
        })
        .collect()
}

/// Returns the refusal of a command that does not exist.
pub fn unknown(name: &str) -> String {
    format!(
        "there is no command /{name}; /help lists all commands, //{name} sends the text, and \
         `TEXT /{name}` sends TEXT to {name} only"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

//! The row of a command table, and the parsing of arguments.

use rookery_protocol::{ChannelName, NameError, Nick};

/// How a command is written, and what it does.
pub type Usage = (&'static str, &'static str);

/// A slash command of the front end `F`.
pub struct Command<F: ?Sized + 'static> {
    /// Its name, without the slash.
    pub name: &'static str,
    /// Each form in which it is written.
    pub usages: &'static [Usage],
    /// What must hold for it to be carried out.
    pub requires: Requires,
    /// Carries it out, given its arguments without surrounding spaces.
    pub run: fn(&mut F, &str) -> Result<(), Refusal>,
}

/// What must hold for a command to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requires {
    /// Nothing: it works without a connection.
    Nothing,
    /// A connection.
    Connection,
    /// A connection, and a current conversation in which others receive what is typed.
    Audience,
}

/// Why a command was not carried out.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its arguments are wrong.
    Usage,
    /// Another reason, in words.
    Because(String),
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Because(reason.to_owned())
    }
}

impl<F: ?Sized> Command<F> {
    /// Carries the command out. An error says in words why it was not.
    pub fn execute(&self, front_end: &mut F, arguments: &str) -> Result<(), String> {
        (self.run)(front_end, arguments).map_err(|refusal| match refusal {
            Refusal::Because(reason) => reason,
            Refusal::Usage => {
                let forms: Vec<&str> = self.usages.iter().map(|(form, _)| *form).collect();
                format!("usage: {}", forms.join(" or "))
            }
        })
    }
}

/// Returns the command of that name, in any case.
pub fn find<F: ?Sized>(
    commands: impl IntoIterator<Item = &'static Command<F>>,
    name: &str,
) -> Option<&'static Command<F>> {
    commands
        .into_iter()
        .find(|command| command.name.eq_ignore_ascii_case(name))
}

/// Splits text into its first word and the rest.
pub fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(' ')
        .map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

/// Returns `None` in place of an empty text.
pub fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Parses the first word as a nick; also returns the rest.
pub fn parse_nick(arguments: &str) -> Result<(Nick, &str), Refusal> {
    let (nick, rest) = split_word(arguments);
    if nick.is_empty() {
        return Err(Refusal::Usage);
    }
    let nick = Nick::parse(nick).map_err(|error| invalid(nick, error))?;
    Ok((nick, rest))
}

/// Parses a channel's name.
pub fn parse_channel(name: &str) -> Result<ChannelName, Refusal> {
    ChannelName::parse(name).map_err(|error| invalid(name, error))
}

/// Refuses a name.
pub fn invalid(name: &str, error: NameError) -> Refusal {
    Refusal::Because(format!("{name}: {error}"))
}

//! A row of a command table, and the parsing of arguments.

use rookery_protocol::{ChannelName, NameError, Nick};

/// The syntax of a command and its help.
pub type Usage = (&'static str, &'static str);

/// A slash command of the front end `F`.
pub struct Command<F: ?Sized + 'static> {
    /// Its name, without the slash.
    pub name: &'static str,
    /// The syntax and help of each form of the command.
    pub usages: &'static [Usage],
    /// The condition under which it can be carried out.
    pub requires: Requires,
    /// The function that carries it out. It receives the arguments without surrounding spaces.
    pub run: fn(&mut F, &str) -> Result<(), Refusal>,
}

/// The condition under which a command can be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requires {
    /// Nothing: it works without a connection.
    Nothing,
    /// A connection.
    Connection,
    /// A connection, and a current conversation to which text can be sent.
    Audience,
}

/// Why a command was not carried out.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its arguments are wrong; the user sees its syntax.
    Usage,
    /// Another reason, as shown to the user.
    Reason(String),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Reason(reason)
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Reason(reason.to_owned())
    }
}

impl<F: ?Sized> Command<F> {
    /// Carries out the command. The error is the refusal as shown to the user.
    pub fn execute(&self, front_end: &mut F, arguments: &str) -> Result<(), String> {
        (self.run)(front_end, arguments).map_err(|refusal| match refusal {
            Refusal::Reason(reason) => reason,
            Refusal::Usage => {
                let forms: Vec<&str> = self.usages.iter().map(|(form, _)| *form).collect();
                format!("usage: {}", forms.join(" or "))
            }
        })
    }
}

/// Returns the command of that name; upper and lower case are the same.
pub fn find<F: ?Sized>(
    commands: impl IntoIterator<Item = &'static Command<F>>,
    name: &str,
) -> Option<&'static Command<F>> {
    commands
        .into_iter()
        .find(|command| command.name.eq_ignore_ascii_case(name))
}

/// Splits text into its first word and the rest, both without surrounding spaces.
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

/// Returns the refusal of an invalid name.
pub fn invalid(name: &str, error: NameError) -> Refusal {
    Refusal::Reason(format!("{name}: {error}"))
}

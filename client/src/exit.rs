//! How a session ends. This is the one place that decides it: whoever runs a session only passes on
//! what it says.

use std::process::ExitCode;

use rookery_protocol::{Message, numeric};

use crate::text;

/// Why `rook` ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is done, or the person has had enough.
    Finished,
    /// Something went wrong that trying again will not mend.
    Failed(String),
    /// The config cannot be used.
    InvalidConfig(String),
    /// The server does not know us, and there is nobody to ask.
    NotSignedIn(String),
    /// An operator ended the session.
    Kicked(String),
    /// An operator keeps the account out.
    Banned(String),
}

/// How one connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// For good: nothing is tried again.
    Exit(Exit),
    /// By accident: a new connection may do better.
    Lost(String),
}

impl Exit {
    /// What the person is told: one line, except where a refusal needs a few to be understood.
    pub fn words(&self) -> Option<String> {
        let said = match self {
            Self::Finished => return None,
            Self::Failed(why) | Self::InvalidConfig(why) | Self::NotSignedIn(why) => why.clone(),
            Self::Kicked(why) => {
                format!(
                    "Kicked: {}. You may come back: start rook again.",
                    text::plain(why)
                )
            }
            Self::Banned(why) => {
                format!(
                    "Banned: {}. Only whoever runs the server can lift it.",
                    text::plain(why)
                )
            }
        };
        Some(format!(
            "rook: {}",
            said.lines().map(text::plain).collect::<Vec<_>>().join("\n")
        ))
    }

    /// What scripts are told.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Finished => 0,
            Self::Failed(_) => 1,
            Self::InvalidConfig(_) => 2,
            Self::NotSignedIn(_) => 3,
            Self::Kicked(_) | Self::Banned(_) => 4,
        })
    }
}

/// Hears out the server, and says what its last words mean.
#[derive(Debug, Default)]
pub struct EndTracker {
    /// The words of numeric 465.
    banned: Option<String>,
    /// We have said `QUIT`.
    leaving: bool,
}

impl EndTracker {
    /// From now on, the end of the connection is our own doing.
    pub fn leave(&mut self) {
        self.leaving = true;
    }

    /// Hears a message; `Some` when nothing will follow it.
    pub fn hear(&mut self, message: &Message) -> Option<SessionEnd> {
        match message.command.as_str() {
            numeric::ERR_YOUREBANNEDCREEP => {
                self.banned = Some(message.params.last().cloned().unwrap_or_default());
                None
            }
            "ERROR" => {
                let words = message.param(0).unwrap_or_default();
                Some(match (reason(words, "Kicked"), reason(words, "Banned")) {
                    (Some(why), _) => SessionEnd::Exit(Exit::Kicked(why)),
                    (_, Some(why)) => SessionEnd::Exit(Exit::Banned(why)),
                    _ => self.close(&format!("the server ended the connection: {words}")),
                })
            }
            _ => None,
        }
    }

    /// The connection has ended without (more) words.
    pub fn close(&mut self, why: &str) -> SessionEnd {
        match self.banned.take() {
            Some(banned) => SessionEnd::Exit(Exit::Banned(banned)),
            None if self.leaving => SessionEnd::Exit(Exit::Finished),
            None => SessionEnd::Lost(why.to_owned()),
        }
    }
}

/// The rest of `Kicked: too loud` after `Kicked`.
fn reason(words: &str, verb: &str) -> Option<String> {
    match words.strip_prefix(verb)? {
        "" => Some("no reason given".to_owned()),
        rest => match rest.strip_prefix(':')?.trim() {
            "" => Some("no reason given".to_owned()),
            why => Some(why.to_owned()),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hear(lines: &[&str]) -> Option<SessionEnd> {
        let mut words = EndTracker::default();
        lines
            .iter()
            .find_map(|line| words.hear(&Message::parse(line).unwrap()))
    }

    #[test]
    fn a_kick_and_a_ban_end_everything() {
        let kicked = hear(&["ERROR :Kicked: too loud"]);
        assert_eq!(
            kicked,
            Some(SessionEnd::Exit(Exit::Kicked("too loud".to_owned())))
        );
        let banned = hear(&[":s 465 * :You are banned", "ERROR :Banned: spam"]);
        assert_eq!(
            banned,
            Some(SessionEnd::Exit(Exit::Banned("spam".to_owned())))
        );
        assert_eq!(
            hear(&["ERROR Kicked"]),
            Some(SessionEnd::Exit(Exit::Kicked("no reason given".to_owned())))
        );
    }

    #[test]
    fn a_ban_is_known_even_when_the_connection_just_closes() {
        let mut words = EndTracker::default();
        assert_eq!(words.hear(&Message::parse(":s 465 * :Out").unwrap()), None);
        assert_eq!(
            words.close("end of file"),
            SessionEnd::Exit(Exit::Banned("Out".to_owned()))
        );
    }

    #[test]
    fn other_ends_are_accidents_unless_we_left() {
        let lost = "the server ended the connection: Server is stopping";
        assert_eq!(
            hear(&["ERROR :Server is stopping"]),
            Some(SessionEnd::Lost(lost.to_owned()))
        );
        assert_eq!(hear(&["PRIVMSG bob :ERROR Kicked: no"]), None);
        let mut words = EndTracker::default();
        words.leave();
        let error = Message::parse("ERROR :Quit: bye").unwrap();
        assert_eq!(words.hear(&error), Some(SessionEnd::Exit(Exit::Finished)));
        let kicked = Message::parse("ERROR :Kicked: no").unwrap();
        assert_eq!(
            words.hear(&kicked),
            Some(SessionEnd::Exit(Exit::Kicked("no".to_owned())))
        );
    }

    #[test]
    fn the_words_of_an_operator_are_one_harmless_line() {
        let words = Exit::Kicked("a\u{1b}[2J\nb\r\nc".to_owned())
            .words()
            .unwrap();
        assert_eq!(
            words,
            "rook: Kicked: a[2Jbc. You may come back: start rook again."
        );
        assert_eq!(Exit::Finished.words(), None);
    }
}

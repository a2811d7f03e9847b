//! How a session ends, and what that means for the program.
//!
//! This is the only place that decides it: kicks and bans exit with their reason, everything else
//! is a lost connection unless the user quits. Front ends pass on what it says, so a session cannot
//! end twice or be retried after a kick.

use std::process::ExitCode;

use rookery_protocol::{Message, numeric};

use crate::text;

/// Why the program exits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It has done what it was asked to, or the user has quit.
    Finished,
    /// Something failed, for that reason, and a retry would not help.
    Failed(String),
    /// The config file is invalid.
    InvalidConfig(String),
    /// The user is not signed in, and there is nobody to ask for a code.
    NotSignedIn(String),
    /// An operator has kicked the user, for that reason.
    Kicked(String),
    /// An operator has banned the user, for that reason.
    Banned(String),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// For good: the program exits.
    Exit(Exit),
    /// By accident, for that reason: a new connection may be made.
    Lost(String),
}

impl Exit {
    /// Returns the message for the user: one line, except for explanations that need more.
    pub fn message(&self) -> Option<String> {
        let message = match self {
            Self::Finished => return None,
            Self::Failed(why) | Self::InvalidConfig(why) | Self::NotSignedIn(why) => why.clone(),
            Self::Kicked(why) => {
                format!("You were kicked: {}. Run rook to rejoin.", text::plain(why))
            }
            Self::Banned(why) => {
                format!(
                    "You are banned: {}. Ask the server's operators.",
                    text::plain(why)
                )
            }
        };
        let lines: Vec<String> = message.lines().map(text::plain).collect();
        Some(format!("rook: {}", lines.join("\n")))
    }

    /// Returns the exit code for scripts.
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

/// Watches a connection for the reason of its end.
#[derive(Debug, Default)]
pub struct EndTracker {
    /// The text of numeric 465, which precedes the end of a banned session.
    banned: Option<String>,
    /// Whether `QUIT` was sent.
    quitting: bool,
}

impl EndTracker {
    /// Notes that `QUIT` was sent: the end of the connection is expected.
    pub fn quit(&mut self) {
        self.quitting = true;
    }

    /// Watches a message; returns `Some` when nothing follows it.
    pub fn watch(&mut self, message: &Message) -> Option<SessionEnd> {
        match message.command.as_str() {
            numeric::ERR_YOUREBANNEDCREEP => {
                self.banned = Some(message.params.last().cloned().unwrap_or_default());
                None
            }
            "ERROR" => {
                let text = message.param(0).unwrap_or_default();
                Some(match (reason(text, "Kicked"), reason(text, "Banned")) {
                    (Some(why), _) => SessionEnd::Exit(Exit::Kicked(why)),
                    (_, Some(why)) => SessionEnd::Exit(Exit::Banned(why)),
                    _ => self.closed(&format!("the server ended the connection: {text}")),
                })
            }
            _ => None,
        }
    }

    /// Returns how the connection ended when it has closed for another reason.
    pub fn closed(&mut self, why: &str) -> SessionEnd {
        match self.banned.take() {
            Some(banned) => SessionEnd::Exit(Exit::Banned(banned)),
            None if self.quitting => SessionEnd::Exit(Exit::Finished),
            None => SessionEnd::Lost(why.to_owned()),
        }
    }
}

/// Returns `too loud` from `Kicked: too loud`, given `Kicked`.
fn reason(text: &str, verb: &str) -> Option<String> {
    match text.strip_prefix(verb)? {
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

    fn watch(lines: &[&str]) -> Option<SessionEnd> {
        let mut tracker = EndTracker::default();
        lines
            .iter()
            .find_map(|line| tracker.watch(&Message::parse(line).unwrap()))
    }

    #[test]
    fn a_kick_and_a_ban_exit() {
        let kicked = watch(&["ERROR :Kicked: too loud"]);
        assert_eq!(
            kicked,
            Some(SessionEnd::Exit(Exit::Kicked("too loud".to_owned())))
        );
        let banned = watch(&[":s 465 * :You are banned", "ERROR :Banned: spam"]);
        assert_eq!(
            banned,
            Some(SessionEnd::Exit(Exit::Banned("spam".to_owned())))
        );
        assert_eq!(
            watch(&["ERROR Kicked"]),
            Some(SessionEnd::Exit(Exit::Kicked("no reason given".to_owned())))
        );
    }

    #[test]
    fn a_ban_is_recognised_even_if_the_connection_just_closes() {
        let mut tracker = EndTracker::default();
        assert_eq!(
            tracker.watch(&Message::parse(":s 465 * :Out").unwrap()),
            None
        );
        assert_eq!(
            tracker.closed("end of file"),
            SessionEnd::Exit(Exit::Banned("Out".to_owned()))
        );
    }

    #[test]
    fn other_ends_are_lost_connections_unless_we_quit() {
        let lost = "the server ended the connection: Server is stopping";
        assert_eq!(
            watch(&["ERROR :Server is stopping"]),
            Some(SessionEnd::Lost(lost.to_owned()))
        );
        assert_eq!(watch(&["PRIVMSG bob :ERROR Kicked: no"]), None);
        let mut tracker = EndTracker::default();
        tracker.quit();
        let error = Message::parse("ERROR :Quit: bye").unwrap();
        assert_eq!(
            tracker.watch(&error),
            Some(SessionEnd::Exit(Exit::Finished))
        );
        let kicked = Message::parse("ERROR :Kicked: no").unwrap();
        assert_eq!(
            tracker.watch(&kicked),
            Some(SessionEnd::Exit(Exit::Kicked("no".to_owned())))
        );
    }

    #[test]
    fn the_reason_of_an_operator_is_one_line_without_control_characters() {
        let message = Exit::Kicked("a\u{1b}[2J\nb\r\nc".to_owned())
            .message()
            .unwrap();
        assert_eq!(
            message,
            "rook: You were kicked: a[2Jbc. Run rook to rejoin."
        );
        assert_eq!(Exit::Finished.message(), None);
    }
}

//! Determines how a session has ended, and whether the program exits or reconnects.
//!
//! The decision is made here only: after a kick or a ban, or when a newer session of the account
//! has taken its place, the program exits with the reason; any other end is a lost connection,
//! unless the user has quit. Front ends act on the result, so a session cannot end twice, and no
//! front end reconnects after a kick by itself. The full screen stays until the user quits or asks
//! it to connect again.

use std::process::ExitCode;

use jiff::Timestamp;
use rookery_protocol::{Message, numeric};

use crate::text;

/// Why the program exits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The work is done, or the user has quit.
    Finished,
    /// Something failed for this reason, and trying again would not help.
    Failed(String),
    /// The config file is invalid; the text names the file, the line and the key.
    InvalidConfig(String),
    /// The sign-in failed, or needs a user to enter a code.
    NotSignedIn(String),
    /// An operator has kicked the user, for this reason.
    Kicked(String),
    /// An operator has banned the user, for this reason.
    Banned(String),
    /// The account has more sessions than it may, and a newer one has taken the place of this one,
    /// as this text says. If it reconnected by itself, it would take the place of another.
    Displaced(String),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The program exits.
    Exit(Exit),
    /// The connection was lost, for this reason; the program may reconnect.
    Lost(String),
}

impl Exit {
    /// Returns the message for the user: one line, except for explanations that need more.
    pub fn message(&self) -> Option<String> {
        let message = match self {
            Self::Finished => return None,
            Self::Failed(reason) | Self::InvalidConfig(reason) | Self::NotSignedIn(reason) => {
                reason.clone()
            }
            Self::Kicked(reason) => {
                format!(
                    "You were kicked: {}. Run rook to rejoin.",
                    text::plain(reason)
                )
            }
            Self::Banned(reason) => {
                format!(
                    "You are banned: {}. Ask the server's operators.",
                    text::plain(reason)
                )
            }
            Self::Displaced(reason) => {
                format!(
                    "You were disconnected: {}. Run rook to rejoin.",
                    text::plain(reason)
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
            Self::Kicked(_) | Self::Banned(_) | Self::Displaced(_) => 4,
        })
    }
}

/// Finds out why a connection ends, from the messages that precede the end.
#[derive(Debug, Default)]
pub struct EndTracker {
    /// The text of numeric 465, which precedes the end of a banned session.
    banned: Option<String>,
    /// Whether `QUIT` was sent.
    quitting: bool,
}

impl EndTracker {
    /// Records that `QUIT` was sent: from now on the end of the connection is expected.
    pub fn quit_sent(&mut self) {
        self.quitting = true;
    }

    /// Handles a message; returns `Some` if it is the last one of the session.
    pub fn handle(&mut self, message: &Message) -> Option<SessionEnd> {
        match message.command.as_str() {
            numeric::ERR_YOUREBANNEDCREEP => {
                self.banned = Some(message.params.last().cloned().unwrap_or_default());
                None
            }
            "ERROR" => {
                let text = message.param(0).unwrap_or_default();
                let exits = [
                    ("Kicked", Exit::Kicked as fn(String) -> Exit),
                    ("Banned", Exit::Banned),
                    ("Displaced", Exit::Displaced),
                ];
                let exit = exits
                    .into_iter()
                    .find_map(|(verb, exit)| Some(exit(reason(text, verb)?)));
                Some(match exit {
                    Some(exit) => SessionEnd::Exit(exit),
                    None => self.closed(&format!("the server ended the connection: {text}")),
                })
            }
            _ => None,
        }
    }

    /// Returns how the session ended when the connection was closed without such a message.
    pub fn closed(&mut self, reason: &str) -> SessionEnd {
        match self.banned.take() {
            Some(banned) => SessionEnd::Exit(Exit::Banned(banned)),
            None if self.quitting => SessionEnd::Exit(Exit::Finished),
            None => SessionEnd::Lost(reason.to_owned()),
        }
    }
}

/// Whether the reason of a ban says when it expires, as the server writes it: `spam (until
/// 2026-01-09T00:00:00Z)`.
pub fn is_for_a_while(reason: &str) -> bool {
    let until = reason
        .strip_suffix(')')
        .and_then(|reason| reason.rsplit_once("(until "));
    until.is_some_and(|(_, time)| time.parse::<Timestamp>().is_ok())
}

/// Returns `too loud` from `Kicked: too loud`, given `Kicked`.
fn reason(text: &str, verb: &str) -> Option<String> {
    match text.strip_prefix(verb)? {
        "" => Some("no reason given".to_owned()),
        rest => match rest.strip_prefix(':')?.trim() {
            "" => Some("no reason given".to_owned()),
            reason => Some(reason.to_owned()),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn end_of(lines: &[&str]) -> Option<SessionEnd> {
        let mut tracker = EndTracker::default();
        lines
            .iter()
            .find_map(|line| tracker.handle(&Message::parse(line).unwrap()))
    }

    #[test]
    fn a_session_exits_that_was_kicked_banned_or_displaced() {
        let kicked = end_of(&["ERROR :Kicked: too loud"]);
        assert_eq!(
            kicked,
            Some(SessionEnd::Exit(Exit::Kicked("too loud".to_owned())))
        );
        let banned = end_of(&[":s 465 * :You are banned", "ERROR :Banned: spam"]);
        assert_eq!(
            banned,
            Some(SessionEnd::Exit(Exit::Banned("spam".to_owned())))
        );
        assert_eq!(
            end_of(&["ERROR :Displaced: by a newer session"]),
            Some(SessionEnd::Exit(Exit::Displaced(
                "by a newer session".to_owned()
            )))
        );
        assert_eq!(
            end_of(&["ERROR Kicked"]),
            Some(SessionEnd::Exit(Exit::Kicked("no reason given".to_owned())))
        );
    }

    #[test]
    fn only_a_ban_with_an_end_is_for_a_while() {
        for (reason, wanted) in [
            ("spam (until 2026-01-09T00:00:00Z)", true),
            ("(until 2026-01-09T00:00:00Z)", true),
            ("spam", false),
            ("spam (until you apologise)", false),
        ] {
            assert_eq!(is_for_a_while(reason), wanted, "{reason}");
        }
    }

    #[test]
    fn a_ban_is_recognised_even_if_no_error_message_follows() {
        let mut tracker = EndTracker::default();
        assert_eq!(
            tracker.handle(&Message::parse(":s 465 * :Out").unwrap()),
            None
        );
        assert_eq!(
            tracker.closed("end of file"),
            SessionEnd::Exit(Exit::Banned("Out".to_owned()))
        );
    }

    #[test]
    fn other_ends_are_lost_connections_unless_the_user_quit() {
        let lost = "the server ended the connection: Server is stopping";
        assert_eq!(
            end_of(&["ERROR :Server is stopping"]),
            Some(SessionEnd::Lost(lost.to_owned()))
        );
        assert_eq!(end_of(&["PRIVMSG bob :ERROR Kicked: no"]), None);
        let mut tracker = EndTracker::default();
        tracker.quit_sent();
        let error = Message::parse("ERROR :Quit: bye").unwrap();
        assert_eq!(
            tracker.handle(&error),
            Some(SessionEnd::Exit(Exit::Finished))
        );
        let kicked = Message::parse("ERROR :Kicked: no").unwrap();
        assert_eq!(
            tracker.handle(&kicked),
            Some(SessionEnd::Exit(Exit::Kicked("no".to_owned())))
        );
    }

    #[test]
    fn an_operators_reason_is_one_line_without_control_characters() {
        let message = Exit::Kicked("a\u{1b}[2J\nb\r\nc".to_owned())
            .message()
            .unwrap();
        assert_eq!(
            message,
            "rook: You were kicked: a[2J b c. Run rook to rejoin."
        );
        assert_eq!(Exit::Finished.message(), None);
    }
}

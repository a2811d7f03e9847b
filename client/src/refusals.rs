//! Refusals of the server: the reason in the server's words, and advice for the user.

use rookery_protocol::{ChannelName, Message, numeric};

/// Returns the text of an error; `None` if the message is not an error.
pub fn refusal(message: &Message) -> Option<String> {
    let error_numeric = message.command.len() == 3 && message.command.starts_with(['4', '5']);
    match message.command.as_str() {
        "FAIL" => message.params.last().cloned(),
        _ if error_numeric => {
            // The first parameter is our own nick; the ones between it and the text name what the
            // error is about.
            let about = message.params.get(1..).unwrap_or_default();
            Some(match about {
                // The context is the command, which the user has just typed.
                [_, text] if message.command == numeric::ERR_UNKNOWNERROR => text.clone(),
                [nick, _] if message.command == numeric::ERR_NOSUCHNICK => {
                    format!("{nick} is not here")
                }
                [context @ .., text] if !context.is_empty() => {
                    format!("{}: {text}", context.join(" "))
                }
                _ => message.params.last().cloned().unwrap_or_default(),
            })
        }
        _ => None,
    }
}

/// Returns the old and the new name of a channel that was not joined because it was renamed (IRCv3
/// `draft/channel-rename`); `None` if the message says something else.
pub fn renamed(message: &Message) -> Option<(ChannelName, ChannelName)> {
    if message.command != "FAIL" {
        return None;
    }
    match message.params.get(..4)? {
        [command, code, old, new] if command == "JOIN" && code == "CHANNEL_RENAMED" => {
            Some((old.parse().ok()?, new.parse().ok()?))
        }
        _ => None,
    }
}

/// Returns the text of an error with advice for the user.
pub fn refusal_with_advice(message: &Message) -> Option<String> {
    let text = refusal(message)?;
    Some(
        match advice(&message.command, message.param(1).unwrap_or_default()) {
            Some(advice) => format!("{text}; {advice}"),
            None => text,
        },
    )
}

/// Returns advice about an error that concerns the channel or nick `name`.
fn advice(command: &str, name: &str) -> Option<String> {
    Some(match command {
        numeric::ERR_NOSUCHCHANNEL if name.starts_with('#') => format!("/join {name} creates it"),
        numeric::ERR_CANNOTSENDTOCHAN => "its operators decide who may speak".to_owned(),
        numeric::ERR_NICKNAMEINUSE => "choose another: /nick NAME".to_owned(),
        numeric::ERR_NOTONCHANNEL => format!("/join {name} first"),
        numeric::ERR_CHANNELISFULL => "try again when someone has left".to_owned(),
        numeric::ERR_INVITEONLYCHAN => "ask someone in it for an /invite".to_owned(),
        numeric::ERR_BANNEDFROMCHAN => "ask one of its operators to /unban you".to_owned(),
        numeric::ERR_BADCHANNELKEY => format!("/join {name} KEY"),
        numeric::ERR_CHANOPRIVSNEEDED => "operators have an @ before their nick".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(line: &str) -> Option<String> {
        refusal_with_advice(&Message::parse(line).unwrap())
    }

    #[test]
    fn an_error_has_its_context_and_advice() {
        for (line, wanted) in [
            (":s 401 me bob :No such nick", "bob is not here"),
            (
                ":s 475 me #a :Cannot join channel (+k)",
                "#a: Cannot join channel (+k); /join #a KEY",
            ),
            (
                ":s 433 me bob :Nickname is in use",
                "bob: Nickname is in use; choose another: /nick NAME",
            ),
            (
                ":s 482 me #a :Not an operator",
                "#a: Not an operator; operators have an @ before their nick",
            ),
            (":s 400 me NICK :One is enough", "One is enough"),
            (
                ":s 461 me KICK :Not enough parameters",
                "KICK: Not enough parameters",
            ),
            (":s FAIL REDACT X :Too late", "Too late"),
        ] {
            assert_eq!(text(line).as_deref(), Some(wanted));
        }
        for line in [
            ":s 332 me #a :Topic",
            ":bob!b@h PRIVMSG me :475 #a",
            ":s NOTE X :y",
        ] {
            assert_eq!(text(line), None, "{line}");
        }
    }

    #[test]
    fn an_incomplete_error_is_handled() {
        for numeric in ["401", "404", "442", "475", "433"] {
            assert!(text(&format!(":s {numeric}")).is_some());
        }
    }
}

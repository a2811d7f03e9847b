//! What a typed line means: something to say, or a command.

use rookery_protocol::{ChannelName, Nick};

use crate::cli::Target;

/// A typed line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing but spaces.
    Nothing,
    /// Something to say where we are, or to whom the end of the line names.
    Say(String),
    /// `/me`.
    Act(String),
    /// `/msg`.
    Message(Target, String),
    /// `/join`, with the key.
    Join(ChannelName, Option<String>),
    /// `/part`; from the current channel when none is named.
    Part(Option<ChannelName>, Option<String>),
    /// `/nick`.
    Nick(Nick),
    /// `/who`; of the current channel when none is named.
    Who(Option<String>),
    /// `/topic`; asks for it when there is none.
    Topic(Option<String>),
    /// `/away`; back again without a text.
    Away(Option<String>),
    /// `/quit`.
    Quit(Option<String>),
    /// `/help`.
    Help,
    /// Not understood; the hint says what to do about it.
    Hint(String),
}

/// The answer to `/help`.
pub const HELP: &[&str] = &[
    "What you type goes to the current channel. A line that ends in /alice goes to alice alone.",
    "/msg NICK TEXT    to one person (or #channel)",
    "/join #CHANNEL [KEY]    join it, or go back to it",
    "/part [#CHANNEL] [REASON]    leave it",
    "/me TEXT    * you wave",
    "/who [#CHANNEL]    who is there",
    "/topic [TEXT]    see or set the topic",
    "/away [TEXT]    you are away; without a text, back",
    "/nick NAME    another name",
    "/quit [REASON]",
    "//TEXT    a line that begins with a slash",
];

/// Reads a typed line.
pub fn read(line: &str) -> Typed {
    if line.trim().is_empty() {
        return Typed::Nothing;
    }
    let Some(command) = line.strip_prefix('/') else { return Typed::Say(line.to_owned()) };
    if command.starts_with('/') {
        return Typed::Say(command.to_owned());
    }
    let (word, rest) = split_word(command);
    let rest_or_none = Some(rest).filter(|rest| !rest.is_empty()).map(str::to_owned);
    match (word.to_ascii_lowercase().as_str(), rest) {
        ("msg", _) => {
            let (target, text) = split_word(rest);
            match target.parse() {
                _ if text.is_empty() => usage("/msg NICK TEXT"),
                Ok(target) => Typed::Message(target, text.to_owned()),
                Err(error) => Typed::Hint(format!("{target}: {error}")),
            }
        }
        ("join", "") => usage("/join #CHANNEL [KEY]"),
        ("join", _) => {
            let (channel, key) = split_word(rest);
            let key = Some(key).filter(|key| !key.is_empty()).map(str::to_owned);
            match ChannelName::parse(channel) {
                _ if key.as_ref().is_some_and(|key| key.contains(' ')) => usage("/join #CHANNEL [KEY]"),
                Ok(channel) => Typed::Join(channel, key),
                Err(error) => Typed::Hint(format!("{channel}: {error}")),
            }
        }
        ("part", _) if rest.starts_with('#') => {
            let (channel, reason) = split_word(rest);
            match ChannelName::parse(channel) {
                Ok(channel) => {
                    Typed::Part(Some(channel), Some(reason.to_owned()).filter(|reason| !reason.is_empty()))
                }
                Err(error) => Typed::Hint(format!("{channel}: {error}")),
            }
        }
        ("part", _) => Typed::Part(None, rest_or_none),
        ("nick", "") => usage("/nick NAME"),
        ("nick", _) => match Nick::parse(rest) {
            Ok(nick) => Typed::Nick(nick),
            Err(error) => Typed::Hint(format!("{rest}: {error}")),
        },
        ("who", _) if rest.contains(' ') => usage("/who [#CHANNEL]"),
        ("who", _) => Typed::Who(rest_or_none),
        ("me", "") => usage("/me TEXT"),
        ("me", _) => Typed::Act(rest.to_owned()),
        ("topic", _) => Typed::Topic(rest_or_none),
        ("away", _) => Typed::Away(rest_or_none),
        ("quit", _) => Typed::Quit(rest_or_none),
        ("help", _) => Typed::Help,
        _ => Typed::Hint(format!(
            "there is no command /{word}; /help lists them, //{word} says it, and `TEXT /{word}` is for {word} alone"
        )),
    }
}

/// The original's form: a line that ends in `/alice` is for alice alone. Gives the text and her nick, if `is_here`.
pub fn addressed(line: &str, is_here: impl Fn(&Nick) -> bool) -> Option<(&str, Nick)> {
    let (text, last) = line.trim_end().rsplit_once(char::is_whitespace)?;
    let nick = Nick::parse(last.strip_prefix('/')?).ok()?;
    let text = text.trim();
    (!text.is_empty() && is_here(&nick)).then_some((text, nick))
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(' ').map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

fn usage(form: &str) -> Typed {
    Typed::Hint(format!("write: {form}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn channel(name: &str) -> ChannelName {
        ChannelName::parse(name).unwrap()
    }

    #[test]
    fn what_begins_with_no_slash_is_said_as_it_is() {
        assert_eq!(read("  hi  there "), Typed::Say("  hi  there ".to_owned()));
        assert_eq!(read("   "), Typed::Nothing);
        assert_eq!(read("//etc/passwd"), Typed::Say("/etc/passwd".to_owned()));
        assert_eq!(read("a /msg b"), Typed::Say("a /msg b".to_owned()));
    }

    #[test]
    fn commands_are_read_with_their_words() {
        let text = |text: &str| Some(text.to_owned());
        let bob = Target::User(Nick::parse("bob").unwrap());
        assert_eq!(read("/msg bob hi  you"), Typed::Message(bob.clone(), "hi  you".to_owned()));
        assert_eq!(read("/MSG  bob  hi"), Typed::Message(bob, "hi".to_owned()));
        assert_eq!(read("/join #x"), Typed::Join(channel("#x"), None));
        assert_eq!(read("/join #x key"), Typed::Join(channel("#x"), text("key")));
        assert_eq!(read("/part"), Typed::Part(None, None));
        assert_eq!(read("/part so long"), Typed::Part(None, text("so long")));
        assert_eq!(read("/part #x so long"), Typed::Part(Some(channel("#x")), text("so long")));
        assert_eq!(read("/me waves"), Typed::Act("waves".to_owned()));
        assert_eq!(read("/topic"), Typed::Topic(None));
        assert_eq!(read("/away lunch"), Typed::Away(text("lunch")));
        assert_eq!(read("/who #x"), Typed::Who(text("#x")));
        assert_eq!(read("/quit"), Typed::Quit(None));
        assert_eq!(read("/help me"), Typed::Help);
        assert_eq!(read("/nick rob"), Typed::Nick(Nick::parse("rob").unwrap()));
    }

    #[test]
    fn what_is_not_understood_gets_a_hint_and_is_not_said() {
        for line in [
            "/mgs bob hi",
            "/",
            "/msg",
            "/msg bob",
            "/msg a!b hi",
            "/join",
            "/join x",
            "/join #a b c",
            "/nick",
            "/nick a b",
            "/me",
            "/part #",
            "/who a b",
        ] {
            assert!(matches!(read(line), Typed::Hint(_)), "{line} gave {:?}", read(line));
        }
        let Typed::Hint(hint) = read("/alice") else { panic!() };
        assert!(hint.contains("TEXT /alice"), "{hint}");
    }

    #[test]
    fn a_line_that_ends_in_a_name_is_for_whoever_has_it_and_is_here() {
        let alice = Nick::parse("alice").unwrap();
        let here = |nick: &Nick| *nick == alice;
        assert_eq!(addressed("How are you? /alice", here), Some(("How are you?", alice.clone())));
        assert_eq!(addressed("hi /Alice  ", here), Some(("hi", alice.clone())));
        for line in [
            "How are you? /bob",
            "/alice",
            " /alice",
            "see http://x/alice",
            "hi alice",
            "hi /alice there",
            "hi/alice",
            "hi //alice",
        ] {
            assert_eq!(addressed(line, here), None, "{line}");
        }
    }
}

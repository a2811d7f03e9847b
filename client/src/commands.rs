//! What a typed line means: something to say, or a command.

use rookery_protocol::{ChannelName, Message, Nick};

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
    /// `/whois`.
    Whois(Nick),
    /// `/list`.
    List,
    /// `/topic`; asks for it when there is none.
    Topic(Option<String>),
    /// `/away`; back again without a text.
    Away(Option<String>),
    /// `/names`; of the current channel when none is named.
    Names(Option<ChannelName>),
    /// `/query`: a place for direct messages, and perhaps the first one.
    Query(Nick, Option<String>),
    /// `/close`.
    Close,
    /// `/reply`.
    Reply(String),
    /// `/ignore`: begins or ends it; lists whom when nobody is named.
    Ignore(Option<Nick>),
    /// `/mute`: begins or ends it, where we are.
    Mute,
    /// `/kick`, from the current channel.
    Kick(Nick, Option<String>),
    /// `/ban` (or `/unban`), from the current channel: a mask.
    Ban { mask: String, lift: bool },
    /// `/invite`, to the current channel when none is named.
    Invite(Nick, Option<ChannelName>),
    /// `/mode`, of the current channel: its words.
    Mode(Vec<String>),
    /// `/devices`: lists what opens this account, or takes away the one of that number.
    Devices(Option<u64>),
    /// `/password`: sets one for the account.
    Password,
    /// `/redact`: the last message of one's own, for a reason.
    Redact(Option<String>),
    /// `/links`.
    Links,
    /// `/quit`.
    Quit(Option<String>),
    /// `/search`.
    Search(String),
    /// `/help`.
    Help,
    /// Not understood; the hint says what to do about it.
    Hint(String),
}

/// What is said to someone who is in no channel.
pub const NOWHERE: &str = "you are in no channel: /join #CHANNEL";

/// The commands: how each is written, and what it does.
pub const COMMANDS: &[(&str, &str)] = &[
    (
        "TEXT /NICK",
        "a line that ends in /alice goes to alice alone",
    ),
    ("/msg NICK TEXT", "to one person (or #channel)"),
    ("/join #CHANNEL [KEY]", "join it, or go back to it"),
    ("/part [#CHANNEL] [REASON]", "leave it"),
    ("/me TEXT", "* you wave"),
    ("/who [#CHANNEL]", "who is there, and who is away"),
    ("/names [#CHANNEL]", "the members"),
    ("/whois NICK", "more about someone"),
    ("/list", "the channels there are"),
    ("/topic [TEXT]", "see or set the topic"),
    ("/away [TEXT]", "you are away; without a text, back"),
    ("/nick NAME", "another name"),
    ("/invite NICK [#CHANNEL]", "ask someone in"),
    ("/kick NICK [REASON]", "out of the channel (operators)"),
    (
        "/ban [NICK]",
        "kept out of the channel; or see who is (operators)",
    ),
    ("/unban NICK", "let in again (operators)"),
    (
        "/mode MODES",
        "see or set what the channel allows (operators)",
    ),
    (
        "/devices",
        "the devices and certificates that open your account",
    ),
    ("/devices revoke NUMBER", "one of them opens it no more"),
    ("/quit [REASON]", "leave rook"),
    ("//TEXT", "a line that begins with a slash"),
];

/// The commands that only make sense with a screen.
pub const SCREEN_COMMANDS: &[(&str, &str)] = &[
    (
        "/query NICK [TEXT]",
        "talk to one person, in a place of its own",
    ),
    (
        "/close",
        "leave this channel, or put this conversation away",
    ),
    (
        "/reply TEXT",
        "to the message chosen (Alt-Up), or to whoever last called you",
    ),
    (
        "/ignore [NICK]",
        "hear nothing of someone, or hear them again; or see whom",
    ),
    (
        "/search TEXT",
        "find it in what was said here: in what is loaded, and further back on the server",
    ),
    (
        "/password",
        "set the password of your account, for other clients; it is asked for unseen",
    ),
    (
        "/redact [REASON]",
        "take back the message chosen (Alt-Up), or the last thing you said here",
    ),
    ("/mute", "no counts and no bell for this place, or again"),
    ("/links", "the links that were said here: open or copy"),
    ("/help", "this page"),
];

/// The commands whose first word begins like what is typed, or is the one that is typed, with what
/// they do.
pub fn beginning(typed: &str) -> Vec<(&'static str, &'static str)> {
    let (word, is_whole) = typed
        .split_once(' ')
        .map_or((typed, false), |(word, _)| (word, true));
    let word = word.to_ascii_lowercase();
    let fits = |(form, _): &&(&str, &str)| {
        let first = form.split(' ').next().unwrap_or_default();
        if is_whole {
            first == word
        } else {
            first.starts_with(&word)
        }
    };
    let all = COMMANDS.iter().chain(SCREEN_COMMANDS);
    all.filter(|(form, _)| form.starts_with('/') && !form.starts_with("//"))
        .filter(fits)
        .copied()
        .collect()
}

/// Whether a message box holds a command: it stands alone, while several lines are several
/// messages.
pub fn is_command(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && !text.contains('\n')
}

/// Reads a typed line.
pub fn read(line: &str) -> Typed {
    if line.trim().is_empty() {
        return Typed::Nothing;
    }
    let Some(command) = line.strip_prefix('/') else {
        return Typed::Say(line.to_owned());
    };
    if command.starts_with('/') {
        return Typed::Say(command.to_owned());
    }
    let (word, rest) = split_word(command);
    let rest_or_none = Some(rest)
        .filter(|rest| !rest.is_empty())
        .map(str::to_owned);
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
            // Whoever leaves the sign out means it.
            let channel = if channel.starts_with('#') {
                channel.to_owned()
            } else {
                format!("#{channel}")
            };
            match ChannelName::parse(&channel) {
                _ if key.as_ref().is_some_and(|key| key.contains(' ')) => {
                    usage("/join #CHANNEL [KEY]")
                }
                Ok(channel) => Typed::Join(channel, key),
                Err(error) => Typed::Hint(format!("{channel}: {error}")),
            }
        }
        ("part", _) if rest.starts_with('#') => {
            let (channel, reason) = split_word(rest);
            match ChannelName::parse(channel) {
                Ok(channel) => Typed::Part(
                    Some(channel),
                    Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
                ),
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
        ("whois", "") => usage("/whois NICK"),
        ("whois", _) => with_nick(rest, |nick, _| Typed::Whois(nick)),
        ("list", _) => Typed::List,
        ("names", "") => Typed::Names(None),
        ("names", _) => match ChannelName::parse(rest) {
            Ok(channel) => Typed::Names(Some(channel)),
            Err(error) => Typed::Hint(format!("{rest}: {error}")),
        },
        ("query", "") => usage("/query NICK [TEXT]"),
        ("query", _) => with_nick(rest, Typed::Query),
        ("close", _) => Typed::Close,
        ("reply", "") => usage("/reply TEXT"),
        ("reply", _) => Typed::Reply(rest.to_owned()),
        ("ignore", "") => Typed::Ignore(None),
        ("ignore", _) => with_nick(rest, |nick, _| Typed::Ignore(Some(nick))),
        ("mute", _) => Typed::Mute,
        ("kick", "") => usage("/kick NICK [REASON]"),
        ("kick", _) => with_nick(rest, Typed::Kick),
        ("ban", "") => Typed::Mode(vec!["+b".to_owned()]),
        ("unban", "") => usage("/unban NICK"),
        ("ban" | "unban", _) if rest.contains(' ') => usage("/ban NICK"),
        ("ban" | "unban", _) => {
            let mask = if rest.contains(['!', '@', '*', '?', ':']) {
                rest.to_owned()
            } else {
                format!("{rest}!*@*")
            };
            Typed::Ban {
                mask,
                lift: word.eq_ignore_ascii_case("unban"),
            }
        }
        ("invite", "") => usage("/invite NICK [#CHANNEL]"),
        ("invite", _) => {
            let (nick, channel) = split_word(rest);
            let channel = Some(channel)
                .filter(|channel| !channel.is_empty())
                .map(ChannelName::parse)
                .transpose();
            match (Nick::parse(nick), channel) {
                (Ok(nick), Ok(channel)) => Typed::Invite(nick, channel),
                (Err(error), _) | (_, Err(error)) => Typed::Hint(format!("{rest}: {error}")),
            }
        }
        ("mode", _) => Typed::Mode(rest.split_whitespace().map(str::to_owned).collect()),
        ("password", "") => Typed::Password,
        ("password", _) => usage("/password alone; it is asked for, unseen"),
        ("redact", _) => Typed::Redact(rest_or_none),
        ("devices", "") => Typed::Devices(None),
        ("devices", _) => match rest
            .strip_prefix("revoke ")
            .map(|number| number.trim().parse())
        {
            Some(Ok(number)) => Typed::Devices(Some(number)),
            _ => usage("/devices revoke NUMBER"),
        },
        ("topic", _) => Typed::Topic(rest_or_none),
        ("away", _) => Typed::Away(rest_or_none),
        ("quit", _) => Typed::Quit(rest_or_none),
        ("search", "") => usage("/search TEXT"),
        ("search", _) => Typed::Search(rest.to_owned()),
        ("links", _) => Typed::Links,
        ("help", _) => Typed::Help,
        _ => Typed::Hint(format!(
            "there is no command /{word}; /help lists them, //{word} says it, and `TEXT /{word}` is for {word} alone"
        )),
    }
}

impl Typed {
    /// The message to the server, for the commands that are one; said in `here`, the channel where
    /// we are. `None`: there is more to it than that.
    pub fn request(&self, here: Option<&ChannelName>) -> Option<Result<Message, &'static str>> {
        fn or_here<'a>(
            named: Option<&'a ChannelName>,
            here: Option<&'a ChannelName>,
        ) -> Option<&'a str> {
            named.or(here).map(ChannelName::as_str)
        }
        let here_alone = here.map(ChannelName::as_str);
        let request = match self {
            Self::Nick(nick) => Some(Message::new("NICK", [nick.as_str()])),
            Self::Devices(None) => Some(Message::new("CREDENTIAL", ["LIST"])),
            Self::Devices(Some(number)) => {
                Some(Message::new("CREDENTIAL", ["REVOKE", &number.to_string()]))
            }
            Self::Away(text) => Some(Message::new("AWAY", text.as_deref())),
            Self::Part(named, reason) => or_here(named.as_ref(), here).map(|channel| {
                Message::new("PART", std::iter::once(channel).chain(reason.as_deref()))
            }),
            Self::Who(mask) => {
                let mask = mask.as_deref().or(here_alone);
                mask.map(|mask| Message::new("WHO", [mask]))
            }
            Self::Names(named) => {
                or_here(named.as_ref(), here).map(|channel| Message::new("NAMES", [channel]))
            }
            Self::Whois(nick) => Some(Message::new("WHOIS", [nick.as_str()])),
            Self::List => Some(Message::new("LIST", None::<&str>)),
            Self::Topic(text) => here_alone.map(|channel| {
                Message::new("TOPIC", std::iter::once(channel).chain(text.as_deref()))
            }),
            Self::Kick(nick, reason) => here_alone.map(|channel| {
                Message::new(
                    "KICK",
                    [channel, nick.as_str()]
                        .into_iter()
                        .chain(reason.as_deref()),
                )
            }),
            Self::Ban { mask, lift } => here_alone.map(|channel| {
                Message::new(
                    "MODE",
                    [channel, if *lift { "-b" } else { "+b" }, mask.as_str()],
                )
            }),
            Self::Invite(nick, named) => or_here(named.as_ref(), here)
                .map(|channel| Message::new("INVITE", [nick.as_str(), channel])),
            Self::Mode(words) => here_alone.map(|channel| {
                Message::new(
                    "MODE",
                    std::iter::once(channel).chain(words.iter().map(String::as_str)),
                )
            }),
            _ => return None,
        };
        Some(request.ok_or(NOWHERE))
    }
}

/// Whether the answer to a request carries its label.
pub fn is_answered(request: &Message) -> bool {
    request.command != "CREDENTIAL"
}

/// The original's form: a line that ends in `/alice` is for alice alone. Gives the text and her
/// nick, if `is_present`.
pub fn addressed(line: &str, is_present: impl Fn(&Nick) -> bool) -> Option<(&str, Nick)> {
    let (text, last) = line.trim_end().rsplit_once(char::is_whitespace)?;
    let nick = Nick::parse(last.strip_prefix('/')?).ok()?;
    let text = text.trim();
    (!text.is_empty() && is_present(&nick)).then_some((text, nick))
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(' ')
        .map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

/// The rest of a command that begins with a nick.
fn with_nick(rest: &str, typed: impl FnOnce(Nick, Option<String>) -> Typed) -> Typed {
    let (nick, more) = split_word(rest);
    match Nick::parse(nick) {
        Ok(nick) => typed(
            nick,
            Some(more)
                .filter(|more| !more.is_empty())
                .map(str::to_owned),
        ),
        Err(error) => Typed::Hint(format!("{nick}: {error}")),
    }
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
        assert_eq!(
            read("/msg bob hi  you"),
            Typed::Message(bob.clone(), "hi  you".to_owned())
        );
        assert_eq!(read("/MSG  bob  hi"), Typed::Message(bob, "hi".to_owned()));
        assert_eq!(read("/join #x"), Typed::Join(channel("#x"), None));
        assert_eq!(read("/join x"), Typed::Join(channel("#x"), None));
        assert_eq!(
            read("/join #x key"),
            Typed::Join(channel("#x"), text("key"))
        );
        assert_eq!(read("/part"), Typed::Part(None, None));
        assert_eq!(read("/part so long"), Typed::Part(None, text("so long")));
        assert_eq!(
            read("/part #x so long"),
            Typed::Part(Some(channel("#x")), text("so long"))
        );
        assert_eq!(read("/me waves"), Typed::Act("waves".to_owned()));
        assert_eq!(read("/topic"), Typed::Topic(None));
        assert_eq!(read("/away lunch"), Typed::Away(text("lunch")));
        assert_eq!(read("/who #x"), Typed::Who(text("#x")));
        assert_eq!(read("/quit"), Typed::Quit(None));
        assert_eq!(read("/help me"), Typed::Help);
        assert_eq!(read("/nick rob"), Typed::Nick(Nick::parse("rob").unwrap()));
    }

    #[test]
    fn what_channel_operators_do_is_about_the_channel_they_are_in() {
        let here = channel("#lobby");
        for (line, sent) in [
            ("/kick bob too loud", "KICK #lobby bob :too loud"),
            ("/ban bob", "MODE #lobby +b bob!*@*"),
            ("/unban *!*@1.2.3.4", "MODE #lobby -b *!*@1.2.3.4"),
            ("/invite bob", "INVITE bob #lobby"),
            ("/invite bob #ops", "INVITE bob #ops"),
            ("/mode +o bob", "MODE #lobby +o bob"),
            ("/mode", "MODE #lobby"),
            ("/names", "NAMES #lobby"),
            ("/devices", "CREDENTIAL LIST"),
            ("/devices revoke 7", "CREDENTIAL REVOKE 7"),
            ("/part #x", "PART #x"),
            ("/topic new plans", "TOPIC #lobby :new plans"),
        ] {
            let request = read(line).request(Some(&here)).unwrap().unwrap();
            assert_eq!(request.to_string(), sent, "{line}");
        }
        assert_eq!(read("/kick bob").request(None), Some(Err(NOWHERE)));
        assert_eq!(read("/query bob hi").request(Some(&here)), None);
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
            "/join #",
            "/join #a b c",
            "/nick",
            "/nick a b",
            "/me",
            "/part #",
            "/who a b",
            "/query",
            "/reply",
            "/kick",
            "/ban a b",
            "/invite bob ops",
            "/search",
            "/password hunter2",
            "/devices revoke",
            "/devices revoke x",
            "/devices x",
        ] {
            assert!(
                matches!(read(line), Typed::Hint(_)),
                "{line} gave {:?}",
                read(line)
            );
        }
        let Typed::Hint(hint) = read("/alice") else {
            panic!()
        };
        assert!(hint.contains("TEXT /alice"), "{hint}");
    }

    #[test]
    fn a_line_that_ends_in_a_name_is_for_whoever_has_it_and_is_here() {
        let alice = Nick::parse("alice").unwrap();
        let here = |nick: &Nick| *nick == alice;
        assert_eq!(
            addressed("How are you? /alice", here),
            Some(("How are you?", alice.clone()))
        );
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

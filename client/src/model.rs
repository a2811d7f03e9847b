//! What the client knows of the chat: messages from the server go in, changes to show come out. It knows nothing of
//! the connection nor of the screen.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rookery_protocol::framing::MAX_LINE;
use rookery_protocol::{ChannelName, Message, Nick, numeric};

use crate::receipts::refusal;

/// What precedes a nick in `NAMES`.
const MEMBER_PREFIXES: [char; 5] = ['~', '&', '@', '%', '+'];
/// Correspondents remembered; they only serve the form `text /alice`.
const MAX_CORRESPONDENTS: usize = 500;
/// Room for the user and host in our own source, until the server has shown it to us.
const ASSUMED_USER_AND_HOST: usize = 80;

/// Something to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it happened, by the server's clock where it tells.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
}

/// How something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As a message.
    Message,
    /// `/me`.
    Action,
    /// As a notice.
    Notice,
}

/// What happened. Names and texts are as the server sent them: whoever shows them makes them harmless first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Someone, perhaps we, said something in a channel.
    Said { channel: String, nick: String, manner: Manner, text: String },
    /// Someone said something to us alone.
    Heard { from: String, manner: Manner, text: String },
    /// We said something to someone alone.
    Whispered { to: String, manner: Manner, text: String },
    /// The server itself said something.
    Notice { from: String, text: String },
    /// Someone came into a channel.
    Joined { channel: String, nick: String },
    /// Someone left a channel.
    Parted { channel: String, nick: String, reason: Option<String> },
    /// Someone was put out of a channel by one of its operators.
    Removed { channel: String, nick: String, by: String, reason: Option<String> },
    /// Someone left the server.
    Left { nick: String, reason: Option<String> },
    /// Someone has another name.
    Renamed { old: String, new: String },
    /// A channel has another topic (`by` someone), or this is the one it has.
    Topic { channel: String, by: Option<String>, text: String },
    /// Who is in a channel.
    Members { channel: String, nicks: Vec<String> },
    /// Anything else, in words.
    Info(String),
    /// The server refused something, in its words.
    Refused(String),
}

/// The chat as this client sees it.
#[derive(Debug, Default)]
pub struct Model {
    nick: String,
    /// `nick!user@host`, as others see us.
    source: Option<String>,
    channels: BTreeMap<ChannelName, Channel>,
    /// The channels to be in, with their keys: what is joined again after a reconnection.
    home: BTreeMap<ChannelName, Option<String>>,
    current: Option<ChannelName>,
    /// A channel that becomes the current one when it is joined.
    asked: Option<(ChannelName, Option<String>)>,
    correspondents: BTreeSet<Nick>,
    /// The answer to a `WHO` that is coming in has named someone.
    found: bool,
    /// The lines of `NAMES` that have come, by channel, until the last.
    listing: BTreeMap<ChannelName, Vec<String>>,
}

#[derive(Debug, Default)]
struct Channel {
    members: BTreeSet<Nick>,
}

impl Model {
    /// Whether that is us.
    pub fn is_me(&self, nick: &str) -> bool {
        match (Nick::parse(nick), Nick::parse(&self.nick)) {
            (Ok(one), Ok(other)) => one == other,
            _ => nick == self.nick,
        }
    }

    /// Where what is typed goes.
    pub fn current(&self) -> Option<&ChannelName> {
        self.current.as_ref()
    }

    /// Whether we are in `channel`.
    pub fn is_in(&self, channel: &ChannelName) -> bool {
        self.channels.contains_key(channel)
    }

    /// Whether a message of `channel` has to be shown with its name.
    pub fn needs_name(&self, channel: &str) -> bool {
        let current = self.current.as_ref().map(ChannelName::folded);
        let folded = ChannelName::parse(channel).ok();
        self.channels.len() > 1 || current != folded.as_ref().map(ChannelName::folded)
    }

    /// Whether `nick` is in a channel with us, or has written to us.
    pub fn is_here(&self, nick: &Nick) -> bool {
        self.correspondents.contains(nick)
            || self.channels.values().any(|channel| channel.members.contains(nick))
    }

    /// The person asks for a channel: it becomes the current one, now or when it is joined.
    pub fn ask_for(&mut self, channel: &ChannelName, key: Option<&str>) {
        if self.is_in(channel) {
            self.current = Some(channel.clone());
        } else {
            self.asked = Some((channel.clone(), key.map(str::to_owned)));
        }
    }

    /// The bytes of text that fit one message of `command` to `target`, as others will receive it.
    pub fn room(&self, command: &str, target: &str) -> usize {
        let source = self.source.as_ref().map_or(self.nick.len() + ASSUMED_USER_AND_HOST, String::len);
        // `:source COMMAND target :text\r\n`
        let taken = 1 + source + 1 + command.len() + 1 + target.len() + 2 + 2;
        MAX_LINE.saturating_sub(taken)
    }

    /// The connection is gone: what is remembered is where to return to.
    pub fn disconnect(&mut self) {
        self.channels.clear();
        self.listing.clear();
        self.found = false;
        self.correspondents.clear();
        self.asked = None;
        self.source = None;
    }

    /// The channels to join again, with their keys.
    pub fn missing(&self) -> Vec<(ChannelName, Option<String>)> {
        let missing = self.home.iter().filter(|(channel, _)| !self.is_in(channel));
        missing.map(|(channel, key)| (channel.clone(), key.clone())).collect()
    }

    /// What follows from a message.
    pub fn take(&mut self, message: &Message, now: Timestamp) -> Vec<Change> {
        let at = message.tags.get("time").and_then(|time| time.parse().ok()).unwrap_or(now);
        self.follow(message).into_iter().map(|what| Change { at, what }).collect()
    }

    fn follow(&mut self, message: &Message) -> Option<What> {
        let nick = message.source_nick().unwrap_or_default().to_owned();
        let param = |index: usize| message.param(index).unwrap_or_default().to_owned();
        let reason = |index: usize| message.param(index).filter(|text| !text.is_empty()).map(str::to_owned);
        match message.command.as_str() {
            "PRIVMSG" | "NOTICE" => Some(self.said(message, nick)),
            "JOIN" => {
                self.join(&param(0), &nick, message.source.as_deref());
                Some(What::Joined { channel: param(0), nick })
            }
            "PART" => {
                self.leave(&param(0), &nick);
                Some(What::Parted { channel: param(0), nick, reason: reason(1) })
            }
            "KICK" => {
                self.leave(&param(0), &param(1));
                Some(What::Removed { channel: param(0), nick: param(1), by: nick, reason: reason(2) })
            }
            "QUIT" => {
                self.forget(&nick);
                Some(What::Left { nick, reason: reason(0) })
            }
            "NICK" => {
                self.rename(&nick, &param(0));
                Some(What::Renamed { old: nick, new: param(0) })
            }
            "TOPIC" => Some(What::Topic { channel: param(0), by: Some(nick), text: param(1) }),
            "MODE" => {
                let modes = message.params.get(1..).unwrap_or_default().join(" ");
                Some(What::Info(format!("{nick} sets mode {modes} on {}", param(0))))
            }
            "INVITE" => Some(What::Info(format!("{nick} invites {} to {}", param(0), param(1)))),
            "FAIL" | "WARN" => Some(What::Refused(message.params.last().cloned().unwrap_or_default())),
            "NOTE" => Some(What::Info(message.params.last().cloned().unwrap_or_default())),
            numeric if numeric.len() == 3 && numeric.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.numeric(message)
            }
            _ => None,
        }
    }

    fn said(&mut self, message: &Message, nick: String) -> What {
        let target = message.param(0).unwrap_or_default().to_owned();
        let text = message.param(1).unwrap_or_default();
        let from_server = !message.source.as_deref().is_some_and(|source| source.contains('!'));
        let (manner, text) = match text.strip_prefix('\u{1}').map(|ctcp| ctcp.trim_end_matches('\u{1}')) {
            _ if message.command == "NOTICE" => (Manner::Notice, text.to_owned()),
            None => (Manner::Message, text.to_owned()),
            Some(ctcp) => match ctcp.strip_prefix("ACTION") {
                Some(action) => (Manner::Action, action.trim_start().to_owned()),
                None => return What::Info(format!("{nick} asks for {ctcp} (CTCP); rook does not answer")),
            },
        };
        if target.starts_with('#') {
            return What::Said { channel: target, nick, manner, text };
        }
        if from_server {
            return What::Notice { from: if nick.is_empty() { "server".to_owned() } else { nick }, text };
        }
        if self.is_me(&nick) && !self.is_me(&target) {
            return What::Whispered { to: target, manner, text };
        }
        if let Ok(nick) = Nick::parse(&nick) {
            if self.correspondents.len() >= MAX_CORRESPONDENTS {
                self.correspondents.clear();
            }
            self.correspondents.insert(nick);
        }
        What::Heard { from: nick, manner, text }
    }

    fn join(&mut self, channel: &str, nick: &str, source: Option<&str>) {
        let (Ok(name), Ok(member)) = (ChannelName::parse(channel), Nick::parse(nick)) else { return };
        if self.is_me(nick) {
            self.source = source.map(str::to_owned);
            let asked = self.asked.take_if(|(asked, _)| *asked == name);
            if asked.is_some() || self.current.is_none() {
                self.current = Some(name.clone());
            }
            let key = asked.and_then(|(_, key)| key);
            self.home.entry(name.clone()).or_insert(key);
        }
        self.channels.entry(name).or_default().members.insert(member);
    }

    fn leave(&mut self, channel: &str, nick: &str) {
        let (Ok(name), Ok(member)) = (ChannelName::parse(channel), Nick::parse(nick)) else { return };
        if !self.is_me(nick) {
            if let Some(channel) = self.channels.get_mut(&name) {
                channel.members.remove(&member);
            }
            return;
        }
        self.channels.remove(&name);
        self.home.remove(&name);
        if self.current.as_ref() == Some(&name) {
            self.current = self.channels.keys().next().cloned();
        }
    }

    fn forget(&mut self, nick: &str) {
        let Ok(nick) = Nick::parse(nick) else { return };
        self.correspondents.remove(&nick);
        for channel in self.channels.values_mut() {
            channel.members.remove(&nick);
        }
    }

    fn rename(&mut self, old: &str, new: &str) {
        if self.is_me(old) {
            new.clone_into(&mut self.nick);
            // The user and host stay, and are shown again at the next join.
            self.source = None;
        }
        let (Ok(old), Ok(new)) = (Nick::parse(old), Nick::parse(new)) else { return };
        let sets = self.channels.values_mut().map(|channel| &mut channel.members);
        for set in sets.chain([&mut self.correspondents]) {
            if set.remove(&old) {
                set.insert(new.clone());
            }
        }
    }

    fn numeric(&mut self, message: &Message) -> Option<What> {
        let last = || message.params.last().cloned().unwrap_or_default();
        let param = |index: usize| message.param(index).unwrap_or_default().to_owned();
        match message.command.as_str() {
            numeric::RPL_WELCOME => {
                // Its words are the same for all; who is signed in is welcomed by a notice.
                self.nick = param(0);
                None
            }
            numeric::RPL_TOPIC => Some(What::Topic { channel: param(1), by: None, text: param(2) }),
            numeric::RPL_NAMREPLY => {
                let nicks =
                    message.params.last()?.split(' ').map(|name| name.trim_start_matches(MEMBER_PREFIXES));
                let nicks: Vec<&str> = nicks.filter(|nick| !nick.is_empty()).collect();
                let name = ChannelName::parse(message.param(2)?).ok()?;
                if let Some(channel) = self.channels.get_mut(&name) {
                    channel.members.extend(nicks.iter().filter_map(|nick| Nick::parse(nick).ok()));
                }
                self.listing.entry(name).or_default().extend(nicks.into_iter().map(str::to_owned));
                None
            }
            numeric::RPL_ENDOFNAMES => {
                let nicks = self.listing.remove(&ChannelName::parse(message.param(1)?).ok()?)?;
                Some(What::Members { channel: param(1), nicks })
            }
            numeric::RPL_WHOREPLY => {
                let state = if param(6).starts_with('G') { " (away)" } else { "" };
                // The last parameter is the distance, a space, and the real name.
                let real_name = last().split_once(' ').map(|(_, name)| name.to_owned()).unwrap_or_default();
                self.found = true;
                let nick = param(5);
                Some(What::Info(if real_name.is_empty() || real_name == nick {
                    format!("{nick}{state}")
                } else {
                    format!("{nick}{state}: {real_name}")
                }))
            }
            numeric::RPL_ENDOFWHO => {
                let found = std::mem::take(&mut self.found);
                (!found).then(|| What::Info(format!("nobody found: {}", param(1))))
            }
            numeric::RPL_AWAY => Some(What::Info(format!("{} is away: {}", param(1), last()))),
            numeric::RPL_MOTD
            | numeric::RPL_UNAWAY
            | numeric::RPL_NOWAWAY
            | numeric::RPL_NOTOPIC
            | numeric::RPL_HELPSTART
            | numeric::RPL_HELPTXT => Some(What::Info(last())),
            numeric::RPL_INVITING => Some(What::Info(format!("{} is invited to {}", param(1), param(2)))),
            // The end of the session will tell of a ban, once.
            numeric::ERR_NOMOTD | numeric::ERR_YOUREBANNEDCREEP => None,
            _ => {
                if message.command == numeric::ERR_NOSUCHNICK
                    && let Ok(nick) = Nick::parse(&param(1))
                {
                    self.correspondents.remove(&nick);
                }
                refusal(message).map(What::Refused)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

//! The client's model of the chat, without I/O.
//!
//! It consists of two types. [`Model`] owns the state that the server reports: our nick, the
//! channels that we are in, their members and topics, the limits of the server. It handles every
//! message, and returns a [`ChatEvent`] that describes what to show. [`Buffers`] owns the lines of
//! all conversations, including read markers, unread counts and gaps in the history. It turns
//! events into lines, and returns the requests to send to the server.
//!
//! The full screen uses both. Plain mode prints events without buffers, and `rook send` and `rook
//! tail` use [`Model`] only. Neither type knows of connections, clocks or screens: the caller
//! passes the time, and sends the messages that are returned.

mod buffer;
mod buffers;
mod channel;
pub mod chathistory;
mod conversation;
mod event;
mod history;
mod line;
mod membership;
mod mentions;
mod multiline;
mod numerics;
mod outgoing;
mod people;
mod render_events;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rookery_protocol::{Capabilities, Capability, ChannelName, Message, Nick};

pub use buffer::{Buffer, GapState};
pub use buffers::Buffers;
pub use channel::Rank;
pub use conversation::{Conversation, SERVER};
pub use event::{Audience, ChatEvent, EventKind, MessageKind};
pub use line::{Body, Line, LineId, MembershipChange};
pub use mentions::start_of_last_nick;
pub use multiline::Outgoing;
pub use render_events::{Highlight, describe_ctcp_request};

use crate::config::AutoJoin;
use crate::text;
use channel::Channel;
use chathistory::{Batched, Batches, MAX_PAGE};

/// The most people stored as correspondents, who are needed for the form `TEXT /NICK` only.
const MAX_CORRESPONDENTS: usize = 500;

/// The most members of all channels together, and the most nicks of incomplete `NAMES` replies. It
/// is far above what channels have, and bounds the memory that a server can make us use.
const MAX_MEMBERS: usize = 100_000;

/// The most characters of a CTCP command that are shown.
const MAX_CTCP_COMMAND: usize = 20;

/// The user's own name in a sentence.
pub const YOU: &str = "you";

/// The state of the chat as the server reports it.
#[derive(Debug, Default)]
pub struct Model {
    nick: String,
    /// Our `nick!user@host`, as others receive it; `None` until the server has sent it to us.
    source: Option<String>,
    channels: BTreeMap<ChannelName, Channel>,
    /// The channels to join on every connection, with their keys.
    auto_join: BTreeMap<ChannelName, Option<String>>,
    /// The channel to which plain mode sends text.
    current: Option<ChannelName>,
    /// The channel that the user has asked to join last, with its key.
    requested: Option<(ChannelName, Option<String>)>,
    /// The channels that the user has asked to leave.
    leaving: BTreeSet<ChannelName>,
    /// The channel and the topic of which the server has not named the author yet.
    answered_topic: Option<(String, String)>,
    /// People who have written to us.
    correspondents: BTreeSet<Nick>,
    /// Whether the incomplete list of people or masks from the server has any entries.
    list_has_entries: bool,
    /// The nicks of `NAMES` replies that are still incomplete, by channel.
    incomplete_names: BTreeMap<ChannelName, Vec<String>>,
    /// Whether we are marked away.
    away: bool,
    /// The server's limit of messages in one page of history; `None` without history, 0 for no
    /// limit.
    page_limit: Option<usize>,
    /// The capabilities that the server has acknowledged.
    capabilities: Capabilities,
    /// The limits of multi-line messages, if the server has them.
    multiline_limits: Option<multiline::Limits>,
    batches: Batches,
}

impl Model {
    /// Whether a nick is ours.
    pub fn is_me(&self, nick: &str) -> bool {
        match (Nick::parse(nick), Nick::parse(&self.nick)) {
            (Ok(one), Ok(other)) => one == other,
            _ => nick == self.nick,
        }
    }

    /// Returns how a nick is shown in a sentence: `you` for our own.
    pub fn display_name<'a>(&self, nick: &'a str) -> &'a str {
        if self.is_me(nick) { YOU } else { nick }
    }

    /// Returns our nick.
    pub fn nick(&self) -> &str {
        &self.nick
    }

    /// Whether we are marked away.
    pub fn is_away(&self) -> bool {
        self.away
    }

    /// Returns the channels that we are in.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelName> {
        self.channels.keys()
    }

    /// Returns the members of a channel.
    pub fn members(&self, channel: &ChannelName) -> impl Iterator<Item = (&Nick, Rank)> {
        let members = self.channels.get(channel).map(|channel| &channel.members);
        members
            .into_iter()
            .flatten()
            .map(|(nick, rank)| (nick, *rank))
    }

    /// Returns the topic of a channel; empty if there is none.
    pub fn topic(&self, channel: &ChannelName) -> &str {
        self.channels
            .get(channel)
            .map_or("", |channel| &channel.topic)
    }

    /// Returns the nick of who set the topic of a channel; empty if that is not known.
    pub fn topic_by(&self, channel: &ChannelName) -> &str {
        self.channels
            .get(channel)
            .map_or("", |channel| &channel.topic_by)
    }

    /// Whether a text mentions us by our nick.
    pub fn mentions_me(&self, text: &str) -> bool {
        mentions::mentions(&text::plain(text), &self.nick)
    }

    /// Returns the channel to which plain mode sends text.
    pub fn current(&self) -> Option<&ChannelName> {
        self.current.as_ref()
    }

    /// Whether we are in a channel.
    pub fn is_in(&self, channel: &ChannelName) -> bool {
        self.channels.contains_key(channel)
    }

    /// Whether a message must be shown with the name of its channel, since it may not be in the
    /// current channel.
    pub fn needs_channel_name(&self, channel: &str) -> bool {
        let current = self.current.as_ref().map(ChannelName::folded);
        let folded = ChannelName::parse(channel).ok();
        self.channels.len() > 1 || current != folded.as_ref().map(ChannelName::folded)
    }

    /// Whether someone is in a channel with us or has written to us.
    pub fn is_present(&self, nick: &Nick) -> bool {
        self.correspondents.contains(nick) || self.shares_channel(nick)
    }

    /// Whether someone reads what is sent to a conversation.
    pub fn is_here(&self, nick: &Nick, conversation: &Conversation) -> bool {
        match conversation {
            Conversation::Server => false,
            Conversation::Channel(channel) => self
                .channels
                .get(channel)
                .is_some_and(|channel| channel.members.contains_key(nick)),
            Conversation::Person(person) => person == nick,
        }
    }

    /// Makes a channel the current one, if we are in it.
    pub fn switch_to(&mut self, channel: &ChannelName) {
        if self.is_in(channel) {
            self.current = Some(channel.clone());
        }
    }

    /// Makes a channel the current one that the user has asked to join, and stores its key for
    /// rejoining. What is typed next is for this channel, also if the server then refuses both.
    pub fn switch_to_requested(&mut self, channel: &ChannelName, key: Option<&str>) {
        self.current = Some(channel.clone());
        self.requested = Some((channel.clone(), key.map(str::to_owned)));
    }

    /// Whether the user has asked for a channel last, and has not joined it.
    pub fn has_requested(&self, channel: &ChannelName) -> bool {
        let requested = self.requested.as_ref();
        requested.is_some_and(|(requested, _)| requested == channel)
    }

    /// Makes another channel the current one once this one is left. If the user is removed from a
    /// channel, or leaves it on another device, it stays the current one: text is never sent to
    /// another conversation than the one for which it was typed.
    pub fn switch_when_parted(&mut self, channel: &ChannelName) {
        if self.is_in(channel) {
            self.leaving.insert(channel.clone());
        }
    }

    /// Handles the loss of the connection. Only the channels to rejoin are preserved.
    pub fn disconnect(&mut self) {
        self.channels.clear();
        self.incomplete_names.clear();
        self.list_has_entries = false;
        self.correspondents.clear();
        self.requested = None;
        self.answered_topic = None;
        self.source = None;
        self.page_limit = None;
        self.capabilities = Capabilities::NONE;
        self.multiline_limits = None;
        self.away = false;
        self.batches.clear();
    }

    /// Adds channels to join on every connection.
    pub fn add_auto_join(&mut self, channels: &[AutoJoin]) {
        self.auto_join.extend(
            channels
                .iter()
                .map(|one| (one.channel.clone(), one.key.clone())),
        );
    }

    /// Returns the channels to join on every connection.
    pub fn auto_join(&self) -> Vec<AutoJoin> {
        let channels = self.auto_join.iter();
        channels
            .map(|(channel, key)| AutoJoin {
                channel: channel.clone(),
                key: key.clone(),
            })
            .collect()
    }

    /// Returns how many messages of history may be requested at once; `None` if the server has no
    /// history. A server without a limit advertises 0.
    pub fn history_limit(&self) -> Option<usize> {
        self.page_limit.map(|limit| match limit {
            0 => MAX_PAGE,
            limit => limit.min(MAX_PAGE),
        })
    }

    /// Whether a capability is in use on this connection.
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.has(capability)
    }

    /// Handles a message from the server; returns the events to show.
    pub fn handle(&mut self, message: &Message, now: Timestamp) -> Vec<ChatEvent> {
        let whole;
        let (message, kind) = match self.batches.collect(message) {
            None => (message, self.apply(message)),
            Some(Batched::Incomplete) => return Vec::new(),
            Some(Batched::Message(joined)) => {
                whole = joined;
                (&whole, self.apply(&whole))
            }
            Some(Batched::Conversations(found)) => (message, Some(EventKind::Conversations(found))),
            Some(Batched::Page(page)) => {
                let event = |message| self.history_event(message, now);
                let page = EventKind::HistoryPage {
                    events: page.messages.iter().filter_map(event).collect(),
                    target: page.target,
                };
                (message, Some(page))
            }
        };
        kind.map(|kind| ChatEvent::new(message, kind, now))
            .into_iter()
            .collect()
    }

    /// Returns the event of a message from the history, which does not change the current state.
    fn history_event(&self, message: &Message, now: Timestamp) -> Option<ChatEvent> {
        let kind = match message.command.as_str() {
            "PRIVMSG" | "NOTICE" => self.message_event(message),
            "REDACT" => self.redaction_event(message),
            _ => return None,
        };
        Some(ChatEvent::new(message, kind, now))
    }

    fn apply(&mut self, message: &Message) -> Option<EventKind> {
        let nick = message.source_nick().unwrap_or_default().to_owned();
        if let Some(source) = message.source.as_ref().filter(|_| self.is_me(&nick))
            && source.contains('!')
        {
            self.source = Some(source.clone());
        }
        let param = |index: usize| message.param(index).unwrap_or_default().to_owned();
        let reason = |index: usize| {
            message
                .param(index)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        match message.command.as_str() {
            "PRIVMSG" | "NOTICE" => {
                self.add_correspondent(message);
                Some(self.message_event(message))
            }
            "REDACT" => Some(self.redaction_event(message)),
            "CAP" if message.param(1) == Some("LS") => {
                let offered = message.params.last();
                let limits = offered.and_then(|list| multiline::Limits::parse(list));
                self.multiline_limits = limits.or(self.multiline_limits);
                None
            }
            "CAP" if message.param(1) == Some("ACK") => {
                let acknowledged = message.params.last().into_iter();
                acknowledged
                    .flat_map(|list| list.split_ascii_whitespace())
                    .filter_map(Capability::from_name)
                    .for_each(|capability| self.capabilities.insert(capability));
                None
            }
            "CREDENTIAL" => describe_credential(message).map(EventKind::Info),
            "MARKREAD" => {
                let until = message
                    .param(1)
                    .and_then(|until| until.strip_prefix("timestamp="));
                Some(EventKind::ReadMarker {
                    target: param(0),
                    until: until.and_then(|time| time.parse().ok()),
                })
            }
            // The user requested neither, so a refusal is not shown.
            "FAIL" if message.param(0) == Some("MARKREAD") => None,
            "FAIL"
                if message.param(0) == Some("CREDENTIAL") && message.param(2) == Some("LABEL") =>
            {
                None
            }
            "JOIN" => {
                self.join(&param(0), &nick);
                Some(EventKind::Joined {
                    channel: param(0),
                    nick,
                })
            }
            "PART" => {
                self.part(&param(0), &nick);
                Some(EventKind::Parted {
                    channel: param(0),
                    nick,
                    reason: reason(1),
                })
            }
            "RENAME" => {
                let (old, new) = self.rename_channel(&param(0), &param(1))?;
                Some(EventKind::Renamed {
                    old,
                    new,
                    by: Some(nick),
                    reason: reason(2),
                })
            }
            "KICK" => {
                self.part(&param(0), &param(1));
                Some(EventKind::Kicked {
                    channel: param(0),
                    nick: param(1),
                    by: nick,
                    reason: reason(2),
                })
            }
            "QUIT" => {
                let channels = self.channels_of(&nick);
                self.remove_user(&nick);
                Some(EventKind::Quit {
                    nick,
                    reason: reason(0),
                    channels,
                })
            }
            "NICK" => {
                let channels = self.channels_of(&nick);
                self.rename(&nick, &param(0));
                Some(EventKind::NickChanged {
                    old: nick,
                    new: param(0),
                    channels,
                })
            }
            "ACCOUNT" => Some(EventKind::AccountChanged {
                nick,
                account: message
                    .param(0)
                    .filter(|name| *name != "*")
                    .map(str::to_owned),
            }),
            "TOPIC" => {
                self.set_topic(&param(0), param(1), &nick);
                Some(EventKind::Topic {
                    channel: param(0),
                    by: nick,
                    text: param(1),
                    is_change: true,
                })
            }
            "MODE" => {
                let modes = message.params.get(1..).unwrap_or_default();
                if let Some(channel) = self.channel_mut(&param(0)) {
                    channel.set_ranks(modes);
                }
                Some(EventKind::ModeChanged {
                    channel: param(0),
                    by: nick,
                    modes: modes.join(" "),
                })
            }
            "INVITE" => Some(EventKind::Invited {
                channel: param(1),
                by: nick,
                nick: param(0),
            }),
            "SILENCE" => {
                let change = param(0);
                Some(EventKind::Info(match change.strip_prefix('-') {
                    Some(mask) => format!("no longer silenced: {mask}"),
                    None => format!("silenced: {}", change.trim_start_matches('+')),
                }))
            }
            "FAIL" | "WARN" => Some(self.follow_rename(message).unwrap_or_else(|| {
                EventKind::Refused(message.params.last().cloned().unwrap_or_default())
            })),
            // Most of these answer what was sent with /raw.
            "NOTE" | "REGISTER" | "VERIFY" | "SETPASS" | "SETEMAIL" => Some(EventKind::Info(
                message.params.last().cloned().unwrap_or_default(),
            )),
            numeric if numeric.len() == 3 && numeric.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.numeric(message)
            }
            _ => None,
        }
    }

    fn message_event(&self, message: &Message) -> EventKind {
        // What is only for some of the members is shown in the channel, too.
        let (audience, target) = Audience::split(message.param(0).unwrap_or_default());
        let target = target.to_owned();
        let text = message.param(1).unwrap_or_default();
        let from_server = !message
            .source
            .as_deref()
            .is_some_and(|source| source.contains('!'));
        let nick = if from_server {
            SERVER.to_owned()
        } else {
            message.source_nick().unwrap_or_default().to_owned()
        };
        let ctcp = text
            .strip_prefix('\u{1}')
            .map(|ctcp| ctcp.trim_end_matches('\u{1}'));
        let (kind, text) = if message.command == "NOTICE" {
            (MessageKind::Notice, text.to_owned())
        } else if let Some(ctcp) = ctcp {
            let Some(action) = ctcp.strip_prefix("ACTION") else {
                // What follows the command would be shown as if rook said it.
                let command = ctcp.split_whitespace().next().unwrap_or_default();
                let command = command.chars().take(MAX_CTCP_COMMAND).collect();
                return EventKind::CtcpRequest { nick, command };
            };
            (MessageKind::Action, action.trim_start().to_owned())
        } else {
            (MessageKind::Message, text.to_owned())
        };
        if target.starts_with('#') {
            return EventKind::ChannelMessage {
                channel: target,
                nick,
                kind,
                text,
                audience,
            };
        }
        if from_server {
            return EventKind::ServerNotice(text);
        }
        if self.is_me(&nick) && !self.is_me(&target) {
            return EventKind::DirectSent {
                to: target,
                kind,
                text,
            };
        }
        EventKind::DirectReceived {
            from: nick,
            kind,
            text,
        }
    }

    /// Stores the sender of a message to us as a correspondent.
    fn add_correspondent(&mut self, message: &Message) {
        if message.param(0).is_some_and(|target| self.is_me(target))
            && let Some(nick) = message
                .source_nick()
                .and_then(|nick| Nick::parse(nick).ok())
            && !self.is_me(nick.as_str())
        {
            if self.correspondents.len() >= MAX_CORRESPONDENTS {
                self.correspondents.clear();
            }
            self.correspondents.insert(nick);
        }
    }

    fn redaction_event(&self, message: &Message) -> EventKind {
        let param = |index: usize| message.param(index).unwrap_or_default().to_owned();
        let by = message.source_nick().unwrap_or_default().to_owned();
        // A private conversation is named after the other person.
        let target = if self.is_me(&param(0)) {
            by.clone()
        } else {
            param(0)
        };
        let reason = message
            .param(2)
            .filter(|reason| !reason.is_empty())
            .map(str::to_owned);
        EventKind::Redacted {
            target,
            msgid: param(1),
            by,
            reason,
        }
    }
}

/// Describes a reply to `CREDENTIAL`: a device or certificate of the account, the end of the list,
/// or a revocation.
fn describe_credential(message: &Message) -> Option<String> {
    let param = |index: usize| message.param(index).unwrap_or_default();
    let day = |index: usize| param(index).split('T').next().unwrap_or_default();
    Some(match param(0) {
        "LIST" => {
            let used = if param(4) == "*" {
                "never used".to_owned()
            } else {
                format!("last used {}", day(4))
            };
            let here = if param(5) == "here" {
                "; this device"
            } else {
                ""
            };
            let label = match param(6) {
                "" => String::new(),
                label => format!(" {label}:"),
            };
            format!(
                "{} {}:{label} since {}, {used}{here}",
                param(2),
                param(1),
                day(3)
            )
        }
        "END" if param(1) == "0" => {
            "no device or certificate can sign in to this account; its password can".to_owned()
        }
        "END" => "/devices revoke NUMBER removes one: it will need a new code to sign in again"
            .to_owned(),
        "REVOKED" => format!("{} is revoked: {}", param(1), param(2)),
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

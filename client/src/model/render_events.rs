//! Turns events into lines: which buffer an event belongs to, its text, and whether it is unread or
//! a highlight.

use jiff::{SignedDuration, Timestamp};

use super::history::message_body;
use super::{
    Body, Buffers, ChatEvent, Conversation, EventKind, GapState, LineId, MembershipChange,
    MessageKind, Model,
};

/// A message that mentions the user or is for the user only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highlight {
    /// The conversation.
    pub conversation: Conversation,
    /// The sender's nick.
    pub nick: String,
    /// The text.
    pub text: String,
    /// Whether another conversation is the current one.
    pub elsewhere: bool,
}

impl Buffers {
    /// Adds an event to the buffers it belongs to; returns a highlight if it is one that notifies.
    /// `model` has handled the event already.
    pub fn apply(&mut self, event: &ChatEvent, model: &Model) -> Option<Highlight> {
        let at = event.at;
        let who = |nick: &str| {
            if model.is_me(nick) {
                "you".to_owned()
            } else {
                nick.to_owned()
            }
        };
        let because = |reason: &Option<String>| {
            reason
                .as_ref()
                .map_or(String::new(), |why| format!(" ({why})"))
        };
        let info = |text: String| Body::Info(text.into());
        if self.is_ignored(&event.kind) {
            return None;
        }
        match &event.kind {
            EventKind::ChannelMessage { channel, .. } => {
                return self.say(Conversation::channel(channel)?, event, model);
            }
            EventKind::DirectReceived { from, .. } => {
                return self.say(
                    Conversation::person(from).unwrap_or(Conversation::Server),
                    event,
                    model,
                );
            }
            EventKind::DirectSent { to, .. } => {
                return self.say(
                    Conversation::person(to).unwrap_or(Conversation::Server),
                    event,
                    model,
                );
            }
            // The server's greeting stays in the server's buffer.
            EventKind::ServerNotice { text, .. } if !self.is_ready => {
                self.push(0, at, None, notice_of_server(text, false));
            }
            EventKind::Info(text) if !self.is_ready => {
                self.push(0, at, None, info(text.clone()));
            }
            EventKind::ServerNotice { text, .. } => {
                // An announcement is shown in the current conversation as well.
                let body = notice_of_server(text, true);
                if self.current != 0 {
                    self.push(0, at, None, body.clone());
                }
                let id = self.push(self.current, at, None, body);
                self.notice(self.current, id, at, true);
            }
            EventKind::Joined { channel, nick } if model.is_me(nick) => {
                let conversation = Conversation::channel(channel)?;
                let wanted = model
                    .current()
                    .is_some_and(|current| Conversation::Channel(current.clone()) == conversation);
                // After a reconnection, the current conversation does not change.
                let is_new = !self
                    .list
                    .iter()
                    .any(|buffer| buffer.conversation == conversation);
                let index = self.ensure_open(conversation, at, model);
                if model.history_limit().is_some() {
                    self.list[index].open_gap(at, GapState::Wanted);
                }
                self.push(index, at, None, info(format!("you joined {channel}")));
                if wanted && is_new {
                    self.show(index);
                }
            }
            EventKind::Joined { channel, nick } => {
                self.fold(&Conversation::channel(channel)?, at, nick, true, None);
            }
            EventKind::Parted { channel, nick, .. } if model.is_me(nick) => {
                self.close(&Conversation::channel(channel)?);
            }
            EventKind::Parted {
                channel,
                nick,
                reason,
            } => {
                self.fold(
                    &Conversation::channel(channel)?,
                    at,
                    nick,
                    false,
                    reason.as_deref(),
                );
            }
            EventKind::Quit {
                nick,
                reason,
                channels,
            } => {
                for channel in channels {
                    self.fold(
                        &Conversation::Channel(channel.clone()),
                        at,
                        nick,
                        false,
                        reason.as_deref(),
                    );
                }
                self.fold(
                    &Conversation::person(nick)?,
                    at,
                    nick,
                    false,
                    reason.as_deref(),
                );
            }
            EventKind::Kicked {
                channel,
                nick,
                by,
                reason,
            } => {
                let back = if model.is_me(nick) {
                    format!("; /join {channel} to rejoin")
                } else {
                    String::new()
                };
                let text = format!(
                    "{} kicked {} from {channel}{}{back}",
                    who(by),
                    who(nick),
                    because(reason)
                );
                let index = self.ensure_open(Conversation::channel(channel)?, at, model);
                let body = if model.is_me(nick) {
                    Body::Refused(text.into())
                } else {
                    Body::Info(text.into())
                };
                self.push(index, at, None, body);
            }
            EventKind::NickChanged { old, new, channels } => {
                let text = if model.is_me(new) {
                    format!("you are now {new} (were {old})")
                } else {
                    format!("{old} is now {new}")
                };
                for channel in channels {
                    self.push_if_open(
                        &Conversation::Channel(channel.clone()),
                        at,
                        info(text.clone()),
                    );
                }
                self.rename_direct(old, new);
                self.push_if_open(&Conversation::person(new)?, at, info(text));
            }
            EventKind::Topic {
                channel,
                by: None,
                text,
            } => {
                self.push_if_open(
                    &Conversation::channel(channel)?,
                    at,
                    info(format!("the topic is: {text}")),
                );
            }
            EventKind::Topic {
                channel,
                by: Some(nick),
                text,
            } => {
                let text = if text.is_empty() {
                    format!("{} removed the topic", who(nick))
                } else {
                    format!("{} set the topic: {text}", who(nick))
                };
                self.push_if_open(&Conversation::channel(channel)?, at, info(text));
            }
            EventKind::ModeChanged { channel, by, modes } => {
                let text =
                    describe_mode(modes, &who).unwrap_or_else(|| format!("set mode {modes}"));
                let text = format!("{} {text}", who(by));
                match Conversation::channel(channel) {
                    Some(conversation) => self.push_if_open(&conversation, at, info(text)),
                    None => {
                        self.push(0, at, None, info(text));
                    }
                }
            }
            EventKind::Invited { channel, by, nick } if model.is_me(nick) => {
                self.push(
                    self.current,
                    at,
                    None,
                    info(format!("{by} invited you: /join {channel}")),
                );
            }
            EventKind::Invited { channel, by, nick } => {
                self.push(
                    self.current,
                    at,
                    None,
                    info(format!("{} invited {nick} to {channel}", who(by))),
                );
            }
            // Members are shown beside the conversation.
            EventKind::Members { .. } => {}
            EventKind::HistoryPage { target, events } => self.apply_page(target, events, model)?,
            EventKind::Conversations(found) => self.apply_conversations(found, model),
            EventKind::ReadMarker { target, until } => self.apply_marker(target, *until, model)?,
            EventKind::Redacted {
                target,
                msgid,
                by,
                reason,
            } => {
                let index = self.position(&Conversation::named(target)?)?;
                self.list[index].redact(msgid, by, reason.as_deref());
            }
            EventKind::Info(text) => self.add_info(at, text),
            EventKind::Refused(text) => self.add_refusal(at, text),
        }
        None
    }

    /// Adds a message.
    fn say(
        &mut self,
        conversation: Conversation,
        event: &ChatEvent,
        model: &Model,
    ) -> Option<Highlight> {
        let at = event.at;
        let body = message_body(&event.kind, model)?;
        let Body::Said {
            nick,
            text,
            own,
            highlight,
            ..
        } = &body
        else {
            return None;
        };
        let call = (!own && *highlight).then(|| (nick.to_string(), text.to_string()));
        let own = *own;
        // The message that opens a conversation is unread in it.
        let index = self.ensure_open(
            conversation.clone(),
            at - SignedDuration::from_millis(1),
            model,
        );
        if event
            .msgid
            .as_ref()
            .is_some_and(|msgid| self.list[index].has_recent(msgid))
        {
            return None;
        }
        self.note_latest(at);
        let id = self.push(index, at, event.msgid.as_deref(), body);
        let read = self.list[index].read_until() >= at;
        if !own {
            self.notice(index, id, at, call.is_some());
        }
        let (nick, text) = call?;
        let counts = !read && !self.is_muted(&conversation);
        counts.then_some(Highlight {
            conversation,
            nick,
            text,
            elsewhere: index != self.current,
        })
    }

    /// Counts a line as unread, unless someone looks at it.
    fn notice(&mut self, index: usize, id: LineId, at: Timestamp, highlight: bool) {
        if self.is_watched(index) {
            self.list[index].mark_read();
        } else {
            self.list[index].count_unread(id, at, highlight);
        }
    }

    /// Adds a join or part to the last line, or starts a new line of them.
    fn fold(
        &mut self,
        conversation: &Conversation,
        at: Timestamp,
        nick: &str,
        joined: bool,
        reason: Option<&str>,
    ) {
        let Some(index) = self.position(conversation) else {
            return;
        };
        let one = MembershipChange {
            nick: nick.into(),
            joined,
            reason: reason.map(Into::into),
        };
        if let Err(one) = self.list[index].fold(at, one) {
            self.push(index, at, None, Body::Membership(vec![one]));
        }
    }

    fn push_if_open(&mut self, conversation: &Conversation, at: Timestamp, body: Body) {
        if let Some(index) = self.position(conversation) {
            self.push(index, at, None, body);
        }
    }
}

/// Formats a notice of the server. It is named as in the list of conversations: its host name would
/// not fit beside the text.
fn notice_of_server(text: &str, highlight: bool) -> Body {
    let nick = Conversation::Server.name().into();
    Body::Said {
        nick,
        kind: MessageKind::Notice,
        text: text.into(),
        own: false,
        highlight,
    }
}

/// Describes a change of one common mode; `None` for other changes.
fn describe_mode(modes: &str, who: &impl Fn(&str) -> String) -> Option<String> {
    let (mode, parameter) = modes.split_once(' ').unwrap_or((modes, ""));
    let (nick, mask) = (
        who(parameter),
        parameter.strip_suffix("!*@*").unwrap_or(parameter),
    );
    if parameter.contains(' ')
        || parameter.is_empty() != matches!(mode, "+i" | "-i" | "+m" | "-m" | "+t" | "-t")
    {
        return None;
    }
    Some(match mode {
        "+o" => format!("made {nick} an operator"),
        "-o" => format!("removed {nick} as operator"),
        "+v" => format!("gave {nick} voice"),
        "-v" => format!("removed the voice of {nick}"),
        "+b" => format!("banned {mask}"),
        "-b" => format!("unbanned {mask}"),
        "+i" => "made the channel invite-only".to_owned(),
        "-i" => "opened the channel to everyone".to_owned(),
        "+m" => "made the channel moderated".to_owned(),
        "-m" => "ended moderation".to_owned(),
        "+t" => "let only operators set the topic".to_owned(),
        "-t" => "let everyone set the topic".to_owned(),
        _ => return None,
    })
}

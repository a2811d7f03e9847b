//! Turns events into lines: chooses the buffer of each event, its text, and whether it counts as
//! unread or as a highlight.

use jiff::{SignedDuration, Timestamp};

use super::history::message_body;
use super::people::PersonId;
use super::{
    Audience, Body, Buffers, ChatEvent, Conversation, EventKind, GapState, LineId,
    MembershipChange, MessageKind, Model, SERVER,
};
use crate::text;

/// The most invitations from one person that are shown.
const MAX_INVITATIONS: usize = 3;

/// A message that mentions the user or was sent to the user only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highlight {
    /// The sender's nick.
    pub nick: String,
    /// The text.
    pub text: String,
    /// Whether it is in a conversation that is not the current one.
    pub elsewhere: bool,
}

impl Buffers {
    /// Adds an event to the buffers to which it belongs; returns the highlight if the event is one.
    /// `model` must have handled the message of the event already.
    pub fn apply(&mut self, event: &ChatEvent, model: &Model) -> Option<Highlight> {
        let at = event.at;
        let name = |nick: &str| model.display_name(nick).to_owned();
        let suffix = |reason: &Option<String>| text::reason(reason.as_deref());
        let info = |text: String| Body::Info(text.into());
        let sender = self.people.follow(event, model);
        let kind = self.shown(&event.kind)?;
        match &*kind {
            EventKind::ChannelMessage { channel, .. } => {
                return self.add_message(Conversation::channel(channel)?, event, sender, model);
            }
            EventKind::DirectReceived { from, .. } => {
                return self.add_message(
                    Conversation::person(from).unwrap_or(Conversation::Server),
                    event,
                    sender,
                    model,
                );
            }
            EventKind::DirectSent { to, .. } => {
                return self.add_message(
                    Conversation::person(to).unwrap_or(Conversation::Server),
                    event,
                    sender,
                    model,
                );
            }
            // The server's greeting is shown in the server's buffer only.
            EventKind::ServerNotice(text) if !self.is_ready => {
                self.push(0, at, None, server_notice(text, false));
            }
            EventKind::Info(text) if !self.is_ready => {
                self.push(0, at, None, info(text.clone()));
            }
            EventKind::ServerNotice(text) => {
                // An announcement is also shown in the current conversation.
                let body = server_notice(text, true);
                if self.current != 0 {
                    self.push(0, at, None, body.clone());
                }
                let id = self.push(self.current, at, None, body);
                self.count(self.current, id, at, true);
            }
            EventKind::Joined { channel, nick } if model.is_me(nick) => {
                let conversation = Conversation::channel(channel)?;
                let is_current = model
                    .current()
                    .is_some_and(|current| Conversation::Channel(current.clone()) == conversation);
                let is_new = !self
                    .list
                    .iter()
                    .any(|buffer| buffer.conversation == conversation);
                let index = self.ensure_open(conversation, at, model);
                if model.history_limit().is_some() {
                    self.list[index].open_gap(at, GapState::Wanted);
                }
                self.push(index, at, None, info(format!("you joined {channel}")));
                // The first channel comes into view by itself. Otherwise, what the user types is
                // for the conversation in view.
                if is_current && is_new && self.current == 0 && self.recent.is_empty() {
                    self.switch_to(index);
                }
            }
            EventKind::Joined { channel, nick } => {
                self.fold(&Conversation::channel(channel)?, at, nick, true, None);
            }
            EventKind::Parted {
                channel,
                nick,
                reason: _,
            } if model.is_me(nick) => {
                let conversation = Conversation::channel(channel)?;
                let is_current = self.current().conversation == conversation;
                // The user may be writing there: the text would be sent to another conversation.
                if is_current {
                    let text = format!("you left {channel}; /join {channel} to rejoin");
                    self.push(self.current, at, None, Body::Refused(text.into()));
                } else {
                    self.close(&conversation);
                }
            }
            EventKind::Renamed {
                old,
                new,
                by,
                reason,
            } => {
                let conversation = Conversation::Channel(new.clone());
                self.rename(&Conversation::Channel(old.clone()), &conversation);
                if let Some(by) = by {
                    if model.is_me(by) {
                        self.note_used(&conversation);
                    }
                    let text = format!("{} renamed {old} to {new}{}", name(by), suffix(reason));
                    self.push_if_open(&conversation, at, info(text));
                } else {
                    let text = format!("{old} was renamed to {new}");
                    let old = Conversation::Channel(old.clone());
                    // Both are open if the user is in the channel already.
                    let open = [&conversation, &old].into_iter();
                    let mut open: Vec<_> = open.filter_map(|one| self.position(one)).collect();
                    if open.is_empty() {
                        open.push(self.current);
                    }
                    for index in open {
                        self.push(index, at, None, info(text.clone()));
                    }
                }
            }
            EventKind::Parted {
                channel,
                nick,
                reason,
                ..
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
                let advice = if model.is_me(nick) {
                    format!("; /join {channel} to rejoin")
                } else {
                    String::new()
                };
                let text = format!(
                    "{} kicked {} from {channel}{}{advice}",
                    name(by),
                    name(nick),
                    suffix(reason)
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
                let new = Conversation::person(new)?;
                self.rename(&Conversation::person(old)?, &new);
                self.push_if_open(&new, at, info(text));
            }
            EventKind::Topic {
                channel,
                by,
                text,
                is_change,
            } => {
                let text = if !is_change {
                    format!("the topic is: {}", text::quoted(text))
                } else if text.is_empty() {
                    format!("{} removed the topic", name(by))
                } else {
                    format!("{} set the topic: {}", name(by), text::quoted(text))
                };
                self.push_if_open(&Conversation::channel(channel)?, at, info(text));
            }
            EventKind::ModeChanged { channel, by, modes } => {
                let text =
                    describe_mode(modes, &name).unwrap_or_else(|| format!("set mode {modes}"));
                let text = format!("{} {text}", name(by));
                match Conversation::channel(channel) {
                    Some(conversation) => self.push_if_open(&conversation, at, info(text)),
                    None => {
                        self.push(0, at, None, info(text));
                    }
                }
            }
            EventKind::Invited { channel, by, nick } if model.is_me(nick) => {
                self.add_invitation(at, by, channel);
            }
            EventKind::Invited { channel, by, nick } => {
                let text = format!("{} invited {nick} to {channel}", name(by));
                self.push_if_open(&Conversation::channel(channel)?, at, info(text));
            }
            // The members are in a column beside the conversation.
            EventKind::Members { .. } | EventKind::AccountChanged { .. } => {}
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
                self.list[index].redact(msgid, &name(by), reason.as_deref());
            }
            EventKind::Info(text) => self.add_info(at, text),
            EventKind::CtcpRequest { nick, command } => {
                self.add_info(at, &describe_ctcp_request(nick, command));
            }
            EventKind::Refused(text) => self.add_refusal(at, text),
        }
        None
    }

    /// Adds a message; returns the highlight if it is one that the user has not read.
    fn add_message(
        &mut self,
        conversation: Conversation,
        event: &ChatEvent,
        sender: Option<PersonId>,
        model: &Model,
    ) -> Option<Highlight> {
        let at = event.at;
        let body = message_body(&event.kind, sender, model)?;
        let Body::Message {
            nick,
            text,
            own,
            highlight,
            ..
        } = &body
        else {
            return None;
        };
        let mention = (!own && *highlight).then(|| (nick.to_string(), text.to_string()));
        let own = *own;
        let is_muted = self.is_muted(&conversation);
        // A message that opens its conversation counts as unread.
        let before = at.saturating_sub(SignedDuration::from_millis(1));
        let index = self.ensure_open(conversation, before.unwrap_or(at), model);
        if event
            .msgid
            .as_ref()
            .is_some_and(|msgid| self.list[index].has_recent(msgid))
        {
            return None;
        }
        self.update_latest(at);
        let id = self.push(index, at, event.msgid.as_deref(), body);
        let is_read = self.list[index].read_until() >= at;
        if !own {
            self.count(index, id, at, mention.is_some());
        }
        let (nick, text) = mention?;
        let is_relevant = !is_read && !is_muted;
        is_relevant.then_some(Highlight {
            nick,
            text,
            elsewhere: index != self.current,
        })
    }

    /// Adds an invitation to the messages from the server: anyone can send one, and many. Of those
    /// of one person, only the latest stay.
    fn add_invitation(&mut self, at: Timestamp, by: &str, channel: &str) {
        let from = format!("{by} invited you: /join ");
        let text = format!("{from}{channel}");
        let id = self.push(0, at, None, Body::Info(text.as_str().into()));
        let replaced = self.list[0].drop_similar(id, &text, &from, MAX_INVITATIONS);
        if !replaced || self.list[0].unread() == 0 {
            self.count(0, id, at, false);
        }
    }

    /// Counts a line as unread, or marks its buffer read if the user sees it.
    pub(super) fn count(&mut self, index: usize, id: LineId, at: Timestamp, highlight: bool) {
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
        let change = MembershipChange {
            nick: nick.into(),
            joined,
            reason: reason.map(Into::into),
        };
        if let Err(change) = self.list[index].fold(at, change) {
            self.push(index, at, None, Body::Membership(vec![change]));
        }
    }

    fn push_if_open(&mut self, conversation: &Conversation, at: Timestamp, body: Body) {
        if let Some(index) = self.position(conversation) {
            self.push(index, at, None, body);
        }
    }
}

/// Returns the body of a notice from the server.
fn server_notice(text: &str, highlight: bool) -> Body {
    Body::Message {
        nick: SERVER.into(),
        sender: None,
        kind: MessageKind::Notice,
        text: text.into(),
        own: false,
        highlight,
        audience: Audience::Everyone,
    }
}

/// Describes a CTCP request.
pub fn describe_ctcp_request(nick: &str, command: &str) -> String {
    format!("{nick} sent a CTCP request, {command}, which rook does not answer")
}

/// Describes a change of one common mode; `None` for other changes.
fn describe_mode(modes: &str, name: &impl Fn(&str) -> String) -> Option<String> {
    let (mode, parameter) = modes.split_once(' ').unwrap_or((modes, ""));
    let (nick, mask) = (
        name(parameter),
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
        "+t" => "allowed only operators to set the topic".to_owned(),
        "-t" => "allowed everyone to set the topic".to_owned(),
        _ => return None,
    })
}

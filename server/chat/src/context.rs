//! The context in which one event is handled: the state, the time, the outputs, and the ways to
//! send something.
//!
//! This module decides how a line reaches its receivers, never whether it should be sent.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;
use rookery_protocol::numeric::{ERR_NEEDMOREPARAMS, ERR_UNKNOWNCOMMAND};
use rookery_protocol::{Capabilities, Capability, ChannelName};
use rookery_record::{HistoryEntry, Place};

use crate::clock::MessageClock;
use crate::event::{Delivery, Fetch, HistoryQuery, Output, Purpose};
use crate::ids::{SessionId, UserId};
use crate::line::{Line, MAX_BODY, Tags, fill, shown_time, within};
use crate::long_reply::LongReplies;
use crate::outputs::Outputs;
use crate::request::Replied;
use crate::settings::Settings;
use crate::state::{Receiver, State, User};
use crate::ticket::{Reply, Ticket};

/// The text of numeric 421.
pub const UNKNOWN_COMMAND: &str = "Unknown command; HELP lists the available commands";

/// The time of an event, with its text for the `time` tag.
#[derive(Default)]
pub struct Stamp {
    pub at: Timestamp,
    text: String,
}

impl Stamp {
    /// Sets the time. The text is rendered only when it changes, as many events have the same time.
    pub fn set(&mut self, now: Timestamp) {
        if self.at != now || self.text.is_empty() {
            self.at = now;
            self.text = shown_time(now);
        }
    }

    /// Returns the text of another time, which is usually the same to the millisecond.
    pub fn text_of(&self, at: Timestamp) -> Cow<'_, str> {
        if at.as_millisecond() == self.at.as_millisecond() {
            Cow::Borrowed(&self.text)
        } else {
            Cow::Owned(shown_time(at))
        }
    }
}

/// The context in which one event is handled.
pub struct Context<'a> {
    pub state: &'a mut State,
    pub settings: &'a Settings,
    pub stamp: &'a Stamp,
    /// Assigns the times of messages.
    pub clock: &'a mut MessageClock,
    pub out: Outputs<'a>,
    /// The ticket that is answered after the next page of history was sent.
    pub ticket: Option<Ticket<Replied>>,
    /// The number of channels that the command has joined and whose members received the `JOIN`.
    pub shown_joins: usize,
    /// The replies that are not complete.
    pub long_replies: &'a mut LongReplies,
    /// The number of rows that long replies may still send before the next slice.
    pub rows_left: &'a mut usize,
}

/// A session, with its user and its capabilities: usually the one that sent a command.
#[derive(Clone, Copy)]
pub struct Caller {
    pub session: SessionId,
    pub user: UserId,
    pub capabilities: Capabilities,
}

impl From<Receiver> for Caller {
    fn from(receiver: Receiver) -> Self {
        Self {
            session: receiver.session,
            user: receiver.user,
            capabilities: receiver.capabilities,
        }
    }
}

impl Caller {
    pub fn has(self, capability: Capability) -> bool {
        self.capabilities.has(capability)
    }
}

impl<'a> Context<'a> {
    pub fn now(&self) -> Timestamp {
        self.stamp.at
    }

    /// Returns the session as a caller; `None` if it has ended.
    pub fn caller(&self, session: SessionId) -> Option<Caller> {
        self.state.receiver(session).map(Caller::from)
    }

    /// Returns the sessions of a user as callers.
    pub fn callers(&self, user: UserId) -> Vec<Caller> {
        self.state.receivers_of(user).map(Caller::from).collect()
    }

    /// Answers the ticket.
    pub fn answer<T: Reply>(&mut self, ticket: Ticket<T>, reply: T) {
        self.out.push(ticket.answer(reply));
    }

    // From the server to one session.

    /// Sends the caller a line.
    pub fn send(&mut self, caller: Caller, line: &Line) {
        let line = line.render(&self.server_tags(), caller.capabilities);
        self.send_bytes(caller, line);
    }

    /// Sends the caller a line that is rendered already.
    pub fn send_bytes(&mut self, caller: Caller, line: Bytes) {
        self.out.push(Output::Deliver(Delivery {
            to: vec![caller.session],
            line,
        }));
    }

    /// Returns a line whose source is the server.
    pub fn server_line(&self, command: &str) -> Line {
        Line::new(&self.settings.server_name, command)
    }

    /// Returns a numeric without its parameters after the nick.
    pub fn numeric(&self, caller: Caller, code: &str) -> Line {
        self.server_line(code)
            .word(self.state.user(caller.user).nick.as_str())
    }

    /// Sends a numeric whose last parameter is a text.
    pub fn reply(&mut self, caller: Caller, code: &str, words: &[&str], text: &str) {
        let line = words
            .iter()
            .fold(self.numeric(caller, code), |line, word| line.word(word))
            .text(text);
        self.send(caller, &line);
    }

    /// Sends a numeric of single-word parameters.
    pub fn reply_words(&mut self, caller: Caller, code: &str, words: &[&str]) {
        let line = words
            .iter()
            .fold(self.numeric(caller, code), |line, word| line.word(word));
        self.send(caller, &line);
    }

    /// Returns a numeric without its last parameter, which is a list, and the number of bytes
    /// available for the list in each line.
    pub fn list_head(&self, caller: Caller, code: &str, words: &[&str]) -> (Line, usize) {
        let head = words
            .iter()
            .fold(self.numeric(caller, code), |line, word| line.word(word));
        let room = MAX_BODY.saturating_sub(head.byte_len() + 2);
        (head, room)
    }

    /// Sends a list as several lines.
    pub fn send_lists(&mut self, caller: Caller, head: &Line, lists: &[String]) {
        for list in lists {
            self.send(caller, &head.clone().text(list));
        }
    }

    /// Sends a numeric whose last parameter is a list, as several lines if necessary.
    pub fn reply_list(
        &mut self,
        caller: Caller,
        code: &str,
        words: &[&str],
        items: &[String],
        between: char,
    ) {
        let (head, room) = self.list_head(caller, code, words);
        let lists = fill(items.iter().map(|item| ["", item.as_str()]), between, room);
        self.send_lists(caller, &head, &lists);
    }

    /// Sends a `FAIL` (IRCv3 standard-replies).
    pub fn fail(
        &mut self,
        caller: Caller,
        command: &str,
        code: &str,
        context: &[&str],
        text: &str,
    ) {
        let line = self.server_line("FAIL").word(command).word(code);
        let line = context
            .iter()
            .fold(line, |line, word| line.word(word))
            .text(text);
        self.send(caller, &line);
    }

    /// Warns the caller if the text that it gave the command was cut, because it was longer than
    /// `limit` bytes.
    pub fn warn_if_cut(&mut self, caller: Caller, command: &str, given: &str, limit: usize) {
        if given.len() <= limit {
            return;
        }
        let text = format!("Your text was cut to {limit} bytes, the longest that is possible here");
        self.warn(caller, command, "TEXT_TOO_LONG", &text);
    }

    /// Warns the caller about the command (IRCv3 standard-replies).
    pub fn warn(&mut self, caller: Caller, command: &str, code: &str, text: &str) {
        if caller.has(Capability::StandardReplies) {
            let line = self.server_line("WARN").word(command).word(code);
            self.send(caller, &line.text(text));
        } else {
            self.notice(caller, &format!("{command}: {text}"));
        }
    }

    /// Replies that the command lacks a parameter (numeric 461).
    pub fn need_more_params(&mut self, caller: Caller, command: &str) {
        self.reply(
            caller,
            ERR_NEEDMOREPARAMS,
            &[command],
            "Not enough parameters",
        );
    }

    /// Replies that the command does not exist, or is not available to this client (numeric 421).
    pub fn unknown_command(&mut self, caller: Caller, command: &str, text: &str) {
        self.reply(caller, ERR_UNKNOWNCOMMAND, &[command], text);
    }

    /// Sends lines as a batch, which is one reply. Clients without the capability `batch` receive
    /// the lines without it.
    pub fn send_batch(&mut self, caller: Caller, kind: &[&str], lines: Vec<Bytes>) {
        let lines = self.batch(caller, kind, lines);
        self.out.deliver_batch(caller.session, lines);
    }

    /// Like [`Self::send_batch`], but every line is a reply of its own: a label puts another batch
    /// around them.
    pub fn send_inner_batch(&mut self, caller: Caller, kind: &[&str], lines: Vec<Bytes>) {
        for line in self.batch(caller, kind, lines) {
            self.send_bytes(caller, line);
        }
    }

    /// Returns the lines with those that open and close the batch.
    fn batch(&mut self, caller: Caller, kind: &[&str], lines: Vec<Bytes>) -> Vec<Bytes> {
        if !caller.has(Capability::Batch) {
            return lines;
        }
        let batch = self.state.next_batch();
        let open = self.server_line("BATCH").word(&format!("+{batch}"));
        let open = kind.iter().fold(open, |line, word| line.word(word));
        let close = self.server_line("BATCH").word(&format!("-{batch}"));
        let tags = self.server_tags();
        let mut rendered = Vec::with_capacity(lines.len() + 2);
        rendered.push(open.render(&tags, caller.capabilities));
        rendered.extend(lines.iter().map(|line| within(&batch, line)));
        rendered.push(close.render(&tags, caller.capabilities));
        rendered
    }

    /// Requests a page of history for the caller. The reply will have the label of this command,
    /// and [`Self::ticket`] will be answered after it.
    pub fn fetch(&mut self, caller: Caller, purpose: Purpose, query: HistoryQuery) {
        let fetch = Fetch {
            session: caller.session,
            payer: self.state.payer(caller.user),
            ticket: self.ticket.take(),
            label: self.out.take_label(),
            purpose,
            query,
        };
        self.out.push(Output::Fetch(Box::new(fetch)));
    }

    /// Sends a notice from the server.
    pub fn notice(&mut self, caller: Caller, text: &str) {
        let nick = self.state.user(caller.user).nick.as_str();
        let line = self.server_line("NOTICE").word(nick).text(text);
        self.send(caller, &line);
    }

    /// Sends all members of the channel a line from the server.
    pub fn notify_channel(&mut self, channel: &ChannelName, line: &Line) {
        let Some(channel) = self.state.channel(channel) else {
            return;
        };
        let receivers = channel.receivers().iter().copied();
        let deliveries = address(
            receivers,
            channel.receivers().len(),
            &self.server_tags(),
            line,
        );
        self.out.deliver(deliveries);
    }

    // From a user to several sessions.

    pub fn server_tags(&self) -> Tags<'a> {
        Tags {
            time: &self.stamp.text,
            ..Tags::default()
        }
    }

    /// Returns the tags of a line whose source is the user.
    pub fn tags_of<'u>(&self, user: &'u User) -> Tags<'u>
    where
        'a: 'u,
    {
        Tags {
            account: user.account(),
            ..self.server_tags()
        }
    }

    /// Returns a line whose source is the user.
    pub fn user_line(&self, user: UserId, command: &str) -> Line {
        Line::new(&self.state.user(user).source, command)
    }

    /// Sends a line from `user` to those sessions of the channel's members for which `pass` is
    /// true.
    pub fn send_to_channel(
        &mut self,
        user: UserId,
        channel: &ChannelName,
        line: &Line,
        pass: impl Fn(&Receiver) -> bool,
    ) {
        let Some(channel) = self.state.channel(channel) else {
            return;
        };
        let tags = self.tags_of(self.state.user(user));
        let receivers = channel.receivers().iter().copied().filter(pass);
        let deliveries = address(receivers, channel.receivers().len(), &tags, line);
        self.out.deliver(deliveries);
    }

    /// Sends all members of the channel a line from the user, and stores it in the history as an
    /// event. `rest` adds the parameters after the channel.
    pub fn send_channel_event(
        &mut self,
        user: UserId,
        channel: &ChannelName,
        command: &str,
        rest: impl FnOnce(Line) -> Line,
    ) {
        let msgid = self.state.next_msgid(self.clock.now());
        let Some(channel) = self.state.channel(channel) else {
            return;
        };
        let by = self.state.user(user);
        let head = Line::new(&by.source, command).word(channel.name.as_str());
        let start = head.byte_len();
        let line = rest(head);
        let place = Place::Channel(channel.name.clone());
        let at = self.clock.next(&place);
        let tags = Tags {
            time: &self.stamp.text_of(at),
            msgid: Some(&msgid),
            ..self.tags_of(by)
        };
        let deliveries = address(
            channel.receivers().iter().copied(),
            channel.receivers().len(),
            &tags,
            &line,
        );
        self.out.deliver(deliveries);
        if self.settings.history {
            let entry = Box::new(HistoryEntry {
                at,
                place,
                source: by.source.to_string(),
                account: by.identity.as_ref().map(|identity| identity.name.clone()),
                command: command.to_owned(),
                text: line.after(start),
                tags: String::new(),
                msgid,
            });
            // An event is sent even if it cannot be stored.
            if !self.pay_for_storage(user, &entry) {
                return;
            }
            self.out.push(Output::Store {
                entry,
                now: self.clock.now(),
                deliveries: Vec::new(),
                on_failure: None,
            });
        }
    }

    /// Sends a line from `user` to those sessions of the users for which `pass` is true.
    pub fn send_to_users(
        &mut self,
        user: UserId,
        to: &[UserId],
        line: &Line,
        pass: impl Fn(&Receiver) -> bool,
    ) {
        let receivers = to.iter().flat_map(|&user| self.state.receivers_of(user));
        let receivers: Vec<Receiver> = receivers.filter(pass).collect();
        self.send_to(user, &receivers, line);
    }

    /// Sends a line from `user` to the receivers.
    pub fn send_to(&mut self, user: UserId, receivers: &[Receiver], line: &Line) {
        let tags = self.tags_of(self.state.user(user));
        let count = receivers.len();
        let deliveries = address(receivers.iter().copied(), count, &tags, line);
        self.out.deliver(deliveries);
    }
}

impl Context<'_> {
    /// Sends a line about the user to the sessions with `capability` that follow the user: those of
    /// users who share a channel with it, and those that monitor its nick with `extended-monitor`.
    /// `except` is excluded.
    pub fn send_to_followers(
        &mut self,
        user: UserId,
        line: &Line,
        capability: Capability,
        except: Option<SessionId>,
    ) {
        let pass = |receiver: &Receiver| {
            Some(receiver.session) != except && receiver.capabilities.has(capability)
        };
        let peers = self.state.peers(user, pass);
        let is_peer = |session: &SessionId| {
            let found = peers.binary_search_by_key(session, |peer| peer.session);
            found.is_ok()
        };
        let watchers = self.state.watchers(&self.state.user(user).nick);
        let others = watchers.filter(|receiver| {
            pass(receiver)
                && receiver.capabilities.has(Capability::ExtendedMonitor)
                && !is_peer(&receiver.session)
        });
        let others: Vec<Receiver> = others.collect();
        self.send_to(user, &peers, line);
        self.send_to(user, &others, line);
    }
}

/// Addresses the line to the receivers, of which about `expected` are anticipated. Returns one
/// delivery for each set of relevant capabilities, so that each form is rendered once.
pub fn address(
    receivers: impl Iterator<Item = Receiver>,
    expected: usize,
    tags: &Tags<'_>,
    line: &Line,
) -> Vec<Delivery> {
    address_each(receivers, expected, tags.relevant(), |capabilities| {
        line.render(tags, capabilities)
    })
}

/// Like [`address`], for a line that `render` returns and that depends on the `relevant`
/// capabilities only.
pub fn address_each(
    receivers: impl Iterator<Item = Receiver>,
    expected: usize,
    relevant: Capabilities,
    render: impl Fn(Capabilities) -> Bytes,
) -> Vec<Delivery> {
    let mut groups: Vec<(Capabilities, Vec<SessionId>)> = Vec::new();
    for receiver in receivers {
        let capabilities = receiver.capabilities.and(relevant);
        if let Some((_, to)) = groups.iter_mut().find(|(group, _)| *group == capabilities) {
            to.push(receiver.session);
        } else {
            let mut to = Vec::with_capacity(expected);
            to.push(receiver.session);
            groups.push((capabilities, to));
        }
    }
    groups
        .into_iter()
        .map(|(capabilities, to)| Delivery {
            to,
            line: render(capabilities),
        })
        .collect()
}

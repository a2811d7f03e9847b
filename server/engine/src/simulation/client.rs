//! One connection, as its client sees it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use rookery_protocol::Message;
use tokio::sync::oneshot;

use super::ACCOUNTS;
use super::devices::DeviceId;
use crate::receipts::Receipts;
use crate::sendq::Sendq;
use rookery_chat::event::SessionId;
use rookery_chat::request::Admission;
use rookery_record::Ban;

/// One connection, as its client sees it.
pub struct Client {
    pub session: SessionId,
    /// The index of its account; `None` for a guest.
    pub account: Option<usize>,
    /// The device, if it leaves it to the server to send it what it missed.
    pub device: Option<DeviceId>,
    /// What was stored for it before it connected.
    pub stored_before: BTreeSet<String>,
    /// The messages that it has received.
    pub received: BTreeSet<String>,
    pub address: SocketAddr,
    pub sendq: Arc<Sendq>,
    pub receipts: Receipts,
    /// The number of bytes that its connection has sent.
    pub written: u64,
    /// What its connection has sent and it has not received: lost if the connection breaks.
    pub on_the_way: VecDeque<Bytes>,
    /// The reply to its request for admission, until it has arrived.
    pub admission: Option<oneshot::Receiver<Admission>>,
    /// Whether a ban covered it when it requested admission.
    pub is_banned: bool,
    pub nick: String,
    pub channels: BTreeSet<String>,
    /// The time of the last message that it received live in each channel or conversation.
    pub last: BTreeMap<String, Timestamp>,
}

/// A message that a client has received.
pub struct Received {
    /// The channel or conversation; `None` for a message of an earlier time, from the history.
    pub place: Option<String>,
    pub at: Timestamp,
    pub msgid: String,
    /// Whether its user sent it to itself, and therefore receives it and its echo.
    pub is_to_self: bool,
}

impl Client {
    /// Whether the ban covers it while it is in force.
    pub fn is_covered_by(&self, ban: &Ban) -> bool {
        let text = ban.target.to_string();
        self.account.is_some_and(|at| text == ACCOUNTS[at]) || text == self.address.ip().to_string()
    }

    /// Follows one line, and returns the message that it contains.
    pub fn receive(&mut self, line: &str) -> Option<Received> {
        let message = Message::parse(line).unwrap();
        let by_self = message.source_nick() == Some(self.nick.as_str());
        let param = |index| message.param(index).unwrap_or_default();
        let is_live = message.tags.get("batch").is_none();
        let target = match message.command.as_str() {
            "001" => {
                self.nick = param(0).to_owned();
                return None;
            }
            "NICK" if by_self && is_live => {
                self.nick = param(0).to_owned();
                return None;
            }
            "JOIN" if by_self && is_live => {
                self.channels.insert(param(0).to_owned());
                return None;
            }
            "PART" if by_self && is_live => {
                self.channels.remove(param(0));
                return None;
            }
            "KICK" if param(1) == self.nick && is_live => {
                self.channels.remove(param(0));
                return None;
            }
            "PRIVMSG" | "NOTICE" => param(0),
            "BATCH" if param(1) == "draft/multiline" => param(2),
            _ => return None,
        };
        let source = message.source_nick().filter(|_| {
            message
                .source
                .as_deref()
                .is_some_and(|source| source.contains('!'))
        })?;
        let msgid = message.tags.get("msgid")?.to_owned();
        let at: Timestamp = message.tags.get("time")?.parse().unwrap();
        if !is_live {
            return Some(Received {
                place: None,
                at,
                msgid,
                is_to_self: source == target,
            });
        }
        let is_to_self = source == target;
        let place = if target.starts_with('#') {
            assert!(
                by_self || self.channels.contains(target),
                "{} received a message of a channel that it is not in: {line}",
                self.nick
            );
            target.to_owned()
        } else {
            assert!(
                by_self || target == self.nick,
                "not for {}: {line}",
                self.nick
            );
            format!("{} {}", source.min(target), source.max(target))
        };
        let before = self.last.insert(place.clone(), at);
        assert!(
            before.is_none_or(|before| before <= at),
            "earlier than the message before: {line}"
        );
        Some(Received {
            place: Some(place),
            at,
            msgid,
            is_to_self,
        })
    }
}

//! Handles numeric replies.

use rookery_protocol::{ChannelName, Message, Nick, numeric};

use super::{EventKind, MAX_MEMBERS, Model, Rank};
use crate::refusals::refusal_with_advice;
use crate::text::quoted;

/// The prefixes of nicks in `NAMES`.
const MEMBER_PREFIXES: [char; 5] = ['~', '&', '@', '%', '+'];

impl Model {
    pub(super) fn numeric(&mut self, message: &Message) -> Option<EventKind> {
        let last = || message.params.last().cloned().unwrap_or_default();
        let param = |index: usize| message.param(index).unwrap_or_default().to_owned();
        match message.command.as_str() {
            numeric::RPL_WELCOME => {
                // The text is not shown: the server greets a signed-in user with a notice.
                self.nick = param(0);
                None
            }
            numeric::RPL_ISUPPORT => {
                let limit = message
                    .params
                    .iter()
                    .find_map(|token| token.strip_prefix("CHATHISTORY="));
                self.page_limit = limit
                    .and_then(|limit| limit.parse().ok())
                    .or(self.page_limit);
                None
            }
            numeric::RPL_TOPIC => {
                self.answered_topic = Some((param(1), param(2)));
                self.set_topic(&param(1), param(2), "");
                None
            }
            // Only now is known who set the topic, who may be ignored.
            numeric::RPL_TOPICWHOTIME => {
                let (channel, text) = self.answered_topic.take()?;
                let by = param(2);
                let by = by.split_once('!').map_or(&*by, |(nick, _)| nick);
                self.set_topic(&channel, text.clone(), by);
                Some(EventKind::Topic {
                    channel,
                    by: by.to_owned(),
                    text,
                    is_change: false,
                })
            }
            numeric::RPL_NAMREPLY => {
                let names: Vec<(&str, Rank)> = message
                    .params
                    .last()?
                    .split(' ')
                    .map(|name| (name.trim_start_matches(MEMBER_PREFIXES), Rank::of(name)))
                    .filter(|(nick, _)| !nick.is_empty())
                    .collect();
                let name = ChannelName::parse(message.param(2)?).ok()?;
                let members = names
                    .iter()
                    .filter_map(|(nick, rank)| Some((Nick::parse(nick).ok()?, *rank)));
                self.add_members(&name, members);
                let count: usize = self.incomplete_names.values().map(Vec::len).sum();
                let nicks = names.into_iter().map(|(nick, _)| nick.to_owned());
                // One for each channel, which may have no members.
                let room = MAX_MEMBERS.saturating_sub(count + self.incomplete_names.len());
                if room > 0 {
                    let incomplete = self.incomplete_names.entry(name).or_default();
                    incomplete.extend(nicks.take(room));
                }
                None
            }
            numeric::RPL_ENDOFNAMES => {
                let nicks = self
                    .incomplete_names
                    .remove(&ChannelName::parse(message.param(1)?).ok()?)?;
                Some(EventKind::Members {
                    channel: param(1),
                    nicks,
                })
            }
            numeric::RPL_WHOREPLY => {
                let state = if param(6).starts_with('G') {
                    " (away)"
                } else {
                    ""
                };
                // The last parameter is the hop count, a space, and the real name.
                let real_name = last()
                    .split_once(' ')
                    .map(|(_, name)| name.to_owned())
                    .unwrap_or_default();
                self.list_has_entries = true;
                let nick = param(5);
                Some(EventKind::Info(
                    if real_name.is_empty() || real_name == nick {
                        format!("{nick}{state}")
                    } else {
                        format!("{nick}{state}: {}", quoted(&real_name))
                    },
                ))
            }
            numeric::RPL_ENDOFWHO => {
                let has_entries = std::mem::take(&mut self.list_has_entries);
                (!has_entries).then(|| EventKind::Info(format!("nobody found: {}", param(1))))
            }
            numeric::RPL_AWAY => Some(EventKind::Info(format!(
                "{} is away: {}",
                param(1),
                quoted(&last())
            ))),
            numeric::RPL_UNAWAY | numeric::RPL_NOWAWAY => {
                self.away = message.command == numeric::RPL_NOWAWAY;
                Some(EventKind::Info(last()))
            }
            numeric::RPL_WHOISUSER => {
                let (nick, name) = (param(1), last());
                let named = if name == nick {
                    String::new()
                } else {
                    format!(": {}", quoted(&name))
                };
                Some(EventKind::Info(format!(
                    "{nick} ({}@{}){named}",
                    param(2),
                    param(3)
                )))
            }
            numeric::RPL_WHOISCHANNELS => Some(EventKind::Info(format!(
                "{} is in {}",
                param(1),
                last().trim()
            ))),
            numeric::RPL_WHOISACCOUNT => Some(EventKind::Info(format!(
                "{} is signed in as {}",
                param(1),
                param(2)
            ))),
            numeric::RPL_WHOISBOT => Some(EventKind::Info(format!("{} {}", param(1), last()))),
            numeric::RPL_WHOISIDLE => {
                let seconds: i64 = param(2).parse().ok()?;
                Some(EventKind::Info(format!(
                    "{} {}",
                    param(1),
                    describe_idle(seconds)
                )))
            }
            numeric::RPL_LIST => {
                let topic = if last().is_empty() {
                    String::new()
                } else {
                    format!(": {}", quoted(&last()))
                };
                Some(EventKind::Info(format!(
                    "{} ({}){topic}",
                    param(1),
                    param(2)
                )))
            }
            numeric::RPL_LISTEND => Some(EventKind::Info(
                "/join #CHANNEL joins one of them".to_owned(),
            )),
            numeric::RPL_CHANNELMODEIS => {
                let modes = message.params.get(2..).unwrap_or_default().join(" ");
                Some(EventKind::Info(format!(
                    "the modes of {} are {modes}",
                    param(1)
                )))
            }
            numeric::RPL_BANLIST | numeric::RPL_EXCEPTLIST | numeric::RPL_INVEXLIST => {
                self.list_has_entries = true;
                let entry_kind = match message.command.as_str() {
                    numeric::RPL_BANLIST => "banned",
                    numeric::RPL_EXCEPTLIST => "exempt from bans",
                    _ => "may join without an invitation",
                };
                let by = message
                    .param(3)
                    .map(|by| format!(" (by {})", by.split('!').next().unwrap_or(by)));
                Some(EventKind::Info(format!(
                    "{entry_kind}: {}{}",
                    param(2),
                    by.unwrap_or_default()
                )))
            }
            numeric::RPL_SILELIST => {
                self.list_has_entries = true;
                Some(EventKind::Info(format!("silenced: {}", param(2))))
            }
            numeric::RPL_ENDOFSILELIST
            | numeric::RPL_ENDOFBANLIST
            | numeric::RPL_ENDOFEXCEPTLIST
            | numeric::RPL_ENDOFINVEXLIST => {
                let has_entries = std::mem::take(&mut self.list_has_entries);
                (!has_entries).then(|| EventKind::Info("the list is empty".to_owned()))
            }
            numeric::RPL_MOTD => {
                let text = last();
                Some(EventKind::Info(
                    text.strip_prefix("- ").unwrap_or(&text).to_owned(),
                ))
            }
            numeric::RPL_NOTOPIC | numeric::RPL_HELPSTART | numeric::RPL_HELPTXT => {
                Some(EventKind::Info(last()))
            }
            numeric::RPL_INVITING => Some(EventKind::Info(format!(
                "{} is invited to {}",
                param(1),
                param(2)
            ))),
            // A ban is shown when the session ends.
            numeric::ERR_NOMOTD | numeric::ERR_YOUREBANNEDCREEP => None,
            numeric::ERR_INVITEONLYCHAN
            | numeric::ERR_BANNEDFROMCHAN
            | numeric::ERR_BADCHANNELKEY
            | numeric::ERR_BADCHANMASK => {
                // Joining it again after a reconnection would be refused too.
                if let Ok(channel) = ChannelName::parse(&param(1))
                    && !self.is_in(&channel)
                {
                    self.auto_join.remove(&channel);
                }
                refusal_with_advice(message).map(EventKind::Refused)
            }
            _ => {
                if message.command == numeric::ERR_NOSUCHNICK
                    && let Ok(nick) = Nick::parse(&param(1))
                {
                    self.correspondents.remove(&nick);
                }
                refusal_with_advice(message).map(EventKind::Refused)
            }
        }
    }
}

/// Describes how long someone has been idle.
fn describe_idle(seconds: i64) -> String {
    match seconds {
        ..60 => "was active just now".to_owned(),
        60..3600 => format!("has been idle for {} min", seconds / 60),
        3600..86400 => format!("has been idle for {} h", seconds / 3600),
        _ => format!("has been idle for {} days", seconds / 86400),
    }
}

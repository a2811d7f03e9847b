//! Who may read what of the history, and how it is shown to those who asked.

use bytes::Bytes;
use jiff::Timestamp;
use rookery_protocol::{AccountName, Capability, ChannelName, Message, Nick};

use crate::event::{Answer, Delivery, Fetch, Found, HistoryQuery, Output, Purpose};
use crate::ids::{SessionId, Ticket};
use crate::labels::{mark, within};
use crate::line::shown_time;
use crate::line::{Line, Tags};
use crate::multiline::{Several, Wording, is_multiline};
use crate::redaction::Redaction;
use crate::state::User;
use crate::turn::{Caller, Turn};
use rookery_record::{HistoryEntry, HistoryTarget, Party, Place, Reading};

impl Turn<'_> {
    /// A command whose answer may have to wait for the record.
    pub fn ask_history(&mut self, ticket: Ticket, session: SessionId, message: &Message) {
        let start = self.out.len();
        self.command(session, message);
        match self.out[start..].last_mut() {
            Some(Output::Fetch(fetch)) => fetch.ticket = Some(ticket),
            _ => self.answer(ticket, Answer::Done),
        }
    }

    /// Shows what was found to the session it was read for, if it is still here.
    pub fn fetched(&mut self, fetch: Fetch, found: Found) {
        let Fetch {
            session,
            ticket,
            label,
            purpose,
            query,
        } = fetch;
        if let Some(caller) = self.caller(session) {
            let several = match found {
                Found::Several(several) => Ok(several),
                found => Err(found),
            };
            match (purpose, several) {
                (
                    Purpose::Missed {
                        number,
                        after,
                        until,
                    },
                    several,
                ) => {
                    self.show_missed(caller, number, [after, until], several.ok());
                }
                (Purpose::Playback, several) => {
                    self.show_playback(caller, label.as_deref(), several.ok())
                }
                (Purpose::Chathistory { subcommand, target }, Err(found)) => {
                    let start = self.out.len();
                    self.show_found(caller, &subcommand, &target, &query, found);
                    if let (Some(label), Some(Output::Deliver(first))) =
                        (&label, self.out.get_mut(start))
                    {
                        first.line = mark(&first.line, &format!("label={label}"));
                    }
                }
                (
                    Purpose::Redaction {
                        target,
                        msgid,
                        reason,
                    },
                    Err(found),
                ) => {
                    let (reason, label) = (reason.as_deref(), label.as_deref());
                    self.redact(
                        caller,
                        &Redaction {
                            target: &target,
                            msgid: &msgid,
                            reason,
                            label,
                        },
                        found,
                    );
                }
                (Purpose::Chathistory { .. } | Purpose::Redaction { .. }, Ok(_)) => {}
            }
        }
        if let Some(ticket) = ticket {
            self.answer(ticket, Answer::Done);
        }
    }

    /// What the caller may read at that channel, or of its conversation with that nick; none if
    /// nothing.
    pub fn readable(&self, caller: Caller, target: &str) -> Option<Reading> {
        if let Ok(name) = ChannelName::parse(target) {
            let since = self.channel_since(caller, &name)?;
            let name = self.state.channel(&name)?.name.clone();
            return Some(Reading {
                name: name.to_string(),
                places: vec![Place::Channel(name)],
                since,
            });
        }
        let user = self.state.user(caller.user);
        // A guest's nick proves nothing.
        user.identity.as_ref()?;
        let nick = Nick::parse(target).ok()?;
        // A nick stands for the account of whoever has it now.
        let other = match self.state.by_nick(&nick).map(User::party) {
            Some(Party::Account(account)) => account,
            _ => nick.clone(),
        };
        let places = Place::conversation(user.party().nick(), other, nick);
        // The other may be gone, or have been written in several ways: the client knows the name
        // that it sent.
        Some(Reading {
            places,
            since: Timestamp::MIN,
            name: target.to_owned(),
        })
    }

    /// From when on the caller may read the channel's history; none if it is not in there.
    ///
    /// A channel's history begins when it got its name: another of that name, before it, was
    /// others' own. The lobbies are everyone's, and always were.
    pub fn channel_since(&self, caller: Caller, name: &ChannelName) -> Option<Timestamp> {
        let channel = self.state.channel(name)?;
        let member = channel.member(caller.user)?;
        let guest = self.state.user(caller.user).identity.is_none();
        let named_at = if self.settings.lobby.contains(name) {
            Timestamp::MIN
        } else {
            channel.named_at
        };
        let only_present = guest || !self.settings.history_before_join;
        Some(if only_present {
            named_at.max(member.joined_at)
        } else {
            named_at
        })
    }

    fn show_found(
        &mut self,
        caller: Caller,
        subcommand: &str,
        target: &str,
        query: &HistoryQuery,
        found: Found,
    ) {
        // The caller may have lost its place in the channel meanwhile.
        let readable = match query {
            HistoryQuery::Page(_) => self.readable(caller, target),
            HistoryQuery::Targets(_) | HistoryQuery::Several(_) | HistoryQuery::Message(_) => None,
        };
        match (found, readable) {
            (Found::Page(entries), Some(readable)) => {
                let seen = entries.iter().filter(|entry| readable.shows(entry));
                let lines = seen.map(|entry| self.entry_line(caller, entry)).collect();
                self.show_batch(caller, &["chathistory", &readable.name], lines);
            }
            (Found::Targets(targets), _) => {
                let lines = targets
                    .iter()
                    .map(|target| self.target_line(caller, target))
                    .collect();
                self.show_batch(caller, &["draft/chathistory-targets"], lines);
            }
            (found, readable) => {
                let (code, text) = match (found, readable) {
                    (Found::Page(_), None) => ("INVALID_TARGET", "Messages could not be retrieved"),
                    (Found::NoSuchMessage, _) => (
                        "MESSAGE_ERROR",
                        "Messages could not be retrieved: there is no message of that id",
                    ),
                    _ => (
                        "MESSAGE_ERROR",
                        "Messages could not be retrieved; please try again later",
                    ),
                };
                self.fail(caller, "CHATHISTORY", code, &[subcommand, target], text);
            }
        }
    }

    /// Lines as one batch, for those who know batches.
    pub fn show_batch(&mut self, caller: Caller, kind: &[&str], lines: Vec<Bytes>) {
        let to = vec![caller.session];
        if !caller.has(Capability::Batch) {
            let deliveries = lines.into_iter().map(|line| Delivery {
                to: to.clone(),
                line,
            });
            return self.out.extend(deliveries.map(Output::Deliver));
        }
        let batch = self.state.next_batch();
        let open = self.server_line("BATCH").word(&format!("+{batch}"));
        self.send(
            caller,
            &kind.iter().fold(open, |line, word| line.word(word)),
        );
        for line in lines {
            self.out.push(Output::Deliver(Delivery {
                to: to.clone(),
                line: within(&batch, &line),
            }));
        }
        let close = self.server_line("BATCH").word(&format!("-{batch}"));
        self.send(caller, &close);
    }

    fn target_line(&self, caller: Caller, target: &HistoryTarget) -> Bytes {
        let line = self
            .server_line("CHATHISTORY")
            .word("TARGETS")
            .word(&self.present_name(&target.name));
        line.word(&shown_time(target.at))
            .render(&self.server_tags(), caller.capabilities)
    }

    /// The message as it was when it was said. Whom it was for, if it was one alone, goes by the
    /// present nick.
    pub fn entry_line(&self, caller: Caller, entry: &HistoryEntry) -> Bytes {
        let target = self.entry_target(caller, entry);
        let head = Line::new(&entry.source, &entry.command).word(&target);
        let wording = match &entry.text {
            text if entry.is_event() => Wording::One(head.rest(text)),
            text if is_multiline(text) => {
                let (source, target, batch) = (&entry.source, &target, &entry.msgid);
                Wording::Several(Several {
                    source,
                    target,
                    head,
                    text,
                    batch,
                })
            }
            text => Wording::One(head.text(text)),
        };
        let tags = Tags {
            time: &shown_time(entry.at),
            account: entry.account.as_ref().map(AccountName::as_str),
            msgid: Some(&entry.msgid),
            client: &entry.tags,
            // The entry's own tags hold it.
            bot: false,
        };
        wording.render(&tags, caller.capabilities)
    }

    /// The message without its text.
    pub fn entry_head(&self, caller: Caller, entry: &HistoryEntry) -> Line {
        Line::new(&entry.source, &entry.command).word(&self.entry_target(caller, entry))
    }

    /// To whom it was said. What the server did in a conversation goes by the other's nick.
    fn entry_target(&self, caller: Caller, entry: &HistoryEntry) -> String {
        match &entry.place {
            Place::Channel(name) => name.to_string(),
            Place::Direct { from, to } if !entry.source.contains('!') => {
                let other = if *from == self.state.user(caller.user).party() {
                    to
                } else {
                    from
                };
                self.present_nick(other).to_string()
            }
            Place::Direct { to, .. } => self.present_nick(to).to_string(),
        }
    }

    /// The nick that the account has now; its name if it is not here.
    pub fn present_nick(&self, party: &Party) -> Nick {
        let account = match party {
            Party::Account(name) => AccountName::parse(name.as_str()).ok(),
            Party::Guest(_) => None,
        };
        let user = account.and_then(|account| self.state.by_account(&account));
        user.map_or_else(|| party.nick().clone(), |user| user.nick.clone())
    }

    /// The channel, or the present nick of the account of that name.
    pub fn present_name(&self, name: &str) -> String {
        let nick =
            Nick::parse(name).map(|nick| self.present_nick(&Party::Account(nick)).to_string());
        nick.unwrap_or_else(|_| name.to_owned())
    }
}

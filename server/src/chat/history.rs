//! Who may read what of the history, and how it is shown to those who asked.

use bytes::Bytes;
use jiff::Timestamp;
use rookery_protocol::{AccountName, Capability, ChannelName, Message, Nick};

use super::event::{Answer, Delivery, Fetch, Found, HistoryQuery, Output, SessionId, Ticket};
use super::labels::mark;
use super::line::{Line, Tags};
use super::state::User;
use super::turn::{Caller, Turn, shown_time};
use crate::record::{HistoryEntry, HistoryTarget, Party, Place};

/// What one may read back.
pub struct Readable {
    pub places: Vec<Place>,
    /// What was said before is out of sight.
    pub since: Timestamp,
    /// The target's name, for the reply.
    name: String,
}

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

    /// Shows what was found to the session that asked, if it is still here.
    pub fn fetched(&mut self, fetch: &Fetch, found: Found) {
        if let Some(caller) = self.caller(fetch.session) {
            let start = self.out.len();
            self.show_found(caller, fetch, found);
            if let (Some(label), Some(Output::Deliver(first))) = (&fetch.label, self.out.get_mut(start)) {
                first.line = mark(&first.line, &format!("label={label}"));
            }
        }
        if let Some(ticket) = fetch.ticket {
            self.answer(ticket, Answer::Done);
        }
    }

    /// What the caller may read at that channel, or of its conversation with that nick; none if nothing.
    pub fn readable(&self, caller: Caller, target: &str) -> Option<Readable> {
        if let Ok(name) = ChannelName::parse(target) {
            let since = self.channel_since(caller, &name)?;
            let name = self.state.channel(&name)?.name.clone();
            return Some(Readable { name: name.to_string(), places: vec![Place::Channel(name)], since });
        }
        let user = self.state.user(caller.user);
        // A guest's nick proves nothing.
        user.identity.as_ref()?;
        let nick = Nick::parse(target).ok()?;
        let with = |other: Party| Place::Direct { from: user.party(), to: other };
        // A nick stands for the account of whoever has it now.
        let other = match self.state.by_nick(&nick).map(User::party) {
            Some(account @ Party::Account(_)) => account,
            _ => Party::Account(nick.clone()),
        };
        let places = vec![with(other), with(Party::Guest(nick))];
        // The other may be gone, or have been written in several ways: the client knows the name that it sent.
        Some(Readable { places, since: Timestamp::MIN, name: target.to_owned() })
    }

    /// From when on the caller may read the channel's history; none if it is not in there.
    ///
    /// A channel's history begins when it got its name: another of that name, before it, was others' own. The lobbies
    /// are everyone's, and always were.
    pub fn channel_since(&self, caller: Caller, name: &ChannelName) -> Option<Timestamp> {
        let channel = self.state.channel(name)?;
        let member = channel.member(caller.user)?;
        let guest = self.state.user(caller.user).identity.is_none();
        let named_at = if self.settings.lobby.contains(name) { Timestamp::MIN } else { channel.named_at };
        let only_present = guest || !self.settings.history_before_join;
        Some(if only_present { named_at.max(member.joined_at) } else { named_at })
    }

    fn show_found(&mut self, caller: Caller, fetch: &Fetch, found: Found) {
        let Fetch { subcommand, target, query, .. } = fetch;
        // The caller may have lost its place in the channel meanwhile.
        let readable = match query {
            HistoryQuery::Page(_) => self.readable(caller, target),
            HistoryQuery::Targets(_) => None,
        };
        match (found, readable) {
            (Found::Page(entries), Some(Readable { since, name, .. })) => {
                // Kept to the millisecond.
                let floor = since.as_millisecond();
                let seen = |entry: &HistoryEntry| entry.at.as_millisecond() >= floor;
                let lines: Vec<_> =
                    entries.into_iter().filter(seen).map(|entry| self.entry_line(caller, &entry)).collect();
                self.show_batch(caller, &["chathistory", &name], lines);
            }
            (Found::Targets(targets), _) => {
                let lines = targets.iter().map(|target| self.target_line(caller, target)).collect();
                self.show_batch(caller, &["draft/chathistory-targets"], lines);
            }
            (found, readable) => {
                let (code, text) = match (found, readable) {
                    (Found::Page(_), None) => ("INVALID_TARGET", "Messages could not be retrieved"),
                    (Found::NoSuchMessage, _) => {
                        ("MESSAGE_ERROR", "Messages could not be retrieved: there is no message of that id")
                    }
                    _ => ("MESSAGE_ERROR", "Messages could not be retrieved; please try again later"),
                };
                self.fail(caller, "CHATHISTORY", code, &[subcommand, target], text);
            }
        }
    }

    /// Lines as one batch, for those who know batches.
    fn show_batch(&mut self, caller: Caller, kind: &[&str], lines: Vec<Bytes>) {
        let to = vec![caller.session];
        if !caller.has(Capability::Batch) {
            let deliveries = lines.into_iter().map(|line| Delivery { to: to.clone(), line });
            return self.out.extend(deliveries.map(Output::Deliver));
        }
        let batch = self.state.next_batch();
        let open = self.server_line("BATCH").word(&format!("+{batch}"));
        self.send(caller, &kind.iter().fold(open, |line, word| line.word(word)));
        let tag = format!("batch={batch}");
        for line in lines {
            self.out.push(Output::Deliver(Delivery { to: to.clone(), line: mark(&line, &tag) }));
        }
        let close = self.server_line("BATCH").word(&format!("-{batch}"));
        self.send(caller, &close);
    }

    fn target_line(&self, caller: Caller, target: &HistoryTarget) -> Bytes {
        let name = Nick::parse(&target.name).map(|nick| self.present_nick(&Party::Account(nick)));
        let name = name.as_ref().map_or(target.name.as_str(), Nick::as_str);
        let line = self.server_line("CHATHISTORY").word("TARGETS").word(name);
        line.word(&shown_time(target.at)).render(&self.server_tags(), caller.capabilities)
    }

    /// The message as it was when it was said. Whom it was for, if it was one alone, goes by the present nick.
    fn entry_line(&self, caller: Caller, entry: &HistoryEntry) -> Bytes {
        let target = match &entry.place {
            Place::Channel(name) => name.to_string(),
            Place::Direct { to, .. } => self.present_nick(to).to_string(),
        };
        let line = Line::new(&entry.source, &entry.command).word(&target);
        let line = if entry.is_event() { line.rest(&entry.text) } else { line.text(&entry.text) };
        let tags = Tags {
            time: &shown_time(entry.at),
            account: entry.account.as_ref().map(AccountName::as_str),
            msgid: Some(&entry.msgid),
            client: &entry.tags,
            // The entry's own tags hold it.
            bot: false,
        };
        line.render(&tags, caller.capabilities)
    }

    /// The nick that the account has now; its name if it is not here.
    fn present_nick(&self, party: &Party) -> Nick {
        let account = match party {
            Party::Account(name) => AccountName::parse(name.as_str()).ok(),
            Party::Guest(_) => None,
        };
        let user = account.and_then(|account| self.state.by_account(&account));
        user.map_or_else(|| party.nick().clone(), |user| user.nick.clone())
    }
}

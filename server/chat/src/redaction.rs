//! Messages that are taken back: who may, and who hears of it.

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{AccountName, Capability};

use crate::event::{Answer, Delivery, Found, Output};
use crate::ids::Ticket;
use crate::labels::mark;
use crate::line::{Line, Tags};
use crate::state::channel::MemberModes;
use crate::state::{Session, User};
use crate::turn::address;
use crate::turn::{Caller, Turn};
use rookery_record::{HistoryEntry, Party, Place, Reading, Redactor};

/// A message that is being redacted.
pub struct Redaction<'a> {
    pub target: &'a str,
    pub msgid: &'a str,
    pub reason: Option<&'a str>,
    /// What the reply is marked with, escaped.
    pub label: Option<&'a str>,
}

/// Why a message stays: the code of the specification, what else stands behind it, and a text.
type Refusal = (&'static str, Option<String>, &'static str);

impl Turn<'_> {
    /// Where the messages are that the caller may redact one of; none if it may not even know of
    /// any.
    pub fn redactable(&self, caller: Caller, target: &str) -> Option<Reading> {
        let name = match target.strip_prefix(['@', '+']) {
            Some(name) if name.starts_with('#') => name,
            _ => target,
        };
        self.readable(caller, name)
    }

    /// There is nothing that the caller could redact.
    pub fn no_such_target(&mut self, caller: Caller, target: &str) {
        let text =
            "You cannot delete messages from there: you are not in that channel, or not signed in";
        self.fail(caller, "REDACT", "INVALID_TARGET", &[target], text);
    }

    /// The message that the caller wants to take back was looked up. Whatever follows has one
    /// answer for the caller.
    pub fn redact(&mut self, caller: Caller, redaction: &Redaction<'_>, found: Found) {
        let start = self.out.len();
        self.try_to_redact(caller, redaction, found);
        if let (Some(label), Some(Output::Deliver(refusal))) =
            (redaction.label, self.out.get_mut(start))
        {
            refusal.line = mark(&refusal.line, &format!("label={label}"));
        }
    }

    fn try_to_redact(&mut self, caller: Caller, redaction: &Redaction<'_>, found: Found) {
        let &Redaction { target, msgid, .. } = redaction;
        // The caller may have lost its place in the channel meanwhile.
        let Some(readable) = self.redactable(caller, target) else {
            return self.no_such_target(caller, target);
        };
        let Found::Message(message) = found else {
            let text = "The message could not be looked up; please try again later";
            return self.fail(caller, "REDACT", "MESSAGE_ERROR", &[target, msgid], text);
        };
        match self.may_redact(caller, &readable, message.map(|message| *message)) {
            Ok(message) => self.take_back(caller, redaction, &message),
            Err((code, context, text)) => {
                let context = context.as_deref();
                let context: Vec<&str> = [target, msgid].into_iter().chain(context).collect();
                self.fail(caller, "REDACT", code, &context, text);
            }
        }
    }

    /// The message, if the caller may take it back: its own, or any in a channel that it is an
    /// operator of.
    fn may_redact(
        &self,
        caller: Caller,
        readable: &Reading,
        message: Option<HistoryEntry>,
    ) -> Result<HistoryEntry, Refusal> {
        let user = self.state.user(caller.user);
        let unknown = (
            "UNKNOWN_MSGID",
            None,
            "This message does not exist, or is too old",
        );
        let in_sight = |message: &HistoryEntry| {
            readable.shows(message)
                && readable
                    .places
                    .iter()
                    .any(|place| place.is_same(&message.place))
        };
        let message = message.filter(in_sight).ok_or_else(|| unknown.clone())?;
        let account = user.identity.as_ref().map(|identity| &identity.name);
        let own = account.is_some() && message.account.as_ref() == account;
        let operator = match &message.place {
            Place::Channel(name) => self
                .state
                .channel(name)
                .is_some_and(|channel| channel.is_operator(caller.user)),
            Place::Direct { .. } => false,
        };
        if !own && !operator {
            // What was for those with a status only is not known to the others.
            let hidden = message.status().is_some();
            return Err(if hidden {
                unknown
            } else {
                (
                    "REDACT_FORBIDDEN",
                    None,
                    "You are not authorised to delete this message",
                )
            });
        }
        if !message.is_message() {
            return Err((
                "REDACT_FORBIDDEN",
                None,
                "Only messages can be deleted, not what was done",
            ));
        }
        let minutes = self.settings.redaction_minutes;
        let window = SignedDuration::from_mins(minutes.into());
        if !operator && minutes > 0 && self.now().duration_since(message.at) > window {
            let text = "You can no longer delete this message";
            return Err((
                "REDACT_WINDOW_EXPIRED",
                Some(window.as_secs().to_string()),
                text,
            ));
        }
        Ok(message)
    }

    /// The redaction is stored, and then seen; the caller's own copy is its receipt.
    fn take_back(&mut self, caller: Caller, redaction: &Redaction<'_>, message: &HistoryEntry) {
        let &Redaction {
            target,
            msgid,
            reason,
            label,
        } = redaction;
        let id = self.state.next_msgid();
        let user = self.state.user(caller.user);
        let account = user.identity.as_ref().map(|identity| identity.name.clone());
        let by = Redactor {
            source: user.source.to_string(),
            account,
        };
        let entry = message.redaction(by, id, self.now(), reason);
        let tags = Tags {
            msgid: Some(&entry.msgid),
            ..self.tags_of(user)
        };

        let mut then = self.show_redaction(message, &entry, &tags, |session| {
            session.id != caller.session
        });
        let what = if message.account.is_some() && message.account == entry.account {
            "a message".to_owned()
        } else {
            format!("a message from {}", nick_of(&message.source))
        };
        let text = format!(
            "{} redacted {what} from {}",
            user.nick,
            ago(self.now(), message.at)
        );
        then.extend(self.tell_of_redaction(message, &with_reason(text, reason)));
        let line = self
            .redaction_line(message, &entry, user)
            .render(&tags, caller.capabilities);
        then.push(Delivery {
            to: vec![caller.session],
            line,
        });
        let text = "The server could not store that, so the message stays; please try again";
        let failed = self
            .server_line("FAIL")
            .word("REDACT")
            .word("MESSAGE_NOT_STORED");
        let failed = failed.word(target).word(msgid).text(text);
        let line = failed.render(&self.server_tags(), caller.capabilities);
        let mut otherwise = Delivery {
            to: vec![caller.session],
            line,
        };
        if let Some(label) = label {
            let tag = format!("label={label}");
            for answer in then.last_mut().into_iter().chain([&mut otherwise]) {
                answer.line = mark(&answer.line, &tag);
            }
        }
        self.out.push(Output::Store {
            entry: Box::new(entry),
            then,
            otherwise: Some(otherwise),
        });
    }

    /// Messages that an operator of the control plane has redacted, each with the mark that stays
    /// of it, are shown as such to those who are here. They are of one author.
    pub fn show_redacted(
        &mut self,
        ticket: Ticket,
        messages: &[(HistoryEntry, HistoryEntry)],
        reason: &str,
    ) {
        let mut told: Vec<(&HistoryEntry, usize)> = Vec::new();
        let mut deliveries = Vec::new();
        for (message, entry) in messages {
            let tags = Tags {
                msgid: Some(&entry.msgid),
                ..self.server_tags()
            };
            deliveries.extend(self.show_redaction(message, entry, &tags, |_| true));
            let together = |(other, _): &&mut (&HistoryEntry, usize)| {
                other.place.is_same(&message.place) && other.status() == message.status()
            };
            match told.iter_mut().find(together) {
                Some((_, count)) => *count += 1,
                None => told.push((message, 1)),
            }
        }
        for (message, count) in told {
            let nick = nick_of(&message.source);
            let text = match count {
                1 => format!(
                    "An operator of the server redacted a message from {nick} from {}",
                    ago(self.now(), message.at)
                ),
                _ => format!("An operator of the server redacted {count} messages from {nick}"),
            };
            deliveries.extend(self.tell_of_redaction(message, &with_reason(text, Some(reason))));
        }
        self.out.extend(deliveries.into_iter().map(Output::Deliver));
        self.answer(ticket, Answer::Done);
    }

    /// The users who heard the message, or would have.
    fn audience(&self, message: &HistoryEntry) -> Vec<&User> {
        match &message.place {
            Place::Channel(name) => {
                let Some(channel) = self.state.channel(name) else {
                    return Vec::new();
                };
                let meant = |standing: MemberModes| match message.status() {
                    None => true,
                    Some('@') => standing.runs(),
                    Some(_) => standing.is_heard(),
                };
                let members = channel.members().iter();
                members
                    .filter(|member| meant(member.standing))
                    .map(|member| self.state.user(member.user))
                    .collect()
            }
            Place::Direct { from, to } => {
                let here = |party: &Party| match party {
                    Party::Account(name) => self
                        .state
                        .by_account(&AccountName::parse(name.as_str()).ok()?),
                    Party::Guest(nick) => self
                        .state
                        .by_nick(nick)
                        .filter(|user| user.identity.is_none()),
                };
                let mut parties: Vec<&User> = [from, to].into_iter().filter_map(here).collect();
                parties.dedup_by_key(|user| user.id);
                parties
            }
        }
    }

    /// The redaction for those who can read it, among the sessions that pass.
    fn show_redaction(
        &self,
        message: &HistoryEntry,
        entry: &HistoryEntry,
        tags: &Tags<'_>,
        pass: impl Fn(&Session) -> bool,
    ) -> Vec<Delivery> {
        let can_read = |session: &&Session| {
            pass(session) && session.capabilities.has(Capability::MessageRedaction)
        };
        let audience = self.audience(message);
        match &message.place {
            Place::Channel(_) => {
                let Some(&one) = audience.first() else {
                    return Vec::new();
                };
                let hearers = audience
                    .iter()
                    .flat_map(|user| user.sessions())
                    .filter(can_read);
                address(
                    hearers,
                    audience.len(),
                    tags,
                    &self.redaction_line(message, entry, one),
                )
            }
            Place::Direct { .. } => audience
                .into_iter()
                .flat_map(|user| {
                    let line = self.redaction_line(message, entry, user);
                    address(user.sessions().iter().filter(can_read), 1, tags, &line)
                })
                .collect(),
        }
    }

    /// As the user sees it: under the target that the message had. What the server takes back in a
    /// conversation is shown under the other's nick, by which a client knows the conversation.
    fn redaction_line(&self, message: &HistoryEntry, entry: &HistoryEntry, user: &User) -> Line {
        let line = Line::new(&entry.source, &entry.command);
        let line = match &message.place {
            Place::Channel(name) => {
                let name = self
                    .state
                    .channel(name)
                    .map_or(name, |channel| &channel.name);
                let status = message.status().map(String::from).unwrap_or_default();
                line.word(&format!("{status}{name}"))
            }
            Place::Direct { from, to } if !entry.source.contains('!') && *to == user.party() => {
                line.word(self.present_nick(from).as_str())
            }
            Place::Direct { to, .. } => line.word(self.present_nick(to).as_str()),
        };
        line.rest(&entry.text)
    }

    /// A notice for those who cannot read redactions. Whoever cannot read tags alone never saw a
    /// message of them.
    fn tell_of_redaction(&self, message: &HistoryEntry, text: &str) -> Vec<Delivery> {
        if message.command == "TAGMSG" {
            return Vec::new();
        }
        let unaware = |session: &&Session| !session.capabilities.has(Capability::MessageRedaction);
        let notice = |target: &str| self.server_line("NOTICE").word(target).text(text);
        let tags = self.server_tags();
        let audience = self.audience(message);
        match &message.place {
            Place::Channel(name) => {
                let hearers = audience
                    .iter()
                    .flat_map(|user| user.sessions())
                    .filter(unaware);
                address(hearers, audience.len(), &tags, &notice(name.as_str()))
            }
            Place::Direct { .. } => audience
                .into_iter()
                .flat_map(|user| {
                    let hearers = user.sessions().iter().filter(unaware);
                    address(hearers, 1, &tags, &notice(user.nick.as_str()))
                })
                .collect(),
        }
    }
}

fn nick_of(source: &str) -> &str {
    source.split('!').next().unwrap_or(source)
}

fn with_reason(text: String, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{text}: {reason}"),
        None => text,
    }
}

/// How long ago that was, in the largest unit that fits.
fn ago(now: Timestamp, at: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

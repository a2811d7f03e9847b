//! What a device missed is shown to it when it comes back, unless its client reads back by itself.
//! Where a device has missed something is told by marks: it has heard everything up to the moment
//! at which it was last heard.

use std::ops::RangeInclusive;

use bytes::Bytes;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{Capability, ChannelName};
use rookery_record::{Change, CredentialId, Device, DeviceMark, HistoryEntry, SeveralQuery};

use crate::event::{Delivery, Fetch, HistoryQuery, Output, Purpose};
use crate::ids::SessionId;
use crate::labels::mark;
use crate::line::{ACTION, MAX_BODY, is_ctcp, truncate};
use crate::multiline::is_multiline;
use crate::state::catch_up::{CatchUp, Mark};
use crate::turn::{Caller, Turn};

/// How long after it has come the channels that a client joins count as those it was in before.
const ARRIVAL: SignedDuration = SignedDuration::from_secs(60);

impl Turn<'_> {
    /// A session has come, signed in with that credential: what its device missed is read.
    pub fn catch_up(&mut self, caller: Caller, credential: Option<CredentialId>) {
        let reads_by_itself = [
            Capability::Chathistory,
            Capability::Playback,
            Capability::Visitor,
        ]
        .into_iter()
        .any(|capability| caller.has(capability));
        let replays = self.settings.history && self.settings.replay_lines > 0 && !reads_by_itself;
        let user = self.state.user(caller.user);
        let Some(identity) = user.identity.as_ref().filter(|_| replays) else {
            return;
        };
        let device = Device {
            account: identity.id,
            credential,
        };
        // One whose connection was lost may be here twice for a while.
        let others = user
            .sessions()
            .iter()
            .filter(|session| session.device == Some(device));
        let before = others
            .map(|session| session.heard)
            .chain(self.state.devices.get(&device).copied())
            .max();
        let until = self.now() + ARRIVAL;
        let heard_until = before.map_or(self.now(), |before| before.at);
        self.out
            .push(Output::Persist(Box::new(Change::Device(DeviceMark {
                device,
                heard_until,
                is_here: true,
            }))));
        let number = self.state.next_catch_up();
        let Some(session) = self.state.session_mut(caller.session) else {
            return;
        };
        session.device = Some(device);
        // A device that was never here has missed nothing.
        let Some(after) = before else { return };
        session.heard = after;
        session.catch_up = Some(CatchUp {
            number,
            after,
            until,
            channels: Vec::new(),
            reading: 0,
        });
        self.read_missed(caller, true);
    }

    /// The channels that a client joins while it arrives count too.
    pub fn catch_up_further(&mut self, session: SessionId) {
        let Some(caller) = self.caller(session) else {
            return;
        };
        let now = self.now();
        let Some(session) = self.state.session_mut(session) else {
            return;
        };
        let Some(catch_up) = &session.catch_up else {
            return;
        };
        if now <= catch_up.until {
            self.read_missed(caller, false);
        } else if catch_up.reading == 0 {
            session.catch_up = None;
        }
    }

    /// The session is heard of.
    pub fn hear(&mut self, session: SessionId) {
        let mark = self.state.mark(self.stamp.at);
        if let Some(session) = self.state.session_mut(session)
            && session.is_caught_up()
        {
            session.heard = mark;
        }
    }

    /// The session ends: from now on its device misses what is said. Of one that was lost it is not
    /// known what it heard last.
    pub fn leave_device(&mut self, session: SessionId, lost: bool) {
        let now = self.state.mark(self.stamp.at);
        let Some(caller) = self.caller(session) else {
            return;
        };
        let Some(session) = self.state.session_mut(session) else {
            return;
        };
        // Once is enough: a session may be ended before its connection is.
        let Some(device) = session.device.take() else {
            return;
        };
        let heard = if lost || !session.is_caught_up() {
            session.heard
        } else {
            now
        };
        session.catch_up = None;
        let mark = self.state.devices.entry(device).or_insert(heard);
        *mark = heard.max(*mark);
        let heard_until = mark.at;
        let is_here = self
            .state
            .user(caller.user)
            .sessions()
            .iter()
            .any(|session| session.device == Some(device));
        self.out
            .push(Output::Persist(Box::new(Change::Device(DeviceMark {
                device,
                heard_until,
                is_here,
            }))));
    }

    /// Has the channels read that were not read yet, and the conversations when it is time for
    /// them.
    fn read_missed(&mut self, caller: Caller, conversations: bool) {
        let Some(session) = self.state.session(caller.session) else {
            return;
        };
        let Some(catch_up) = &session.catch_up else {
            return;
        };
        let (number, after) = (catch_up.number, catch_up.after);
        let user = self.state.user(caller.user);
        let channels: Vec<ChannelName> = user
            .channels()
            .iter()
            .filter(|name| !catch_up.channels.contains(name))
            .cloned()
            .collect();
        if channels.is_empty() && !conversations {
            return;
        }
        let readings = channels
            .iter()
            .filter_map(|name| self.readable(caller, name.as_str()))
            .collect();
        let query = SeveralQuery {
            readings,
            account: user
                .identity
                .as_ref()
                .filter(|_| conversations)
                .map(|own| own.name.to_nick()),
            // A millisecond may hold several messages.
            after: after
                .at
                .checked_sub(SignedDuration::from_millis(1))
                .unwrap_or(after.at),
            before: Timestamp::MAX,
            limit: self.settings.replay_lines,
        };
        let until = self.state.mark(self.stamp.at);
        if let Some(catch_up) = self
            .state
            .session_mut(caller.session)
            .and_then(|session| session.catch_up.as_mut())
        {
            catch_up.channels.extend(channels);
            catch_up.reading += 1;
        }
        self.out.push(Output::Fetch(Box::new(Fetch {
            session: caller.session,
            ticket: None,
            label: None,
            purpose: Purpose::Missed {
                number,
                after,
                until,
            },
            query: HistoryQuery::Several(query),
        })));
    }

    /// Shows what the session's device missed, if that is still what it came for.
    pub fn show_missed(
        &mut self,
        caller: Caller,
        number: u64,
        [after, until]: [Mark; 2],
        found: Option<Vec<(String, Vec<HistoryEntry>)>>,
    ) {
        let catch_up = self
            .state
            .session_mut(caller.session)
            .and_then(|session| session.catch_up.as_mut());
        let Some(catch_up) = catch_up.filter(|catch_up| catch_up.number == number) else {
            return;
        };
        let Some(found) = found else {
            // It stays to be shown, when the device comes next.
            return self.notice(
                caller,
                "What you missed could not be read; connect again to see it",
            );
        };
        catch_up.reading -= 1;
        let missed = found
            .into_iter()
            .map(|(name, mut entries)| {
                entries.retain(|entry| self.is_between(entry, after, until));
                (name, entries)
            })
            .collect();
        self.show_several(caller, missed);
    }

    /// Whether it was said after the one mark, and up to the other.
    fn is_between(&self, entry: &HistoryEntry, after: Mark, until: Mark) -> bool {
        match self.state.message_number(&entry.msgid) {
            Some(number) => after.message < number && number <= until.message,
            // Before the server was started.
            None => entry.at.as_millisecond() >= after.at.as_millisecond(),
        }
    }

    /// Shows what was asked for with `PLAY`; with a label, in one answer.
    pub fn show_playback(
        &mut self,
        caller: Caller,
        label: Option<&str>,
        found: Option<Vec<(String, Vec<HistoryEntry>)>>,
    ) {
        let start = self.out.len();
        let parts = if let Some(found) = found {
            self.show_several(caller, found)
        } else {
            self.notice(
                caller,
                "What was said could not be read; please try again later",
            );
            vec![start..=start]
        };
        let Some(label) = label.map(|label| format!("label={label}")) else {
            return;
        };
        match &parts[..] {
            [] => {
                let line = self
                    .server_line("ACK")
                    .render(&self.server_tags(), caller.capabilities);
                self.out.push(Output::Deliver(Delivery {
                    to: vec![caller.session],
                    line: mark(&line, &label),
                }));
            }
            [part] => self.mark_line(*part.start(), &label),
            parts => {
                let outer = self.state.next_batch();
                let tag = format!("batch={outer}");
                for part in parts {
                    self.mark_line(*part.start(), &tag);
                    if part.start() != part.end() {
                        self.mark_line(*part.end(), &tag);
                    }
                }
                let open = self
                    .server_line("BATCH")
                    .word(&format!("+{outer}"))
                    .word("labeled-response");
                let line = mark(
                    &open.render(&self.server_tags(), caller.capabilities),
                    &label,
                );
                self.out.insert(
                    start,
                    Output::Deliver(Delivery {
                        to: vec![caller.session],
                        line,
                    }),
                );
                let close = self.server_line("BATCH").word(&format!("-{outer}"));
                self.send(caller, &close);
            }
        }
    }

    fn mark_line(&mut self, index: usize, tag: &str) {
        if let Some(Output::Deliver(delivery)) = self.out.get_mut(index) {
            delivery.line = mark(&delivery.line, tag);
        }
    }

    /// Shows what was said in several channels and conversations, each in a batch of its own, and
    /// no more than the session has room for. Gives where among the outputs each part stands.
    fn show_several(
        &mut self,
        caller: Caller,
        found: Vec<(String, Vec<HistoryEntry>)>,
    ) -> Vec<RangeInclusive<usize>> {
        let mut room = match self.settings.sendq_bytes {
            0 => usize::MAX,
            // The other half is for what is said meanwhile.
            bytes => bytes / 2,
        };
        let mut parts = Vec::new();
        let mut is_cut = false;
        for (name, entries) in found {
            // The caller may have lost its place in the channel meanwhile.
            let Some(readable) = self.readable(caller, &name) else {
                continue;
            };
            let mut lines = Vec::new();
            for entry in entries
                .iter()
                .rev()
                .filter(|entry| readable.shows(entry) && !is_ctcp(&entry.text))
            {
                let shown = self.replayed(caller, entry);
                let bytes: usize = shown.iter().map(Bytes::len).sum();
                is_cut = bytes > room;
                if is_cut {
                    break;
                }
                room -= bytes;
                lines.extend(shown.into_iter().rev());
            }
            lines.reverse();
            if !lines.is_empty() {
                let first = self.out.len();
                let name = self.present_name(&readable.name);
                self.show_batch(caller, &["chathistory", &name], lines);
                parts.push(first..=self.out.len() - 1);
            }
        }
        if is_cut {
            let at = self.out.len();
            self.notice(
                caller,
                "There is more than can be shown at once; of each channel you see the newest",
            );
            parts.push(at..=at);
        }
        parts
    }

    /// A message that is shown later than it was said: the text tells when to whom no tag does.
    fn replayed(&self, caller: Caller, entry: &HistoryEntry) -> Vec<Bytes> {
        if caller.has(Capability::ServerTime) {
            return vec![self.entry_line(caller, entry)];
        }
        let format = if on_same_day(entry.at, self.now()) {
            "%H:%M:%S UTC"
        } else {
            "%Y-%m-%d %H:%M:%S UTC"
        };
        let time = entry.at.strftime(format);
        if is_multiline(&entry.text) {
            let text = format!("[{time}]\n{}", entry.text);
            return vec![self.entry_line(
                caller,
                &HistoryEntry {
                    text,
                    ..entry.clone()
                },
            )];
        }
        let text = match entry.text.strip_prefix(ACTION) {
            Some(deed) => format!("{ACTION}[{time}] {deed}"),
            None => format!("[{time}] {}", entry.text),
        };
        let head = self.entry_head(caller, entry);
        let (first, rest) =
            text.split_at(truncate(&text, MAX_BODY.saturating_sub(head.len() + 2)).len());
        let parts = [first, rest].into_iter().filter(|part| !part.is_empty());
        parts
            .map(|text| {
                self.entry_line(
                    caller,
                    &HistoryEntry {
                        text: text.to_owned(),
                        ..entry.clone()
                    },
                )
            })
            .collect()
    }
}

fn on_same_day(one: Timestamp, other: Timestamp) -> bool {
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    day(one) == day(other)
}

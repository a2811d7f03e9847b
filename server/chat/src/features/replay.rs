//! Sends earlier messages to a session that missed or requested them.

use std::collections::VecDeque;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rookery_protocol::Capability;
use rookery_record::HistoryEntry;

use crate::context::{Caller, Context};
use crate::features::{catch_up, history};
use crate::line::{ACTION, MAX_BODY, is_ctcp, truncate};
use crate::long_reply::LongReply;
use crate::multiline::is_multiline;
use crate::settings::Settings;

/// The messages of several channels and conversations, each in a batch of its own. They may fill up
/// to half of the session's send queue.
pub struct Replay {
    /// What is left, by the name of the channel or of the other user.
    left: VecDeque<(String, Vec<HistoryEntry>)>,
    /// The number of bytes that may still be sent.
    room: usize,
    is_cut: bool,
    /// The number of bytes of memory that `left` takes.
    held_bytes: usize,
    /// The number of the catch-up that this is part of.
    catch_up: Option<u64>,
}

impl Replay {
    /// Returns how many bytes of messages to read for a replay: twice what it may send, since it
    /// leaves out what the session may not see or has been sent already.
    pub fn bytes_to_read(settings: &Settings) -> usize {
        room(settings).saturating_mul(2)
    }

    /// Creates the replay of what was read, for the catch-up with that number or for none.
    pub fn new(
        ctx: &Context<'_>,
        found: Vec<(String, Vec<HistoryEntry>)>,
        catch_up: Option<u64>,
    ) -> Self {
        let held_bytes = found.iter().map(|(_, entries)| held_bytes(entries)).sum();
        Self {
            catch_up,
            held_bytes,
            left: found.into(),
            room: room(ctx.settings),
            is_cut: false,
        }
    }

    fn finish(&self, ctx: &mut Context<'_>, caller: Caller) {
        if let Some(number) = self.catch_up {
            catch_up::is_sent(ctx, caller, number);
        }
        if self.is_cut {
            ctx.notice(
                caller,
                "There is more than can be sent at once; only the newest messages were sent",
            );
        }
    }

    /// Sends the newest of the messages, as many as there is room for.
    fn send(
        &mut self,
        ctx: &mut Context<'_>,
        caller: Caller,
        name: &str,
        entries: &[HistoryEntry],
    ) {
        // The caller may have lost access to the channel in the meantime.
        let Some(readable) = history::readable(ctx, caller, name) else {
            return;
        };
        let mut lines = Vec::new();
        for entry in entries
            .iter()
            .rev()
            .filter(|entry| readable.is_visible(entry) && !is_ctcp(&entry.text))
        {
            let rendered = replayed(ctx, caller, entry);
            let bytes: usize = rendered.iter().map(Bytes::len).sum();
            if bytes > self.room {
                self.is_cut = true;
                break;
            }
            if !catch_up::is_first(ctx, caller, entry) {
                continue;
            }
            self.room -= bytes;
            lines.extend(rendered.into_iter().rev());
        }
        lines.reverse();
        if !lines.is_empty() {
            let name = history::current_name(ctx, &readable.name);
            ctx.send_batch(caller, &["chathistory", &name], lines);
        }
    }
}

impl LongReply for Replay {
    fn send_rows(&mut self, ctx: &mut Context<'_>, caller: Caller) -> bool {
        while !self.left.is_empty() {
            // A slice ends with a channel, so that the messages of one are not mixed with new ones.
            if !ctx.take_row() {
                return false;
            }
            if let Some((name, entries)) = self.left.pop_front() {
                self.held_bytes -= held_bytes(&entries);
                ctx.take_rows(entries.len());
                self.send(ctx, caller, &name, &entries);
            }
        }
        self.finish(ctx, caller);
        true
    }

    fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

/// Returns the number of bytes that a replay may send.
fn room(settings: &Settings) -> usize {
    match settings.sendq_bytes {
        0 => usize::MAX,
        // The other half is for new messages.
        bytes => bytes / 2,
    }
}

fn held_bytes(entries: &[HistoryEntry]) -> usize {
    entries.iter().map(history::held_bytes).sum()
}

/// Renders a message that is sent later than it was written. Without `server-time`, its time is put
/// in the text.
fn replayed(ctx: &Context<'_>, caller: Caller, entry: &HistoryEntry) -> Vec<Bytes> {
    if caller.has(Capability::ServerTime) {
        return vec![history::entry_line(ctx, caller, entry)];
    }
    let format = if on_same_day(entry.at, ctx.now()) {
        "%H:%M:%S UTC"
    } else {
        "%Y-%m-%d %H:%M:%S UTC"
    };
    let time = entry.at.strftime(format);
    if is_multiline(&entry.text) {
        let text = format!("[{time}]\n{}", entry.text);
        return vec![history::entry_line(
            ctx,
            caller,
            &HistoryEntry {
                text,
                ..entry.clone()
            },
        )];
    }
    let text = match entry.text.strip_prefix(ACTION) {
        Some(action) => format!("{ACTION}[{time}] {action}"),
        None => format!("[{time}] {}", entry.text),
    };
    let head = history::entry_head(ctx, caller, entry);
    let (first, rest) =
        text.split_at(truncate(&text, MAX_BODY.saturating_sub(head.byte_len() + 2)).len());
    let parts = [first, rest].into_iter().filter(|part| !part.is_empty());
    parts
        .map(|text| {
            history::entry_line(
                ctx,
                caller,
                &HistoryEntry {
                    text: text.to_owned(),
                    ..entry.clone()
                },
            )
        })
        .collect()
}

fn on_same_day(one: Timestamp, other: Timestamp) -> bool {
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    day(one) == day(other)
}

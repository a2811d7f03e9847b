//! Sends earlier messages to a session that missed or requested them.

use std::collections::VecDeque;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rookery_protocol::Capability;
use rookery_record::{HistoryEntry, NewestMessages, NewestOfSeveral, TargetKind};

use crate::context::{Caller, Context};
use crate::features::{catch_up, history};
use crate::line::{ACTION, MAX_BODY, fill, split};
use crate::long_reply::LongReply;
use crate::multiline::{self, has_ctcp, is_multiline};
use crate::settings::Settings;
use crate::shares::Shares;

/// How many bytes of names there are in a notice about what was left out.
const NAMES_OF_NOTICE: usize = 300;
/// How many conversations are named in the notices about what was left out.
const MAX_NAMED: usize = 100;
/// The beginning of the notices about what was left out.
const LEFT_OUT: &str = "There is more than can be sent at once; earlier messages were left out";
/// The number of bytes of a time in the text, at most.
const SHOWN_TIME: usize = 28;

/// The messages of several channels and conversations, each in a batch of its own. They share half
/// of the session's send queue.
pub struct Replay {
    /// What is left to send.
    left: VecDeque<NewestMessages>,
    /// The notices about what was left out.
    notices: VecDeque<String>,
    /// The number of bytes of memory that `left` and `notices` take.
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
        ctx: &mut Context<'_>,
        caller: Caller,
        found: NewestOfSeveral,
        catch_up: Option<u64>,
    ) -> Self {
        let mut shares = Shares::new(room(ctx.settings));
        for mut newest in found.targets {
            let Some(readable) = history::readable(ctx, caller, &newest.name) else {
                continue;
            };
            newest.entries.retain(|entry| {
                readable.is_visible(entry)
                    && !has_ctcp(&entry.text)
                    && !catch_up::take_sent(ctx, caller, entry)
            });
            shares.add(newest, |entry| max_bytes(ctx, caller, entry));
        }
        let left: VecDeque<NewestMessages> = shares.into_targets().collect();
        let notices = notices(ctx, &left, found.further_conversations);
        Self {
            held_bytes: left.iter().map(held_bytes).sum::<usize>()
                + notices.iter().map(String::len).sum::<usize>(),
            left,
            notices,
            catch_up,
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
            if let Some(newest) = self.left.pop_front() {
                self.held_bytes -= held_bytes(&newest);
                ctx.take_rows(newest.entries.len());
                send(ctx, caller, &newest);
            }
        }
        while !self.notices.is_empty() {
            if !ctx.take_row() {
                return false;
            }
            if let Some(notice) = self.notices.pop_front() {
                self.held_bytes -= notice.len();
                ctx.notice(caller, &notice);
            }
        }
        // Only now does the client know what it has not received.
        if let Some(number) = self.catch_up {
            catch_up::is_sent(ctx, caller, number);
        }
        true
    }

    fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

/// Returns the notices about what was left out of `targets`, which are sorted by kind, and of
/// further conversations. They name what is more important and newer first.
fn notices(
    ctx: &Context<'_>,
    targets: &VecDeque<NewestMessages>,
    further_conversations: usize,
) -> VecDeque<String> {
    let cut = targets.iter().rev().filter(|newest| newest.is_cut);
    let (channels, conversations): (Vec<_>, Vec<_>) =
        cut.partition(|newest| newest.kind == TargetKind::Channel);
    let unnamed = conversations.len().saturating_sub(MAX_NAMED) + further_conversations;
    let shown = channels.iter().chain(conversations.iter().take(MAX_NAMED));
    let names: Vec<String> = shown
        .map(|newest| history::current_name(ctx, &newest.name))
        .collect();
    let names = names.iter().map(|name| ["", name.as_str()]);
    let mut notices: VecDeque<String> = fill(names, ' ', NAMES_OF_NOTICE)
        .iter()
        .map(|names| format!("{LEFT_OUT} of: {names}"))
        .collect();
    if unnamed > 0 {
        notices.push_back(format!(
            "{LEFT_OUT} of {unnamed} more conversations; to read these, type /msg *playback PLAY * \
             FROM TO with a short time between FROM and TO, in seconds since 1970"
        ));
    }
    notices
}

/// Sends the messages of a channel or conversation.
fn send(ctx: &mut Context<'_>, caller: Caller, newest: &NewestMessages) {
    // The caller may have lost access to the channel in the meantime.
    let Some(readable) = history::readable(ctx, caller, &newest.name) else {
        return;
    };
    let mut lines = Vec::new();
    for entry in &newest.entries {
        if readable.is_visible(entry) && catch_up::is_first(ctx, caller, entry) {
            lines.extend(replayed(ctx, caller, entry));
        }
    }
    if !lines.is_empty() {
        let name = history::current_name(ctx, &readable.name);
        ctx.send_batch(caller, &["chathistory", &name], lines);
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

fn held_bytes(newest: &NewestMessages) -> usize {
    let entries = newest.entries.iter().map(HistoryEntry::held_bytes);
    size_of::<NewestMessages>() + newest.name.len() + entries.sum::<usize>()
}

/// Returns a number of bytes that the lines of [`replayed`] do not exceed.
fn max_bytes(ctx: &Context<'_>, caller: Caller, entry: &HistoryEntry) -> usize {
    let bytes = history::max_bytes(ctx, caller, entry);
    if caller.has(Capability::ServerTime) {
        return bytes;
    }
    let beside_texts = bytes - entry.text.len();
    let beside_text = beside_texts.div_ceil(multiline::lines(&entry.text).count());
    let needs_line = is_multiline(&entry.text) || bytes + SHOWN_TIME > MAX_BODY;
    bytes + SHOWN_TIME + if needs_line { beside_text } else { 0 }
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
    let (first, rest) = split(&text, MAX_BODY.saturating_sub(head.byte_len() + 2));
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

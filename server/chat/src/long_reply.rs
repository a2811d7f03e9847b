//! Replies that are too long for one event, such as a `WHO` of a large channel.
//!
//! A long reply is produced in slices, so that it delays other sessions by one slice at a time.
//! [`Context::reply_long`] sends the first slice at once, which is all of most replies; the events
//! that are handled together share one such slice. What remains waits here, and each call of
//! [`Chat::continue_replies`](crate::Chat::continue_replies) sends one more slice; the sessions take
//! turns.
//!
//! Between two slices, anything may change. A reply therefore holds no part of the state, only the
//! position that it has reached, and looks everything up again: the users, and whether the caller
//! may see them. Each user or channel that is there all the time is in the reply; one that appears,
//! disappears or changes its name meanwhile may be.
//!
//! After each slice, the session has no turn until its send queue holds that slice and has room for
//! the next: the core requests that with [`Output::AwaitRoom`], and the engine calls
//! [`Chat::resume_replies`](crate::Chat::resume_replies). So at most one slice is on its way to a
//! session, none is produced for a session that does not read, and a reply never overflows its own
//! send queue: the engine leaves more room than [`slice_rows`] lets a slice take. The first slice
//! does not wait; its command does, in the connection.
//!
//! A reply that waits takes memory: its position and, if it was read from the history and cannot be
//! looked up again, its content. [`Output::Held`] reports how much, so that it counts towards the
//! limit of all send queues.
//!
//! The long replies to one session are sent in order, but other lines may come between their
//! slices. The reply to a command with a label is one batch,
//! which stays open until all of its slices are sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use rookery_protocol::Capability;

use crate::context::{Caller, Context};
use crate::event::Output;
use crate::features::metadata::values::MetadataTarget;
use crate::ids::SessionId;
use crate::line::{Line, within};
use crate::request::Replied;
use crate::ticket::Ticket;

/// The maximum number of rows in a slice. A row is what is looked at, whether a line is sent for it
/// or not: a user, a channel, an entry of a list. The lines of a slice are written together.
pub const SLICE_ROWS: usize = 64;
/// The maximum number of bytes that a row takes on the wire: a line with its tags.
const ROW_BYTES: usize = 5 << 8;
/// The maximum number of bytes of a slice beside its rows. The last item of a slice may have more
/// rows than are left; the longest is a multi-line message for a client that does not understand
/// it, each line with all of its tags.
const BESIDE_ROWS: usize = 36 << 10;

/// The smallest limit of a send queue, in bytes, other than none.
pub const MIN_SENDQ: usize = 64 << 10;

/// Returns the number of rows in a slice, if send queues are limited to so many bytes; 0 means no
/// limit. A slice takes at most three quarters of the queue.
pub fn slice_rows(sendq_bytes: usize) -> usize {
    match sendq_bytes {
        0 => SLICE_ROWS,
        bytes => ((bytes / 4 * 3).saturating_sub(BESIDE_ROWS) / ROW_BYTES).clamp(2, SLICE_ROWS),
    }
}

/// A reply that can be sent in slices.
pub trait LongReply: Send {
    /// Sends the next rows, as many as [`Context::rows_left`] allows. Returns whether the reply is
    /// complete.
    fn send_rows(&mut self, ctx: &mut Context<'_>, caller: Caller) -> bool;

    /// Returns roughly how many bytes of memory the rest of the reply takes, beside its position.
    fn held_bytes(&self) -> usize {
        0
    }

    /// Returns the target whose current metadata the reply sends once it begins, if that is all
    /// that it does: a second such reply waits with it for nothing.
    fn synced(&self) -> Option<&MetadataTarget> {
        None
    }
}

/// The rest of the replies that are not complete.
#[derive(Default)]
pub struct LongReplies {
    /// By session, in the order in which they are sent. No queue is empty.
    queues: BTreeMap<SessionId, Queue>,
    /// The sessions with a queue that are not in `waiting`, in the order of their turns.
    turns: VecDeque<SessionId>,
    /// The sessions with a queue that wait for [`LongReplies::resume`].
    waiting: BTreeSet<SessionId>,
    /// The number of bytes that the engine knows to be held, if any.
    held: BTreeMap<SessionId, usize>,
    /// The sessions whose queues this event has changed.
    changed: BTreeSet<SessionId>,
    /// The sessions for which room is to be requested after this event.
    requests: Vec<SessionId>,
}

/// What a session still has to be sent.
#[derive(Default)]
struct Queue {
    parts: VecDeque<Part>,
    /// The number of bytes that they hold.
    held_bytes: usize,
    /// The targets of the parts that only sync metadata and have not begun.
    synced: BTreeSet<MetadataTarget>,
}

impl Queue {
    /// Adds a part, unless one that waits does the same.
    fn push_back(&mut self, part: Part) {
        if self.count(&part) {
            self.parts.push_back(part);
        }
    }

    /// Adds the rest of a part again.
    fn push_front(&mut self, part: Part) {
        if self.count(&part) {
            self.parts.push_front(part);
        }
    }

    fn pop_front(&mut self) -> Option<Part> {
        let part = self.parts.pop_front()?;
        self.held_bytes -= part.held_bytes();
        if let Some(target) = part.synced() {
            self.synced.remove(target);
        }
        Some(part)
    }

    /// Counts a part that is to be added. Returns `false` if one that waits does the same.
    fn count(&mut self, part: &Part) -> bool {
        let is_new = part
            .synced()
            .is_none_or(|target| self.synced.insert(target.clone()));
        if is_new {
            self.held_bytes += part.held_bytes();
        }
        is_new
    }
}

/// A part of what a session has to be sent.
enum Part {
    /// The rest of a reply.
    Rows {
        reply: Box<dyn LongReply>,
        /// The batch of the command's label.
        batch: Option<String>,
    },
    /// The line that closes the batch of a label.
    BatchEnd(Line),
    /// The ticket of a command, which is answered once the reply is sent.
    Answer(Ticket<Replied>, Replied),
}

impl LongReplies {
    /// Whether a reply can be continued.
    pub fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Adds the session to the turns again, because its send queue has room, or because it has
    /// ended.
    pub fn resume(&mut self, session: SessionId) {
        if self.waiting.remove(&session) {
            self.turns.push_back(session);
        }
    }

    fn is_waiting(&self, session: SessionId) -> bool {
        self.queues.contains_key(&session)
    }

    /// Adds what the session has to be sent, after what waits already.
    fn push(&mut self, session: SessionId, part: Part) {
        if let Some(queue) = self.queues.get_mut(&session) {
            queue.push_back(part);
        } else {
            let mut queue = Queue::default();
            queue.push_back(part);
            self.await_room(session, queue);
        }
        self.changed.insert(session);
    }

    /// Lets the session wait until its send queue holds what it was sent, and has room.
    fn await_room(&mut self, session: SessionId, queue: Queue) {
        self.queues.insert(session, queue);
        self.waiting.insert(session);
        self.requests.push(session);
    }

    /// Returns the number of bytes that the session's replies hold, if the engine does not know.
    fn changed_held_bytes(&mut self, session: SessionId) -> Option<usize> {
        let queue = self.queues.get(&session);
        let bytes = queue.map_or(0, |queue| queue.held_bytes);
        let known = match bytes {
            0 => self.held.remove(&session),
            bytes => self.held.insert(session, bytes),
        };
        (known.unwrap_or(0) != bytes).then_some(bytes)
    }
}

impl Part {
    fn held_bytes(&self) -> usize {
        let more = match self {
            Self::Rows { reply, .. } => size_of_val(&**reply) + reply.held_bytes(),
            Self::BatchEnd(line) => line.byte_len(),
            Self::Answer(..) => 0,
        };
        size_of::<Self>() + more
    }

    /// Returns the target whose metadata it syncs, if that is all. What belongs to the batch of a
    /// label is no such part.
    fn synced(&self) -> Option<&MetadataTarget> {
        match self {
            Self::Rows { reply, batch: None } => reply.synced(),
            Self::Rows { .. } | Self::BatchEnd(_) | Self::Answer(..) => None,
        }
    }
}

impl Context<'_> {
    /// Sends the caller a reply, or its first slice. The rest follows after this event.
    pub fn reply_long(&mut self, caller: Caller, mut reply: impl LongReply + 'static) {
        let is_complete = !self.long_replies.is_waiting(caller.session)
            && *self.rows_left > 0
            && reply.send_rows(self, caller);
        if !is_complete {
            let batch = self
                .out
                .open_batch(caller.session, || self.state.next_batch());
            let reply = Box::new(reply);
            self.long_replies
                .push(caller.session, Part::Rows { reply, batch });
        }
    }

    /// Sends the caller lines as a long reply.
    pub fn send_rows(&mut self, caller: Caller, lines: Vec<Line>) {
        self.reply_long(caller, Lines(lines.into_iter()));
    }

    /// Sends the caller items as a batch, which is one reply unless it is long.
    pub fn send_long_batch<T: BatchItem>(&mut self, caller: Caller, kind: &[&str], items: Vec<T>) {
        let held_bytes = items.iter().map(T::held_bytes).sum();
        let reply = Items {
            batch: LineBatch::new(kind),
            left: items.into_iter(),
            held_bytes,
        };
        self.reply_long(caller, reply);
    }

    /// Takes a row out of the current slice. Returns whether there was one.
    pub fn take_row(&mut self) -> bool {
        let is_left = *self.rows_left > 0;
        self.take_rows(1);
        is_left
    }

    /// Takes rows out of the current slice, as far as there are any.
    pub fn take_rows(&mut self, rows: usize) {
        *self.rows_left = self.rows_left.saturating_sub(rows);
    }

    /// Closes the batch of a label, once the session was sent everything in it.
    pub fn close_batch(&mut self, session: SessionId, batch: &str) {
        let line = self.server_line("BATCH").word(&format!("-{batch}"));
        self.long_replies.push(session, Part::BatchEnd(line));
    }

    /// Answers the ticket of a command, once the session was sent the reply.
    pub fn answer_after_reply(
        &mut self,
        session: SessionId,
        ticket: Ticket<Replied>,
        replied: Replied,
    ) {
        if self.long_replies.is_waiting(session) {
            self.long_replies
                .push(session, Part::Answer(ticket, replied));
        } else {
            self.answer(ticket, replied);
        }
    }

    /// Sends one slice of the replies that wait. If one session does not use it up, others follow.
    pub fn continue_replies(&mut self) {
        while self.take_row()
            && let Some(session) = self.long_replies.turns.pop_front()
        {
            let Some(mut queue) = self.long_replies.queues.remove(&session) else {
                continue;
            };
            self.continue_queue(session, &mut queue);
            if !queue.parts.is_empty() {
                self.long_replies.await_room(session, queue);
            }
            self.long_replies.changed.insert(session);
        }
        self.report_waiting_replies();
    }

    /// Reports to the engine what has changed in the replies that wait. Everything else that the
    /// event sends is output before, so that it is in the send queue when the room in it is
    /// measured.
    pub fn report_waiting_replies(&mut self) {
        for session in std::mem::take(&mut self.long_replies.changed) {
            if let Some(bytes) = self.long_replies.changed_held_bytes(session) {
                self.out.push(Output::Held { session, bytes });
            }
        }
        for session in std::mem::take(&mut self.long_replies.requests) {
            self.out.push(Output::AwaitRoom(session));
        }
    }

    /// Sends the session what waits for it, until the slice is used up. If the session has ended,
    /// only tickets are left to answer.
    fn continue_queue(&mut self, session: SessionId, queue: &mut Queue) {
        while let Some(part) = queue.pop_front() {
            let caller = self.caller(session);
            match (part, caller) {
                (Part::Answer(ticket, replied), _) => self.answer(ticket, replied),
                (_, None) => {}
                (Part::BatchEnd(line), Some(caller)) => self.send(caller, &line),
                (Part::Rows { mut reply, batch }, Some(caller)) => {
                    self.out.set_batch(batch);
                    let is_complete = reply.send_rows(self, caller);
                    let batch = self.out.set_batch(None);
                    if !is_complete {
                        queue.push_front(Part::Rows { reply, batch });
                        return;
                    }
                }
            }
        }
    }
}

/// The batch of a long reply. Clients without the capability `batch` receive the lines without it.
pub struct LineBatch {
    kind: Vec<String>,
    /// The name of the batch, once it is open.
    name: Option<String>,
}

impl LineBatch {
    /// Creates a batch with that type and parameters.
    pub fn new(kind: &[&str]) -> Self {
        Self {
            kind: kind.iter().map(|&word| word.to_owned()).collect(),
            name: None,
        }
    }

    /// Sends the line that opens the batch, the first time.
    pub fn open(&mut self, ctx: &mut Context<'_>, caller: Caller) {
        if self.name.is_none() && caller.has(Capability::Batch) {
            let name = ctx.state.next_batch();
            let line = ctx.server_line("BATCH").word(&format!("+{name}"));
            let line = self.kind.iter().fold(line, |line, word| line.word(word));
            ctx.send(caller, &line);
            self.name = Some(name);
        }
    }

    /// Sends a line in the batch.
    pub fn send(&self, ctx: &mut Context<'_>, caller: Caller, line: &Line) {
        let line = line.render(&ctx.server_tags(), caller.capabilities);
        self.send_bytes(ctx, caller, line);
    }

    fn send_bytes(&self, ctx: &mut Context<'_>, caller: Caller, line: Bytes) {
        let line = match &self.name {
            Some(name) => within(name, &line),
            None => line,
        };
        ctx.send_bytes(caller, line);
    }

    /// Sends the line that closes the batch.
    pub fn close(&self, ctx: &mut Context<'_>, caller: Caller) {
        if let Some(name) = &self.name {
            let line = ctx.server_line("BATCH").word(&format!("-{name}"));
            ctx.send(caller, &line);
        }
    }
}

/// A message or another item of a batch, which is rendered when it is sent.
pub trait BatchItem: Send + 'static {
    /// Returns the number of rows that it counts for, none of more than [`ROW_BYTES`].
    fn rows(&self) -> usize;

    /// Returns roughly how many bytes of memory it takes.
    fn held_bytes(&self) -> usize;

    /// Renders the lines for the caller.
    fn render(&self, ctx: &Context<'_>, caller: Caller) -> Bytes;
}

/// The items of a batch.
struct Items<T> {
    batch: LineBatch,
    left: std::vec::IntoIter<T>,
    held_bytes: usize,
}

impl<T: BatchItem> LongReply for Items<T> {
    fn send_rows(&mut self, ctx: &mut Context<'_>, caller: Caller) -> bool {
        let rows = || self.left.as_slice().iter().map(T::rows).sum();
        if self.batch.name.is_none()
            && let rows = rows()
            && rows <= *ctx.rows_left
        {
            let left = self.left.by_ref();
            let lines = left.map(|item| item.render(ctx, caller)).collect();
            ctx.take_rows(rows);
            let kind: Vec<&str> = self.batch.kind.iter().map(String::as_str).collect();
            ctx.send_batch(caller, &kind, lines);
            return true;
        }
        self.batch.open(ctx, caller);
        while self.left.len() > 0 {
            if *ctx.rows_left == 0 {
                return false;
            }
            if let Some(item) = self.left.next() {
                self.held_bytes -= item.held_bytes();
                ctx.take_rows(item.rows());
                self.batch.send_bytes(ctx, caller, item.render(ctx, caller));
            }
        }
        self.batch.close(ctx, caller);
        true
    }

    fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

/// Lines that are known from the start.
struct Lines(std::vec::IntoIter<Line>);

impl LongReply for Lines {
    fn send_rows(&mut self, ctx: &mut Context<'_>, caller: Caller) -> bool {
        while self.0.len() > 0 {
            if !ctx.take_row() {
                return false;
            }
            if let Some(line) = self.0.next() {
                ctx.send(caller, &line);
            }
        }
        true
    }

    fn held_bytes(&self) -> usize {
        self.0.as_slice().iter().map(Line::byte_len).sum()
    }
}

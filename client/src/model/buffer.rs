//! The lines of one conversation in order, the gaps between them, and how far they are read.
//!
//! A gap stands for messages that may be missing. It is a line, so it has a position among the
//! others. Pages of history are inserted after it, the newest first, until a page overlaps the
//! messages before the gap or reaches the beginning of the conversation.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use super::{Body, Conversation, Line, LineId, MembershipChange, SERVER, YOU, chathistory};

/// The most joins and parts in one line.
const MAX_FOLDED: usize = 20;
/// The number of lines, from the end, whose senders [`Buffer::speakers`] returns.
const MAX_SPEAKER_LINES: usize = 300;
/// The number of lines, from the end, that are searched for a message that arrives twice.
const MAX_DUPLICATE_LINES: usize = 100;

/// The lines of one conversation.
#[derive(Debug)]
pub struct Buffer {
    /// The conversation.
    pub conversation: Conversation,
    /// What it was at first, if the person has changed nick since; or when the user last took part
    /// in it, if others have renamed the channel since.
    pub former: Option<Conversation>,
    lines: VecDeque<Line>,
    last_id: u64,
    /// The gaps, oldest first.
    gaps: Vec<Gap>,
    /// Everything up to this time is read.
    read_until: Timestamp,
    /// The time up to which everything was read when the user last looked away; later messages are
    /// new to the user.
    left_at: Option<Timestamp>,
    unread: usize,
    highlights: usize,
    first_new: Option<LineId>,
    /// The read marker on the server.
    marker: ServerMarker,
}

/// The read marker on the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ServerMarker {
    /// Whether the server has sent it.
    known: bool,
    /// The time up to which everything is read.
    until: Option<Timestamp>,
    /// Whether more was read here than the server knows.
    unsent: bool,
}

/// A position where messages may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its line in the buffer.
    pub line: LineId,
    /// A reference to the message after it (`msgid=…` or `timestamp=…`); `None` if there is none.
    pub before: Option<Box<str>>,
    /// Whether it is being loaded.
    pub state: GapState,
}

/// Whether a gap is being loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GapState {
    /// It will be requested when it comes into view.
    Idle,
    /// It is to be requested as soon as possible.
    Wanted,
    /// It was requested from the server.
    Requested,
    /// It could not be loaded, for this reason.
    Failed(Box<str>),
}

/// A page of history.
#[derive(Debug)]
pub struct Page {
    /// A reference to its oldest message, like [`Gap::before`]; `None` if the page is empty.
    pub oldest: Option<Box<str>>,
    /// The lines to show, oldest first.
    pub lines: Vec<HistoryLine>,
}

/// A line of a page.
#[derive(Debug)]
pub struct HistoryLine {
    /// The time of the message.
    pub at: Timestamp,
    /// The msgid.
    pub msgid: Option<Box<str>>,
    /// The content.
    pub body: Body,
}

impl Buffer {
    /// Creates an empty buffer. Messages up to `since` count as read.
    pub fn new(conversation: Conversation, since: Timestamp) -> Self {
        Self {
            conversation,
            former: None,
            lines: VecDeque::new(),
            last_id: 0,
            gaps: Vec::new(),
            read_until: since,
            left_at: None,
            unread: 0,
            highlights: 0,
            first_new: None,
            marker: ServerMarker::default(),
        }
    }

    /// Returns the lines, oldest first.
    pub fn lines(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// Returns the index of a line, unless it was dropped.
    pub fn index_of(&self, id: LineId) -> Option<usize> {
        self.lines.iter().position(|line| line.id == id)
    }

    /// Returns the identifier of the line that was added last, wherever it is.
    pub fn last_added(&self) -> LineId {
        LineId(self.last_id)
    }

    /// Returns the gaps, oldest first.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Returns the number of unread messages.
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// Returns how many of the unread messages mention the user or were sent to the user only.
    pub fn highlights(&self) -> usize {
        self.highlights
    }

    /// Returns the first line that is new since the user last looked away.
    pub fn first_new(&self) -> Option<LineId> {
        self.first_new
    }

    /// Returns the time up to which everything is read.
    pub fn read_until(&self) -> Timestamp {
        self.read_until
    }

    /// Returns the time of the last message.
    pub fn last_message_at(&self) -> Option<Timestamp> {
        let time = |line: &Line| matches!(line.body, Body::Message { .. }).then_some(line.at);
        self.lines.iter().rev().find_map(time)
    }

    /// Returns the nicks of the senders of recent messages, the latest first.
    pub fn speakers(&self) -> Vec<&str> {
        let mut speakers: Vec<&str> = Vec::new();
        for line in self.lines.iter().rev().take(MAX_SPEAKER_LINES) {
            if let Some(nick) = line.speaker().filter(|nick| !speakers.contains(nick)) {
                speakers.push(nick);
            }
        }
        speakers
    }

    /// Returns our last message that has a msgid.
    pub fn last_own(&self) -> Option<LineId> {
        let own = |line: &&Line| {
            matches!(line.body, Body::Message { own: true, .. }) && line.msgid.is_some()
        };
        self.lines.iter().rev().find(own).map(|line| line.id)
    }

    /// Returns the last message that mentions us, other than of the server.
    pub fn last_mention(&self) -> Option<&Line> {
        let mentions_me = |line: &&Line| match &line.body {
            Body::Message {
                nick, highlight, ..
            } => *highlight && &**nick != SERVER,
            _ => false,
        };
        self.lines.iter().rev().find(mentions_me)
    }

    /// Appends a line.
    pub fn push(&mut self, at: Timestamp, msgid: Option<Box<str>>, body: Body) -> LineId {
        let line = Line {
            id: self.new_id(),
            at,
            msgid,
            body,
        };
        let id = line.id;
        self.lines.push_back(line);
        id
    }

    /// Drops the other events with the text of the latest one, and the oldest of those that begin
    /// with `start`, until at most `limit` are left. Returns whether it dropped any.
    pub fn drop_similar(&mut self, latest: LineId, text: &str, start: &str, limit: usize) -> bool {
        let similar = self.lines.iter().filter_map(|line| match &line.body {
            Body::Info(event) if line.id != latest && event.starts_with(start) => {
                Some((line.id, **event == *text))
            }
            _ => None,
        });
        let (same, others): (Vec<_>, Vec<_>) = similar.partition(|(_, is_same)| *is_same);
        let excess = (others.len() + 1).saturating_sub(limit);
        let dropped = same.iter().chain(others.iter().take(excess));
        let dropped: Vec<LineId> = dropped.map(|(id, _)| *id).collect();
        let is_kept = |line: &Line| !dropped.contains(&line.id);
        if let Some(index) = self.first_new.and_then(|id| self.index_of(id)) {
            let mut since = self.lines.range(index..);
            self.first_new = since.find(|line| is_kept(line)).map(|line| line.id);
        }
        self.lines.retain(is_kept);
        !dropped.is_empty()
    }

    /// Whether a message is among the last lines already.
    pub fn has_recent(&self, msgid: &str) -> bool {
        self.lines
            .iter()
            .rev()
            .take(MAX_DUPLICATE_LINES)
            .any(|line| line.msgid.as_deref() == Some(msgid))
    }

    /// Adds a join or part to the last line if that is a line of joins and parts; returns the
    /// change if it is not, or is full.
    pub fn fold(
        &mut self,
        at: Timestamp,
        mut change: MembershipChange,
    ) -> Result<(), MembershipChange> {
        match self.lines.back_mut() {
            Some(Line {
                at: last,
                body: Body::Membership(changes),
                ..
            }) if changes.len() < MAX_FOLDED => {
                changes.retain(|earlier| earlier.nick != change.nick);
                let is_like = |earlier: &&mut MembershipChange| earlier.joined == change.joined;
                // Only the reason of a single change is shown.
                if let Some(earlier) = changes.iter_mut().find(is_like) {
                    earlier.reason = None;
                    change.reason = None;
                }
                changes.push(change);
                *last = at;
                Ok(())
            }
            _ => Err(change),
        }
    }

    /// Marks a message redacted, if it is in this buffer. `by` is the name to show.
    pub fn redact(&mut self, msgid: &str, by: &str, reason: Option<&str>) {
        let message = self
            .lines
            .iter_mut()
            .rev()
            .find(|line| line.msgid.as_deref() == Some(msgid));
        if let Some(line) = message
            && let Body::Message { nick, own, .. } = &mut line.body
        {
            let nick = if *own {
                YOU.into()
            } else {
                std::mem::take(nick)
            };
            line.body = Body::Redacted {
                nick,
                by: by.into(),
                reason: reason.map(Into::into),
            };
            self.recount();
        }
    }

    /// Drops the oldest line. A gap or the beginning at the start stays; the line after it is
    /// dropped instead.
    pub fn drop_oldest(&mut self) {
        match self.lines.front().map(|line| &line.body) {
            Some(Body::Gap | Body::Beginning) => {
                if let Some(dropped) = self.lines.remove(1) {
                    self.gaps.retain(|gap| gap.line != dropped.id);
                    self.reopen_first_gap();
                }
            }
            _ => {
                self.lines.pop_front();
            }
        }
    }

    /// Makes the first line a gap for the dropped messages, so that they can be loaded again.
    fn reopen_first_gap(&mut self) {
        let before = self.lines.iter().find_map(reference);
        let Some(first) = self.lines.front_mut() else {
            return;
        };
        if first.body == Body::Beginning {
            first.body = Body::Gap;
            self.gaps.insert(
                0,
                Gap {
                    line: first.id,
                    before,
                    state: GapState::Idle,
                },
            );
        } else if let Some(gap) = self.gaps.first_mut() {
            gap.before = before;
        }
    }

    /// Opens a gap at the end: messages may be missing before the next one that is appended.
    pub fn open_gap(&mut self, at: Timestamp, state: GapState) {
        let last = self.gaps.last().and_then(|gap| self.index_of(gap.line));
        let at_end =
            last.is_some_and(|index| self.lines.range(index..).all(|line| line.msgid.is_none()));
        // If no message follows the last gap, that gap is extended.
        if at_end && let Some(gap) = self.gaps.last_mut() {
            (gap.before, gap.state) = (None, state);
            return;
        }
        let line = self.push(at, None, Body::Gap);
        self.gaps.push(Gap {
            line,
            before: None,
            state,
        });
    }

    /// Sets the state of a gap.
    pub fn set_gap_state(&mut self, line: LineId, state: GapState) {
        if let Some(gap) = self.gaps.iter_mut().find(|gap| gap.line == line) {
            gap.state = state;
        }
    }

    /// Requests the last gap if all messages after it are unread, since there may be unread ones in
    /// the gap too.
    pub fn request_unread(&mut self) {
        let Some(line) = self.gaps.last().map(|gap| gap.line) else {
            return;
        };
        let after = self.index_of(line).map(|index| self.lines.range(index..));
        let mut messages = after
            .into_iter()
            .flatten()
            .filter(|line| line.msgid.is_some());
        if messages.all(|line| line.at > self.read_until) {
            self.set_gap_state(line, GapState::Wanted);
        }
    }

    /// Resets all gaps, to be loaded when they come into view.
    pub fn reset_gaps(&mut self) {
        for gap in &mut self.gaps {
            gap.state = GapState::Idle;
        }
    }

    /// Inserts a page after the line of a gap, and closes the gap if no messages are missing any
    /// longer. `before` is the reference with which the page was requested.
    pub fn fill_gap(&mut self, line: LineId, before: Option<&str>, page: Page) {
        let Some(gap) = self.gaps.iter().position(|gap| gap.line == line) else {
            return;
        };
        let Some(index) = self.index_of(line) else {
            return;
        };
        if self.gaps[gap].before.as_deref() != before {
            // The message after the gap was dropped meanwhile, so the page no longer adjoins it.
            self.gaps[gap].state = GapState::Idle;
            return;
        }
        let known: HashMap<&str, usize> = self
            .lines
            .iter()
            .enumerate()
            .filter_map(|(at, line)| Some((line.msgid.as_deref()?, at)))
            .collect();
        let position = |line: &HistoryLine| known.get(line.msgid.as_deref()?).copied();
        // After the last message of the page that is also before the gap, none are missing.
        let overlap = page
            .lines
            .iter()
            .rposition(|line| position(line).is_some_and(|at| at < index));
        let at_beginning = page.oldest.is_none() || page.oldest.as_deref() == before;
        let skipped = overlap.map_or(0, |last| last + 1);
        let is_new: Vec<bool> = page
            .lines
            .iter()
            .map(|line| position(line).is_none())
            .collect();
        let new = page
            .lines
            .into_iter()
            .zip(is_new)
            .skip(skipped)
            .filter(|(_, is_new)| *is_new);
        let new: Vec<HistoryLine> = new.map(|(line, _)| line).collect();
        let has_new = !new.is_empty();
        let after = self.lines.split_off(index + 1);
        for HistoryLine { at, msgid, body } in new {
            self.push(at, msgid, body);
        }
        self.lines.extend(after);
        if index > 0 && has_new && self.unread == 0 {
            // The page was missed: it is new since the last message before the gap.
            self.left_at = self
                .lines
                .range(..index)
                .rev()
                .find(|line| line.msgid.is_some())
                .map(|line| line.at);
        }
        if !at_beginning && overlap.is_none() {
            (self.gaps[gap].before, self.gaps[gap].state) = (page.oldest, GapState::Idle);
        } else {
            self.gaps.remove(gap);
            if index == 0 {
                self.lines[0].body = Body::Beginning;
            } else {
                self.lines.remove(index);
            }
        }
        self.recount();
    }

    /// Marks all messages read.
    pub fn mark_read(&mut self) {
        (self.unread, self.highlights) = (0, 0);
        if let Some(last) = self
            .last_message_at()
            .filter(|last| *last > self.read_until)
        {
            self.read_until = last;
            self.marker.unsent = true;
        }
    }

    /// Returns the read marker if it must be sent to the server, and counts it as sent.
    pub fn take_unsent_marker(&mut self) -> Option<Timestamp> {
        let ServerMarker {
            known: true,
            until,
            unsent: true,
        } = self.marker
        else {
            return None;
        };
        self.marker.unsent = false;
        if until >= Some(self.read_until) {
            return None;
        }
        self.marker.until = Some(self.read_until);
        self.marker.until
    }

    /// Applies the read marker from the server, which covers all devices of the account.
    pub fn apply_marker(&mut self, until: Option<Timestamp>) {
        let first = !std::mem::replace(&mut self.marker.known, true);
        self.marker.until = self.marker.until.max(until);
        match (until, &self.conversation) {
            // The first marker replaces the assumption that everything is read.
            (Some(until), _) if first => (self.read_until, self.left_at) = (until, Some(until)),
            (Some(until), _) => self.read_until = self.read_until.max(until),
            (None, Conversation::Person(_)) if first => self.read_until = Timestamp::MIN,
            (None, _) => {}
        }
        self.recount();
    }

    /// Handles the switch to another conversation: messages from now on are new on return.
    pub fn handle_switch_away(&mut self) {
        if self.unread == 0 {
            (self.left_at, self.first_new) = (None, None);
        }
    }

    /// Counts a message that arrived while the user did not see the end of the buffer.
    pub fn count_unread(&mut self, id: LineId, at: Timestamp, highlight: bool) {
        if at <= self.read_until {
            return;
        }
        if self.unread == 0 {
            (self.left_at, self.first_new) = (Some(self.read_until), Some(id));
        }
        self.unread += 1;
        self.highlights += usize::from(highlight);
    }

    /// Counts the unread messages again, and finds the first new one.
    fn recount(&mut self) {
        (self.unread, self.highlights, self.first_new) = (0, 0, None);
        let oldest_relevant = self
            .left_at
            .map_or(self.read_until, |left| left.min(self.read_until));
        for line in self.lines.iter().rev() {
            let Body::Message { own, highlight, .. } = line.body else {
                continue;
            };
            if line.at <= oldest_relevant {
                break;
            }
            if own {
                continue;
            }
            if line.at > self.read_until {
                self.unread += 1;
                self.highlights += usize::from(highlight);
            }
            if self.left_at.is_some_and(|left| line.at > left) {
                self.first_new = Some(line.id);
            }
        }
    }

    fn new_id(&mut self) -> LineId {
        self.last_id += 1;
        LineId(self.last_id)
    }
}

/// Returns a reference to a message, to request the messages before it; `None` without a msgid.
fn reference(line: &Line) -> Option<Box<str>> {
    line.msgid
        .as_ref()
        .map(|msgid| chathistory::msgid_reference(msgid).into())
}

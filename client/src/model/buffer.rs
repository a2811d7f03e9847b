//! What was said in one place, line by line, in the order in which it was said; and where something
//! is missing.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use super::{Body, Conversation, Line, LineId, MembershipChange};

/// Comings and goings that one line tells of.
const MAX_FOLDED: usize = 200;
/// Lines in which speakers are looked for.
const RECENT: usize = 300;
/// Lines among which a message that comes anew may be known already.
const MAX_OVERTAKEN: usize = 100;

/// One place's lines.
#[derive(Debug)]
pub struct Buffer {
    /// Where.
    pub conversation: Conversation,
    lines: VecDeque<Line>,
    next: u64,
    /// Where messages are missing, oldest first.
    gaps: Vec<Gap>,
    /// All up to then is read.
    read: Timestamp,
    /// What was read when the person looked away last.
    left_at: Option<Timestamp>,
    unread: usize,
    highlights: usize,
    new_from: Option<LineId>,
    /// What the server knows to be read.
    marker: ServerMarker,
    /// When something was said last, as far as the server has told.
    pub(super) latest: Option<Timestamp>,
}

/// What the server knows to be read in a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ServerMarker {
    /// It has told what it knows.
    known: bool,
    /// All up to then.
    until: Option<Timestamp>,
    /// Something was read here since.
    unsent: bool,
}

/// Somewhere in a buffer, where messages may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The line that stands for it.
    pub line: LineId,
    /// What is missing was said before this (`msgid=…` or `timestamp=…`); none when nothing is
    /// known after it.
    pub before: Option<Box<str>>,
    /// What is done about it.
    pub state: GapState,
}

/// What is done about a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GapState {
    /// Nothing, until someone looks.
    Idle,
    /// The server is to be asked.
    Wanted,
    /// The server was asked.
    Requested,
    /// It did not work, in words.
    Failed(Box<str>),
}

/// A page of history.
#[derive(Debug)]
pub struct Page {
    /// Its oldest message, as [`Gap::before`] names it; none when the page is empty.
    pub oldest: Option<Box<str>>,
    /// What is to be shown of it, oldest first.
    pub lines: Vec<HistoryLine>,
}

/// A line of a page.
#[derive(Debug)]
pub struct HistoryLine {
    /// When.
    pub at: Timestamp,
    /// The message's own name.
    pub msgid: Option<Box<str>>,
    /// What.
    pub body: Body,
}

impl Buffer {
    /// Nothing was said yet; what was before `since` is not new.
    pub fn new(conversation: Conversation, since: Timestamp) -> Self {
        Self {
            conversation,
            lines: VecDeque::new(),
            next: 0,
            gaps: Vec::new(),
            read: since,
            left_at: None,
            unread: 0,
            highlights: 0,
            new_from: None,
            marker: ServerMarker::default(),
            latest: None,
        }
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// Where that line stands among the others, unless it is gone.
    pub fn index_of(&self, id: LineId) -> Option<usize> {
        self.lines.iter().position(|line| line.id == id)
    }

    /// Where messages are missing, oldest first.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Messages that nobody has looked at.
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// Those of them that call us, or are for us alone.
    pub fn highlights(&self) -> usize {
        self.highlights
    }

    /// What was said from this line on is new since the person left.
    pub fn new_from(&self) -> Option<LineId> {
        self.new_from
    }

    /// All up to then is read.
    pub fn read(&self) -> Timestamp {
        self.read
    }

    /// When the last message was said.
    pub fn last_said(&self) -> Option<Timestamp> {
        let said = |line: &Line| matches!(line.body, Body::Said { .. }).then_some(line.at);
        self.lines.iter().rev().find_map(said)
    }

    /// Whoever spoke last, first; nobody twice.
    pub fn speakers(&self) -> Vec<&str> {
        let mut speakers: Vec<&str> = Vec::new();
        for line in self.lines.iter().rev().take(RECENT) {
            if let Some(nick) = line.speaker().filter(|nick| !speakers.contains(nick)) {
                speakers.push(nick);
            }
        }
        speakers
    }

    /// The last message of our own that has a name.
    pub fn last_own(&self) -> Option<LineId> {
        let own = |line: &&Line| {
            matches!(line.body, Body::Said { own: true, .. }) && line.msgid.is_some()
        };
        self.lines.iter().rev().find(own).map(|line| line.id)
    }

    /// Adds a line at the end.
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

    /// Whether that message is among the last ones already.
    pub fn has_recent(&self, msgid: &str) -> bool {
        self.lines
            .iter()
            .rev()
            .take(MAX_OVERTAKEN)
            .any(|line| line.msgid.as_deref() == Some(msgid))
    }

    /// Adds to the last line, if that tells of comings and goings and has room.
    pub fn fold(&mut self, at: Timestamp, one: MembershipChange) -> Result<(), MembershipChange> {
        match self.lines.back_mut() {
            Some(Line {
                at: last,
                body: Body::Membership(moves),
                ..
            }) if moves.len() < MAX_FOLDED => {
                moves.retain(|earlier| earlier.nick != one.nick);
                moves.push(one);
                *last = at;
                Ok(())
            }
            _ => Err(one),
        }
    }

    /// Shows a message as taken back, if it is here.
    pub fn redact(&mut self, msgid: &str, by: &str, reason: Option<&str>) -> bool {
        let Some(line) = self
            .lines
            .iter_mut()
            .rev()
            .find(|line| line.msgid.as_deref() == Some(msgid))
        else {
            return false;
        };
        if let Body::Said { nick, .. } = &mut line.body {
            let nick = std::mem::take(nick);
            line.body = Body::Redacted {
                nick,
                by: by.into(),
                reason: reason.map(Into::into),
            };
            self.recount();
        }
        true
    }

    /// Forgets the oldest line.
    pub fn drop_oldest(&mut self) {
        match self.lines.front().map(|line| &line.body) {
            Some(Body::Gap | Body::Beginning) => {
                if let Some(gone) = self.lines.remove(1) {
                    self.gaps.retain(|gap| gap.line != gone.id);
                    self.reopen();
                }
            }
            _ => {
                self.lines.pop_front();
            }
        }
    }

    /// What was dropped can be asked for again.
    fn reopen(&mut self) {
        let before = self.lines.iter().find_map(point);
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

    /// Messages may be missing from here on, up to what comes next.
    pub fn open_gap(&mut self, at: Timestamp, state: GapState) {
        let last = self.gaps.last().and_then(|gap| self.index_of(gap.line));
        let unbroken =
            last.is_some_and(|index| self.lines.range(index..).all(|line| line.msgid.is_none()));
        if unbroken && let Some(gap) = self.gaps.last_mut() {
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

    /// Changes what is done about a gap.
    pub fn set_gap_state(&mut self, line: LineId, state: GapState) {
        if let Some(gap) = self.gaps.iter_mut().find(|gap| gap.line == line) {
            gap.state = state;
        }
    }

    /// Nothing is asked for any more, nor wanted.
    pub fn reset_gaps(&mut self) {
        for gap in &mut self.gaps {
            gap.state = GapState::Idle;
        }
    }

    /// Puts a page in its place: after the line of the gap. `before` is what the gap said when the
    /// page was asked for. Gives the number of lines that are new.
    pub fn fill(&mut self, line: LineId, before: Option<&str>, page: Page) -> usize {
        let Some(which) = self.gaps.iter().position(|gap| gap.line == line) else {
            return 0;
        };
        let Some(index) = self.index_of(line) else {
            return 0;
        };
        if self.gaps[which].before.as_deref() != before {
            // What follows the gap was dropped meanwhile: the page is not its neighbour any more.
            self.gaps[which].state = GapState::Idle;
            return 0;
        }
        let known: HashMap<&str, usize> = self
            .lines
            .iter()
            .enumerate()
            .filter_map(|(at, line)| Some((line.msgid.as_deref()?, at)))
            .collect();
        let position = |line: &HistoryLine| known.get(line.msgid.as_deref()?).copied();
        // From the last message that stands before the gap on, nothing is missing any more.
        let overlap = page
            .lines
            .iter()
            .rposition(|line| position(line).is_some_and(|at| at < index));
        let end = page.oldest.is_none() || page.oldest.as_deref() == before;
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
        let added = new.len();
        let after = self.lines.split_off(index + 1);
        for HistoryLine { at, msgid, body } in new {
            self.push(at, msgid, body);
        }
        self.lines.extend(after);
        if index > 0 && added > 0 && self.unread == 0 {
            self.left_at = self
                .lines
                .range(..index)
                .rev()
                .find(|line| line.msgid.is_some())
                .map(|line| line.at);
        }
        if !end && overlap.is_none() {
            (self.gaps[which].before, self.gaps[which].state) = (page.oldest, GapState::Idle);
        } else {
            self.gaps.remove(which);
            if index == 0 {
                self.lines[0].body = Body::Beginning;
            } else {
                self.lines.remove(index);
            }
        }
        self.recount();
        added
    }

    /// All that was said is read.
    pub fn mark_read(&mut self) {
        (self.unread, self.highlights) = (0, 0);
        if let Some(last) = self.last_said().filter(|last| *last > self.read) {
            self.read = last;
            self.marker.unsent = true;
        }
    }

    /// Up to when all is read, if the server is to be told.
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
        if until >= Some(self.read) {
            return None;
        }
        self.marker.until = Some(self.read);
        self.marker.until
    }

    /// All up to `until` is read, the server says: on whatever device that was.
    pub fn mark(&mut self, until: Option<Timestamp>) {
        let first = !std::mem::replace(&mut self.marker.known, true);
        self.marker.until = self.marker.until.max(until);
        match (until, &self.conversation) {
            // What was assumed is known now.
            (Some(until), _) if first => (self.read, self.left_at) = (until, Some(until)),
            (Some(until), _) => self.read = self.read.max(until),
            (None, Conversation::Person(_)) if first => self.read = Timestamp::MIN,
            (None, _) => {}
        }
        self.recount();
    }

    /// What comes from now on is new to whoever returns.
    pub fn leave(&mut self) {
        if self.unread == 0 {
            (self.left_at, self.new_from) = (None, None);
        }
    }

    /// Takes note of a line that has come while nobody looked.
    pub fn count_unread(&mut self, id: LineId, at: Timestamp, highlight: bool) {
        if at <= self.read {
            return;
        }
        if self.unread == 0 {
            (self.left_at, self.new_from) = (Some(self.read), Some(id));
        }
        self.unread += 1;
        self.highlights += usize::from(highlight);
    }

    /// Counts anew what is unread, and finds where what is new begins.
    fn recount(&mut self) {
        (self.unread, self.highlights, self.new_from) = (0, 0, None);
        let floor = self.left_at.map_or(self.read, |left| left.min(self.read));
        for line in self.lines.iter().rev() {
            let Body::Said { own, highlight, .. } = line.body else {
                continue;
            };
            if line.at <= floor {
                break;
            }
            if own {
                continue;
            }
            if line.at > self.read {
                self.unread += 1;
                self.highlights += usize::from(highlight);
            }
            if self.left_at.is_some_and(|left| line.at > left) {
                self.new_from = Some(line.id);
            }
        }
    }

    fn new_id(&mut self) -> LineId {
        self.next += 1;
        LineId(self.next)
    }
}

/// A message, as a question about what was said before it names it.
pub fn point(line: &Line) -> Option<Box<str>> {
    line.msgid
        .as_ref()
        .map(|msgid| format!("msgid={msgid}").into())
}

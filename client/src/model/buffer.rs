//! What was said in one place, line by line.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::{Body, Line, LineId, Move, Place};

/// Comings and goings that one line tells of.
const MAX_FOLDED: usize = 200;
/// Lines in which speakers are looked for.
const RECENT: usize = 300;

/// One place's lines.
#[derive(Debug)]
pub struct Buffer {
    /// Where.
    pub place: Place,
    lines: VecDeque<Line>,
    next: LineId,
    /// Messages that nobody has looked at.
    pub unread: usize,
    /// Those of them that call us, or are for us alone.
    pub calls: usize,
    /// This line and those after it came while nobody looked.
    pub new_from: Option<LineId>,
}

impl Buffer {
    /// Nothing was said yet.
    pub fn new(place: Place) -> Self {
        Self { place, lines: VecDeque::new(), next: LineId(0), unread: 0, calls: 0, new_from: None }
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// Where that line stands among the others, unless it is gone.
    pub fn index_of(&self, id: LineId) -> Option<usize> {
        self.lines.iter().position(|line| line.id == id)
    }

    /// Whoever spoke last, first; nobody twice.
    pub fn speakers(&self) -> Vec<&str> {
        let mut speakers: Vec<&str> = Vec::new();
        for line in self.lines.iter().rev().take(RECENT) {
            if let Body::Said { nick, .. } = &line.body
                && !speakers.contains(&&**nick)
            {
                speakers.push(nick);
            }
        }
        speakers
    }

    /// Adds a line at the end.
    pub fn push(&mut self, at: Timestamp, body: Body) -> LineId {
        let id = self.next;
        self.next = LineId(id.0 + 1);
        self.lines.push_back(Line { id, at, body });
        id
    }

    /// Adds to the last line, if that tells of comings and goings and has room.
    pub fn fold(&mut self, at: Timestamp, one: Move) -> Result<(), Move> {
        match self.lines.back_mut() {
            Some(Line { at: last, body: Body::Moves(moves), .. }) if moves.len() < MAX_FOLDED => {
                moves.retain(|earlier| earlier.nick != one.nick);
                moves.push(one);
                *last = at;
                Ok(())
            }
            _ => Err(one),
        }
    }

    /// Forgets the oldest line.
    pub fn drop_first(&mut self) {
        self.lines.pop_front();
    }
}

//! What was said in each place (the server, a channel, with one person), and how much of it is unread. Bounded: the
//! oldest lines of the longest buffer go first.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use rookery_protocol::{ChannelName, Nick};

use crate::model::{Change, Manner, Model, What};

/// Lines kept in one buffer.
const MAX_LINES: usize = 20_000;
/// Lines kept in all of them.
const MAX_LINES_TOGETHER: usize = 100_000;
/// Buffers for direct messages; strangers can open them, so they are bounded as well.
const MAX_BUFFERS: usize = 500;
/// Comings and goings that one line tells of.
const MAX_FOLDED: usize = 200;

/// Where something was said. In the order in which places are listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// By the server, to us alone.
    Server,
    /// In a channel.
    Channel(ChannelName),
    /// Between one person and us.
    Person(Nick),
}

impl Place {
    /// From the name of a channel or a nick.
    pub fn named(name: &str) -> Option<Self> {
        if name.starts_with('#') { channel_place(name) } else { Nick::parse(name).ok().map(Self::Person) }
    }

    /// As it is listed.
    pub fn name(&self) -> &str {
        match self {
            Self::Server => "server",
            Self::Channel(channel) => channel.as_str(),
            Self::Person(nick) => nick.as_str(),
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// What.
    pub body: Body,
}

/// What a line holds. Names and texts are as the server sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Someone said something; `called` when it calls us.
    Said { nick: Box<str>, manner: Manner, text: Box<str>, called: bool },
    /// People came and went.
    Moves(Vec<Move>),
    /// Something else happened, in words.
    Info(Box<str>),
    /// Something was not done, in words.
    Refused(Box<str>),
}

/// Someone's coming or going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Who.
    pub nick: Box<str>,
    /// Came, or went.
    pub came: bool,
    /// Why.
    pub reason: Option<Box<str>>,
}

/// The lowest row that is shown, when that is not the last one there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scroll {
    /// The number of its line.
    pub line: u64,
    /// How many rows of that line are shown.
    pub rows: usize,
}

/// One place's lines.
#[derive(Debug)]
pub struct Buffer {
    /// Where.
    pub place: Place,
    lines: VecDeque<Line>,
    /// The number of the first line that is still kept; numbers stay when old lines go.
    first: u64,
    /// Messages that nobody has looked at.
    pub unread: usize,
    /// Those of them that call us, or are for us alone.
    pub calls: usize,
    /// Lines from this number on came while nobody looked.
    pub new_from: Option<u64>,
    /// Where someone has scrolled to.
    pub scroll: Option<Scroll>,
}

/// Something that calls for attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where.
    pub place: Place,
    /// Who calls.
    pub nick: String,
    /// What was said.
    pub text: String,
    /// It is not in view: the place is another one.
    pub elsewhere: bool,
}

/// All places.
#[derive(Debug)]
pub struct Buffers {
    list: Vec<Buffer>,
    current: usize,
    /// Somebody looks at the current one, as far as we know.
    watched: bool,
    together: usize,
    /// Places that count nothing and ring no bell.
    muted: BTreeSet<Place>,
}

impl Buffer {
    fn new(place: Place) -> Self {
        Self { place, lines: VecDeque::new(), first: 0, unread: 0, calls: 0, new_from: None, scroll: None }
    }

    /// The numbers of the lines.
    pub fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.end()
    }

    /// The line of that number.
    pub fn line(&self, number: u64) -> Option<&Line> {
        self.lines.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Whoever spoke last, first; nobody twice.
    pub fn speakers(&self) -> Vec<&str> {
        let mut speakers: Vec<&str> = Vec::new();
        for line in self.lines.iter().rev().take(300) {
            if let Body::Said { nick, .. } = &line.body
                && !speakers.contains(&&**nick)
            {
                speakers.push(nick);
            }
        }
        speakers
    }

    fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    fn drop_first(&mut self) {
        if self.lines.pop_front().is_some() {
            self.first += 1;
        }
        // Whoever looked at what is gone sees what is oldest now.
        if self.scroll.is_some_and(|scroll| scroll.line < self.first) {
            self.scroll = Some(Scroll { line: self.first, rows: 1 });
        }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            list: vec![Buffer::new(Place::Server)],
            current: 0,
            watched: true,
            together: 0,
            muted: BTreeSet::new(),
        }
    }
}

impl Buffers {
    /// In the order in which they are listed.
    pub fn list(&self) -> &[Buffer] {
        &self.list
    }

    /// The one that is shown.
    pub fn current(&self) -> &Buffer {
        &self.list[self.current]
    }

    /// The same, to change it.
    pub fn current_mut(&mut self) -> &mut Buffer {
        &mut self.list[self.current]
    }

    /// Its place in the list.
    pub fn index(&self) -> usize {
        self.current
    }

    /// Shows the one at `index`, if there is one.
    pub fn show(&mut self, index: usize) {
        if index < self.list.len() && index != self.current {
            self.leave();
            self.current = index;
            if self.watched {
                self.look();
            }
        }
    }

    /// Shows the next one, or the one before.
    pub fn step(&mut self, forward: bool) {
        let count = self.list.len();
        self.show(if forward { self.current + 1 } else { self.current + count - 1 } % count);
    }

    /// Shows one with unread messages, those that call us first.
    pub fn show_unread(&mut self) {
        let unread = |buffer: &Buffer| (buffer.calls > 0, buffer.unread > 0);
        let found = (0..self.list.len()).rev().max_by_key(|&index| unread(&self.list[index]));
        if let Some(index) = found.filter(|&index| self.list[index].unread > 0) {
            self.show(index);
        }
    }

    /// Shows a place, which is opened if need be.
    pub fn open(&mut self, place: Place) {
        let index = self.at(place);
        self.show(index);
    }

    /// Whether someone looks at the terminal.
    pub fn watch(&mut self, watched: bool) {
        if watched && !self.watched {
            self.look();
        } else if !watched && self.watched {
            self.leave();
        }
        self.watched = watched;
    }

    /// Whether a place counts nothing and rings no bell.
    pub fn is_muted(&self, place: &Place) -> bool {
        self.muted.contains(place)
    }

    /// Mutes a place.
    pub fn mute(&mut self, place: Place) {
        self.muted.insert(place);
    }

    /// Ends that.
    pub fn unmute(&mut self, place: &Place) {
        self.muted.remove(place);
    }

    /// All that are muted.
    pub fn muted(&self) -> impl Iterator<Item = &Place> {
        self.muted.iter()
    }

    /// Puts the place away.
    pub fn close(&mut self, place: &Place) {
        let Some(index) = self.list.iter().position(|buffer| buffer.place == *place) else { return };
        if *place == Place::Server {
            return;
        }
        let buffer = self.list.remove(index);
        self.together -= buffer.lines.len();
        if self.current == index {
            self.current = index.min(self.list.len() - 1);
            if self.watched {
                self.look();
            }
        } else if self.current > index {
            self.current -= 1;
        }
    }

    /// Writes something of our own where it is seen.
    pub fn tell(&mut self, at: Timestamp, words: &str) {
        self.push(self.current, Line { at, body: Body::Info(words.into()) });
    }

    /// The same for what was not done.
    pub fn refuse(&mut self, at: Timestamp, words: &str) {
        self.push(self.current, Line { at, body: Body::Refused(words.into()) });
    }

    /// Writes a change where it belongs. `model` has taken it already.
    pub fn take(&mut self, change: &Change, model: &Model) -> Option<Call> {
        let at = change.at;
        let who = |nick: &str| if model.is_me(nick) { "you".to_owned() } else { nick.to_owned() };
        let because =
            |reason: &Option<String>| reason.as_ref().map_or(String::new(), |why| format!(" ({why})"));
        let info = |words: String| Line { at, body: Body::Info(words.into()) };
        match &change.what {
            What::Said { channel, nick, manner, text } => {
                let mine = model.is_me(nick);
                let called = !mine && *manner != Manner::Notice && model.is_called(text);
                return self.say(channel_place(channel)?, at, nick, *manner, text, called, mine);
            }
            What::Heard { from, manner, text } => {
                let place = Nick::parse(from).map_or(Place::Server, Place::Person);
                return self.say(place, at, from, *manner, text, *manner != Manner::Notice, false);
            }
            What::Whispered { to, manner, text } => {
                let place = Nick::parse(to).map_or(Place::Server, Place::Person);
                return self.say(place, at, model.nick(), *manner, text, false, true);
            }
            What::Notice { from, text } => {
                // An announcement is for everyone, wherever they look.
                let line = Line {
                    at,
                    body: Body::Said {
                        nick: from.as_str().into(),
                        manner: Manner::Notice,
                        text: text.as_str().into(),
                        called: true,
                    },
                };
                if self.current != 0 {
                    self.push(0, line.clone());
                }
                self.push(self.current, line);
            }
            What::Joined { channel, nick } if model.is_me(nick) => {
                let place = channel_place(channel)?;
                let wanted = model.current().is_some_and(|current| Place::Channel(current.clone()) == place);
                // After a reconnection the person stays where they were.
                let is_new = !self.list.iter().any(|buffer| buffer.place == place);
                let index = self.at(place);
                self.push(index, info(format!("you joined {channel}")));
                if wanted && is_new {
                    self.show(index);
                }
            }
            What::Joined { channel, nick } => self.fold(&channel_place(channel)?, at, nick, true, None),
            What::Parted { channel, nick, .. } if model.is_me(nick) => {
                self.close(&channel_place(channel)?);
            }
            What::Parted { channel, nick, reason } => {
                self.fold(&channel_place(channel)?, at, nick, false, reason.as_deref());
            }
            What::Left { nick, reason, channels } => {
                for channel in channels {
                    self.fold(&Place::Channel(channel.clone()), at, nick, false, reason.as_deref());
                }
                if let Ok(nick) = Nick::parse(nick) {
                    self.fold(&Place::Person(nick.clone()), at, nick.as_str(), false, reason.as_deref());
                }
            }
            What::Removed { channel, nick, by, reason } => {
                let words = format!("{} removed {} from {channel}{}", who(by), who(nick), because(reason));
                let index = self.at(channel_place(channel)?);
                let body =
                    if model.is_me(nick) { Body::Refused(words.into()) } else { Body::Info(words.into()) };
                self.push(index, Line { at, body });
            }
            What::Renamed { old, new, channels } => {
                let words = if model.is_me(new) {
                    format!("you are now {new} (were {old})")
                } else {
                    format!("{old} is now {new}")
                };
                for channel in channels {
                    self.push_if_open(&Place::Channel(channel.clone()), info(words.clone()));
                }
                self.follow_nick(old, new, info(words));
            }
            What::Topic { channel, by: None, text } => {
                self.push_if_open(&channel_place(channel)?, info(format!("the topic is: {text}")));
            }
            What::Topic { channel, by: Some(nick), text } => {
                let words = if text.is_empty() {
                    format!("{} took away the topic", who(nick))
                } else {
                    format!("{} set the topic: {text}", who(nick))
                };
                self.push_if_open(&channel_place(channel)?, info(words));
            }
            What::Mode { channel, by, modes } => {
                let words = format!("{} set mode {modes}", who(by));
                match channel_place(channel) {
                    Some(place) => self.push_if_open(&place, info(words)),
                    None => self.push(0, info(words)),
                }
            }
            What::Invited { channel, by, nick } if model.is_me(nick) => {
                self.push(self.current, info(format!("{by} invites you to {channel}: /join {channel}")));
            }
            What::Invited { channel, by, nick } => {
                self.push(self.current, info(format!("{} invited {nick} to {channel}", who(by))));
            }
            // Who is there is shown beside the conversation; the command /names has its own answer.
            What::Members { .. } => {}
            What::Info(words) => self.tell(at, words),
            What::Refused(words) => self.refuse(at, words),
        }
        None
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one line")]
    fn say(
        &mut self,
        place: Place,
        at: Timestamp,
        nick: &str,
        manner: Manner,
        text: &str,
        called: bool,
        mine: bool,
    ) -> Option<Call> {
        let index = self.at(place.clone());
        let body = Body::Said { nick: nick.into(), manner, text: text.into(), called };
        self.push(index, Line { at, body });
        let in_view = index == self.current;
        if mine {
            return None;
        }
        if self.is_muted(&place) {
            return None;
        }
        let buffer = &mut self.list[index];
        if !(in_view && self.watched) {
            buffer.unread += 1;
            buffer.calls += usize::from(called);
        }
        called.then(|| Call { place, nick: nick.to_owned(), text: text.to_owned(), elsewhere: !in_view })
    }

    /// Adds to the line of comings and goings, or begins one.
    fn fold(&mut self, place: &Place, at: Timestamp, nick: &str, came: bool, reason: Option<&str>) {
        let Some(index) = self.list.iter().position(|buffer| buffer.place == *place) else { return };
        let moved = Move { nick: nick.into(), came, reason: reason.map(Into::into) };
        let unseen = !(index == self.current && self.watched);
        let buffer = &mut self.list[index];
        // What came while nobody looked is not added to what was seen.
        let begins_new = unseen && buffer.new_from.is_none();
        if let Some(Line { body: Body::Moves(moves), at: last }) = buffer.lines.back_mut()
            && !begins_new
            && moves.len() < MAX_FOLDED
        {
            moves.retain(|earlier| earlier.nick != moved.nick);
            moves.push(moved);
            *last = at;
            return;
        }
        self.push(index, Line { at, body: Body::Moves(vec![moved]) });
    }

    fn push_if_open(&mut self, place: &Place, line: Line) {
        if let Some(index) = self.list.iter().position(|buffer| buffer.place == *place) {
            self.push(index, line);
        }
    }

    fn push(&mut self, index: usize, line: Line) {
        let unseen = !(index == self.current && self.watched);
        let buffer = &mut self.list[index];
        if unseen && buffer.new_from.is_none() {
            buffer.new_from = Some(buffer.end());
        }
        buffer.lines.push_back(line);
        self.together += 1;
        if buffer.lines.len() > MAX_LINES {
            buffer.drop_first();
            self.together -= 1;
        }
        if self.together > MAX_LINES_TOGETHER
            && let Some(longest) = self.list.iter_mut().max_by_key(|buffer| buffer.lines.len())
        {
            longest.drop_first();
            self.together -= 1;
        }
    }

    /// The index of a place, which is opened if need be.
    fn at(&mut self, place: Place) -> usize {
        let found = self.list.binary_search_by(|buffer| buffer.place.cmp(&place));
        found.unwrap_or_else(|mut index| {
            if self.list.len() >= MAX_BUFFERS
                && let Some(oldest) = self.least_wanted()
            {
                self.close(&oldest);
                index = self.list.partition_point(|buffer| buffer.place < place);
            }
            self.list.insert(index, Buffer::new(place));
            if index <= self.current {
                self.current += 1;
            }
            index
        })
    }

    /// The conversation with one person that has been silent longest, unless someone looks at it.
    fn least_wanted(&self) -> Option<Place> {
        let people = self
            .list
            .iter()
            .enumerate()
            .filter(|(index, buffer)| *index != self.current && matches!(buffer.place, Place::Person(_)));
        let (_, oldest) = people.min_by_key(|(_, buffer)| buffer.lines.back().map(|line| line.at))?;
        Some(oldest.place.clone())
    }

    /// A conversation with one person goes on under their new name.
    fn follow_nick(&mut self, old: &str, new: &str, line: Line) {
        let (Ok(old), Ok(new)) = (Nick::parse(old), Nick::parse(new)) else { return };
        let (old, new) = (Place::Person(old), Place::Person(new));
        let Some(from) = self.list.iter().position(|buffer| buffer.place == old) else { return };
        if old == new || self.list.iter().any(|buffer| buffer.place == new) {
            self.push(from, line);
            return;
        }
        let was_current = self.current == from;
        let mut buffer = self.list.remove(from);
        if self.current > from {
            self.current -= 1;
        }
        buffer.place = new.clone();
        let to = self.list.partition_point(|buffer| buffer.place < new);
        self.list.insert(to, buffer);
        if was_current {
            self.current = to;
        } else if self.current >= to {
            self.current += 1;
        }
        self.push(to, line);
    }

    /// What is in view is read from now on.
    fn look(&mut self) {
        let buffer = &mut self.list[self.current];
        (buffer.unread, buffer.calls) = (0, 0);
    }

    /// What comes from now on is new to whoever returns.
    fn leave(&mut self) {
        self.list[self.current].new_from = None;
    }
}

fn channel_place(name: &str) -> Option<Place> {
    ChannelName::parse(name).ok().map(Place::Channel)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

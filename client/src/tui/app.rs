//! The chat as it stands on the screen: keys and messages go in, effects come out. No terminal, no connection.

mod attention;
mod obey;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::Rect;
use rookery_protocol::Message;
use tokio::time::Instant;

use super::areas::Areas;
use super::chosen::{Aim, Chosen};
use super::completion::{Completion, Words};
use super::conversation::{Scroll, Setting};
use super::editor::Editor;
use super::links::LinkList;
use super::password::{Heard, PasswordChange};
use super::search::Search;
use super::theme::Theme;
use crate::commands;
use crate::model::{Buffers, Call, Model, Place};
use crate::receipts::{Outcome, Receipts, Sent};
use crate::state::Habits;
use crate::urls::Url;

/// Lines that may wait to be sent.
const MAX_QUEUED: usize = 1000;

/// What is said to whoever is here for the first time.
const FIRST_STEPS: &str = "type and press Enter: everyone reads it\n\
                           a line that ends in /bob goes to bob alone\n\
                           Ctrl-K goes to a channel or a person\n\
                           F1: all keys and commands; /quit leaves";

/// What is to be done outside.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send it.
    Send(Message),
    /// Call the person, who looks elsewhere: who, and what they said.
    Notify(String, String),
    /// Keep for the next time how the person has arranged things.
    Keep(Habits),
    /// Open a link.
    Open(Url),
    /// Put it where a paste takes it from.
    Copy(String),
    /// Leave.
    Quit(Option<String>),
}

/// How the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// On its way.
    Connecting,
    /// Good.
    Online,
    /// Lost, and tried again then.
    Lost { again_at: Instant },
}

/// What lies over the conversation.
#[derive(Debug)]
pub enum Overlay {
    /// All keys and commands, from this row on.
    Help(usize),
    /// The quick switcher: what is typed, and which of the places found is chosen.
    Switcher(Editor, usize),
    /// Whether to take a paste of several lines.
    Paste(String),
    /// A password that is being set.
    Password(PasswordChange),
    /// A search, whose state stands in the status line.
    Search(Search),
    /// The links of a place.
    Links(LinkList),
    /// A message that is chosen; the status line says what can be done with it.
    Chosen(Chosen),
    /// Which formatting begins or ends here: the next key says. The status line lists them.
    Format,
}

/// The chat.
#[derive(Debug)]
pub struct App {
    /// The server's name, for the status line.
    pub server: String,
    /// What the client knows.
    pub model: Model,
    /// What was said.
    pub buffers: Buffers,
    /// Where someone has scrolled to.
    scrolls: BTreeMap<Place, Scroll>,
    /// What is being typed.
    pub editor: Editor,
    /// What lies over the conversation.
    pub overlay: Option<Overlay>,
    /// How the connection is.
    pub connection: Connection,
    /// How long the server took to answer, the last time it was asked.
    pub lag: Option<Duration>,
    /// A word about the last key, gone with the next.
    pub hint: Option<String>,
    /// Whether the members are shown; by the width, until someone says.
    pub members: Option<bool>,
    /// Colours.
    pub theme: Theme,
    /// For times.
    pub zone: TimeZone,
    /// Of the whole screen.
    pub size: Rect,
    /// The time, as whoever runs this has told last.
    pub now: Timestamp,
    /// How things are arranged, as far as it is kept.
    kept: Habits,
    receipts: Receipts,
    /// What waits until earlier messages have their receipts.
    queue: VecDeque<(Message, Sent)>,
    pub(super) completion: Option<Completion>,
    /// The message that what is typed is about.
    pub(super) aim: Option<Aim>,
    /// Who called last, and where.
    caller: Option<(Place, String)>,
    /// Whether the terminal has the focus; unknown until it tells.
    focused: Option<bool>,
    /// Someone is here for the first time, and told the first things to know.
    pub newcomer: bool,
    /// Why there is no connection, as was told.
    lost_because: Option<String>,
    /// When the person did something last.
    pub(super) used_at: Timestamp,
    /// When the server was told last what is read.
    marked_at: Timestamp,
    pub(super) effects: Vec<Effect>,
}

impl App {
    /// A chat that has not begun.
    pub fn new(server: String, theme: Theme, zone: TimeZone, now: Timestamp) -> Self {
        Self {
            server,
            model: Model::default(),
            buffers: Buffers::default(),
            scrolls: BTreeMap::new(),
            editor: Editor::default(),
            overlay: None,
            connection: Connection::Connecting,
            lag: None,
            hint: None,
            members: None,
            theme,
            zone,
            size: Rect::new(0, 0, 80, 24),
            now,
            kept: Habits::default(),
            receipts: Receipts::default(),
            queue: VecDeque::new(),
            completion: None,
            aim: None,
            caller: None,
            focused: None,
            newcomer: false,
            lost_because: None,
            used_at: now,
            marked_at: now,
            effects: Vec::new(),
        }
    }

    /// Arranges things as they were left an earlier time.
    pub fn settle_in(&mut self, habits: &Habits) {
        self.model.be_in(&habits.channels);
        for nick in &habits.ignored {
            self.buffers.ignore(nick.clone());
        }
        habits.muted.iter().filter_map(|name| Place::named(name)).for_each(|place| self.buffers.mute(place));
        self.kept = self.habits();
    }

    fn habits(&self) -> Habits {
        Habits {
            channels: self.model.home(),
            ignored: self.buffers.ignored().cloned().collect(),
            muted: self.buffers.muted().map(|place| place.name().to_owned()).collect(),
        }
    }

    /// Keeps how things are arranged, if that has changed.
    fn keep(&mut self) {
        let habits = self.habits();
        if habits != self.kept {
            self.kept = habits.clone();
            self.effects.push(Effect::Keep(habits));
        }
    }

    /// What is to be done outside, once.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Takes a message.
    pub fn hear(&mut self, message: &Message) {
        if let Some(Overlay::Password(change)) = &mut self.overlay {
            match change.hear(message) {
                Heard::NotOurs => {}
                Heard::Taken => return,
                Heard::Done(words) => {
                    self.overlay = None;
                    return self.tell(&words);
                }
            }
        }
        let outcome = self.receipts.take(message);
        match &outcome {
            Some(Outcome::Refused(Sent::Said { target, text }, words)) if message.command == "BATCH" => {
                self.buffers.refuse(self.now, &format!("not confirmed ({words}), to {target}: {text}"));
            }
            Some(Outcome::Refused(Sent::Question, words)) => self.buffers.unanswered(words),
            _ => {
                for change in self.model.take(message, self.now) {
                    if let Some(call) = self.buffers.take(&change, &self.model) {
                        self.called(call);
                    }
                }
            }
        }
        if let Some(Outcome::Done(Sent::Question)) = outcome {
            self.buffers.answered();
        }
        // Only these change in which channels one is at home.
        let is_refusal = message.command.starts_with('4');
        if is_refusal || matches!(message.command.as_str(), "JOIN" | "PART" | "KICK") {
            self.keep();
        }
        self.flush();
    }

    fn called(&mut self, call: Call) {
        let unseen = match self.focused {
            Some(focused) => !focused,
            // The terminal does not tell: whoever looks at the place needs no bell.
            None => call.elsewhere || !self.is_present(),
        };
        if unseen {
            self.effects.push(Effect::Notify(call.nick.clone(), call.text));
        }
        self.caller = Some((call.place, call.nick));
    }

    /// Says something of our own.
    pub fn tell(&mut self, words: &str) {
        for line in words.lines() {
            self.buffers.tell(self.now, line.trim());
        }
    }

    pub(super) fn refuse(&mut self, words: &str) {
        self.buffers.refuse(self.now, words);
    }

    /// The server has told a newcomer all it had to.
    pub fn settled(&mut self) {
        self.connection = Connection::Online;
        self.hint = None;
        if self.lost_because.take().is_some() {
            self.tell("connected again");
        }
        if std::mem::take(&mut self.newcomer) {
            self.tell(FIRST_STEPS);
        }
        for (channel, key) in self.model.missing() {
            self.join(&channel, key.as_deref());
        }
        self.buffers.catch_up(&self.model);
        self.flush();
    }

    /// The connection is gone, and tried again after a pause.
    pub fn lost(&mut self, why: &str, pause: Duration) {
        self.connection = Connection::Lost { again_at: Instant::now() + pause };
        self.lag = None;
        let lost: Vec<Sent> =
            self.receipts.give_up().into_iter().chain(self.queue.drain(..).map(|(_, sent)| sent)).collect();
        self.report_lost(lost);
        // The status line tells when it is tried again; the same reason is not told each time.
        if self.lost_because.as_deref() != Some(why) {
            self.refuse(&format!("{why}; trying again"));
            self.lost_because = Some(why.to_owned());
        }
        self.buffers.disconnect(self.now, &self.model);
        self.model.disconnect();
    }

    /// When [`Self::give_up_late`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.receipts.deadline()
    }

    /// Tells of what has had no receipt for too long.
    pub fn give_up_late(&mut self, now: Instant) {
        let late = self.receipts.give_up_late(now);
        self.report_lost(late);
        self.flush();
    }

    fn report_lost(&mut self, lost: Vec<Sent>) {
        for sent in lost {
            match sent {
                Sent::Said { target, text } => {
                    self.refuse(&format!("not confirmed, perhaps not sent, to {target}: {text}"));
                }
                Sent::Question => self.buffers.unanswered("the server does not answer"),
                Sent::Command => {}
            }
        }
    }

    /// Takes a paste: several lines only after a question.
    pub fn paste(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = text.trim_end_matches('\n');
        match &mut self.overlay {
            Some(Overlay::Switcher(query, _)) => query.insert(text.lines().next().unwrap_or_default()),
            Some(Overlay::Password(change)) => change.paste(text),
            Some(_) => {}
            None if !self.editor.has_room(text) => {
                self.hint = Some("that is too long to be pasted here".to_owned());
            }
            None if text.contains('\n') => self.overlay = Some(Overlay::Paste(text.to_owned())),
            None => self.editor.insert(text),
        }
    }

    /// Where everything stands.
    pub fn areas(&self) -> Areas {
        Areas::of(self.size, self.editor.text(), self.members)
    }

    /// How the conversation is laid out.
    pub fn setting(&self) -> Setting<'_> {
        Setting {
            width: usize::from(self.areas().talk.width),
            zone: &self.zone,
            theme: self.theme,
            marked: match &self.overlay {
                Some(Overlay::Search(search)) => search.shown(),
                Some(Overlay::Chosen(chosen)) => self.line_at(&chosen.aim).map(|line| line.id),
                _ => self.aimed().map(|line| line.id),
            },
        }
    }

    /// What Tab knows.
    pub fn words(&self) -> Words {
        let buffer = self.buffers.current();
        // Whoever spoke last is meant most often.
        let mut nicks: Vec<String> = Vec::new();
        let mut add = |nick: &str| {
            if !self.model.is_me(nick) && !nicks.iter().any(|other| other == nick) {
                nicks.push(nick.to_owned());
            }
        };
        buffer.speakers().into_iter().for_each(&mut add);
        match &buffer.place {
            Place::Channel(channel) => self.model.members(channel).for_each(|(nick, _)| add(nick.as_str())),
            Place::Person(nick) => add(nick.as_str()),
            Place::Server => {}
        }
        let command = |(form, _): (&str, &str)| form.split(' ').next().map(str::to_owned);
        let mut commands: Vec<String> = commands::beginning("/").into_iter().filter_map(command).collect();
        commands.sort();
        commands.dedup();
        Words {
            nicks,
            channels: self.model.channels().map(|channel| channel.as_str().to_owned()).collect(),
            commands,
        }
    }

    fn queue(&mut self, message: Message, sent: Sent) {
        if self.queue.len() >= MAX_QUEUED {
            self.report_lost(vec![sent]);
            return;
        }
        self.queue.push_back((message, sent));
        self.flush();
    }

    fn flush(&mut self) {
        while self.receipts.has_room()
            && let Some((message, sent)) = self.queue.pop_front()
        {
            self.effects.push(Effect::Send(self.receipts.expect(message, sent)));
        }
        if self.connection == Connection::Online
            && let Some(question) = self.buffers.question(&self.model, self.now)
        {
            self.effects.push(Effect::Send(self.receipts.expect(question, Sent::Question)));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

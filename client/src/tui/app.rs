//! The chat as it stands on the screen: keys and messages go in, effects come out. No terminal, no connection.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ratatui::layout::Rect;
use rookery_protocol::{ChannelName, Message, Nick};
use tokio::time::Instant;

use super::areas::Areas;
use super::completion::{Completion, Words};
use super::conversation::{Scroll, Setting, gaps_near};
use super::editor::Editor;
use super::links::LinkList;
use super::search::{Next, Search};
use super::theme::Theme;
use crate::chat::messages;
use crate::commands::{self, Typed};
use crate::model::{Buffers, Call, Manner, Model, Place, Rank};
use crate::receipts::{Outcome, Receipts, Sent};
use crate::urls::Url;

/// Lines that may wait to be sent.
const MAX_QUEUED: usize = 1000;
/// What is read is told to the server no more often than that.
const MARK_EVERY: SignedDuration = SignedDuration::from_secs(2);
/// Whoever has done nothing for so long is not looking.
const IDLE: SignedDuration = SignedDuration::from_mins(5);

/// What is to be done outside.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send it.
    Send(Message),
    /// Call the person, who looks elsewhere: who, and what they said.
    Notify(String, String),
    /// Keep for the next time whom not to hear, and which places are muted.
    KeepQuiet(Vec<Nick>, Vec<String>),
    /// Open a link.
    Open(Url),
    /// Put it where a paste takes it from.
    Copy(Url),
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
    /// A search, whose state stands in the status line.
    Search(Search),
    /// The links of a place.
    Links(LinkList),
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
    receipts: Receipts,
    /// What waits until earlier messages have their receipts.
    queue: VecDeque<(Message, Sent)>,
    pub(super) completion: Option<Completion>,
    /// Who called last, and where.
    caller: Option<(Place, String)>,
    /// Whether the terminal has the focus; unknown until it tells.
    focused: Option<bool>,
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
            receipts: Receipts::default(),
            queue: VecDeque::new(),
            completion: None,
            caller: None,
            focused: None,
            used_at: now,
            marked_at: now,
            effects: Vec::new(),
        }
    }

    /// Whom not to hear, and what is muted, as kept from an earlier time.
    pub fn keep_quiet(&mut self, ignored: &[Nick], muted: &[String]) {
        for nick in ignored {
            self.buffers.ignore(nick.clone());
        }
        muted.iter().filter_map(|name| Place::named(name)).for_each(|place| self.buffers.mute(place));
    }

    /// What is to be done outside, once.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Takes a message.
    pub fn hear(&mut self, message: &Message) {
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

    fn refuse(&mut self, words: &str) {
        self.buffers.refuse(self.now, words);
    }

    /// The server has told a newcomer all it had to.
    pub fn settled(&mut self) {
        self.connection = Connection::Online;
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
        self.buffers.forget_questions();
        self.model.disconnect();
        self.refuse(&format!("{why}; trying again in {:.0} s", pause.as_secs_f32().ceil()));
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

    /// The terminal has, or has lost, the focus.
    pub fn focus(&mut self, focused: bool) {
        self.focused = Some(focused);
        self.used_at = self.now;
        self.look();
    }

    /// Before it is drawn, and as time passes: what is in view is read, and what is missing there is asked for.
    pub fn look(&mut self) {
        self.search_on();
        self.buffers.watch(self.is_present() && self.scrolled().is_none());
        let height = usize::from(self.areas().talk.height);
        let near = gaps_near(self.buffers.current(), self.scrolled(), height);
        for gap in near {
            self.buffers.want(gap, false);
        }
        if self.now.duration_since(self.marked_at).abs() >= MARK_EVERY {
            self.mark();
        }
        self.flush();
    }

    /// Goes on with a search, as far as it goes now.
    fn search_on(&mut self) {
        let Some(Overlay::Search(search)) = &mut self.overlay else { return };
        let buffer = self.buffers.current();
        if buffer.place != search.place {
            self.overlay = None;
            return;
        }
        let next = search.look(buffer);
        self.follow(next);
    }

    /// Does what a search wants.
    pub(super) fn follow(&mut self, next: Next) {
        match next {
            Next::Rest => {}
            Next::Load(gap) => self.buffers.want(gap, true),
            Next::Show(line) => {
                let height = usize::from(self.areas().talk.height);
                let buffer = self.buffers.current();
                let scroll = self.setting().around(buffer, line, height);
                self.scroll_to(scroll);
            }
        }
    }

    /// Tells the server what is read, for the other devices.
    fn mark(&mut self) {
        if self.connection == Connection::Online {
            let markers = self.buffers.markers();
            if !markers.is_empty() {
                self.marked_at = self.now;
            }
            self.effects.extend(markers.into_iter().map(Effect::Send));
        }
    }

    /// Whether someone looks at the screen, as far as can be told.
    fn is_present(&self) -> bool {
        self.focused != Some(false) && self.now.duration_since(self.used_at) < IDLE
    }

    /// Takes a paste: several lines only after a question.
    pub fn paste(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = text.trim_end_matches('\n');
        match &mut self.overlay {
            Some(Overlay::Switcher(query, _)) => query.insert(text.lines().next().unwrap_or_default()),
            Some(_) => {}
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
            marked: self.searched().and_then(Search::shown),
        }
    }

    /// The search that is under way.
    pub fn searched(&self) -> Option<&Search> {
        match &self.overlay {
            Some(Overlay::Search(search)) => Some(search),
            _ => None,
        }
    }

    /// Scrolls by so many rows.
    pub fn scroll(&mut self, up: bool, rows: usize) {
        let height = usize::from(self.areas().talk.height);
        let (buffer, setting) = (self.buffers.current(), self.setting());
        let scroll = if up {
            setting.up(buffer, self.scrolled(), height, rows)
        } else {
            setting.down(buffer, self.scrolled(), rows)
        };
        // Whoever goes on looks for what could not be loaded.
        let near = if up { gaps_near(buffer, scroll, height) } else { Vec::new() };
        for gap in near {
            self.buffers.want(gap, true);
        }
        self.scroll_to(scroll);
    }

    fn scroll_to(&mut self, scroll: Option<Scroll>) {
        let place = self.buffers.current().place.clone();
        match scroll {
            Some(scroll) => self.scrolls.insert(place, scroll),
            None => self.scrolls.remove(&place),
        };
    }

    /// Where one has scrolled to in the current place; none at the end.
    pub fn scrolled(&self) -> Option<Scroll> {
        self.scrolls.get(&self.buffers.current().place).copied()
    }

    /// Goes back to the end of the current place.
    pub fn scroll_to_end(&mut self) {
        self.scrolls.remove(&self.buffers.current().place);
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
        let command = |(form, _): &(&str, &str)| {
            let word =
                form.split(' ').next().filter(|word| word.starts_with('/') && !word.starts_with("//"))?;
            Some(word.to_owned())
        };
        let commands = commands::COMMANDS.iter().chain(commands::SCREEN_COMMANDS).filter_map(command);
        let mut commands: Vec<String> = commands.chain(["/unban".to_owned()]).collect();
        commands.sort();
        Words {
            nicks,
            channels: self.model.channels().map(|channel| channel.as_str().to_owned()).collect(),
            commands,
        }
    }

    /// Sends what is typed, or does what it says.
    pub fn submit(&mut self) {
        if self.editor.text().trim().is_empty() {
            return;
        }
        let offline = self.connection != Connection::Online;
        if offline
            && !matches!(
                commands::read(self.editor.text()),
                Typed::Quit(_) | Typed::Help | Typed::Close | Typed::Links
            )
        {
            self.hint = Some("not connected: what you typed is kept here".to_owned());
            return;
        }
        let text = self.editor.submit();
        self.scroll_to_end();
        // Several lines are several messages; a command stands alone.
        if text.starts_with('/') && !text.starts_with("//") && !text.contains('\n') {
            self.obey(commands::read(&text));
        } else {
            for line in text.lines() {
                self.obey(match line.strip_prefix("//") {
                    Some(_) => commands::read(line),
                    None if line.trim().is_empty() => Typed::Nothing,
                    None => Typed::Say(line.to_owned()),
                });
            }
        }
    }

    fn obey(&mut self, typed: Typed) {
        let place = self.buffers.current().place.clone();
        let here = match &place {
            Place::Channel(channel) => Some(channel.clone()),
            _ => None,
        };
        match typed {
            Typed::Names(None) => return self.list_members(here.as_ref()),
            Typed::Part(None, _) if here.as_ref().is_some_and(|channel| !self.model.is_in(channel)) => {
                return self.buffers.close(&place);
            }
            _ => {}
        }
        match typed.request(here.as_ref()) {
            Some(Ok(request)) => return self.ask(request),
            Some(Err(hint)) => return self.refuse(hint),
            None => {}
        }
        match typed {
            Typed::Say(line) => {
                if let Some((text, nick)) = commands::addressed(&line, |nick| self.model.is_here(nick)) {
                    return self.say(nick.as_str(), text, Manner::Message);
                }
                self.say_here(&place, &line, Manner::Message);
                // It may have been meant for one person's eyes.
                if let (Place::Channel(channel), Some((_, nick))) =
                    (&place, commands::addressed(&line, |_| true))
                {
                    self.tell(&format!("{nick} is not here, so that goes to all of {channel}"));
                }
            }
            Typed::Act(text) => self.say_here(&place, &text, Manner::Action),
            Typed::Message(target, text) => self.say(target.as_str(), &text, Manner::Message),
            Typed::Join(channel, key) => {
                if self.model.is_in(&channel) {
                    self.buffers.open(Place::Channel(channel), self.now, &self.model);
                } else {
                    self.join(&channel, key.as_deref());
                    self.model.ask_for(&channel, key.as_deref());
                }
            }
            Typed::Query(nick, text) => {
                self.buffers.open(Place::Person(nick.clone()), self.now, &self.model);
                if let Some(text) = text {
                    self.say(nick.as_str(), &text, Manner::Message);
                }
            }
            Typed::Close => self.close(&place),
            Typed::Reply(text) => match self.caller.clone() {
                Some((Place::Channel(channel), nick)) => {
                    self.say(channel.as_str(), &format!("{nick}: {text}"), Manner::Message);
                }
                Some((_, nick)) => self.say(&nick, &text, Manner::Message),
                None => self.refuse("nobody has called you yet"),
            },
            Typed::Ignore(None) => {
                let names: Vec<&str> = self.buffers.ignored().map(Nick::as_str).collect();
                let words = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
                self.tell(&format!("you ignore: {words}"));
            }
            Typed::Ignore(Some(nick)) => {
                let words = if self.buffers.unignore(&nick) {
                    format!("you hear {nick} again")
                } else {
                    self.buffers.ignore(nick.clone());
                    format!("you hear nothing of {nick} any more; /ignore {nick} ends it")
                };
                self.tell(&words);
                self.keep();
            }
            Typed::Mute if place == Place::Server => self.refuse("the server cannot be muted"),
            Typed::Mute => {
                let words = if self.buffers.is_muted(&place) {
                    self.buffers.unmute(&place);
                    format!("{} is no longer muted", place.name())
                } else {
                    self.buffers.mute(place.clone());
                    format!("{} is muted: no counts and no bell; /mute ends it", place.name())
                };
                self.tell(&words);
                self.keep();
            }
            Typed::Quit(reason) => self.quit(reason),
            Typed::Redact(reason) => match self.buffers.current().last_own() {
                Some(msgid) => {
                    let words = [place.name(), msgid].into_iter().chain(reason.as_deref());
                    self.ask(Message::new("REDACT", words));
                }
                None => self.refuse("you have said nothing here that could be taken back"),
            },
            Typed::Search(text) => {
                self.overlay = Some(Overlay::Search(Search::new(place, &text)));
            }
            Typed::Links => self.open_links(None),
            Typed::Help => self.overlay = Some(Overlay::Help(0)),
            Typed::Hint(hint) => self.refuse(&hint),
            // Nothing, or a request: that is sent by now.
            _ => {}
        }
    }

    fn close(&mut self, place: &Place) {
        match place {
            Place::Server => self.refuse("this one stays"),
            Place::Channel(channel) if self.model.is_in(channel) => {
                self.ask(Message::new("PART", [channel.as_str()]));
            }
            _ => self.buffers.close(place),
        }
    }

    fn list_members(&mut self, channel: Option<&ChannelName>) {
        let Some(channel) = channel else { return self.refuse(commands::NOWHERE) };
        let mut members: Vec<(Rank, &str)> =
            self.model.members(channel).map(|(nick, rank)| (rank, nick.as_str())).collect();
        members.sort();
        let names: Vec<String> =
            members.iter().map(|(rank, nick)| format!("{}{nick}", rank.sign())).collect();
        self.tell(&format!("in {channel}: {}", names.join(", ")));
    }

    fn keep(&mut self) {
        let muted = self.buffers.muted().map(|place| place.name().to_owned()).collect();
        self.effects.push(Effect::KeepQuiet(self.buffers.ignored().cloned().collect(), muted));
    }

    fn say_here(&mut self, place: &Place, text: &str, manner: Manner) {
        match place {
            Place::Server => {
                self.refuse("nobody hears you here: choose a channel or a person (ctrl-k), or /join one");
            }
            Place::Channel(channel) if !self.model.is_in(channel) => {
                self.refuse(&format!("you are not in {channel} any more: /join {channel}"));
            }
            place => self.say(place.name(), text, manner),
        }
    }

    fn say(&mut self, target: &str, text: &str, manner: Manner) {
        for message in messages(&self.model, target, text, manner) {
            self.queue(message, Sent::Said { target: target.to_owned(), text: text.to_owned() });
        }
    }

    pub(super) fn quit(&mut self, reason: Option<String>) {
        self.mark();
        self.effects.push(Effect::Quit(reason));
    }

    fn join(&mut self, channel: &ChannelName, key: Option<&str>) {
        self.ask(Message::new("JOIN", std::iter::once(channel.as_str()).chain(key)));
    }

    fn ask(&mut self, request: Message) {
        if !commands::is_answered(&request) {
            return self.effects.push(Effect::Send(request));
        }
        self.queue(request, Sent::Command);
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

//! What is typed, done.

use rookery_protocol::{ChannelName, Message, Nick};

use super::{App, Connection, Effect, Overlay};
use crate::chat::messages;
use crate::commands::{self, Typed};
use crate::model::{Body, Manner, Place, Rank};
use crate::receipts::Sent;
use crate::tui::password::PasswordChange;
use crate::tui::search::Search;

impl App {
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
        if let Some(why) = self.nobody_hears(self.editor.text()) {
            self.hint = Some(why);
            return;
        }
        let text = self.editor.submit();
        self.scroll_to_end();
        self.obey_text(&text);
        self.aim = None;
    }

    fn obey_text(&mut self, text: &str) {
        if commands::is_command(text) {
            self.obey(commands::read(text));
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

    /// Why nobody would hear what is typed; it stays where it is then.
    fn nobody_hears(&self, text: &str) -> Option<String> {
        let is_said = if commands::is_command(text) {
            matches!(commands::read(text), Typed::Act(_))
        } else {
            let is_for_one =
                |line: &str| commands::addressed(line, |nick| self.model.is_here(nick)).is_some();
            text.lines()
                .any(|line| !line.trim().is_empty() && !is_for_one(line))
        };
        match &self.buffers.current().place {
            Place::Server if is_said => Some(
                "nobody hears you here: choose a channel or a person (Ctrl-K), or /join one"
                    .to_owned(),
            ),
            Place::Channel(channel) if is_said && !self.model.is_in(channel) => Some(format!(
                "you are not in {channel}; /join {channel} first: what you typed is kept here"
            )),
            _ => None,
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
            Typed::Part(None, _)
                if here
                    .as_ref()
                    .is_some_and(|channel| !self.model.is_in(channel)) =>
            {
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
                if let Some((text, nick)) =
                    commands::addressed(&line, |nick| self.model.is_here(nick))
                {
                    return self.say(nick.as_str(), text, Manner::Message);
                }
                self.say(place.name(), &line, Manner::Message);
                // It may have been meant for one person's eyes.
                if let (Place::Channel(channel), Some((_, nick))) =
                    (&place, commands::addressed(&line, |_| true))
                {
                    self.tell(&format!(
                        "{nick} is not here, so that goes to all of {channel}"
                    ));
                }
            }
            Typed::Act(text) => self.say(place.name(), &text, Manner::Action),
            Typed::Message(target, text) => self.say(target.as_str(), &text, Manner::Message),
            Typed::Join(channel, key) => {
                if self.model.is_in(&channel) {
                    self.buffers
                        .open(Place::Channel(channel), self.now, &self.model);
                } else {
                    self.join(&channel, key.as_deref());
                    self.model.ask_for(&channel, key.as_deref());
                }
            }
            Typed::Query(nick, text) => {
                self.buffers
                    .open(Place::Person(nick.clone()), self.now, &self.model);
                if let Some(text) = text {
                    self.say(nick.as_str(), &text, Manner::Message);
                }
            }
            Typed::Close => self.close(&place),
            Typed::Reply(text) => self.reply(&place, &text),
            Typed::Ignore(None) => {
                let names: Vec<&str> = self.buffers.ignored().map(Nick::as_str).collect();
                let words = if names.is_empty() {
                    "nobody".to_owned()
                } else {
                    names.join(", ")
                };
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
                    format!(
                        "{} is muted: no counts and no bell; /mute ends it",
                        place.name()
                    )
                };
                self.tell(&words);
                self.keep();
            }
            Typed::Quit(reason) => self.quit(reason),
            Typed::Password => {
                self.overlay = Some(Overlay::Password(PasswordChange::new(self.model.nick())));
            }
            Typed::Redact(reason) => self.take_back_aimed(reason.as_deref()),
            Typed::Search(text) => {
                self.overlay = Some(Overlay::Search(Search::new(place, &text)));
            }
            Typed::Links => self.open_links(),
            Typed::Help => self.overlay = Some(Overlay::Help(0)),
            Typed::Hint(hint) => self.refuse(&hint),
            // Nothing, or a request: that is sent by now.
            _ => {}
        }
    }

    /// Answers the message that was aimed at, else whoever called last.
    fn reply(&mut self, place: &Place, text: &str) {
        let aimed = self.aimed().and_then(|line| match &line.body {
            Body::Said { nick, .. } => Some((place.clone(), nick.to_string())),
            _ => None,
        });
        match aimed.or_else(|| self.caller.clone()) {
            Some((Place::Channel(channel), nick)) => {
                self.say(
                    channel.as_str(),
                    &format!("{nick}: {text}"),
                    Manner::Message,
                );
            }
            // Between two people, the place is named after the other one.
            Some((Place::Person(nick), _)) => self.say(nick.as_str(), text, Manner::Message),
            Some((Place::Server, _)) | None => self.refuse("nobody has called you yet"),
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
        let Some(channel) = channel else {
            return self.refuse(commands::NOWHERE);
        };
        let mut members: Vec<(Rank, &str)> = self
            .model
            .members(channel)
            .map(|(nick, rank)| (rank, nick.as_str()))
            .collect();
        members.sort();
        let names: Vec<String> = members
            .iter()
            .map(|(rank, nick)| format!("{}{nick}", rank.sign()))
            .collect();
        self.tell(&format!("in {channel}: {}", names.join(", ")));
    }

    fn say(&mut self, target: &str, text: &str, manner: Manner) {
        let answered = self.aimed().and_then(|line| line.msgid.clone());
        let is_here = target == self.buffers.current().place.name();
        let mut answered = answered.filter(|_| is_here && manner != Manner::Notice);
        for mut message in messages(&self.model, target, text, manner) {
            if let Some(msgid) = answered.take() {
                message.tags.set("+draft/reply", msgid);
            }
            self.queue(
                message,
                Sent::Said {
                    target: target.to_owned(),
                    text: text.to_owned(),
                },
            );
        }
    }

    pub(super) fn join(&mut self, channel: &ChannelName, key: Option<&str>) {
        self.ask(Message::new(
            "JOIN",
            std::iter::once(channel.as_str()).chain(key),
        ));
    }

    pub(in crate::tui) fn ask(&mut self, request: Message) {
        if !commands::is_answered(&request) {
            return self.effects.push(Effect::Send(request));
        }
        self.queue(request, Sent::Command);
    }

    pub(in crate::tui) fn quit(&mut self, reason: Option<String>) {
        self.mark();
        self.effects.push(Effect::Quit(reason));
    }
}

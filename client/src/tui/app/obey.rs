//! What is typed, done.

use rookery_protocol::{ChannelName, Message, Nick};

use super::{App, Connection, Effect, Overlay};
use crate::chat::messages;
use crate::commands::{self, Typed};
use crate::model::{Body, Conversation, MessageKind, Rank};
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
        self.reply_target = None;
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
            let is_for_one = |line: &str| {
                commands::addressed(line, |nick| self.model.is_present(nick)).is_some()
            };
            text.lines()
                .any(|line| !line.trim().is_empty() && !is_for_one(line))
        };
        match &self.buffers.current().conversation {
            Conversation::Server if is_said => Some(
                "nobody hears you here: choose a channel or a person (Ctrl-K), or /join one"
                    .to_owned(),
            ),
            Conversation::Channel(channel) if is_said && !self.model.is_in(channel) => {
                Some(format!(
                    "you are not in {channel}; /join {channel} first: what you typed is kept here"
                ))
            }
            _ => None,
        }
    }

    fn obey(&mut self, typed: Typed) {
        let conversation = self.buffers.current().conversation.clone();
        let here = match &conversation {
            Conversation::Channel(channel) => Some(channel.clone()),
            _ => None,
        };
        match typed {
            Typed::Names(None) => return self.list_members(here.as_ref()),
            Typed::Part(None, _)
                if here
                    .as_ref()
                    .is_some_and(|channel| !self.model.is_in(channel)) =>
            {
                return self.buffers.close(&conversation);
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
                    commands::addressed(&line, |nick| self.model.is_present(nick))
                {
                    return self.say(nick.as_str(), text, MessageKind::Message);
                }
                self.say(conversation.name(), &line, MessageKind::Message);
                // It may have been meant for one person's eyes.
                if let (Conversation::Channel(channel), Some((_, nick))) =
                    (&conversation, commands::addressed(&line, |_| true))
                {
                    self.tell(&format!(
                        "{nick} is not here, so that goes to all of {channel}"
                    ));
                }
            }
            Typed::Act(text) => self.say(conversation.name(), &text, MessageKind::Action),
            Typed::Message(target, text) => self.say(target.as_str(), &text, MessageKind::Message),
            Typed::Join(channel, key) => {
                if self.model.is_in(&channel) {
                    self.buffers
                        .open(Conversation::Channel(channel), self.now, &self.model);
                } else {
                    self.join(&channel, key.as_deref());
                    self.model.switch_to(&channel, key.as_deref());
                }
            }
            Typed::Query(nick, text) => {
                self.buffers
                    .open(Conversation::Person(nick.clone()), self.now, &self.model);
                if let Some(text) = text {
                    self.say(nick.as_str(), &text, MessageKind::Message);
                }
            }
            Typed::Close => self.close(&conversation),
            Typed::Reply(text) => self.reply(&conversation, &text),
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
            Typed::Mute if conversation == Conversation::Server => {
                self.refuse("the server cannot be muted")
            }
            Typed::Mute => {
                let words = if self.buffers.is_muted(&conversation) {
                    self.buffers.unmute(&conversation);
                    format!("{} is no longer muted", conversation.name())
                } else {
                    self.buffers.mute(conversation.clone());
                    format!(
                        "{} is muted: no counts and no bell; /mute ends it",
                        conversation.name()
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
                self.overlay = Some(Overlay::Search(Search::new(conversation, &text)));
            }
            Typed::Links => self.open_links(),
            Typed::Help => self.overlay = Some(Overlay::Help(0)),
            Typed::Hint(hint) => self.refuse(&hint),
            // Nothing, or a request: that is sent by now.
            _ => {}
        }
    }

    /// Answers the message that was reply_target at, else whoever called last.
    fn reply(&mut self, conversation: &Conversation, text: &str) {
        let reply_target = self.replied_to().and_then(|line| match &line.body {
            Body::Said { nick, .. } => Some((conversation.clone(), nick.to_string())),
            _ => None,
        });
        match reply_target.or_else(|| self.caller.clone()) {
            Some((Conversation::Channel(channel), nick)) => {
                self.say(
                    channel.as_str(),
                    &format!("{nick}: {text}"),
                    MessageKind::Message,
                );
            }
            // Between two people, the place is named after the other one.
            Some((Conversation::Person(nick), _)) => {
                self.say(nick.as_str(), text, MessageKind::Message)
            }
            Some((Conversation::Server, _)) | None => self.refuse("nobody has called you yet"),
        }
    }

    fn close(&mut self, conversation: &Conversation) {
        match conversation {
            Conversation::Server => self.refuse("this one stays"),
            Conversation::Channel(channel) if self.model.is_in(channel) => {
                self.ask(Message::new("PART", [channel.as_str()]));
            }
            _ => self.buffers.close(conversation),
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

    fn say(&mut self, target: &str, text: &str, kind: MessageKind) {
        let answered = self.replied_to().and_then(|line| line.msgid.clone());
        let is_present = target == self.buffers.current().conversation.name();
        let mut answered = answered.filter(|_| is_present && kind != MessageKind::Notice);
        for mut message in messages(&self.model, target, text, kind) {
            if let Some(msgid) = answered.take() {
                message.tags.set("+draft/reply", msgid);
            }
            self.queue(
                message,
                Sent::Text {
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

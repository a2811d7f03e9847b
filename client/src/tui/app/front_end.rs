//! The full screen as the front end of slash commands.

use rookery_protocol::{ChannelName, Message};

use super::{App, Effect};
use crate::front_end::FrontEnd;
use crate::model::{Conversation, MessageKind, Model};
use crate::receipts::{Sent, is_labelled};
use crate::tui::overlay::Overlay;

impl FrontEnd for App {
    fn model(&self) -> &Model {
        &self.model
    }

    fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    fn conversation(&self) -> Option<Conversation> {
        match &self.buffers.current().conversation {
            Conversation::Server => None,
            conversation => Some(conversation.clone()),
        }
    }

    fn show(&mut self, text: &str) {
        for line in text.lines() {
            self.buffers.add_info(self.now, line.trim());
        }
    }

    fn show_refusal(&mut self, line: &str) {
        self.buffers.add_refusal(self.now, line);
    }

    fn show_help(&mut self) {
        self.overlay = Some(Overlay::Help(0));
    }

    fn switch_to(&mut self, conversation: Conversation) {
        self.buffers.open(conversation, &self.model);
    }

    fn switch_to_requested(&mut self, channel: &ChannelName) {
        self.buffers.open_requested(channel.clone());
    }

    fn close(&mut self, conversation: &Conversation) {
        self.buffers.close(conversation);
    }

    /// Sends text. If a message was selected to reply to it, the first message refers to it, and
    /// all go to its audience.
    fn send_text(&mut self, target: &str, text: &str, kind: MessageKind) {
        let is_current = target == self.buffers.current().conversation.name();
        if let Some(conversation) = Conversation::named(target) {
            self.buffers.note_used(&conversation);
            if let Conversation::Person(nick) = conversation
                && self.buffers.note_written(nick)
            {
                self.save_preferences();
            }
        }
        let mut msgid = self
            .replied_to()
            .and_then(|line| line.msgid.clone())
            .filter(|_| is_current && kind != MessageKind::Notice);
        let target = &*match &self.reply_target {
            Some(message) if message.conversation.name() == target => {
                message.audience.target(target)
            }
            _ => target.to_owned(),
        };
        for mut outgoing in self.model.text_messages(target, text, kind) {
            if let Some(msgid) = msgid.take() {
                outgoing.first.tags.set("+draft/reply", msgid);
            }
            let sent = Sent::Text {
                target: target.to_owned(),
                text: outgoing.text,
            };
            self.enqueue(outgoing.first, outgoing.rest, sent);
        }
    }

    fn request(&mut self, message: Message) {
        if is_labelled(&message) {
            self.enqueue(message, Vec::new(), Sent::Command);
        } else {
            self.effects.push(Effect::Send(message));
        }
    }

    /// Quits. If messages still wait to be sent, the first time only says so.
    fn quit(&mut self, reason: Option<String>) {
        let waiting = self.queue.len();
        if waiting > 0 && !std::mem::replace(&mut self.was_warned_of_queue, true) {
            self.hint = Some(if waiting == 1 {
                "1 message is not sent yet; wait, or quit again to discard it".to_owned()
            } else {
                format!("{waiting} messages are not sent yet; wait, or quit again to discard them")
            });
            return;
        }
        self.send_markers();
        self.effects.push(Effect::Quit(reason));
    }
}

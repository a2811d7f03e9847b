//! The text being typed: sends it or carries out its command, and manages one draft for each
//! conversation.

use super::{App, Connection, screen_commands};
use crate::commands::{self, Recipient, Requires, Typed};
use crate::front_end::FrontEnd as _;
use crate::model::{Conversation, EventKind};
use crate::tui::overlay::Overlay;

impl App {
    /// Sends the typed text, or carries out the command in it. If that is not possible now, the
    /// text stays in the editor, and a hint is shown.
    pub(super) fn submit(&mut self) {
        let text = self.editor.text();
        if text.trim().is_empty() {
            return;
        }
        let requires = requirement(text);
        if self.connection != Connection::Online && requires != Requires::Nothing {
            self.hint = Some("not connected: your text was not sent".to_owned());
            return;
        }
        let hint = self
            .wrong_recipient(text)
            .or_else(|| self.missing_audience(text, requires));
        if hint.is_some() {
            self.hint = hint;
            return;
        }
        let text = if commands::may_contain_password(text) {
            self.editor.take()
        } else {
            self.editor.submit()
        };
        self.scroll_to_end();
        self.execute(&text);
        self.reply_target = None;
    }

    fn execute(&mut self, text: &str) {
        if !commands::is_command(text) {
            let text = match Typed::parse(text) {
                Typed::Text(line) if !text.contains('\n') => line.to_owned(),
                _ => unescaped_lines(text),
            };
            commands::send_text(self, &text);
            return;
        }
        let Typed::Command(name, arguments) = Typed::parse(text) else {
            return;
        };
        let result = if let Some(command) = screen_commands::find(name) {
            command.execute(self, arguments)
        } else if let Some(command) = commands::find(name) {
            command.execute(self, arguments)
        } else {
            Err(commands::unknown(name))
        };
        if let Err(refusal) = result {
            self.show_refusal(&refusal);
        }
    }

    /// Returns the recipient of a text that is typed in the current conversation.
    pub(super) fn recipient<'a>(&self, text: &'a str) -> Result<Recipient<'a>, String> {
        commands::recipient(text, self.conversation().as_ref(), &self.model)
    }

    /// Returns a hint if the text may be meant for someone who would not receive it.
    fn wrong_recipient(&self, text: &str) -> Option<String> {
        if commands::is_command(text) {
            return match Typed::parse(text) {
                Typed::Command(name, arguments) => {
                    let conversation = self.conversation();
                    commands::misdirected(name, arguments, conversation.as_ref(), &self.model)
                }
                _ => None,
            };
        }
        let private = text.lines().find_map(|line| {
            commands::one_line_command(line).map(|name| {
                format!("/{name} takes one line: nothing was sent; //{name} sends it as text")
            })
        });
        private.or_else(|| self.recipient(text).err())
    }

    /// Returns a hint if nobody would receive the text in the current conversation.
    fn missing_audience(&self, text: &str, requires: Requires) -> Option<String> {
        let needs_audience = if commands::is_command(text) {
            requires == Requires::Audience
        } else {
            !matches!(self.recipient(text), Ok(Recipient::Person(..)))
        };
        match &self.buffers.current().conversation {
            Conversation::Server if needs_audience => Some(
                "nobody would receive that here: choose a conversation (Ctrl-K) or /join a channel"
                    .to_owned(),
            ),
            Conversation::Channel(channel) if needs_audience && !self.model.is_in(channel) => Some(
                format!("you are not in {channel}: /join {channel} first; your text was not sent"),
            ),
            _ => None,
        }
    }

    /// Keeps the drafts of a conversation that an event renames, and the message to which the text
    /// replies. The buffers do not know the new name yet.
    pub(super) fn rename_drafts(&mut self, event: &EventKind) {
        let (old, new) = match event {
            EventKind::Renamed { old, new, .. } => (
                Conversation::Channel(old.clone()),
                Conversation::Channel(new.clone()),
            ),
            EventKind::NickChanged { old, new, .. } => {
                let names = (Conversation::person(old), Conversation::person(new));
                let (Some(old), Some(new)) = names else {
                    return;
                };
                (old, new)
            }
            _ => return,
        };
        if !self.buffers.is_renamed(&old, &new) {
            return;
        }
        if let Some(draft) = self.drafts.remove(&old) {
            self.drafts.insert(new.clone(), draft);
        }
        let of_drafts = self.drafts.values_mut().map(|(_, target)| target);
        for target in of_drafts.chain([&mut self.reply_target]).flatten() {
            if target.conversation == old {
                target.conversation = new.clone();
            }
        }
        if self.editor_conversation == old {
            self.editor_conversation = new;
        }
    }

    /// Closes the conversation that a `/join` of a channel's former name has opened, if the user is
    /// in the channel already, and shows the channel. Text that was typed for it stays there.
    pub(super) fn close_former_name(&mut self, event: &EventKind) {
        let EventKind::Renamed {
            old, new, by: None, ..
        } = event
        else {
            return;
        };
        let (old, new) = (
            Conversation::Channel(old.clone()),
            Conversation::Channel(new.clone()),
        );
        let has_text = if self.editor_conversation == old {
            !self.editor.is_empty() || matches!(self.overlay, Some(Overlay::Paste(_)))
        } else {
            self.drafts.contains_key(&old)
        };
        if !has_text {
            self.buffers.replace_empty(&old, &new);
        }
    }

    /// Loads the draft of the current conversation into the editor, so that text is sent only to
    /// the conversation for which it was typed.
    pub(super) fn switch_drafts(&mut self) {
        let current = self.buffers.current().conversation.clone();
        if self.editor_conversation == current {
            return;
        }
        let previous = std::mem::replace(&mut self.editor_conversation, current.clone());
        // Text that was typed before the first channel was joined is for that channel.
        let was_connecting =
            previous == Conversation::Server && !self.drafts.contains_key(&current);
        if was_connecting {
            return;
        }
        // What was pasted was for the previous conversation, and is not sent to this one.
        if let Some(Overlay::Paste(text)) = self
            .overlay
            .take_if(|overlay| matches!(overlay, Overlay::Paste(_)))
        {
            self.editor.insert(&text);
        }
        let (draft, target) = self.drafts.remove(&current).unwrap_or_default();
        let draft = self.editor.replace(draft);
        let target = std::mem::replace(&mut self.reply_target, target);
        if !draft.is_empty() {
            self.drafts.insert(previous, (draft, target));
        }
    }
}

/// Returns several lines as they are sent. They are text even if they look like commands, so only
/// those that would be refused are escaped by a second slash.
fn unescaped_lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| match Typed::parse(line) {
        Typed::Text(command) if commands::one_line_command(command).is_some() => command,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the condition under which the text can be sent or its command carried out.
fn requirement(text: &str) -> Requires {
    let Typed::Command(name, _) = Typed::parse(text) else {
        return Requires::Connection;
    };
    if !commands::is_command(text) {
        return Requires::Connection;
    }
    screen_commands::find(name)
        .map(|command| command.requires)
        .or_else(|| commands::find(name).map(|command| command.requires))
        .unwrap_or(Requires::Connection)
}

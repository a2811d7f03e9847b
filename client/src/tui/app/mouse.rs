//! Handles pastes, clicks and the wheel.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{App, Connection, Effect};
use crate::front_end::FrontEnd as _;
use crate::model::Conversation;
use crate::tui::overlay::Overlay;

/// The number of rows that one turn of the wheel scrolls.
const WHEEL: usize = 3;

impl App {
    /// Handles a paste. Before several lines are sent, the user is asked.
    pub fn handle_paste(&mut self, text: &str) {
        self.switch_drafts();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = text.trim_end_matches('\n');
        if let Some(Overlay::Switcher(mut query, _)) = self
            .overlay
            .take_if(|overlay| matches!(overlay, Overlay::Switcher(..)))
        {
            query.insert(text.lines().next().unwrap_or_default());
            let selected = self.best_switcher_match(query.text());
            self.overlay = Some(Overlay::Switcher(query, selected));
            return;
        }
        match &mut self.overlay {
            Some(Overlay::AccountChange(change)) => change.paste(text),
            Some(_) => {}
            None if matches!(self.connection, Connection::Ended(_)) => self.hint_read_only(),
            None if !self.editor.fits(text) => {
                self.hint = Some("that is too long to be pasted here".to_owned());
            }
            None if text.contains('\n') => self.overlay = Some(Overlay::Paste(text.to_owned())),
            None => self.editor.insert(text),
        }
    }

    /// Handles a click or a turn of the wheel.
    pub fn handle_mouse(&mut self, mouse: MouseEvent) {
        match mouse.kind {
            MouseEventKind::ScrollUp => self.scroll(true, WHEEL),
            MouseEventKind::ScrollDown => self.scroll(false, WHEEL),
            MouseEventKind::Down(MouseButton::Left) if self.overlay.is_none() => {
                self.handle_click(Position::new(mouse.column, mouse.row));
            }
            _ => {}
        }
        self.active_at = self.now;
        self.refresh();
    }

    fn handle_click(&mut self, at: Position) {
        let areas = self.areas();
        if let Some(list) = areas.list.filter(|list| list.contains(at)) {
            let first = self.first_listed(usize::from(list.height));
            self.buffers.switch_to(usize::from(at.y - list.y) + first);
        } else if let Some(area) = areas.members.filter(|area| area.contains(at)) {
            let (members, _) = self.listed_members(usize::from(area.height));
            let member = members
                .get(usize::from(at.y - area.y))
                .filter(|(_, nick)| !self.model.is_me(nick))
                .and_then(|(_, nick)| Conversation::person(nick));
            if let Some(member) = member {
                self.switch_to(member);
            }
        } else if let Some(link) = self.link_at(at) {
            self.hint = Some(format!("opening {}", link.as_str()));
            self.effects.push(Effect::Open(link));
        }
    }
}

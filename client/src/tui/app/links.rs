//! Lists, opens and copies the links in a conversation.

use ratatui::crossterm::event::KeyCode;
use ratatui::layout::Position;

use super::{App, Effect};
use crate::model::{Body, Line};
use crate::tui::overlay::{LinkList, Overlay};
use crate::urls::{Url, find_urls};

/// The most links that are listed.
const MAX_LINKS: usize = 100;

impl App {
    /// Handles a key in the list of links; returns the overlay unless the key has closed it.
    pub(super) fn handle_links_key(&mut self, mut list: LinkList, key: KeyCode) -> Option<Overlay> {
        let count = list.links.len();
        match key {
            KeyCode::Enter => {
                self.effects
                    .push(Effect::Open(list.links.swap_remove(list.selected)));
                return None;
            }
            KeyCode::Char('c') => {
                let link = list.links.swap_remove(list.selected);
                self.hint = Some(format!("copied {}", link.as_str()));
                self.effects.push(Effect::Copy(link.as_str().to_owned()));
                return None;
            }
            KeyCode::Down | KeyCode::Char('j') => list.selected = (list.selected + 1) % count,
            KeyCode::Up | KeyCode::Char('k') => {
                list.selected = (list.selected + count - 1) % count;
            }
            _ => {}
        }
        Some(Overlay::Links(list))
    }

    /// Opens the list of the links in the current conversation, newest first.
    pub(super) fn open_links(&mut self) {
        let all = self.buffers.current().lines();
        let mut links: Vec<Url> = Vec::new();
        for link in all
            .iter()
            .rev()
            .flat_map(|line| links_of(line).into_iter().rev())
        {
            if !links.contains(&link) {
                links.push(link);
            }
            if links.len() == MAX_LINKS {
                break;
            }
        }
        self.overlay = self.list_links(links);
    }

    /// Returns the overlay that lists these links; shows a hint instead if there are none.
    pub(super) fn list_links(&mut self, links: Vec<Url>) -> Option<Overlay> {
        if links.is_empty() {
            self.hint = Some("there are no links here".to_owned());
            return None;
        }
        Some(Overlay::Links(LinkList { links, selected: 0 }))
    }

    /// Returns the link at a position of the screen.
    pub(super) fn link_at(&self, at: Position) -> Option<Url> {
        let area = self.areas().conversation;
        let (buffer, layout) = (self.buffers.current(), self.layout());
        let position = self.scroll_position();
        let rows_above_last = usize::from(area.bottom().checked_sub(at.y + 1)?);
        let column = usize::from(at.x.checked_sub(area.x)?);
        let visible = layout
            .visible_rows(buffer, position, area.height.into())
            .len();
        if !area.contains(at) || rows_above_last >= visible {
            return None;
        }
        let (line, index) = layout.link_at(buffer, position, rows_above_last, column)?;
        links_of(buffer.lines().get(line)?).into_iter().nth(index)
    }
}

/// Returns the links in a line, in order.
pub(super) fn links_of(line: &Line) -> Vec<Url> {
    match &line.body {
        Body::Message { text, .. } | Body::Info(text) => find_urls(text),
        _ => Vec::new(),
    }
}

//! The links that were said in a place: listed over the conversation, opened and copied.

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::Position;
use ratatui::text::Line as Row;
use ratatui::widgets::Paragraph;

use super::app::{App, Effect, Overlay};
use super::draw::popups::window;
use super::wrap::cut;
use crate::model::{Body, Line};
use crate::urls::{Url, urls};

/// Links that are listed.
const MAX_LINKS: usize = 100;
/// Of these, so many have room at once.
const MAX_ROWS: usize = 12;

/// Links, at least one, the newest first.
#[derive(Debug)]
pub struct LinkList {
    links: Vec<Url>,
    /// The index of the one that is chosen.
    chosen: usize,
}

impl LinkList {
    /// Draws it.
    pub fn draw(&self, frame: &mut Frame<'_>, app: &App) {
        let height = u16::try_from(self.links.len().min(MAX_ROWS) + 2).unwrap_or(u16::MAX);
        let inside = window(
            frame,
            app,
            "Links: Enter opens, c copies, Esc closes",
            100,
            height,
        );
        let width = usize::from(inside.width);
        let room = usize::from(inside.height);
        let first = (self.chosen + 1).saturating_sub(room);
        let rows = self
            .links
            .iter()
            .enumerate()
            .skip(first)
            .take(room)
            .map(|(index, link)| {
                let sign = if index == self.chosen { "›" } else { " " };
                let words = cut(&format!("{sign} {}", link.as_str()), width);
                if index == self.chosen {
                    Row::styled(words, app.theme.accent())
                } else {
                    Row::from(words)
                }
            });
        frame.render_widget(Paragraph::new(rows.collect::<Vec<_>>()), inside);
    }
}

impl App {
    /// Takes a key while links are listed; gives what still lies over the conversation.
    pub(super) fn key_over_links(&mut self, mut list: LinkList, key: KeyCode) -> Option<Overlay> {
        let count = list.links.len();
        match key {
            KeyCode::Enter => {
                self.effects
                    .push(Effect::Open(list.links.swap_remove(list.chosen)));
                return None;
            }
            KeyCode::Char('c') => {
                let link = list.links.swap_remove(list.chosen);
                self.hint = Some(format!("copied {}", link.as_str()));
                self.effects.push(Effect::Copy(link.as_str().to_owned()));
                return None;
            }
            KeyCode::Down | KeyCode::Char('j') => list.chosen = (list.chosen + 1) % count,
            KeyCode::Up | KeyCode::Char('k') => list.chosen = (list.chosen + count - 1) % count,
            _ => {}
        }
        Some(Overlay::Links(list))
    }

    /// Lists the links of this place, the newest first.
    pub(super) fn open_links(&mut self) {
        let said = self.buffers.current().lines();
        let mut links: Vec<Url> = Vec::new();
        for link in said
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

    /// Lists some links, if there are any.
    pub(super) fn list_links(&mut self, links: Vec<Url>) -> Option<Overlay> {
        if links.is_empty() {
            self.hint = Some("there are no links here".to_owned());
            return None;
        }
        Some(Overlay::Links(LinkList { links, chosen: 0 }))
    }

    /// The link that stands there on the screen.
    pub(super) fn link_at(&self, at: Position) -> Option<Url> {
        let talk = self.areas().talk;
        let (buffer, layout) = (self.buffers.current(), self.layout());
        let up = usize::from(talk.bottom().checked_sub(at.y + 1)?);
        let column = usize::from(at.x.checked_sub(talk.x)?);
        if !talk.contains(at)
            || up
                >= layout
                    .visible(buffer, self.scrolled(), talk.height.into())
                    .len()
        {
            return None;
        }
        let (line, which) = layout.link_at(buffer, self.scrolled(), up, column)?;
        links_of(buffer.lines().get(line)?).into_iter().nth(which)
    }
}

/// The links in a line, in their order.
pub fn links_of(line: &Line) -> Vec<Url> {
    match &line.body {
        Body::Said { text, .. } | Body::Info(text) => urls(text),
        _ => Vec::new(),
    }
}

//! Handles keys while an overlay is open.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{App, Effect};
use crate::front_end::FrontEnd as _;
use crate::model::Conversation;
use crate::text;
use crate::tui::editor::Editor;
use crate::tui::help;
use crate::tui::overlay::Overlay;
use crate::tui::search::Search;

impl App {
    /// Handles a key in an overlay; returns the overlay unless the key has closed it.
    pub(super) fn handle_overlay_key(
        &mut self,
        overlay: Overlay,
        key: KeyEvent,
    ) -> Option<Overlay> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if key.code == KeyCode::Esc || (control && matches!(key.code, KeyCode::Char('c' | 'g'))) {
            return None;
        }
        match overlay {
            Overlay::Search(search) => self.handle_search_key(search, key),
            Overlay::Selection(selection) => self.handle_selection_key(selection, key),
            Overlay::Links(links) => self.handle_links_key(links, key.code),
            Overlay::Switcher(query, selected) => self.handle_switcher_key(query, selected, key),
            Overlay::Help(_) if control => None,
            Overlay::Help(from) => self.handle_help_key(from, key.code),
            Overlay::Format => {
                if let KeyCode::Char(letter) = key.code
                    && let Some(code) = text::code_of_letter(letter)
                {
                    self.editor.insert(code.encode_utf8(&mut [0; 4]));
                }
                None
            }
            Overlay::AccountChange(mut change) => {
                // The server's answer has no label, so no receipt is tracked.
                let message = change.handle_key(key);
                self.effects.extend(message.map(Effect::Send));
                Some(Overlay::AccountChange(change))
            }
            Overlay::Paste(text) => match key.code {
                KeyCode::Char('y') | KeyCode::Enter => {
                    self.editor.insert(&text);
                    self.submit();
                    None
                }
                KeyCode::Char('n') => {
                    self.editor.insert(&text);
                    self.hint = Some("not sent yet: Enter sends it, Ctrl-C clears it".to_owned());
                    None
                }
                _ => Some(Overlay::Paste(text)),
            },
        }
    }

    fn handle_help_key(&mut self, from: usize, key: KeyCode) -> Option<Overlay> {
        let half_page = usize::from(self.size.height / 2);
        // The border takes two rows.
        let height = usize::from(self.size.height.saturating_sub(2));
        let last = help::rows(self.size.width).len().saturating_sub(height);
        let from = match key {
            KeyCode::Down | KeyCode::Char('j') => from + 1,
            KeyCode::Up | KeyCode::Char('k') => from.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => from + half_page,
            KeyCode::PageUp => from.saturating_sub(half_page),
            // What is typed is a line: without its `/`, a command would be a message.
            KeyCode::Char(typed) if typed != 'q' => {
                self.editor.insert(typed.encode_utf8(&mut [0; 4]));
                return None;
            }
            _ => return None,
        };
        Some(Overlay::Help(from.min(last)))
    }

    fn handle_switcher_key(
        &mut self,
        mut query: Editor,
        selected: Option<Conversation>,
        key: KeyEvent,
    ) -> Option<Overlay> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let matches = self.switcher_matches(query.text());
        let selected = selected.filter(|selected| matches.contains(selected));
        let position = |selected| matches.iter().position(|found| found == selected);
        let selected_at = selected.as_ref().and_then(position).unwrap_or(0);
        let step = |by: usize| (selected_at + by) % matches.len().max(1);
        let position = match key.code {
            KeyCode::Enter => {
                if let Some(selected) = selected {
                    self.choose(selected);
                    return None;
                }
                // What is typed next may be for the conversation that was not found. It must not
                // go to the current one.
                let hint = "nothing was opened: type other letters, or press Esc";
                self.hint = Some(hint.to_owned());
                0
            }
            KeyCode::Down | KeyCode::Tab => step(1),
            KeyCode::Char('n' | 'k') if control => step(1),
            KeyCode::Up | KeyCode::BackTab => step(matches.len().saturating_sub(1)),
            KeyCode::Char('p') if control => step(matches.len().saturating_sub(1)),
            // When the query changes, its best match is selected.
            KeyCode::Char('u') if control => {
                query.cut_to_start();
                0
            }
            KeyCode::Char('w') if control => {
                query.cut_word_left();
                0
            }
            KeyCode::Backspace => {
                query.backspace();
                0
            }
            KeyCode::Char(letter) if !control => {
                query.insert(&letter.to_string());
                0
            }
            _ => selected_at,
        };
        let selected = self
            .switcher_matches(query.text())
            .into_iter()
            .nth(position);
        Some(Overlay::Switcher(query, selected))
    }

    /// Switches to the conversation that was chosen, and opens it if it is not open.
    fn choose(&mut self, conversation: Conversation) {
        match self.buffers.position(&conversation) {
            Some(index) => self.buffers.switch_to(index),
            None => self.switch_to(conversation),
        }
    }

    /// Handles a key during a search. Any key that is not for the search ends it, and then has its
    /// usual effect.
    fn handle_search_key(&mut self, mut search: Search, key: KeyEvent) -> Option<Overlay> {
        let step = match key.code {
            KeyCode::Up | KeyCode::Enter => search.older(),
            KeyCode::Down => search.newer(),
            KeyCode::PageUp | KeyCode::PageDown => {
                self.scroll_page(key.code == KeyCode::PageUp);
                return Some(Overlay::Search(search));
            }
            _ => {
                self.handle_chat_key(key, None);
                return self.overlay.take();
            }
        };
        self.apply_search_step(step);
        Some(Overlay::Search(search))
    }
}

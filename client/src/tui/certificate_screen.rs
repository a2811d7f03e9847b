//! The question whether a certificate that `rook` does not know is trusted: at the first start, or
//! when the server's certificate has changed.
//!
//! It only collects the answer; the event loop pins the certificate and connects again.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line as Row, Span};

use super::theme::Theme;
use super::wrap::{paragraph, wrapped};
use crate::text;
use rookery_trust::{TrustedBefore, UnknownCertificate};

/// The answer that trusts the certificate.
const YES: &str = "yes";
/// The most bytes of an answer that are shown.
const MAX_TYPED: usize = 20;
/// The label of the field for the answer, with the space after it.
const LABEL: &str = "Trust  ";
/// Shown once the question needs no answer.
const CONNECTED_AGAIN: &str =
    "Connected again, by a certificate that is trusted already. Enter returns.";

/// The answer of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The certificate is trusted from now on.
    Trust,
    /// It is not.
    Refuse,
}

/// The state of the screen.
#[derive(Debug)]
pub struct CertificateScreen {
    unknown: UnknownCertificate,
    /// What Esc does.
    esc: &'static str,
    /// What the user has typed so far.
    typed: String,
    /// Whether the question no longer needs an answer.
    is_settled: bool,
}

impl CertificateScreen {
    /// Creates the screen; `esc` says what Esc does.
    pub fn new(unknown: UnknownCertificate, esc: &'static str) -> Self {
        Self {
            unknown,
            esc,
            typed: String::new(),
            is_settled: false,
        }
    }

    /// Handles that a server was reached whose certificate is trusted already. The screen stays
    /// until the user leaves it, who may be typing the answer: no other screen receives it.
    pub fn settle(&mut self) {
        self.is_settled = true;
    }

    /// Returns the certificate in question.
    pub fn unknown(&self) -> &UnknownCertificate {
        &self.unknown
    }

    /// Handles a key; returns a decision if the key completes one.
    pub fn handle_key(&mut self, key: KeyEvent) -> Option<Decision> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Some(Decision::Refuse),
            KeyCode::Char('c' | 'd') if control => return Some(Decision::Refuse),
            KeyCode::Enter if self.is_settled => return Some(Decision::Refuse),
            KeyCode::Char('u') if control => self.typed.clear(),
            KeyCode::Char(letter) if !control && self.typed.len() < MAX_TYPED => {
                self.typed.push(letter);
            }
            KeyCode::Backspace => {
                self.typed.pop();
            }
            KeyCode::Enter if self.typed.eq_ignore_ascii_case(YES) => {
                return Some(Decision::Trust);
            }
            KeyCode::Enter => self.typed.clear(),
            _ => {}
        }
        None
    }

    /// Draws the screen. The question is at the top, so that it is in view on a small terminal.
    pub fn draw(&self, frame: &mut Frame<'_>, theme: Theme) {
        let area = frame.area();
        let width = area.width.min(72);
        let left = (area.width - width) / 2;
        let mut description = self
            .unknown
            .description()
            .lines()
            .map(text::plain)
            .collect::<Vec<_>>()
            .into_iter();
        let heading = description.next().unwrap_or_default();
        let style = match self.unknown.before {
            TrustedBefore::Nothing => theme.accent(),
            TrustedBefore::Authority | TrustedBefore::NamedAuthority | TrustedBefore::Pinned(_) => {
                theme.alert()
            }
        };
        let mut rows = vec![
            Row::from(vec![
                Span::styled(LABEL, theme.accent()),
                Span::raw(self.typed.as_str()),
            ]),
            if self.is_settled {
                Row::styled(CONNECTED_AGAIN, theme.accent())
            } else {
                let advice = format!("Type yes to trust it from now on. Esc {}.", self.esc);
                Row::styled(advice, theme.faint())
            },
            Row::styled(heading, style),
        ];
        rows.extend(description.map(Row::from));
        let body = Rect {
            x: left,
            width,
            ..area
        };
        let rows = wrapped(&rows, usize::from(width));
        frame.render_widget(paragraph(rows), body);
        let column = u16::try_from(LABEL.len() + self.typed.chars().count()).unwrap_or(u16::MAX);
        frame.set_cursor_position(Position::new(
            left + column.min(width.saturating_sub(1)),
            area.y,
        ));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::config::Colours;
    use rookery_trust::{CertificatePin, Fingerprint};

    fn screen(before: TrustedBefore) -> CertificateScreen {
        let unknown = UnknownCertificate {
            server: "chat.example.org:6697".to_owned(),
            command: "rook trust chat.example.org:6697".to_owned(),
            shown: CertificatePin {
                certificate: Fingerprint::of(b"new"),
                key: None,
            },
            before,
            problem: None,
        };
        CertificateScreen::new(unknown, "quits")
    }

    fn type_line(screen: &mut CertificateScreen, text: &str) -> Option<Decision> {
        for letter in text.chars() {
            assert_eq!(screen.handle_key(KeyCode::Char(letter).into()), None);
        }
        screen.handle_key(KeyCode::Enter.into())
    }

    #[test]
    fn only_the_word_yes_trusts_the_certificate() {
        let mut screen = screen(TrustedBefore::Nothing);
        for other in ["", "y", "no", "yess"] {
            assert_eq!(type_line(&mut screen, other), None, "{other}");
        }
        assert_eq!(type_line(&mut screen, "yes"), Some(Decision::Trust));
        assert_eq!(
            screen.handle_key(KeyCode::Esc.into()),
            Some(Decision::Refuse)
        );
    }

    #[test]
    fn an_answer_after_the_server_is_back_trusts_nothing_and_only_enter_leaves_the_question() {
        let mut screen = screen(TrustedBefore::Nothing);
        assert_eq!(screen.handle_key(KeyCode::Char('y').into()), None);
        screen.settle();
        assert_eq!(type_line(&mut screen, "es"), Some(Decision::Refuse));
    }

    #[test]
    fn the_fingerprint_to_compare_is_in_view_even_on_a_small_terminal() {
        let old = Fingerprint::of(b"old");
        let new = Fingerprint::of(b"new");
        for (width, height, in_view) in [(80, 24, &[new, old] as &[_]), (40, 10, &[new])] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            let screen = screen(TrustedBefore::Pinned(old));
            terminal
                .draw(|frame| screen.draw(frame, Theme::new(Colours::None)))
                .unwrap();
            let drawn = terminal.backend().to_string();
            // Without the borders of the rows, a wrapped fingerprint is in one piece.
            let drawn: String = drawn
                .chars()
                .filter(|char| !"\" \n".contains(*char))
                .collect();
            for fingerprint in in_view {
                assert!(drawn.contains(&fingerprint.to_string()), "{drawn}");
            }
            assert!(
                drawn.contains("Typeyes") && drawn.contains("CHANGED"),
                "{drawn}"
            );
        }
    }
}

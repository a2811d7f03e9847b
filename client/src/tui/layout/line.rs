//! Lays out one line: its time, the nick or sign beside it, and its text in rows.

use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use super::Layout;
use crate::model::{Body, Line, MembershipChange, MessageKind, YOU};
use crate::text::{self, Format};
use crate::tui::wrap::{PieceStyle, StyledText, columns, wrap};
use crate::urls;

/// The width of the column of nicks, with the space after them.
const NICK_WIDTH: usize = 13;
/// Below this width, nicks are part of the text instead of a column.
const MIN_WIDTH_FOR_NICKS: usize = 56;
/// The width of `14:03 `.
const TIME_WIDTH: usize = 6;
/// The most nicks in one line of joins or parts.
const MAX_NAMES: usize = 5;

/// A line as it is laid out.
pub(super) struct LaidOutLine {
    /// The time, and the nick or sign, on the first row.
    pub(super) head: Vec<Span<'static>>,
    /// The columns to the left of the text.
    pub(super) indent: usize,
    /// The rows of text.
    pub(super) rows: Vec<StyledText>,
}

/// What is written to the left of the text of a line, and the text.
struct LineParts {
    /// The width of the column of nicks; 0 if nicks are part of the text.
    column: usize,
    head: Vec<Span<'static>>,
    text: StyledText,
}

impl LineParts {
    /// Adds a nick or a sign to the column of nicks. Without one, and if it is wider, it begins the
    /// text: a nick is never cut, since others may begin alike.
    fn add_label(&mut self, label: &str, style: Style) {
        if let Some(padding) = self.column.checked_sub(columns(label) + 1) {
            self.head.push(Span::raw(" ".repeat(padding)));
            self.head.push(Span::styled(label.to_owned(), style));
            self.head.push(Span::raw(" "));
        } else {
            self.head.push(Span::raw(" ".repeat(self.column)));
            self.text.push((style.into(), format!("{label} ")));
        }
    }
}

impl Layout<'_> {
    /// Lays out a line, without the rules above it.
    pub(super) fn lay_out(&self, line: &Line) -> LaidOutLine {
        let time = line
            .at
            .to_zoned(self.zone.clone())
            .strftime("%H:%M ")
            .to_string();
        let highlight = match &line.body {
            Body::Message { highlight, .. } => *highlight,
            _ => false,
        };
        let time_style = if self.marked == Some(line.id) {
            self.theme.accent().add_modifier(Modifier::REVERSED)
        } else if highlight {
            // The time is highlighted, since the nick has its own colour.
            self.theme.alert()
        } else {
            self.theme.faint()
        };
        let column = if self.width < MIN_WIDTH_FOR_NICKS {
            0
        } else {
            NICK_WIDTH
        };
        let mut parts = LineParts {
            column,
            head: vec![Span::styled(time, time_style)],
            text: Vec::new(),
        };
        self.add_body(&line.body, &mut parts);
        let indent = TIME_WIDTH + column;
        let text_width = self.width.saturating_sub(indent).max(1);
        LaidOutLine {
            head: parts.head,
            indent,
            rows: wrap(&parts.text, text_width),
        }
    }

    fn add_body(&self, body: &Body, parts: &mut LineParts) {
        let (faint, alert) = (self.theme.faint(), self.theme.alert());
        match body {
            Body::Message {
                nick,
                kind,
                text,
                audience,
                ..
            } => {
                let nick = text::plain(nick);
                let style = self.theme.nick(&nick);
                let nick = nick + audience.label();
                match kind {
                    MessageKind::Message => parts.add_label(&nick, style),
                    MessageKind::Notice => parts.add_label(&format!("-{nick}-"), style),
                    MessageKind::Action => {
                        parts.add_label("*", style);
                        parts.text.push((style.into(), format!("{nick} ")));
                    }
                }
                let pieces = self.linked(text::formatted(text));
                parts
                    .text
                    .extend(pieces.flat_map(|(style, piece)| self.mark_matches(style, piece)));
            }
            Body::Redacted { nick, by, reason } => {
                let reason = text::reason(reason.as_deref());
                let text = if by == nick {
                    format!("{by} deleted a message{reason}")
                } else if **nick == *YOU {
                    format!("{by} deleted your message{reason}")
                } else {
                    format!("{by} deleted a message by {nick}{reason}")
                };
                self.add_event("·", faint, &text, parts);
            }
            Body::Membership(changes) => {
                self.add_event("↔", faint, &describe_membership(changes), parts);
            }
            Body::Info(text) => self.add_event("·", faint, text, parts),
            Body::Refused(text) => self.add_event("!", alert, text, parts),
            // These are rules.
            Body::Gap | Body::Beginning => {}
        }
    }

    /// Adds the text of something that is not a message, with a sign in place of the nick.
    fn add_event(&self, sign: &str, style: Style, text: &str, parts: &mut LineParts) {
        parts.add_label(sign, style);
        parts
            .text
            .extend(self.linked(vec![(Format::default(), text::plain(text))]));
    }

    /// Underlines links, and numbers their pieces so that a click finds the link.
    fn linked(&self, pieces: Vec<(Format, String)>) -> impl Iterator<Item = (PieceStyle, String)> {
        urls::split_at_links(pieces)
            .into_iter()
            .map(|(format, link, piece)| {
                let format = Format {
                    underline: format.underline || link.is_some(),
                    ..format
                };
                (
                    PieceStyle {
                        style: self.theme.formatted(format),
                        link,
                    },
                    piece,
                )
            })
    }

    /// Splits a piece at the matches of the search term, and highlights them.
    fn mark_matches(&self, style: PieceStyle, piece: String) -> StyledText {
        let lower = piece.to_lowercase();
        // If a letter has another length in lower case, which is rare, nothing is highlighted.
        if self.search.is_empty() || lower.len() != piece.len() || !lower.contains(self.search) {
            return vec![(style, piece)];
        }
        let marked = PieceStyle {
            style: style.style.add_modifier(Modifier::REVERSED),
            ..style
        };
        let mut pieces = Vec::new();
        let mut from = 0;
        for (at, _) in lower.match_indices(self.search) {
            let end = at + self.search.len();
            let parts = piece.get(from..at).zip(piece.get(at..end));
            let Some((before, found)) = parts else {
                return vec![(style, piece)];
            };
            pieces.extend([(style, before.to_owned()), (marked, found.to_owned())]);
            from = end;
        }
        pieces.push((style, piece[from..].to_owned()));
        pieces
    }
}

/// Describes joins and parts in one sentence.
fn describe_membership(changes: &[MembershipChange]) -> String {
    let describe = |joined: bool| {
        let these: Vec<&MembershipChange> = changes
            .iter()
            .filter(|change| change.joined == joined)
            .collect();
        let verb = if joined { "joined" } else { "left" };
        match these[..] {
            [] => None,
            [one] => Some(format!(
                "{} {verb}{}",
                one.nick,
                text::reason(one.reason.as_deref())
            )),
            _ if these.len() > MAX_NAMES => {
                let some: Vec<&str> = these
                    .iter()
                    .take(MAX_NAMES - 1)
                    .map(|one| &*one.nick)
                    .collect();
                Some(format!(
                    "{} and {} more {verb}",
                    some.join(", "),
                    these.len() - some.len()
                ))
            }
            _ => {
                let all: Vec<&str> = these.iter().map(|one| &*one.nick).collect();
                Some(format!("{} {verb}", all.join(", ")))
            }
        }
    };
    [describe(true), describe(false)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" · ")
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::config::Colours;
    use crate::tui::theme::Theme;

    #[test]
    fn matches_of_a_search_are_highlighted() {
        let zone = TimeZone::UTC;
        let (theme, marked) = (Theme::new(Colours::None), None);
        let highlighted = |text: &str| -> String {
            let layout = Layout {
                width: 80,
                zone: &zone,
                theme,
                marked,
                search: "twig",
            };
            let pieces = layout
                .mark_matches(PieceStyle::default(), text.to_owned())
                .into_iter();
            let marked = pieces.map(|(style, piece)| {
                if style == PieceStyle::default() {
                    piece
                } else {
                    format!("<{piece}>")
                }
            });
            marked.collect()
        };
        assert_eq!(highlighted("Twigs, no TWIG"), "<Twig>s, no <TWIG>");
        assert_eq!(highlighted("eggs"), "eggs");
        assert_eq!(
            highlighted("İ twig"),
            "İ twig",
            "that letter is longer in lower case"
        );
    }

    #[test]
    fn joins_and_parts_are_described_in_one_sentence() {
        let change = |nick: &str, joined, reason: Option<&str>| MembershipChange {
            nick: nick.into(),
            joined,
            reason: reason.map(Into::into),
        };
        assert_eq!(
            describe_membership(&[change("a", false, Some("bye"))]),
            "a left (“bye”)"
        );
        let forged = change("a", false, Some("x”) · b left (“spam"));
        assert_eq!(
            describe_membership(&[forged]),
            "a left (“x') · b left ('spam”)",
            "it is one quotation"
        );
        let some = [
            change("a", true, None),
            change("b", false, None),
            change("c", true, None),
        ];
        assert_eq!(describe_membership(&some), "a, c joined · b left");
        let many: Vec<MembershipChange> = ["a", "b", "c", "d", "e", "f"]
            .map(|nick| change(nick, true, None))
            .into();
        assert_eq!(describe_membership(&many), "a, b, c, d and 2 more joined");
    }
}

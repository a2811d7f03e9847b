//! The rows of the help on commands and keys.

use rookery_terminal::columns;

use crate::commands::Usage;
use crate::text;
use crate::tui::app::keys::KEYS;
use crate::tui::app::screen_commands;

/// A row of the help.
pub enum HelpRow {
    /// A heading, or an empty row.
    Heading(&'static str),
    /// A part of the form of a command or key, padded to the width of its column, and a part of
    /// what it does.
    Usage(String, String),
}

/// Returns the rows of the help on a screen of that width.
pub fn rows(width: u16) -> Vec<HelpRow> {
    let commands: Vec<Usage> = screen_commands::help().collect();
    let forms = commands.iter().chain(KEYS).map(|(form, _)| columns(form));
    let column = forms.max().unwrap_or_default().min(usize::from(width) / 2);
    let room = usize::from(popup_width(width))
        .saturating_sub(column + 4)
        .max(1);
    let mut rows = vec![HelpRow::Heading("Commands")];
    rows.extend(usage_rows(&commands, column, room));
    rows.extend([HelpRow::Heading(""), HelpRow::Heading("Keys")]);
    rows.extend(usage_rows(KEYS, column, room));
    rows
}

/// Returns the width of the help on a screen of that width.
pub fn popup_width(width: u16) -> u16 {
    width.min(100)
}

/// Text that does not fit into one row continues in the next.
fn usage_rows(usages: &[Usage], column: usize, room: usize) -> Vec<HelpRow> {
    let mut rows = Vec::new();
    for (form, help) in usages {
        let forms = text::split(form, column.max(1));
        let helps = text::split(help, room);
        for index in 0..forms.len().max(helps.len()) {
            let form = forms.get(index).copied().unwrap_or_default();
            let help = helps.get(index).copied().unwrap_or_default();
            let space = " ".repeat((column + 2).saturating_sub(columns(form)));
            rows.push(HelpRow::Usage(format!("{form}{space}"), help.to_owned()));
        }
    }
    rows
}

//! The fuzz targets of this crate: each is a function that panics if an input breaks an invariant.
//! The crate in `fuzz/` runs them; its table lists all targets.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rookery_protocol::Message;

use crate::model::Model;
use crate::plain::Printer;
use crate::text;

pub use crate::tui::fuzz::screen;

/// The lines of a server, printed as plain lines.
pub fn plain_lines(data: &[u8]) {
    let mut printer = Printer::new(Vec::new(), TimeZone::UTC, || Some(80));
    let mut model = Model::default();
    for line in String::from_utf8_lossy(data).split('\n').take(100) {
        let Ok(message) = Message::parse(line) else {
            continue;
        };
        for event in model.handle(&message, Timestamp::UNIX_EPOCH) {
            let result = printer.print(&event, &model);
            assert!(result.is_ok(), "memory can be written to");
        }
    }
    let lines = String::from_utf8_lossy(printer.printed());
    assert!(
        !lines
            .chars()
            .any(|char| char != '\n' && text::is_unsafe(char)),
        "a control character is printed: {lines:?}"
    );
}

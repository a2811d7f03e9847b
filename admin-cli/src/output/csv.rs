//! What came of an import.

use rookery_control_api::ImportReply;

use super::{count, plain};

/// What came of the rows; `what` they are, in the plural.
pub fn imported(reply: &ImportReply, what: &str) -> String {
    let ImportReply {
        rows,
        added,
        known,
        rejected,
        sessions,
        done,
    } = reply;
    let mut lines: Vec<String> = rejected
        .iter()
        .map(|row| plain(&format!("Line {}: {}", row.line, row.reason)))
        .collect();
    let (new, ended) = if *done {
        (
            format!("{added} {what} are new"),
            format!("; {} ended", count(*sessions, "session", "sessions")),
        )
    } else {
        (format!("{added} {what} would be new"), String::new())
    };
    let ended = if *sessions > 0 { ended } else { String::new() };
    let nothing = if *done { "" } else { " Nothing was done." };
    lines.push(format!(
        "{}: {new}, {known} were there already, {} bad{ended}.{nothing}",
        count(*rows, "row", "rows"),
        rejected.len()
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use rookery_control_api::RejectedRow;

    use super::*;

    #[test]
    fn bad_rows_are_named_by_line() {
        let row = |line, reason: &str| RejectedRow {
            line,
            reason: reason.to_owned(),
        };
        let mut reply = ImportReply {
            rows: 5,
            added: 2,
            known: 1,
            rejected: vec![row(3, "the name is empty"), row(9, "no\u{1b}mail")],
            sessions: 1,
            done: true,
        };
        let expected = "\
Line 3: the name is empty
Line 9: no\u{fffd}mail
5 rows: 2 bans are new, 1 were there already, 2 bad; 1 session ended.";
        assert_eq!(imported(&reply, "bans"), expected);
        reply.done = false;
        reply.rejected.clear();
        assert_eq!(
            imported(&reply, "bans"),
            "5 rows: 2 bans would be new, 1 were there already, 0 bad. Nothing was done."
        );
    }
}

//! The audit trail.

use rookery_control_api::{AuditList, AuditOutcome, AuditVerdict};

use super::{Reader, count, shown, table};

impl Reader {
    /// The audit trail, oldest first.
    pub fn audit(&self, list: &AuditList) -> String {
        let rows = list.entries.iter().map(|entry| {
            [
                entry.id.to_string(),
                self.time(entry.at),
                entry.actor.clone(),
                entry.origin.clone(),
                entry.session.clone(),
                entry.act.clone(),
                entry.target.clone(),
                entry.outcome.name().to_owned(),
                entry.detail.clone(),
            ]
        });
        let header = [
            "ID", "TIME", "ADMIN", "FROM", "SESSION", "ACT", "TARGET", "OUTCOME", "DETAIL",
        ];
        let refused = |row: usize| {
            list.entries
                .get(row)
                .is_some_and(|entry| entry.outcome == AuditOutcome::Refused)
        };
        let number = count(list.entries.len(), "entry", "entries");
        let text = if list.entries.is_empty() {
            number
        } else {
            format!("{}\n\n{number}", shown(&table(header, rows), refused))
        };
        match list.next {
            Some(id) => format!("{text}; there are more before them: --before {id}"),
            None => text,
        }
    }
}

/// An audit trail that is in order.
pub fn verdict(verdict: &AuditVerdict) -> String {
    match &verdict.head {
        Some(head) => format!(
            "All {} entries are in order. The newest is\n{head}",
            verdict.entries
        ),
        None => "The audit trail is empty.".to_owned(),
    }
}

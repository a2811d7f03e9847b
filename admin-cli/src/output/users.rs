//! Who is online, and the end of their sessions.

use comfy_table::Table;
use rookery_protocol::control::{KickPreview, KickReply, OnlineUser, UserList};

use super::{Reader, count, ended, plain, table, with_count};

impl Reader {
    /// Who is online.
    pub fn users(&self, list: &UserList) -> String {
        with_count(&self.user_table(&list.users), list.users.len(), "user online", "users online")
    }

    /// Whom a kick would hit.
    pub fn kick_preview(&self, preview: &KickPreview) -> String {
        let sessions = preview.users.iter().map(|user| user.sessions.len()).sum();
        let summary = plain(&format!(
            "A kick of {} would now end {} of {}. Nothing was done.",
            preview.target,
            count(sessions, "session", "sessions"),
            count(preview.users.len(), "user", "users"),
        ));
        self.preview(&preview.users, &summary)
    }

    /// Those who would be hit, if any, and what that would be.
    pub(super) fn preview(&self, users: &[OnlineUser], summary: &str) -> String {
        if users.is_empty() {
            return summary.to_owned();
        }
        format!("{}\n\n{summary}", self.user_table(users).trim_fmt())
    }

    fn user_table(&self, users: &[OnlineUser]) -> Table {
        let rows = users.iter().map(|user| {
            let addresses: Vec<&str> = user.sessions.iter().map(|session| session.address.as_str()).collect();
            [
                user.nick.clone(),
                user.email.clone().unwrap_or_else(|| "(guest)".to_owned()),
                user.channels.join(" "),
                addresses.join(" "),
                self.distance(user.since),
                self.distance(user.active_at),
            ]
        });
        table(["NICK", "EMAIL", "CHANNELS", "ADDRESS", "CAME", "ACTIVE"], rows)
    }
}

/// A kick that was done.
pub fn kick(name: &str, reply: &KickReply) -> String {
    plain(&format!("{name} is kicked; {}.", ended(reply)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::output::tests::{reader, user};

    #[test]
    fn users_are_a_table_with_a_count() {
        let list = UserList { users: vec![user("alice", Some("alice@example.org"), 1), user("bo", None, 2)] };
        let expected = "\
NICK   EMAIL              CHANNELS  ADDRESS                        CAME    ACTIVE
alice  alice@example.org  #lobby    192.0.2.1:1001                 5m ago  4s ago
bo     (guest)            #lobby    192.0.2.1:1001 192.0.2.1:1002  5m ago  4s ago

2 users online";
        assert_eq!(reader().users(&list), expected);
        assert_eq!(reader().users(&UserList { users: vec![] }), "0 users online");
        let alone = UserList { users: vec![user("bo", None, 1)] };
        assert!(reader().users(&alone).ends_with("\n1 user online"));
    }

    #[test]
    fn nothing_from_the_wire_steers_the_terminal() {
        let mut mallory = user("mal\u{1b}[2Jlory", None, 1);
        mallory.channels = vec!["#a\r\nb\u{202e}c".to_owned()];
        let text = reader().users(&UserList { users: vec![mallory] });
        assert!(text.contains("mal\u{fffd}[2Jlory"), "{text:?}");
        assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text:?}");
        assert_eq!(text.lines().count(), 4);
    }
}

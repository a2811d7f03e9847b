//! Who is online, and the end of their sessions.

use comfy_table::Table;
use rookery_control_api::{KickPreview, KickReply, OnlineSession, OnlineUser, UserList};

use super::{Reader, count, ended, facts, plain, shown, table, with_count};

impl Reader {
    /// One page of those who are online.
    pub fn users(&self, list: &UserList) -> String {
        let UserList { users, total, next } = list;
        let page = with_count(
            &self.user_table(users),
            *total,
            "user online",
            "users online",
        );
        match next {
            None => page,
            Some(next) => format!(
                "{page}, {} of them here; for more, --after {}",
                users.len(),
                plain(next)
            ),
        }
    }

    /// One user in full.
    pub fn user(&self, user: &OnlineUser) -> String {
        let OnlineUser {
            nick,
            account,
            email,
            since,
            active_at,
            channels,
            sessions,
        } = user;
        let account = account.as_ref().zip(email.as_ref()).map_or_else(
            || "none: a guest".to_owned(),
            |(account, email)| format!("{account} ({email})"),
        );
        let head = facts([
            ("Nick", nick.clone()),
            ("Account", account),
            ("Came", self.time(*since)),
            ("Idle", self.length(*active_at)),
            ("Channels", channels.join(" ")),
            ("Sessions", sessions.len().to_string()),
        ]);
        let sessions = sessions.iter().map(|session| {
            let OnlineSession {
                id,
                address,
                tls,
                since,
                ..
            } = session;
            let text = format!(
                "{id}: {address}, {tls}, since {}, {}",
                self.time(*since),
                client(session)
            );
            format!("\n  {}", plain(&text))
        });
        head + &sessions.collect::<String>()
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
        format!("{}\n\n{summary}", shown(&self.user_table(users), |_| false))
    }

    /// A line for each session; what is of the user stands on the first.
    fn user_table(&self, users: &[OnlineUser]) -> Table {
        let rows = users.iter().flat_map(|user| {
            let mut of_user = [
                user.nick.clone(),
                match (&user.account, &user.email) {
                    (_, Some(email)) => email.clone(),
                    (Some(_), None) => "(none)".to_owned(),
                    (None, None) => "(guest)".to_owned(),
                },
                user.channels.join(" "),
                self.distance(user.since),
                self.length(user.active_at),
            ];
            (0..user.sessions.len().max(1)).map(move |at| {
                let [nick, email, channels, came, idle] = std::mem::take(&mut of_user);
                let [id, address, tls, client] =
                    user.sessions.get(at).map(session_cells).unwrap_or_default();
                [nick, email, channels, address, came, idle, id, tls, client]
            })
        });
        let header = [
            "NICK", "EMAIL", "CHANNELS", "ADDRESS", "CAME", "IDLE", "SESSION", "TLS", "CLIENT",
        ];
        table(header, rows)
    }
}

fn session_cells(session: &OnlineSession) -> [String; 4] {
    [
        session.id.to_string(),
        session.address.clone(),
        session.tls.clone(),
        client(session),
    ]
}

/// What a client says of itself.
fn client(session: &OnlineSession) -> String {
    format!("{} ({})", session.username, session.realname)
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

    fn list(users: Vec<OnlineUser>) -> UserList {
        UserList {
            total: users.len(),
            users,
            next: None,
        }
    }

    #[test]
    fn users_are_a_table_with_a_count() {
        let list = list(vec![
            user("alice", Some("alice@example.org"), 1),
            user("bo", None, 2),
        ]);
        let expected = "\
NICK   EMAIL              CHANNELS  ADDRESS         CAME    IDLE  SESSION  TLS                     CLIENT
alice  alice@example.org  #lobby    192.0.2.1:1001  5m ago  4s    1        TLSv1.3 X25519MLKEM768  alice (Rook 1.0)
bo     (guest)            #lobby    192.0.2.1:1001  5m ago  4s    1        TLSv1.3 X25519MLKEM768  bo (Rook 1.0)
                                    192.0.2.1:1002                2        TLSv1.3 X25519MLKEM768  bo (Rook 1.0)

2 users online";
        assert_eq!(reader().users(&list), expected);
        assert_eq!(reader().users(&self::list(vec![])), "0 users online");
        let alone = self::list(vec![user("bo", None, 1)]);
        assert!(reader().users(&alone).ends_with("\n1 user online"));
        let page = UserList {
            total: 734,
            next: Some("bo".to_owned()),
            ..alone
        };
        assert!(
            reader()
                .users(&page)
                .ends_with("\n734 users online, 1 of them here; for more, --after bo")
        );
    }

    #[test]
    fn a_user_without_a_session_is_a_line_too() {
        let text = reader().users(&list(vec![user("alice", Some("alice@example.org"), 0)]));
        assert!(
            text.contains("\nalice  alice@example.org  #lobby"),
            "{text}"
        );
    }

    #[test]
    fn a_user_is_shown_with_every_session() {
        let expected = "\
Nick         alice
Account      alice (alice@example.org)
Came         2026-11-22 09:55:00 (5m ago)
Idle         4s
Channels     #lobby
Sessions     2
  1: 192.0.2.1:1001, TLSv1.3 X25519MLKEM768, since 2026-11-22 09:55:00 (5m ago), alice (Rook 1.0)
  2: 192.0.2.1:1002, TLSv1.3 X25519MLKEM768, since 2026-11-22 09:55:00 (5m ago), alice (Rook 1.0)";
        assert_eq!(
            reader().user(&user("alice", Some("alice@example.org"), 2)),
            expected
        );
        assert!(
            reader()
                .user(&user("gast", None, 1))
                .contains("\nAccount      none: a guest\n")
        );
    }

    #[test]
    fn a_kick_of_many_is_shown_before_it_is_done() {
        let users = vec![user("bo", None, 2)];
        let text = reader().kick_preview(&KickPreview {
            target: "192.0.2.0/24".to_owned(),
            users,
        });
        assert!(text.starts_with("NICK  EMAIL"), "{text}");
        let summary =
            "A kick of 192.0.2.0/24 would now end 2 sessions of 1 user. Nothing was done.";
        assert!(text.ends_with(summary), "{text}");
        let nobody = KickPreview {
            target: "x".to_owned(),
            users: Vec::new(),
        };
        assert!(
            reader()
                .kick_preview(&nobody)
                .starts_with("A kick of x would now end 0 sessions")
        );
    }

    #[test]
    fn nothing_from_the_wire_steers_the_terminal() {
        let mut mallory = user("mal\u{1b}[2Jlory", None, 1);
        mallory.channels = vec!["#a\r\nb\u{202e}c".to_owned()];
        let text = reader().users(&list(vec![mallory]));
        assert!(text.contains("mal\u{fffd}[2Jlory"), "{text:?}");
        assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text:?}");
        assert_eq!(text.lines().count(), 4);
    }
}

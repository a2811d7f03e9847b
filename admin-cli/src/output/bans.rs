//! Who is banned, and whom a ban would hit.

use rookery_control_api::{BanEntry, BanList, BanPreview, BanReply};

use super::{Reader, count, ended, plain, table, with_count, with_next};

impl Reader {
    /// Who is banned.
    pub fn bans(&self, list: &BanList) -> String {
        let rows = list.bans.iter().map(|ban| {
            [
                ban.id.to_string(),
                ban.target.clone(),
                ban.expires_at
                    .map_or_else(|| "never".to_owned(), |end| self.distance(end)),
                ban.by.clone(),
                self.time(ban.created_at),
                ban.reason.clone(),
            ]
        });
        let table = table(["ID", "TARGET", "ENDS", "BY", "SINCE", "REASON"], rows);
        let page = with_count(&table, list.bans.len(), "ban", "bans");
        with_next(page, list.next.as_ref())
    }

    /// A ban that was made.
    pub fn ban(&self, reply: &BanReply) -> String {
        let BanEntry {
            target, expires_at, ..
        } = &reply.ban;
        let until = expires_at.map_or_else(
            || "for ever".to_owned(),
            |end| format!("until {}", self.time(end)),
        );
        plain(&format!(
            "{target} is banned {until}; {}.",
            ended(&reply.ended)
        ))
    }

    /// Whom a ban would hit.
    pub fn ban_preview(&self, preview: &BanPreview) -> String {
        let sessions = preview.users.iter().map(|user| user.sessions.len()).sum();
        let summary = plain(&format!(
            "A ban of {} would now end {} of {}, and refuse {}. Nothing was done.",
            preview.target,
            count(sessions, "session", "sessions"),
            count(preview.users.len(), "user", "users"),
            count(preview.accounts, "account", "accounts"),
        ));
        self.preview(&preview.users, &summary)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rookery_control_api::KickReply;

    use super::*;
    use crate::output::tests::{ago, reader, user};

    #[test]
    fn bans_tell_when_they_end() {
        let ban = |id, target: &str, expires_at| BanEntry {
            id,
            target: target.to_owned(),
            reason: "flooding".to_owned(),
            by: "root".to_owned(),
            created_at: ago(3_600),
            expires_at,
        };
        let list = BanList {
            bans: vec![
                ban(12, "bo", Some(ago(-604_800))),
                ban(7, "eve@example.org", None),
            ],
            next: None,
        };
        let expected = "\
ID  TARGET           ENDS   BY    SINCE                         REASON
12  bo               in 7d  root  2026-11-22 09:00:00 (1h ago)  flooding
7   eve@example.org  never  root  2026-11-22 09:00:00 (1h ago)  flooding

2 bans";
        assert_eq!(reader().bans(&list), expected);
        let page = BanList {
            next: Some(7),
            ..list
        };
        assert!(
            reader()
                .bans(&page)
                .ends_with("\n2 bans; for more, --after 7")
        );
        let ended = KickReply {
            users: vec!["bo".to_owned()],
            sessions: 2,
        };
        let reply = BanReply {
            ban: ban(12, "bo", Some(ago(-604_800))),
            ended,
        };
        let text = "bo is banned until 2026-11-29 10:00:00 (in 7d); 2 sessions of bo ended.";
        assert_eq!(reader().ban(&reply), text);
        let reply = BanReply {
            ban: ban(7, "eve@example.org", None),
            ended: KickReply {
                users: vec![],
                sessions: 0,
            },
        };
        assert_eq!(
            reader().ban(&reply),
            "eve@example.org is banned for ever; no session was online."
        );
    }

    #[test]
    fn a_dry_run_tells_whom_a_ban_would_hit() {
        let preview = BanPreview {
            target: "*@example.org".to_owned(),
            users: vec![user("alice", Some("alice@example.org"), 2)],
            accounts: 5,
        };
        let text = reader().ban_preview(&preview);
        assert!(text.starts_with("NICK   EMAIL"), "{text}");
        let summary = "A ban of *@example.org would now end 2 sessions of 1 user, and refuse 5 accounts. Nothing was done.";
        assert!(text.ends_with(summary), "{text}");
        let nobody = BanPreview {
            users: Vec::new(),
            accounts: 0,
            ..preview
        };
        assert!(
            reader()
                .ban_preview(&nobody)
                .starts_with("A ban of *@example.org would now end 0 sessions")
        );
    }
}

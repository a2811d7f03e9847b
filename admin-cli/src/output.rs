//! What the operator sees: tables and lines as text. Whatever came over the wire is made harmless for a terminal.

use std::io::{self, Write as _};

use comfy_table::Table;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rookery_protocol::control::{
    AccountList, AccountReply, AdminAdded, AdminEntry, AdminList, AdminSessionList, AnnouncementReply,
    AuditList, AuditVerdict, BanEntry, BanList, BanPreview, BanReply, ChannelList, ChannelReply, CloseReply,
    KickReply, OnlineUser, Status, TotpStatus, UserList,
};

use crate::failure::{Failure, while_doing};

/// Writes to standard output, and ends the line. Whoever stops reading early has seen enough.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(while_doing("standard output cannot be written")(error))
        }
        _ => Ok(()),
    }
}

/// `text` without what a terminal would obey instead of showing it.
pub fn plain(text: &str) -> String {
    // Besides control characters, those that turn the reading direction around.
    let obeyed = |char: char| {
        char.is_control()
            || matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|char| if obeyed(char) { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

/// The moment and place of the reader, by which times are told.
pub struct Reader {
    pub now: Timestamp,
    pub zone: TimeZone,
}

impl Reader {
    /// Here and now.
    pub fn here() -> Self {
        Self { now: Timestamp::now(), zone: TimeZone::system() }
    }

    /// Local time, and how far away that is: `2026-11-22 10:08:15 (5m ago)`.
    pub fn time(&self, at: Timestamp) -> String {
        let local = at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        format!("{local} ({})", self.distance(at))
    }

    /// `5m ago`, or `in 5m`, in the largest unit that fits. What is to come is rounded: a ban for seven days ends in
    /// 7d, also a second after it was made.
    pub fn distance(&self, at: Timestamp) -> String {
        let seconds = self.now.duration_since(at).as_secs();
        let whole = |unit: u64| {
            if seconds < 0 {
                (seconds.unsigned_abs() + unit / 2) / unit
            } else {
                seconds.unsigned_abs() / unit
            }
        };
        let length = match seconds.unsigned_abs() {
            0..60 => format!("{}s", whole(1)),
            60..3_600 => format!("{}m", whole(60)),
            3_600..86_400 => format!("{}h", whole(3_600)),
            _ => format!("{}d", whole(86_400)),
        };
        if seconds < 0 { format!("in {length}") } else { format!("{length} ago") }
    }

    /// Who is online.
    pub fn users(&self, list: &UserList) -> String {
        with_count(&self.user_table(&list.users), list.users.len(), "user online", "users online")
    }

    /// Which channels there are.
    pub fn channels(&self, list: &ChannelList) -> String {
        let rows = list.channels.iter().map(|channel| {
            [
                channel.name.clone(),
                channel.members.to_string(),
                channel.modes.clone(),
                self.distance(channel.created_at),
                channel.topic.clone().unwrap_or_default(),
            ]
        });
        let table = table(["CHANNEL", "MEMBERS", "MODES", "MADE", "TOPIC"], rows);
        with_count(&table, list.channels.len(), "channel", "channels")
    }

    /// One channel and who is in it.
    pub fn channel(&self, reply: &ChannelReply) -> String {
        let ChannelReply { channel, members } = reply;
        let members: Vec<String> = members
            .iter()
            .map(|member| {
                let mark = match (member.operator, member.voice) {
                    (true, _) => "@",
                    (false, true) => "+",
                    (false, false) => "",
                };
                format!("{mark}{}", member.nick)
            })
            .collect();
        let lines = [
            ("Channel", channel.name.clone()),
            ("Topic", channel.topic.clone().unwrap_or_else(|| "none".to_owned())),
            ("Modes", channel.modes.clone()),
            ("Made", self.time(channel.created_at)),
            ("Members", format!("{}: {}", members.len(), members.join(" "))),
        ];
        lines.map(|(name, value)| format!("{name:<13}{}", plain(&value))).join("\n")
    }

    /// One page of the accounts.
    pub fn accounts(&self, list: &AccountList) -> String {
        let rows = list.accounts.iter().map(|account| {
            let password = if account.has_password { "yes" } else { "no" };
            [
                account.name.clone(),
                account.email.clone(),
                self.time(account.created_at),
                password.to_owned(),
                account.credentials.to_string(),
                account.disabled.as_ref().map_or_else(String::new, |reason| format!("disabled: {reason}")),
            ]
        });
        let table = table(["NAME", "EMAIL", "MADE", "PASSWORD", "CREDENTIALS", ""], rows);
        let page = with_count(&table, list.accounts.len(), "account", "accounts");
        match &list.next {
            None => page,
            Some(next) => format!("{page}; for more, --after {}", plain(next)),
        }
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
        if preview.users.is_empty() {
            return summary;
        }
        format!("{}\n\n{summary}", self.user_table(&preview.users).trim_fmt())
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

    /// The sign-ins that stand.
    pub fn sessions(&self, list: &AdminSessionList) -> String {
        let rows = list.sessions.iter().map(|session| {
            let this = if session.current { " (this one)" } else { "" };
            [
                format!("{}{this}", session.id),
                session.admin.clone(),
                session.from.clone(),
                self.time(session.since),
                self.distance(session.used_at),
                self.distance(session.expires_at),
            ]
        });
        let table = table(["ID", "ADMIN", "FROM", "SINCE", "USED", "ENDS"], rows);
        with_count(&table, list.sessions.len(), "session", "sessions")
    }

    /// One's own factors.
    pub fn totp(&self, status: &TotpStatus) -> String {
        let Some(enrolled_at) = status.enrolled_at else {
            return "No authenticator app is enrolled: codes come by mail.".to_owned();
        };
        let mail = if status.required { "no longer suffices" } else { "suffices as well" };
        let codes = count(status.recovery_codes as usize, "recovery code", "recovery codes");
        format!("Enrolled {}; a mailed code {mail}; {codes} left.", self.time(enrolled_at))
    }

    /// Who operates the server.
    pub fn admins(&self, list: &AdminList) -> String {
        let rows = list.admins.iter().map(|admin| {
            let factors = if admin.totp { "mail, totp" } else { "mail" };
            [
                admin.name.clone(),
                admin.role.to_string(),
                admin.email.clone(),
                factors.to_owned(),
                self.time(admin.created_at),
            ]
        });
        let table = table(["NAME", "ROLE", "EMAIL", "FACTORS", "SINCE"], rows);
        with_count(&table, list.admins.len(), "admin", "admins")
    }

    /// An admin who was added.
    pub fn admin_added(&self, added: &AdminAdded) -> String {
        let AdminEntry { name, role, .. } = &added.admin;
        let until = self.time(added.initial_until);
        format!(
            "{} is {role} now. The initial password, good until {until}, is\n\n{}\n\n\
             Give it to them, but not by mail: the codes go there. They sign in with it, and choose another with \
             `admin-cli passwd`.",
            plain(name),
            plain(&added.initial_password)
        )
    }

    /// Who is banned.
    pub fn bans(&self, list: &BanList) -> String {
        let rows = list.bans.iter().map(|ban| {
            [
                ban.id.to_string(),
                ban.target.clone(),
                ban.expires_at.map_or_else(|| "never".to_owned(), |end| self.distance(end)),
                ban.by.clone(),
                self.time(ban.created_at),
                ban.reason.clone(),
            ]
        });
        let table = table(["ID", "TARGET", "ENDS", "BY", "SINCE", "REASON"], rows);
        with_count(&table, list.bans.len(), "ban", "bans")
    }

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
        let header = ["ID", "TIME", "ADMIN", "FROM", "SESSION", "ACT", "TARGET", "OUTCOME", "DETAIL"];
        let text = with_count(&table(header, rows), list.entries.len(), "entry", "entries");
        match list.next {
            Some(id) => format!("{text}; there are more before them: --before {id}"),
            None => text,
        }
    }

    /// How the server fares.
    pub fn status(&self, status: &Status) -> String {
        let users = count(status.users, "user", "users");
        let sessions = count(status.sessions, "session", "sessions");
        let connections = count(status.connections, "connection", "connections");
        let certificate = status
            .certificate_expires_at
            .map_or_else(|| "end unknown".to_owned(), |end| format!("ends {}", self.time(end)));
        let queues = format!(
            "{} at the inlet, {} at the journal, largest sendq {}",
            status.inlet_waiting,
            status.journal_waiting,
            bytes(status.largest_sendq_bytes as u64)
        );
        let lines = [
            ("Server", format!("{}, version {}", status.server_name, status.version)),
            ("Started", self.time(status.started_at)),
            ("Online", format!("{users}, {sessions}, {connections}")),
            ("Channels", status.channels.to_string()),
            ("Bans", status.bans.to_string()),
            ("Messages", format!("{} stored since the start", status.messages_stored)),
            ("Queues", queues),
            ("Store", format!("{} on disk", bytes(status.store_bytes))),
            ("Mail", status.mail.clone()),
            ("Certificate", certificate),
        ];
        lines.map(|(name, value)| format!("{name:<13}{}", plain(&value))).join("\n")
    }

    /// A ban that was made.
    pub fn ban(&self, reply: &BanReply) -> String {
        let BanEntry { target, expires_at, .. } = &reply.ban;
        let until =
            expires_at.map_or_else(|| "for ever".to_owned(), |end| format!("until {}", self.time(end)));
        plain(&format!("{target} is banned {until}; {}.", ended(&reply.ended)))
    }
}

/// Something that was done to an account.
pub fn account(reply: &AccountReply, done: &str) -> String {
    let account = &reply.account;
    plain(&format!("{} ({}) {done}; {}.", account.name, account.email, ended(&reply.ended)))
}

/// An announcement that is on its way.
pub fn announced(reply: &AnnouncementReply) -> String {
    format!("Announced to {}.", count(reply.sessions, "session", "sessions"))
}

/// A channel that is gone.
pub fn closed(reply: &CloseReply) -> String {
    let members = count(reply.members.len(), "user was", "users were");
    plain(&format!("{} is closed; {members} in it: {}.", reply.channel, reply.members.join(", ")))
}

/// An audit trail that is in order.
pub fn verdict(verdict: &AuditVerdict) -> String {
    match &verdict.head {
        Some(head) => format!("All {} entries are in order. The newest is\n{head}", verdict.entries),
        None => "The audit trail is empty.".to_owned(),
    }
}

/// A kick that was done.
pub fn kick(name: &str, reply: &KickReply) -> String {
    plain(&format!("{name} is kicked; {}.", ended(reply)))
}

fn ended(reply: &KickReply) -> String {
    match reply.sessions {
        0 => "no session was online".to_owned(),
        sessions => format!("{} of {} ended", count(sessions, "session", "sessions"), reply.users.join(", ")),
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A size in the largest unit that fits.
fn bytes(bytes: u64) -> String {
    let in_unit = |shift: u32, unit: &str| {
        let tenths = (u128::from(bytes) * 10) >> shift;
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => in_unit(10, "KiB"),
        0x10_0000..0x4000_0000 => in_unit(20, "MiB"),
        _ => in_unit(30, "GiB"),
    }
}

/// The table, if there is anything in it, and a line that says how much.
fn with_count(table: &Table, number: usize, one: &str, many: &str) -> String {
    let line = count(number, one, many);
    if number == 0 { line } else { format!("{}\n\n{line}", table.trim_fmt()) }
}

/// Columns without lines, two spaces apart.
fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| plain(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::SignedDuration;
    use rookery_protocol::control::{AccountEntry, ChannelEntry, ChannelMember, OnlineSession};

    use super::*;

    fn reader() -> Reader {
        Reader { now: "2026-11-22T10:00:00Z".parse().unwrap(), zone: TimeZone::UTC }
    }

    fn ago(seconds: i64) -> Timestamp {
        reader().now - SignedDuration::from_secs(seconds)
    }

    fn user(nick: &str, email: Option<&str>, sessions: u64) -> OnlineUser {
        let session = |id| OnlineSession {
            id,
            address: format!("192.0.2.1:100{id}"),
            tls: "TLSv1.3 X25519MLKEM768".to_owned(),
            since: ago(300),
        };
        OnlineUser {
            nick: nick.to_owned(),
            account: email.map(|_| nick.to_owned()),
            email: email.map(str::to_owned),
            since: ago(300),
            active_at: ago(4),
            channels: vec!["#lobby".to_owned()],
            sessions: (1..=sessions).map(session).collect(),
        }
    }

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
    fn bans_tell_when_they_end() {
        let ban = |id, target: &str, expires_at| BanEntry {
            id,
            target: target.to_owned(),
            reason: "flooding".to_owned(),
            by: "root".to_owned(),
            created_at: ago(3_600),
            expires_at,
        };
        let list =
            BanList { bans: vec![ban(12, "bo", Some(ago(-604_800))), ban(7, "eve@example.org", None)] };
        let expected = "\
ID  TARGET           ENDS   BY    SINCE                         REASON
12  bo               in 7d  root  2026-11-22 09:00:00 (1h ago)  flooding
7   eve@example.org  never  root  2026-11-22 09:00:00 (1h ago)  flooding

2 bans";
        assert_eq!(reader().bans(&list), expected);
        let ended = KickReply { users: vec!["bo".to_owned()], sessions: 2 };
        let reply = BanReply { ban: ban(12, "bo", Some(ago(-604_800))), ended };
        let text = "bo is banned until 2026-11-29 10:00:00 (in 7d); 2 sessions of bo ended.";
        assert_eq!(reader().ban(&reply), text);
        let reply = BanReply {
            ban: ban(7, "eve@example.org", None),
            ended: KickReply { users: vec![], sessions: 0 },
        };
        assert_eq!(reader().ban(&reply), "eve@example.org is banned for ever; no session was online.");
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
        let nobody = BanPreview { users: Vec::new(), accounts: 0, ..preview };
        assert!(reader().ban_preview(&nobody).starts_with("A ban of *@example.org would now end 0 sessions"));
    }

    #[test]
    fn a_page_of_accounts_says_how_to_see_the_next() {
        let account = |name: &str, disabled: Option<&str>| AccountEntry {
            name: name.to_owned(),
            email: format!("{name}@example.org"),
            created_at: ago(3_600),
            has_password: disabled.is_none(),
            credentials: 2,
            disabled: disabled.map(str::to_owned),
        };
        let mut list = AccountList {
            accounts: vec![account("alice", None), account("bo", Some("moved"))],
            next: Some("bo".to_owned()),
        };
        let expected = "\
NAME   EMAIL              MADE                          PASSWORD  CREDENTIALS
alice  alice@example.org  2026-11-22 09:00:00 (1h ago)  yes       2
bo     bo@example.org     2026-11-22 09:00:00 (1h ago)  no        2            disabled: moved

2 accounts; for more, --after bo";
        assert_eq!(reader().accounts(&list), expected);
        list.next = None;
        assert!(reader().accounts(&list).ends_with("\n2 accounts"));
        let ended = KickReply { users: vec!["bo".to_owned()], sessions: 1 };
        let reply = AccountReply { account: account("bo", None), ended };
        assert_eq!(
            super::account(&reply, "is deleted"),
            "bo (bo@example.org) is deleted; 1 session of bo ended."
        );
    }

    #[test]
    fn a_channel_is_shown_with_its_members() {
        let channel = ChannelEntry {
            name: "#lobby".to_owned(),
            members: 2,
            topic: Some("Hello".to_owned()),
            modes: "nt".to_owned(),
            created_at: ago(3_600),
        };
        let list = ChannelList { channels: vec![channel.clone()] };
        let expected = "\
CHANNEL  MEMBERS  MODES  MADE    TOPIC
#lobby   2        nt     1h ago  Hello

1 channel";
        assert_eq!(reader().channels(&list), expected);
        let member = |nick: &str, operator, voice| ChannelMember { nick: nick.to_owned(), operator, voice };
        let members =
            vec![member("alice", true, true), member("bo", false, true), member("cy", false, false)];
        let text = reader().channel(&ChannelReply { channel, members });
        assert!(text.ends_with("Members      3: @alice +bo cy"), "{text}");
        let reply = CloseReply { channel: "#lobby".to_owned(), members: vec!["alice".to_owned()] };
        assert_eq!(closed(&reply), "#lobby is closed; 1 user was in it: alice.");
    }

    #[test]
    fn distances_are_told_in_one_unit() {
        let told: Vec<String> = [0, 59, 60, 3_599, 3_600, 86_399, 86_400, 8_640_000, -30, -119, -604_799]
            .map(|s| reader().distance(ago(s)))
            .into();
        assert_eq!(
            told,
            [
                "0s ago", "59s ago", "1m ago", "59m ago", "1h ago", "23h ago", "1d ago", "100d ago",
                "in 30s", "in 2m", "in 7d"
            ]
        );
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

//! `list`, `whois` and `kick`: who is online.

use std::io::{self, IsTerminal as _};
use std::thread;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use rookery_control_api::{
    KickPreview, KickReply, KickRequest, MassKickReply, MassKickRequest, OnlineSession, OnlineUser,
    UserList, UserOrder, UserReply,
};

use super::channels::with_mark;
use crate::args::one_of;
use crate::client::{Client, Query, Reply, segment};
use crate::context::Context;
use crate::failure::Failure;
use crate::prompt::{NEEDS_CONFIRMATION, send_confirmed};
use crate::render::{self, Clock, count, ended_sessions, facts, for_more, printable, with_note};
use crate::table::{Table, table, table_text, with_count};

/// How often `list --watch` refreshes.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List who is online
    List(ListOptions),
    /// Show details of one user who is online
    Whois {
        /// The user's nick
        name: String,
    },
    /// End all sessions of a user, one of them, or all that match; a kicked user may reconnect
    Kick(KickOptions),
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("who").required(true).args(["name", "target"]))]
pub struct KickOptions {
    /// The user's nick
    name: Option<String>,
    /// Only this session of the user, by its id (see `whois`)
    #[arg(long, value_name = "ID", conflicts_with = "target")]
    session: Option<u64>,
    /// Everyone that a ban of this target would cover: an account's name, an email, a pattern of
    /// emails, an IP address, or a network
    #[arg(long = "match", value_name = "TARGET")]
    target: Option<String>,
    /// Shown to those who are kicked
    #[arg(long, value_name = "R")]
    reason: Option<String>,
    /// Only show who `--match` would kick now
    #[arg(long, requires = "target", conflicts_with = "name")]
    dry_run: bool,
    /// Do not ask for confirmation if the kick covers everyone or yourself
    #[arg(long, requires = "target", conflicts_with = "name")]
    yes: bool,
}

#[derive(Debug, Args)]
pub struct ListOptions {
    /// Only those in this channel, with or without its #
    #[arg(long, value_name = "C")]
    channel: Option<String>,
    /// Only those that a ban of this target would cover, with the sessions that it would end
    #[arg(long = "match", value_name = "TARGET")]
    target: Option<String>,
    /// Only those with this text in their nick, email, address, or in what their client reports
    /// about itself
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only guests
    #[arg(long)]
    guests: bool,
    /// Sort by name, since (connected first), idle (longest first), sessions (most first) or
    /// address
    #[arg(long, value_name = "BY", default_value = "name",
        value_parser = one_of::<UserOrder>(UserOrder::ALL.map(UserOrder::as_str)))]
    sort: UserOrder,
    /// Reverse the order
    #[arg(long)]
    reverse: bool,
    /// Start after this user; the previous page names it
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,
    /// Users per page
    #[arg(
        long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    limit: u16,
    /// Refresh every two seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

impl Command {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::List(options) => list(&client, &options, context),
            Self::Whois { name } => {
                let reply: Reply<UserReply> =
                    client.get(format!("/v1/users/{}", segment(&name)))?;
                context.show(&reply, |reply, clock| user_facts(&reply.user, clock))
            }
            Self::Kick(options) => kick(&client, options, context),
        }
    }

    /// Returns whether the command runs until Ctrl-C.
    pub fn runs_until_interrupted(&self) -> bool {
        matches!(self, Self::List(ListOptions { watch: true, .. }))
    }
}

fn list(client: &Client, options: &ListOptions, context: &Context<'_>) -> Result<(), Failure> {
    let query = list_query(options);
    let fetch = || -> Result<Reply<UserList>, Failure> { client.get(&query) };
    if !options.watch {
        return context.show(&fetch()?, user_page);
    }
    if context.json || !io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "--watch needs a terminal and excludes --json".to_owned(),
        ));
    }
    loop {
        render::redraw(&user_page(&fetch()?.value, &Clock::system()))?;
        thread::sleep(WATCH_INTERVAL);
    }
}

fn list_query(options: &ListOptions) -> Query {
    let ListOptions {
        channel,
        target,
        search,
        guests,
        sort,
        reverse,
        after,
        limit,
        watch: _,
    } = options;
    Query::new("/v1/users")
        .set("limit", limit)
        .set("sort", sort.as_str())
        .maybe("channel", channel.as_deref().map(with_mark))
        .maybe("match", target.as_ref())
        .maybe("search", search.as_ref())
        .maybe("after", after.as_ref())
        .flag("guests", *guests)
        .flag("reverse", *reverse)
}

fn kick(client: &Client, options: KickOptions, context: &Context<'_>) -> Result<(), Failure> {
    let KickOptions {
        name,
        session,
        target,
        reason,
        dry_run,
        yes,
    } = options;
    if let Some(name) = name {
        let path = format!("/v1/users/{}/kick", segment(&name));
        let reply: Reply<KickReply> = client.post(&path, &KickRequest { reason, session })?;
        let kicked_name = match session {
            None => name,
            Some(id) => format!("session {id} of {name}"),
        };
        return context.show(&reply, |reply, _| kicked(&kicked_name, reply));
    }
    let request = MassKickRequest {
        target: target.unwrap_or_default(),
        reason,
        dry_run,
        confirm: yes,
    };
    let send = |confirm| {
        client.post(
            "/v1/kick",
            &MassKickRequest {
                confirm,
                ..request.clone()
            },
        )
    };
    let reply: Reply<MassKickReply> = send_confirmed(send, yes)?;
    context.show(&reply, |reply, clock| match reply {
        MassKickReply::Done(reply) => {
            let text = kicked(&request.target, &reply.ended);
            printable(&with_note(text, reply.note.as_deref()))
        }
        MassKickReply::Preview(reply) => kick_preview(reply, clock),
    })
}

/// Returns the text that confirms a kick.
pub fn kicked(name: &str, reply: &KickReply) -> String {
    printable(&format!("Kicked {name}; {}", ended_sessions(reply)))
}

fn user_page(list: &UserList, clock: &Clock) -> String {
    let UserList { users, total, next } = list;
    let page = with_count(
        &user_table(users, clock),
        *total,
        "user online",
        "users online",
    );
    match next {
        None => page,
        Some(next) => format!("{page}, {} shown; {}", users.len(), for_more(next)),
    }
}

fn user_facts(user: &OnlineUser, clock: &Clock) -> String {
    let OnlineUser {
        nick,
        account,
        email,
        since,
        active_at,
        channels,
        sessions,
    } = user;
    let account = match (account, email) {
        (None, _) => "none (guest)".to_owned(),
        (Some(account), None) => format!("{account} (no email)"),
        (Some(account), Some(email)) => format!("{account} ({email})"),
    };
    let head = facts([
        ("Nick", nick.clone()),
        ("Account", account),
        ("Connected", clock.time(*since)),
        ("Idle", clock.elapsed(*active_at)),
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
            clock.time(*since),
            reported_client(session)
        );
        format!("\n  {}", printable(&text))
    });
    head + &sessions.collect::<String>()
}

fn kick_preview(reply: &KickPreview, clock: &Clock) -> String {
    let sessions: usize = reply.users.iter().map(|user| user.sessions.len()).sum();
    let summary = format!(
        "A kick of {} would end {} of {} now. Nothing was changed.",
        reply.target,
        count(sessions, "session", "sessions"),
        count(reply.users.len(), "user", "users"),
    );
    let summary = printable(&with_note(summary, reply.note.as_deref()));
    preview(&reply.users, reply.doubt.as_deref(), &summary, clock)
}

/// Returns the users that a kick or ban would affect, if any, why it is probably a mistake, and a
/// summary.
pub fn preview(users: &[OnlineUser], doubt: Option<&str>, summary: &str, clock: &Clock) -> String {
    let summary = match doubt {
        Some(doubt) => format!("{} {NEEDS_CONFIRMATION}\n{summary}", printable(doubt)),
        None => summary.to_owned(),
    };
    if users.is_empty() {
        return summary;
    }
    let table = table_text(&user_table(users, clock), |_| false);
    format!("{table}\n\n{summary}")
}

/// Creates a table with a row for each session. What belongs to the user is in the first row only.
fn user_table(users: &[OnlineUser], clock: &Clock) -> Table {
    let rows = users.iter().flat_map(|user| {
        let mut of_user = [
            user.nick.clone(),
            match (&user.account, &user.email) {
                (_, Some(email)) => email.clone(),
                (Some(_), None) => "(none)".to_owned(),
                (None, None) => "(guest)".to_owned(),
            },
            user.channels.join(" "),
            clock.distance(user.since),
            clock.elapsed(user.active_at),
        ];
        (0..user.sessions.len().max(1)).map(move |at| {
            let [nick, email, channels, connected, idle] = std::mem::take(&mut of_user);
            let [id, address, tls, client] =
                user.sessions.get(at).map(session_cells).unwrap_or_default();
            [
                nick, email, channels, address, connected, idle, id, tls, client,
            ]
        })
    });
    let header = [
        "NICK",
        "EMAIL",
        "CHANNELS",
        "ADDRESS",
        "CONNECTED",
        "IDLE",
        "SESSION",
        "TLS",
        "CLIENT",
    ];
    table(header, rows)
}

fn session_cells(session: &OnlineSession) -> [String; 4] {
    [
        session.id.to_string(),
        session.address.clone(),
        session.tls.clone(),
        reported_client(session),
    ]
}

/// Returns what a client reports about itself.
fn reported_client(session: &OnlineSession) -> String {
    format!("{} ({})", session.username, session.realname)
}

#[cfg(test)]
pub mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Arguments;
    use crate::render::tests::{ago, clock};

    #[test]
    fn a_dry_run_and_a_confirmation_are_for_kicks_by_target_only() {
        let parse = |words: &str| Arguments::try_parse_from(words.split(' '));
        assert!(parse("admin-cli kick --match bob --dry-run --yes").is_ok());
        assert!(parse("admin-cli kick bob").is_ok());
        for bad in ["kick bob --dry-run", "kick bob --yes", "kick --dry-run"] {
            let refusal = parse(&format!("admin-cli {bad}")).unwrap_err();
            assert_eq!(refusal.exit_code(), 2, "{bad}");
        }
    }

    /// Returns a user with so many sessions; without an email, a guest.
    pub fn user(nick: &str, email: Option<&str>, sessions: u64) -> OnlineUser {
        let session = |id| OnlineSession {
            id,
            address: format!("192.0.2.1:100{id}"),
            tls: "TLSv1.3 X25519MLKEM768".to_owned(),
            since: ago(300),
            username: nick.to_owned(),
            realname: "Rook 1.0".to_owned(),
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

    fn page(users: Vec<OnlineUser>) -> UserList {
        UserList {
            total: users.len(),
            users,
            next: None,
        }
    }

    #[test]
    fn users_are_a_table_with_a_count() {
        let list = page(vec![
            user("alice", Some("alice@example.org"), 1),
            user("bo", None, 2),
        ]);
        let expected = [
            "NICK   EMAIL              CHANNELS  ADDRESS         CONNECTED  IDLE  SESSION  \
             TLS                     CLIENT",
            "alice  alice@example.org  #lobby    192.0.2.1:1001  5m ago     4s    1        \
             TLSv1.3 X25519MLKEM768  alice (Rook 1.0)",
            "bo     (guest)            #lobby    192.0.2.1:1001  5m ago     4s    1        \
             TLSv1.3 X25519MLKEM768  bo (Rook 1.0)",
            "                                    192.0.2.1:1002                   2        \
             TLSv1.3 X25519MLKEM768  bo (Rook 1.0)",
            "",
            "2 users online",
        ];
        assert_eq!(user_page(&list, &clock()), expected.join("\n"));
        assert_eq!(user_page(&page(vec![]), &clock()), "0 users online");
        let alone = page(vec![user("bo", None, 1)]);
        assert!(user_page(&alone, &clock()).ends_with("\n1 user online"));
        let first = UserList {
            total: 734,
            next: Some("bo".to_owned()),
            ..alone
        };
        assert!(
            user_page(&first, &clock())
                .ends_with("\n734 users online, 1 shown; for more, --after bo")
        );
    }

    #[test]
    fn a_user_without_a_session_has_a_row_too() {
        let list = page(vec![user("alice", Some("alice@example.org"), 0)]);
        let text = user_page(&list, &clock());
        assert!(
            text.contains("\nalice  alice@example.org  #lobby"),
            "{text}"
        );
    }

    #[test]
    fn a_user_is_shown_with_every_session() {
        let session = |id| {
            format!(
                "  {id}: 192.0.2.1:100{id}, TLSv1.3 X25519MLKEM768, since 2026-11-22 09:55:00 (5m \
                 ago), alice (Rook 1.0)"
            )
        };
        let expected = [
            "Nick         alice",
            "Account      alice (alice@example.org)",
            "Connected    2026-11-22 09:55:00 (5m ago)",
            "Idle         4s",
            "Channels     #lobby",
            "Sessions     2",
            &session(1),
            &session(2),
        ];
        assert_eq!(
            user_facts(&user("alice", Some("alice@example.org"), 2), &clock()),
            expected.join("\n")
        );
        assert!(
            user_facts(&user("gast", None, 1), &clock()).contains("\nAccount      none (guest)\n")
        );
    }

    #[test]
    fn a_dry_run_shows_who_a_kick_would_affect() {
        let reply = KickPreview {
            target: "192.0.2.0/24".to_owned(),
            users: vec![user("bo", None, 2)],
            doubt: None,
            note: None,
        };
        let text = kick_preview(&reply, &clock());
        assert!(text.starts_with("NICK  EMAIL"), "{text}");
        let summary =
            "A kick of 192.0.2.0/24 would end 2 sessions of 1 user now. Nothing was changed.";
        assert!(text.ends_with(summary), "{text}");
        let nobody = KickPreview {
            target: "x".to_owned(),
            users: Vec::new(),
            doubt: None,
            note: None,
        };
        assert!(kick_preview(&nobody, &clock()).starts_with("A kick of x would end 0 sessions"));
    }

    #[test]
    fn nothing_from_the_network_controls_the_terminal() {
        let mut mallory = user("mal\u{1b}[2Jlory", None, 1);
        mallory.channels = vec!["#a\r\nb\u{202e}c".to_owned()];
        let text = user_page(&page(vec![mallory]), &clock());
        assert!(text.contains("mal\u{fffd}[2Jlory"), "{text:?}");
        assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text:?}");
        assert_eq!(text.lines().count(), 4);
    }
}

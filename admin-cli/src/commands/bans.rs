//! `ban`, `unban` and `bans`.

use std::io::{self, IsTerminal as _};

use clap::{Args, Subcommand};
use rookery_control_api::{BanEntry, BanList, BanPreview, BanReply, BanRequest, UnbanReply};
use rookery_protocol::BanTarget;

use super::users::preview;
use crate::args::duration;
use crate::client::{Client, Reply};
use crate::context::Context;
use crate::failure::Failure;
use crate::pages::{self, PageOptions};
use crate::prompt::{confirm, send_confirmed};
use crate::render::{Clock, count, ended_sessions, printable, with_next, with_note};
use crate::table::{table, with_count};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Refuse an account, an email, an address or a network, and end its sessions
    Ban(BanOptions),
    /// Lift a ban
    Unban {
        /// The target, as it was banned
        target: String,
    },
    /// List the bans
    Bans(PageOptions),
}

#[derive(Debug, Args)]
pub struct BanOptions {
    /// An account's name, an email, a pattern of emails (*@spam.example), an IP address (an IPv6
    /// address means its /64), or a network (192.0.2.0/24)
    target: String,
    /// Shown to those who are refused
    #[arg(long, value_name = "R")]
    reason: Option<String>,
    /// How long the ban lasts, such as 90s, 15m, 12h, 7d or 2w; permanent if left out
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    duration: Option<String>,
    /// Only show who would be affected now
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation, also if the ban covers everyone or yourself
    #[arg(long)]
    yes: bool,
}

impl Command {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::Ban(options) => ban(&client, options, context),
            Self::Unban { target } => unban(&client, &target, context),
            Self::Bans(page) => {
                let reply: Reply<BanList> = pages::get(&client, "/v1/bans", &page)?;
                context.show(&reply, ban_table)
            }
        }
    }
}

fn ban(client: &Client, options: BanOptions, context: &Context<'_>) -> Result<(), Failure> {
    let BanOptions {
        target,
        reason,
        duration,
        dry_run,
        yes,
    } = options;
    let request = BanRequest {
        target,
        reason,
        expires_at: None,
        duration,
        dry_run,
        confirm: yes,
    };
    if request.dry_run {
        let reply: Reply<BanPreview> = client.post("/v1/bans", &request)?;
        return context.show(&reply, ban_preview);
    }
    if request.reason.is_none() && request.duration.is_none() && !yes && io::stdin().is_terminal() {
        let warning = format!(
            "This bans {} permanently and without a reason (--for DURATION, --reason R).",
            request.target
        );
        if !confirm(&warning)? {
            return Err(Failure::new("not confirmed, nothing was changed"));
        }
    }
    let send = |confirm| {
        client.post(
            "/v1/bans",
            &BanRequest {
                confirm,
                ..request.clone()
            },
        )
    };
    let reply: Reply<BanReply> = send_confirmed(send, yes)?;
    context.show(&reply, banned)
}

fn unban(client: &Client, target: &str, context: &Context<'_>) -> Result<(), Failure> {
    let list: Reply<BanList> = pages::get_all(client, "/v1/bans")?;
    let ban = list
        .value
        .bans
        .into_iter()
        .find(|ban| is_same_target(&ban.target, target));
    let none = || {
        Failure::new(format!(
            "{target} is not banned; `admin-cli bans` lists the bans"
        ))
    };
    let reply: Reply<UnbanReply> =
        client.delete(&format!("/v1/bans/{}", ban.ok_or_else(none)?.id))?;
    context.show(&reply, |reply, _| {
        printable(&format!("Unbanned {}.", reply.ban.target))
    })
}

/// Returns whether two spellings name one target, compared in the way the server compares them.
fn is_same_target(banned: &str, asked: &str) -> bool {
    let (one, other) = (BanTarget::parse(banned), BanTarget::parse(asked));
    banned == asked || one.is_ok() && one == other
}

fn ban_table(list: &BanList, clock: &Clock) -> String {
    let rows = list.bans.iter().map(|ban| {
        [
            ban.id.to_string(),
            ban.target.clone(),
            ban.expires_at
                .map_or_else(|| "never".to_owned(), |end| clock.distance(end)),
            ban.by.clone(),
            clock.time(ban.created_at),
            ban.reason.clone(),
        ]
    });
    let table = table(["ID", "TARGET", "EXPIRES", "BY", "CREATED", "REASON"], rows);
    let page = with_count(&table, list.bans.len(), "ban", "bans");
    with_next(page, list.next.as_ref())
}

/// Returns the text that confirms a ban.
pub fn banned(reply: &BanReply, clock: &Clock) -> String {
    let BanEntry {
        target, expires_at, ..
    } = &reply.ban;
    let until = expires_at.map_or_else(
        || "permanently".to_owned(),
        |end| format!("until {}", clock.time(end)),
    );
    let text = format!("Banned {target} {until}; {}", ended_sessions(&reply.ended));
    printable(&with_note(text, reply.note.as_deref()))
}

fn ban_preview(reply: &BanPreview, clock: &Clock) -> String {
    let sessions: usize = reply.users.iter().map(|user| user.sessions.len()).sum();
    let others = match reply.other_domains.as_slice() {
        [] => String::new(),
        others => format!(" It covers the same names at {} too.", others.join(", ")),
    };
    let summary = format!(
        "A ban of {} would end {} of {} now, and refuse {}.{others} Nothing was changed.",
        reply.target,
        count(sessions, "session", "sessions"),
        count(reply.users.len(), "user", "users"),
        count(reply.accounts, "account", "accounts"),
    );
    let summary = printable(&with_note(summary, reply.note.as_deref()));
    preview(&reply.users, reply.doubt.as_deref(), &summary, clock)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;
    use rookery_control_api::KickReply;

    use super::super::users::tests::user;
    use super::*;
    use crate::cli::Arguments;
    use crate::render::tests::{ago, clock};

    #[test]
    fn a_bad_duration_is_wrong_usage() {
        let parse =
            |text: &str| Arguments::try_parse_from(["admin-cli", "ban", "mallory", "--for", text]);
        assert!(parse("7d").is_ok());
        let error = parse("7 days").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("90s, 15m, 12h, 7d or 2w"),
            "{error}"
        );
    }

    #[test]
    fn a_ban_is_found_in_every_spelling_of_its_target() {
        assert!(is_same_target("Alice", "alice"));
        assert!(is_same_target("Bob@Example.org", "bob@example.ORG"));
        assert!(is_same_target("192.0.2.0/24", "192.0.2.9/24"));
        assert!(is_same_target("*@spam.example", "*@SPAM.example"));
        assert!(!is_same_target("alice", "alina"));
        assert!(!is_same_target("alice", "alice@example.org"));
        assert!(!is_same_target("192.0.2.0/24", "192.0.3.0/24"));
    }

    #[test]
    fn bans_are_shown_with_their_end() {
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
ID  TARGET           EXPIRES  BY    CREATED                       REASON
12  bo               in 7d    root  2026-11-22 09:00:00 (1h ago)  flooding
7   eve@example.org  never    root  2026-11-22 09:00:00 (1h ago)  flooding

2 bans";
        assert_eq!(ban_table(&list, &clock()), expected);
        let page = BanList {
            next: Some(7),
            ..list
        };
        assert!(ban_table(&page, &clock()).ends_with("\n2 bans; for more, --after 7"));
        let ended = KickReply {
            users: vec!["bo".to_owned()],
            sessions: 2,
        };
        let reply = BanReply {
            ban: ban(12, "bo", Some(ago(-604_800))),
            ended,
            note: None,
        };
        assert_eq!(
            banned(&reply, &clock()),
            "Banned bo until 2026-11-29 10:00:00 (in 7d); 2 sessions of bo ended."
        );
        let reply = BanReply {
            ban: ban(7, "eve@example.org", None),
            ended: KickReply {
                users: vec![],
                sessions: 0,
            },
            note: Some("The nick eve is in use by a guest.".to_owned()),
        };
        assert_eq!(
            banned(&reply, &clock()),
            "Banned eve@example.org permanently; no sessions were online. The nick eve is in use \
             by a guest."
        );
    }

    #[test]
    fn a_dry_run_shows_who_would_be_affected() {
        let reply = BanPreview {
            target: "*@example.org".to_owned(),
            users: vec![user("alice", Some("alice@example.org"), 2)],
            accounts: 5,
            other_domains: Vec::new(),
            doubt: None,
            note: None,
        };
        let text = ban_preview(&reply, &clock());
        assert!(text.starts_with("NICK   EMAIL"), "{text}");
        let summary = "A ban of *@example.org would end 2 sessions of 1 user now, and refuse 5 \
                       accounts. Nothing was changed.";
        assert!(text.ends_with(summary), "{text}");
        let gmail = BanPreview {
            target: "*@gmail.com".to_owned(),
            users: Vec::new(),
            other_domains: vec!["googlemail.com".to_owned()],
            ..reply
        };
        let text = ban_preview(&gmail, &clock());
        assert!(
            text.contains(" It covers the same names at googlemail.com too. "),
            "{text}"
        );
        let nobody = BanPreview {
            target: "*@example.org".to_owned(),
            other_domains: Vec::new(),
            accounts: 0,
            doubt: Some("*@example.org covers your own account.".to_owned()),
            ..gmail
        };
        assert!(ban_preview(&nobody, &clock()).starts_with(
            "*@example.org covers your own account. The real run will ask for a confirmation \
             (--yes).\nA ban of *@example.org would end 0 sessions"
        ));
    }
}

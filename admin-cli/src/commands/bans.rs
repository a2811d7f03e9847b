//! `ban`, `unban` and `bans`.

use rookery_control_api::{BanList, BanPreview, BanReply, BanRequest, UnbanReply};
use rookery_protocol::BanTarget;

use super::{Show, ask_twice, pages};
use crate::cli::{BanOptions, PageOptions};
use crate::client::{Client, Reply};
use crate::failure::Failure;
use crate::output::{self, Reader};

/// Who is banned.
pub fn list(client: &Client, page: &PageOptions, show: &Show) -> Result<(), Failure> {
    let reply: Reply<BanList> = pages::get(client, "/v1/bans", page)?;
    show.result(&reply, |list| Reader::here().bans(list))
}

/// Bans someone; what would hit the world or oneself is asked about.
pub fn ban(client: &Client, options: BanOptions, show: &Show) -> Result<(), Failure> {
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
        return show.result(&reply, |preview| Reader::here().ban_preview(preview));
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
    let reply: Reply<BanReply> = ask_twice(send, yes)?;
    show.result(&reply, |reply| Reader::here().ban(reply))
}

/// Takes a ban back.
pub fn unban(client: &Client, target: &str, show: &Show) -> Result<(), Failure> {
    let list: Reply<BanList> = pages::get_all(client, "/v1/bans")?;
    let ban = list
        .value
        .bans
        .into_iter()
        .find(|ban| is_same_target(&ban.target, target));
    let none = || {
        Failure::new(format!(
            "nobody is banned as {target}; `admin-cli bans` has the list"
        ))
    };
    let reply: Reply<UnbanReply> =
        client.delete(&format!("/v1/bans/{}", ban.ok_or_else(none)?.id))?;
    show.result(&reply, |reply| {
        output::plain(&format!("{} is not banned any more.", reply.ban.target))
    })
}

/// Letter case and the like make no other target; the server compares in the same way.
fn is_same_target(banned: &str, asked: &str) -> bool {
    let (one, other) = (BanTarget::parse(banned), BanTarget::parse(asked));
    banned == asked || one.is_ok() && one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_is_found_however_its_target_is_written() {
        assert!(is_same_target("Alice", "alice"));
        assert!(is_same_target("Bob@Example.org", "bob@example.ORG"));
        assert!(is_same_target("192.0.2.0/24", "192.0.2.9/24"));
        assert!(is_same_target("*@spam.example", "*@SPAM.example"));
        assert!(!is_same_target("alice", "alina"));
        assert!(!is_same_target("alice", "alice@example.org"));
        assert!(!is_same_target("192.0.2.0/24", "192.0.3.0/24"));
    }
}

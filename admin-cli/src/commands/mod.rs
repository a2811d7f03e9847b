//! What each command does.

mod accounts;
mod admins;
mod audit;
mod channels;
mod own;
mod sign_in;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::CommandFactory as _;
use rookery_protocol::BanTarget;
use rookery_protocol::control::{
    AnnouncementReply, AnnouncementRequest, BanList, BanPreview, BanReply, BanRequest, KickReply,
    KickRequest, ReloadReply, Status, UnbanReply, UserList,
};

use crate::cli::{Arguments, Command, ServerAddress};
use crate::client::{Client, Reply, problem_kind, segment};
use crate::failure::Failure;
use crate::output::{self, Reader};
use crate::token_store::TokenStore;

/// Runs the command that was given.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { server, ca, json, command } = arguments;
    let show = Show { json };
    let signed_in = |server: ServerAddress, ca: Option<PathBuf>| {
        let token = TokenStore::of_user(&server)?.load()?;
        let none = || Failure::NotSignedIn(format!("There is no sign-in to {server}."));
        let token = token.ok_or_else(none)?.token;
        Client::new(server, ca, Some(token))
    };
    match command {
        Command::Completions { shell } => completions(shell),
        Command::Login { name, password_file } => {
            let store = TokenStore::of_user(&server)?;
            sign_in::login(&Client::new(server, ca, None)?, &store, name, password_file.as_deref(), &show)
        }
        Command::Logout => {
            let store = TokenStore::of_user(&server)?;
            sign_in::logout(&signed_in(server, ca)?, &store, &show)
        }
        Command::Passwd { password_file, new_password_file } => {
            let store = TokenStore::of_user(&server)?;
            let (old, new) = (password_file.as_deref(), new_password_file.as_deref());
            own::passwd(&signed_in(server, ca)?, &store, old, new, &show)
        }
        Command::Sessions { command } => {
            let store = TokenStore::of_user(&server)?;
            own::sessions(&signed_in(server, ca)?, &store, command, &show)
        }
        Command::Totp(command) => {
            let store = TokenStore::of_user(&server)?;
            own::totp(&signed_in(server, ca)?, &store, &command, &show)
        }
        Command::Admins(command) => admins::run(&signed_in(server, ca)?, command, &show),
        Command::List => list(&signed_in(server, ca)?, &show),
        Command::Kick { name, reason } => kick(&signed_in(server, ca)?, &name, reason, &show),
        Command::Ban { target, reason, duration, dry_run, yes } => {
            let request = BanRequest { target, reason, expires_at: None, duration, dry_run, confirm: yes };
            ban(&signed_in(server, ca)?, request, &show)
        }
        Command::Unban { target } => unban(&signed_in(server, ca)?, &target, &show),
        Command::Bans => bans(&signed_in(server, ca)?, &show),
        Command::Accounts { search, after, limit } => {
            accounts::list(&signed_in(server, ca)?, search.as_deref(), after.as_deref(), limit, &show)
        }
        Command::Account(command) => accounts::run(&signed_in(server, ca)?, command, &show),
        Command::Channels => channels::list(&signed_in(server, ca)?, &show),
        Command::Channel(command) => channels::run(&signed_in(server, ca)?, command, &show),
        Command::Announce { text, channel, account } => {
            let channel = channel.map(|name| channels::with_mark(&name));
            let request = AnnouncementRequest { text, channel, account };
            announce(&signed_in(server, ca)?, &request, &show)
        }
        Command::Reload => reload(&signed_in(server, ca)?, &show),
        Command::Audit { command: None, filters, limit } => {
            audit::list(&signed_in(server, ca)?, &filters, limit, &show)
        }
        Command::Audit { command: Some(command), .. } => audit::run(&signed_in(server, ca)?, command, &show),
        Command::Status => status(&signed_in(server, ca)?, &show),
    }
}

/// Shows results as they are asked for: to people, or to scripts.
struct Show {
    json: bool,
}

impl Show {
    fn result<T>(&self, reply: &Reply<T>, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json { output::print(reply.raw.trim_end()) } else { output::print(&text(&reply.value)) }
    }
}

fn list(client: &Client, show: &Show) -> Result<(), Failure> {
    let reply: Reply<UserList> = client.get("/v1/users")?;
    show.result(&reply, |list| Reader::here().users(list))
}

fn kick(client: &Client, name: &str, reason: Option<String>, show: &Show) -> Result<(), Failure> {
    let path = format!("/v1/users/{}/kick", segment(name));
    let reply: Reply<KickReply> = client.post(&path, &KickRequest { reason })?;
    show.result(&reply, |ended| output::kick(name, ended))
}

fn ban(client: &Client, mut request: BanRequest, show: &Show) -> Result<(), Failure> {
    if request.dry_run {
        let reply: Reply<BanPreview> = client.post("/v1/bans", &request)?;
        return show.result(&reply, |preview| Reader::here().ban_preview(preview));
    }
    let mut reply: Result<Reply<BanReply>, Failure> = client.post("/v1/bans", &request);
    if let Err(failure) = &reply
        && problem_kind(failure).as_deref() == Some("/problems/needs-confirmation")
        && ask(&failure.to_string())?
    {
        request.confirm = true;
        reply = client.post("/v1/bans", &request);
    }
    let reply = reply?;
    show.result(&reply, |reply| Reader::here().ban(reply))
}

fn unban(client: &Client, target: &str, show: &Show) -> Result<(), Failure> {
    let list: Reply<BanList> = client.get("/v1/bans")?;
    let ban = list.value.bans.into_iter().find(|ban| is_same_target(&ban.target, target));
    let none = || Failure::new(format!("nobody is banned as {target}; `admin-cli bans` has the list"));
    let reply: Reply<UnbanReply> = client.delete(&format!("/v1/bans/{}", ban.ok_or_else(none)?.id))?;
    show.result(&reply, |reply| output::plain(&format!("{} is not banned any more.", reply.ban.target)))
}

/// Whether something is to be done all the same. Where nobody can be asked, it is not.
fn ask(warning: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    eprintln!("{}", output::plain(warning));
    let answer = sign_in::read_line("Do it all the same? [y/N] ")?;
    Ok(["y", "yes"].contains(&answer.to_lowercase().as_str()))
}

/// Letter case and the like make no other target; the server compares in the same way.
fn is_same_target(banned: &str, asked: &str) -> bool {
    let (one, other) = (BanTarget::parse(banned), BanTarget::parse(asked));
    banned == asked || one.is_ok() && one == other
}

fn bans(client: &Client, show: &Show) -> Result<(), Failure> {
    let reply: Reply<BanList> = client.get("/v1/bans")?;
    show.result(&reply, |list| Reader::here().bans(list))
}

fn announce(client: &Client, request: &AnnouncementRequest, show: &Show) -> Result<(), Failure> {
    let reply: Reply<AnnouncementReply> = client.post("/v1/announcements", request)?;
    show.result(&reply, output::announced)
}

fn reload(client: &Client, show: &Show) -> Result<(), Failure> {
    let reply: Reply<ReloadReply> = client.post_nothing("/v1/reload")?;
    show.result(&reply, |_| "The config, certificates and CSV files are read anew.".to_owned())
}

fn status(client: &Client, show: &Show) -> Result<(), Failure> {
    let reply: Reply<Status> = client.get("/v1/status")?;
    show.result(&reply, |status| Reader::here().status(status))
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "admin-cli", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
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

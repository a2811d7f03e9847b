//! `list`, `whois` and `kick`.

use std::io::{self, IsTerminal as _};
use std::thread;
use std::time::Duration;

use rookery_control_api::{
    KickReply, KickRequest, MassKickReply, MassKickRequest, UserList, UserReply,
};

use super::{Show, ask_twice, channels};
use crate::cli::{KickOptions, ListOptions};
use crate::client::{Client, Reply, segment};
use crate::failure::Failure;
use crate::output::{self, Reader};

/// How often a list that is watched is shown anew.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// Who is online, once or anew every few seconds.
pub fn list(client: &Client, options: &ListOptions, show: &Show) -> Result<(), Failure> {
    let path = list_path(options);
    let fetch = || -> Result<Reply<UserList>, Failure> { client.get(&path) };
    if !options.watch {
        return show.result(&fetch()?, |list| Reader::here().users(list));
    }
    if show.json || !io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "--watch is for a terminal, without --json".to_owned(),
        ));
    }
    loop {
        output::redraw(&Reader::here().users(&fetch()?.value))?;
        thread::sleep(WATCH_EVERY);
    }
}

fn list_path(options: &ListOptions) -> String {
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
    let channel = channel.as_deref().map(channels::with_mark);
    let given = [
        ("channel", &channel),
        ("match", target),
        ("search", search),
        ("after", after),
    ];
    let mut path = format!("/v1/users?limit={limit}&sort={}", sort.as_str());
    for (name, value) in given {
        path.extend(
            value
                .as_ref()
                .map(|value| format!("&{name}={}", segment(value))),
        );
    }
    for (name, is_given) in [("guests", guests), ("reverse", reverse)] {
        path.extend(is_given.then(|| format!("&{name}=true")));
    }
    path
}

/// One user in full.
pub fn whois(client: &Client, name: &str, show: &Show) -> Result<(), Failure> {
    let reply: Reply<UserReply> = client.get(&format!("/v1/users/{}", segment(name)))?;
    show.result(&reply, |reply| Reader::here().user(&reply.user))
}

/// Ends the sessions of a user, one of them, or all that match.
pub fn kick(client: &Client, options: KickOptions, show: &Show) -> Result<(), Failure> {
    let KickOptions {
        name,
        session,
        target,
        reason,
        dry_run,
        yes,
    } = options;
    let Some(name) = name else {
        let target = target.unwrap_or_default();
        let request = MassKickRequest {
            target,
            reason,
            dry_run,
            confirm: yes,
        };
        return kick_all(client, &request, show);
    };
    let path = format!("/v1/users/{}/kick", segment(&name));
    let reply: Reply<KickReply> = client.post(&path, &KickRequest { reason, session })?;
    let whom = session.map_or_else(|| name.clone(), |id| format!("Session {id} of {name}"));
    show.result(&reply, |ended| output::kick(&whom, ended))
}

fn kick_all(client: &Client, request: &MassKickRequest, show: &Show) -> Result<(), Failure> {
    let send = |confirm| {
        client.post(
            "/v1/kick",
            &MassKickRequest {
                confirm,
                ..request.clone()
            },
        )
    };
    let reply: Reply<MassKickReply> = ask_twice(send, request.confirm)?;
    show.result(&reply, |reply| match reply {
        MassKickReply::Done(ended) => output::kick(&request.target, ended),
        MassKickReply::Preview(preview) => Reader::here().kick_preview(preview),
    })
}

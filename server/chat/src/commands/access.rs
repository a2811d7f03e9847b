//! `ACCESS`, our own command: who is an operator of a channel, or has a voice in it, whenever they
//! come, by their accounts. For channels that somebody owns.
//!
//! - `ACCESS <channel> [LIST]`, for those who run the channel → one `ACCESS LIST <channel>
//!   <account> <founder|op|voice> <by|*> <at>` each, then `ACCESS END <channel> <count>`.
//! - `ACCESS <channel> ADD <account> <op|voice>`, for the founder → `ACCESS ADDED <channel>
//!   <account> <op|voice> :text`.
//! - `ACCESS <channel> DEL <account>`, for the founder → `ACCESS DELETED <channel> <account>
//!   :text`.
//!
//! What cannot be done is answered with `FAIL ACCESS <code> <context> :text`.

use rookery_protocol::{AccountName, ChannelName, Message};

use crate::commands::channels::{existing, needs_operator};
use crate::commands::needs_more;
use crate::ids::UserId;
use crate::line::shown_time;
use crate::ownership::ModeChange;
use crate::state::channel::MemberModes;
use crate::turn::{Caller, Turn};
use rookery_record::{Access, AccessLevel};

/// `ACCESS <channel> [LIST | ADD <account> <level> | DEL <account>]`.
pub fn access(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let Some(name) = existing(turn, caller, message.param(0).unwrap_or_default()) else {
        return;
    };
    let Some(channel) = turn.state.channel(&name) else {
        return;
    };
    let founder = channel.is_founded_by(turn.state.user(caller.user));
    let runs = founder || channel.is_operator(caller.user);
    if channel.founder.is_none() {
        let text = "Nobody owns that channel, so it keeps no access list";
        return refuse(turn, caller, "NOT_OWNED", &[name.as_str()], text);
    }
    if !runs {
        return needs_operator(turn, caller, &name);
    }
    let subcommand = message.param(1).unwrap_or("LIST").to_ascii_uppercase();
    match (subcommand.as_str(), message.param(2), message.param(3)) {
        ("LIST", ..) => list(turn, caller, &name),
        ("ADD" | "DEL", ..) if !founder => {
            refuse(
                turn,
                caller,
                "NOT_FOUNDER",
                &[name.as_str()],
                "Only the channel's founder changes its access list",
            );
        }
        ("ADD", Some(account), Some(level)) => add(turn, caller, &name, account, level),
        ("DEL", Some(account), _) => delete(turn, caller, &name, account),
        ("ADD" | "DEL", ..) => needs_more(turn, caller, "ACCESS"),
        _ => refuse(
            turn,
            caller,
            "UNKNOWN_SUBCOMMAND",
            &[&subcommand],
            "It is LIST, ADD or DEL",
        ),
    }
}

fn list(turn: &mut Turn<'_>, caller: Caller, name: &ChannelName) {
    let Some(channel) = turn.state.channel(name) else {
        return;
    };
    let founder = channel.founder.iter().map(|founder| {
        (
            founder.to_string(),
            "founder",
            "*".to_owned(),
            channel.created_at,
        )
    });
    let others = channel.access.iter().map(|access| {
        (
            access.account.to_string(),
            access.level.as_str(),
            access.by.clone(),
            access.at,
        )
    });
    let rows: Vec<_> = founder.chain(others).collect();
    for (account, level, by, at) in &rows {
        say(
            turn,
            caller,
            &["LIST", name.as_str(), account, level, by, &shown_time(*at)],
        );
    }
    say(
        turn,
        caller,
        &["END", name.as_str(), &rows.len().to_string()],
    );
}

fn add(turn: &mut Turn<'_>, caller: Caller, name: &ChannelName, account: &str, level: &str) {
    let Ok(account) = AccountName::parse(account) else {
        return refuse(
            turn,
            caller,
            "INVALID_ACCOUNT",
            &[account],
            "That cannot be an account's name",
        );
    };
    let Some(level) = AccessLevel::parse(level) else {
        return refuse(turn, caller, "INVALID_LEVEL", &[level], "It is op or voice");
    };
    let by = turn.state.user(caller.user).source.to_string();
    let (at, limit) = (turn.now(), turn.settings.channel_list_entries);
    let Some(channel) = turn.state.channel_mut(name) else {
        return;
    };
    if channel.founder.as_ref() == Some(&account) {
        let text = "The founder has every access as it is";
        return refuse(turn, caller, "IS_FOUNDER", &[account.as_str()], text);
    }
    let before = channel.access_of(&account);
    if before.is_none() && limit > 0 && channel.access.len() >= limit {
        return refuse(
            turn,
            caller,
            "LIST_FULL",
            &[name.as_str()],
            "The channel's access list is full",
        );
    }
    channel.access.retain(|access| access.account != account);
    channel.access.push(Access {
        account: account.clone(),
        level,
        by,
        at,
    });
    let is_here = apply(turn, caller.user, name, &account, before, Some(level));
    let what = match level {
        AccessLevel::Operator => "is an operator of the channel",
        AccessLevel::Voice => "has a voice in the channel",
    };
    let text = format!("{account} {what} whenever it comes");
    let line = turn
        .server_line("ACCESS")
        .word("ADDED")
        .word(name.as_str())
        .word(account.as_str());
    turn.send(caller, &line.word(level.as_str()).text(&text));
    if !is_here {
        let text = "Nobody of that account is online: be sure of the name, it is good for whoever has it or registers it";
        let line = turn
            .server_line("NOTE")
            .word("ACCESS")
            .word("ACCOUNT_NOT_SEEN")
            .word(account.as_str());
        turn.send(caller, &line.text(text));
    }
}

fn delete(turn: &mut Turn<'_>, caller: Caller, name: &ChannelName, given: &str) {
    let account = AccountName::parse(given).ok();
    let found = account.and_then(|account| {
        let level = turn.state.channel(name)?.access_of(&account)?;
        Some((account, level))
    });
    let Some((account, level)) = found else {
        return refuse(
            turn,
            caller,
            "NO_SUCH_ENTRY",
            &[given],
            "The access list does not name that account",
        );
    };
    if let Some(channel) = turn.state.channel_mut(name) {
        channel.access.retain(|access| access.account != account);
    }
    apply(turn, caller.user, name, &account, Some(level), None);
    let line = turn
        .server_line("ACCESS")
        .word("DELETED")
        .word(name.as_str())
        .word(account.as_str());
    turn.send(
        caller,
        &line.text(&format!("{account} is like anybody in the channel")),
    );
}

/// Keeps the list, and makes the account's user in the channel what the list makes it now. Gives
/// whether the user is online.
fn apply(
    turn: &mut Turn<'_>,
    by: UserId,
    name: &ChannelName,
    account: &AccountName,
    before: Option<AccessLevel>,
    after: Option<AccessLevel>,
) -> bool {
    let Some(user) = turn.state.by_account(account).map(|user| user.id) else {
        turn.keep_channel(name);
        return false;
    };
    let nick = turn.state.user(user).nick.to_string();
    let member = turn
        .state
        .channel(name)
        .and_then(|channel| channel.member(user));
    let mut changes: Vec<ModeChange> = Vec::new();
    if let Some(member) = member {
        let mut standing = member.standing;
        for (level, on) in [
            (before.filter(|before| Some(*before) != after), false),
            (after, true),
        ] {
            if let Some(level) = level
                && std::mem::replace(part(&mut standing, level), on) != on
            {
                changes.push((on, letter(level), Some(nick.clone())));
            }
        }
        turn.set_standing(user, name, standing);
    }
    if changes.is_empty() {
        turn.keep_channel(name);
    }
    turn.show_modes(by, name, &changes);
    true
}

fn part(standing: &mut MemberModes, level: AccessLevel) -> &mut bool {
    match level {
        AccessLevel::Operator => &mut standing.operator,
        AccessLevel::Voice => &mut standing.voice,
    }
}

fn letter(level: AccessLevel) -> char {
    match level {
        AccessLevel::Operator => 'o',
        AccessLevel::Voice => 'v',
    }
}

fn say(turn: &mut Turn<'_>, caller: Caller, words: &[&str]) {
    let line = words
        .iter()
        .fold(turn.server_line("ACCESS"), |line, word| line.word(word));
    turn.send(caller, &line);
}

fn refuse(turn: &mut Turn<'_>, caller: Caller, code: &str, context: &[&str], text: &str) {
    turn.fail(caller, "ACCESS", code, context, text);
}

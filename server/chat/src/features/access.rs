//! `ACCESS`, a command of this server: which accounts are operators of an owned channel, or have
//! voice in it, each time they join.
//!
//! - `ACCESS <channel> [LIST]`, for the channel's operators: one `ACCESS LIST <channel> <account>
//!   <founder|op|voice> <by|*> <at>` each, then `ACCESS END <channel> <count>`.
//! - `ACCESS <channel> ADD <account> <op|voice>`, for the founder: `ACCESS ADDED <channel>
//!   <account> <op|voice> :text`.
//! - `ACCESS <channel> DEL <account>`, for the founder: `ACCESS DELETED <channel> <account> :text`.
//!
//! Errors are `FAIL ACCESS <code> <context> :text`.

use std::sync::Arc;

use rookery_protocol::{AccountName, ChannelName, Message};
use rookery_record::{Access, AccessLevel};

use crate::channel_quota;
use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::channels::{existing, needs_operator};
use crate::features::mode_changes::ModeChange;
use crate::features::{mode_changes, persistence};
use crate::ids::UserId;
use crate::line::{Line, shown_time};
use crate::state::channel::{Channel, MemberModes};

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["ACCESS"],
    min_params: 1,
    help: &[
        "ACCESS #channel [LIST]",
        "Lists the accounts with permanent access to the channel; for its operators.",
        "ACCESS #channel ADD account op|voice, ACCESS #channel DEL account",
        "Changes that list; for the founder. MODE #channel +q nick transfers the channel.",
    ],
    weight: |_| Weight::MESSAGE,
    handler: Handler::CoreLongReply(access),
}];

/// Handles `ACCESS <channel> [LIST | ADD <account> <level> | DEL <account>]`.
pub fn access(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let Some(name) = existing(ctx, caller, "ACCESS", message.param(0).unwrap_or_default()) else {
        return;
    };
    let Some(channel) = ctx.state.channel(&name) else {
        return;
    };
    let founder = channel.is_founded_by(ctx.state.user(caller.user));
    let is_operator = founder || channel.is_operator(caller.user);
    if channel.founder().is_none() {
        let text = "That channel has no owner, so it has no access list";
        return refuse(ctx, caller, "NOT_OWNED", &[name.as_str()], text);
    }
    if !is_operator {
        return needs_operator(ctx, caller, &name);
    }
    let subcommand = message.param(1).unwrap_or("LIST").to_ascii_uppercase();
    match (subcommand.as_str(), message.param(2), message.param(3)) {
        ("LIST", ..) => list(ctx, caller, &name),
        ("ADD" | "DEL", ..) if !founder => {
            refuse(
                ctx,
                caller,
                "NOT_FOUNDER",
                &[name.as_str()],
                "Only the founder can change the access list",
            );
        }
        ("ADD", Some(account), Some(level)) => add(ctx, caller, &name, account, level),
        ("DEL", Some(account), _) => delete(ctx, caller, &name, account),
        ("ADD" | "DEL", ..) => ctx.need_more_params(caller, "ACCESS"),
        _ => refuse(
            ctx,
            caller,
            "UNKNOWN_SUBCOMMAND",
            &[&subcommand],
            "Unknown subcommand; use LIST, ADD or DEL",
        ),
    }
}

fn list(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) {
    let Some(channel) = ctx.state.channel(name) else {
        return;
    };
    let founder = channel.founder().into_iter().map(|founder| {
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
            access.by.to_string(),
            access.at,
        )
    });
    let entries = founder.chain(others);
    let entries = entries.map(|(account, level, by, at)| {
        let words = ["LIST", name.as_str(), &account, level, &by, &shown_time(at)];
        line(ctx, &words)
    });
    let mut lines: Vec<Line> = entries.collect();
    let count = lines.len().to_string();
    lines.push(line(ctx, &["END", name.as_str(), &count]));
    ctx.send_rows(caller, lines);
}

fn add(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName, account: &str, level: &str) {
    let Ok(account) = AccountName::parse(account) else {
        return refuse(
            ctx,
            caller,
            "INVALID_ACCOUNT",
            &[account],
            "Invalid account name",
        );
    };
    let Some(level) = AccessLevel::parse(level) else {
        return refuse(
            ctx,
            caller,
            "INVALID_LEVEL",
            &[level],
            "Unknown level; use op or voice",
        );
    };
    let by = Arc::clone(&ctx.state.user(caller.user).source);
    let (at, limit) = (ctx.now(), ctx.settings.channel_list_entries);
    let more = channel_quota::access_bytes(&account, &by);
    let refusal = ctx.refusal_to_hold(name, more);
    let Some(channel) = ctx.state.channel_mut(name) else {
        return;
    };
    if channel.founder() == Some(&account) {
        let text = "The founder already has full access";
        return refuse(ctx, caller, "IS_FOUNDER", &[account.as_str()], text);
    }
    let before = channel.access_of(&account);
    let is_full = limit > 0 && channel.access.len() >= limit;
    let full = is_full.then_some("The channel's access list is full");
    if let Some(text) = full.or(refusal).filter(|_| before.is_none()) {
        return refuse(ctx, caller, "LIST_FULL", &[name.as_str()], text);
    }
    channel.access.retain(|access| access.account != account);
    channel.access.push(Access {
        account: account.clone(),
        level,
        by,
        at,
    });
    let is_online = apply(ctx, caller.user, name, &account, before, Some(level));
    let status = match level {
        AccessLevel::Operator => "is a permanent operator of the channel",
        AccessLevel::Voice => "has permanent voice in the channel",
    };
    let text = format!("{account} {status}");
    let line = ctx
        .server_line("ACCESS")
        .word("ADDED")
        .word(name.as_str())
        .word(account.as_str());
    ctx.send(caller, &line.word(level.as_str()).text(&text));
    if !is_online {
        let text =
            "No such user is online. Check the name: anyone who registers it gets this access";
        let line = ctx
            .server_line("NOTE")
            .word("ACCESS")
            .word("ACCOUNT_NOT_SEEN")
            .word(account.as_str());
        ctx.send(caller, &line.text(text));
    }
}

fn delete(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName, given: &str) {
    let account = AccountName::parse(given).ok();
    let found = account.and_then(|account| {
        let level = ctx.state.channel(name)?.access_of(&account)?;
        Some((account, level))
    });
    let Some((account, level)) = found else {
        return refuse(
            ctx,
            caller,
            "NO_SUCH_ENTRY",
            &[given],
            "That account is not on the access list",
        );
    };
    if let Some(channel) = ctx.state.channel_mut(name) {
        channel.access.retain(|access| access.account != account);
    }
    apply(ctx, caller.user, name, &account, Some(level), None);
    let line = ctx
        .server_line("ACCESS")
        .word("DELETED")
        .word(name.as_str())
        .word(account.as_str());
    ctx.send(
        caller,
        &line.text(&format!("{account} no longer has access")),
    );
}

/// Persists the access list and changes the member modes of the account's user accordingly. Returns
/// whether that user is online.
fn apply(
    ctx: &mut Context<'_>,
    by: UserId,
    name: &ChannelName,
    account: &AccountName,
    before: Option<AccessLevel>,
    after: Option<AccessLevel>,
) -> bool {
    let Some(user) = ctx.state.by_account(account).map(|user| user.id) else {
        persistence::persist_channel(ctx, name);
        return false;
    };
    let nick = ctx.state.user(user).nick.to_string();
    let member = ctx
        .state
        .channel(name)
        .and_then(|channel| channel.member(user));
    let mut changes: Vec<ModeChange> = Vec::new();
    if let Some(member) = member {
        let mut modes = member.modes;
        for (level, on) in [
            (before.filter(|before| Some(*before) != after), false),
            (after, true),
        ] {
            if let Some(level) = level
                && std::mem::replace(part(&mut modes, level), on) != on
            {
                changes.push((on, letter(level), Some(nick.clone())));
            }
        }
        mode_changes::set_member_modes(ctx, user, name, modes);
    }
    if changes.is_empty() {
        persistence::persist_channel(ctx, name);
    }
    mode_changes::notify_modes(ctx, by, name, &changes);
    true
}

fn part(modes: &mut MemberModes, level: AccessLevel) -> &mut bool {
    match level {
        AccessLevel::Operator => &mut modes.operator,
        AccessLevel::Voice => &mut modes.voice,
    }
}

fn letter(level: AccessLevel) -> char {
    match level {
        AccessLevel::Operator => 'o',
        AccessLevel::Voice => 'v',
    }
}

fn line(ctx: &Context<'_>, words: &[&str]) -> Line {
    words
        .iter()
        .fold(ctx.server_line("ACCESS"), |line, word| line.word(word))
}

fn refuse(ctx: &mut Context<'_>, caller: Caller, code: &str, context: &[&str], text: &str) {
    ctx.fail(caller, "ACCESS", code, context, text);
}

/// Sets the member modes that a user has by its account, after it has signed in, and notifies the
/// members.
pub fn apply_access(ctx: &mut Context<'_>, user: UserId, name: &ChannelName) {
    let Some(channel) = ctx.state.channel(name) else {
        return;
    };
    let Some(member) = channel.member(user) else {
        return;
    };
    let (before, granted) = (member.modes, channel.modes_by_access(ctx.state.user(user)));
    mode_changes::set_member_modes(ctx, user, name, before.with(granted));
    mode_changes::notify_member_modes(ctx, user, name, before);
}

/// Returns how many more channels the account may own; `None` if there is no limit.
pub fn channels_left(ctx: &Context<'_>, account: &AccountName) -> Option<usize> {
    let limit = ctx.settings.owned_channels;
    let owned = ctx.state.owned_channels(account).count();
    (limit > 0).then(|| limit.saturating_sub(owned))
}

/// Removes a deleted account from the chat: from the channels that it owned, and from all access
/// lists. Users remain in those channels.
pub fn forget_account(ctx: &mut Context<'_>, account: &AccountName) {
    ctx.state.account_metadata.remove(account);
    ctx.state.account_silences.remove(account);
    let is_affected = |channel: &&Channel| {
        channel.founder() == Some(account) || channel.access_of(account).is_some()
    };
    let names: Vec<ChannelName> = ctx
        .state
        .channels()
        .filter(is_affected)
        .map(|channel| channel.name.clone())
        .collect();
    for name in names {
        let Some(channel) = ctx.state.channel_mut(&name) else {
            continue;
        };
        if channel.founder() == Some(account) {
            ctx.state.set_founder(&name, None);
            persistence::forget_channel(ctx, &name);
            ctx.state.remove_if_empty(&name);
        } else {
            channel.access.retain(|access| access.account != *account);
            persistence::persist_channel(ctx, &name);
        }
    }
}

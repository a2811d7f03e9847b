//! `METADATA`: keys and values that users and channels publish (IRCv3 `draft/metadata-3` and
//! `draft/metadata-2`, which differ in how values are sent unasked).

pub mod subscriptions;
pub mod values;

use rookery_protocol::numeric::{RPL_METADATASUBOK, RPL_METADATASUBS, RPL_METADATAUNSUBOK};
use rookery_protocol::{ChannelName, Message};
use rookery_record::Metadata;

use crate::channel_quota;
use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::metadata::subscriptions::{Outcome, is_notified};
use crate::features::metadata::values::{ChannelsWithValues, MetadataTarget, Sync, is_key};
use crate::lengths;
use crate::line::{Line, fill};
use crate::state::channel::Flag;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["METADATA"],
    min_params: 2,
    help: &[
        "METADATA *|nick|#channel GET key ..., LIST, SYNC",
        "Shows the metadata of a user or channel; * is you.",
        "METADATA *|#channel SET key [:value], CLEAR",
        "Changes your metadata, or that of a channel where you are an operator. SET without a",
        "value deletes.",
        "METADATA * SUB key ..., UNSUB key ..., SUBS",
        "Manages the keys whose changes are sent to you.",
    ],
    weight,
    handler: Handler::CoreLongReply(metadata),
}];

/// Returns the weight of a `METADATA`. A change is sent to everyone who shares a channel with the
/// target, one line for each key.
fn weight(message: &Message) -> Weight {
    let subcommand = message.param(1).unwrap_or_default();
    if subcommand.eq_ignore_ascii_case("CLEAR") {
        Weight::messages(20)
    } else if subcommand.eq_ignore_ascii_case("SET") {
        Weight::TO_FOLLOWERS
    } else {
        Weight::MESSAGE
    }
}

/// Handles `METADATA <target> <subcommand> [<parameters>]`.
pub fn metadata(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let [target, subcommand, rest @ ..] = message.params.as_slice() else {
        return;
    };
    let Some(subject) = find(ctx, caller, target) else {
        return refuse(
            ctx,
            caller,
            "INVALID_TARGET",
            &[target],
            "No such nick or channel",
        );
    };
    let name = values::target_name(ctx, &subject);
    let subcommand = subcommand.to_ascii_uppercase();
    let closed = match &subject {
        MetadataTarget::Channel(name) => !ctx
            .state
            .channel(name)
            .is_some_and(|channel| channel.shows_metadata_to(caller.user)),
        MetadataTarget::User(_) => false,
    };
    match subcommand.as_str() {
        "GET" | "LIST" | "SYNC" if closed => no_permission(ctx, caller, &name, "*"),
        "GET" if !rest.is_empty() => get(ctx, caller, &subject, rest),
        "LIST" => list(ctx, caller, &subject),
        "SET" if !rest.is_empty() => {
            set(ctx, caller, &subject, &rest[0], message.text(3).as_deref());
        }
        "CLEAR" => clear(ctx, caller, &subject),
        "SUB" if !rest.is_empty() => subscribe(ctx, caller, rest),
        "UNSUB" if !rest.is_empty() => unsubscribe(ctx, caller, rest),
        "SUBS" => {
            let keys: Vec<String> = ctx
                .state
                .session(caller.session)
                .map(|session| session.subscriptions.iter().cloned().collect())
                .unwrap_or_default();
            let lines = key_lines(ctx, caller, RPL_METADATASUBS, &keys);
            show(ctx, caller, &["metadata-subs"], &lines);
        }
        "SYNC" => ctx.reply_long(caller, Sync::in_batch(subject, &name)),
        "GET" | "SET" | "SUB" | "UNSUB" => ctx.need_more_params(caller, "METADATA"),
        _ => {
            let text = "Unknown subcommand; use GET, LIST, SET, CLEAR, SUB, UNSUB, SUBS or SYNC";
            refuse(ctx, caller, "SUBCOMMAND_INVALID", &[&subcommand], text);
        }
    }
}

/// Returns the target with that name; `*` is the caller's user. A secret channel is found only by
/// its members.
fn find(ctx: &Context<'_>, caller: Caller, target: &str) -> Option<MetadataTarget> {
    if target == "*" {
        return Some(MetadataTarget::User(caller.user));
    }
    if let Ok(name) = ChannelName::parse(target) {
        let channel = ctx.state.channel(&name)?;
        let hidden = channel.flags.has(Flag::Secret) && !channel.has(caller.user);
        return (!hidden).then(|| MetadataTarget::Channel(channel.name.clone()));
    }
    ctx.state
        .named(target)
        .map(|user| MetadataTarget::User(user.id))
}

/// Sends all metadata of the target, as one batch.
fn list(ctx: &mut Context<'_>, caller: Caller, subject: &MetadataTarget) {
    let name = values::target_name(ctx, subject);
    let values = values::of(ctx, subject).into_iter().flatten();
    let lines: Vec<Line> = values
        .map(|(key, value)| values::line(ctx, caller, &name, key, Some(value)))
        .collect();
    show(ctx, caller, &["metadata", &name], &lines);
}

/// Sends all metadata of the caller, as one batch, on admission.
pub fn send_own(ctx: &mut Context<'_>, caller: Caller) {
    let subject = MetadataTarget::User(caller.user);
    let name = values::target_name(ctx, &subject);
    let values = values::of(ctx, &subject).into_iter().flatten();
    let lines: Vec<Line> = values
        .map(|(key, value)| values::notification(ctx, caller, &name, key, Some(value)))
        .collect();
    show(ctx, caller, &["metadata", &name], &lines);
}

fn get(ctx: &mut Context<'_>, caller: Caller, subject: &MetadataTarget, keys: &[String]) {
    let name = values::target_name(ctx, subject);
    let lines: Vec<Line> = keys
        .iter()
        .map(|key| {
            if is_key(key) {
                let value = values::of(ctx, subject).and_then(|metadata| metadata.get(key));
                values::line(ctx, caller, &name, key, value.map(String::as_str))
            } else {
                let line = ctx
                    .server_line("FAIL")
                    .word("METADATA")
                    .word("KEY_INVALID")
                    .word(key);
                line.text("Invalid key")
            }
        })
        .collect();
    show(ctx, caller, &["metadata", &name], &lines);
}

fn set(
    ctx: &mut Context<'_>,
    caller: Caller,
    subject: &MetadataTarget,
    key: &str,
    value: Option<&str>,
) {
    let name = values::target_name(ctx, subject);
    if !is_key(key) {
        return refuse(ctx, caller, "KEY_INVALID", &[key], "Invalid key");
    }
    if !may_change(ctx, caller, subject) {
        return no_permission(ctx, caller, &name, key);
    }
    if value.is_some_and(|value| value.len() > lengths::METADATA_VALUE) {
        let text = format!("A value can have at most {} bytes", lengths::METADATA_VALUE);
        return refuse(ctx, caller, "INVALID_VALUE", &[key], &text);
    }
    let before = values::of(ctx, subject).cloned().unwrap_or_default();
    let mut after = before.clone();
    match value {
        None if after.remove(key).is_none() => {
            return refuse(
                ctx,
                caller,
                "KEY_NOT_SET",
                &[&name, key],
                "That key is not set",
            );
        }
        None => {}
        Some(value) => drop(after.insert(key.to_owned(), value.to_owned())),
    }
    if after.len() > lengths::METADATA_KEYS && after.len() > before.len() {
        let text = format!("You can set at most {} keys", lengths::METADATA_KEYS);
        return refuse(ctx, caller, "LIMIT_REACHED", &[&name], &text);
    }
    if let MetadataTarget::Channel(channel) = subject {
        let bytes = |value: &str| channel_quota::value_bytes(key, value);
        let old = before.get(key).map_or(0, |value| bytes(value));
        let more = value.map_or(0, bytes).saturating_sub(old);
        if let Some(text) = ctx.refusal_to_hold(channel, more).filter(|_| more > 0) {
            return refuse(ctx, caller, "LIMIT_REACHED", &[&name], text);
        }
    }
    change(ctx, caller, subject, &before, after);
    let line = values::line(ctx, caller, &name, key, value);
    ctx.send(caller, &line);
}

fn clear(ctx: &mut Context<'_>, caller: Caller, subject: &MetadataTarget) {
    let name = values::target_name(ctx, subject);
    if !may_change(ctx, caller, subject) {
        return no_permission(ctx, caller, &name, "*");
    }
    let before = values::of(ctx, subject).cloned().unwrap_or_default();
    change(ctx, caller, subject, &before, Metadata::new());
    let lines: Vec<Line> = before
        .keys()
        .map(|key| values::line(ctx, caller, &name, key, None))
        .collect();
    show(ctx, caller, &["metadata", &name], &lines);
}

fn change(
    ctx: &mut Context<'_>,
    caller: Caller,
    subject: &MetadataTarget,
    before: &Metadata,
    after: Metadata,
) {
    if *before != after {
        values::set(ctx, subject, after);
        values::notify_change(ctx, subject, before, Some(caller.session));
    }
}

/// Whether the caller may change the metadata: its own, and that of channels where it is an
/// operator.
fn may_change(ctx: &Context<'_>, caller: Caller, subject: &MetadataTarget) -> bool {
    match subject {
        MetadataTarget::User(user) => *user == caller.user,
        MetadataTarget::Channel(name) => ctx
            .state
            .channel(name)
            .is_some_and(|channel| channel.is_operator(caller.user)),
    }
}

fn subscribe(ctx: &mut Context<'_>, caller: Caller, keys: &[String]) {
    let Some(session) = ctx.state.session_mut(caller.session) else {
        return;
    };
    let outcome = subscriptions::subscribe(&mut session.subscriptions, keys);
    acknowledge(ctx, caller, RPL_METADATASUBOK, &outcome);
    if outcome.done.is_empty() || !is_notified(caller.capabilities) {
        return;
    }
    let channels = ctx.state.user(caller.user).channels();
    ctx.reply_long(caller, ChannelsWithValues::new(channels));
}

fn unsubscribe(ctx: &mut Context<'_>, caller: Caller, keys: &[String]) {
    let Some(session) = ctx.state.session_mut(caller.session) else {
        return;
    };
    let outcome = subscriptions::unsubscribe(&mut session.subscriptions, keys);
    acknowledge(ctx, caller, RPL_METADATAUNSUBOK, &outcome);
}

fn acknowledge(ctx: &mut Context<'_>, caller: Caller, code: &str, outcome: &Outcome<'_>) {
    for line in key_lines(ctx, caller, code, &outcome.done) {
        ctx.send(caller, &line);
    }
    for (code, key, text) in &outcome.refused {
        refuse(ctx, caller, code, &[key], text);
    }
}

/// Returns the keys as parameters of as many lines as needed.
fn key_lines(ctx: &Context<'_>, caller: Caller, code: &str, keys: &[String]) -> Vec<Line> {
    let (head, room) = ctx.list_head(caller, code, &[]);
    let lists = fill(keys.iter().map(|key| ["", key.as_str()]), ' ', room);
    lists
        .iter()
        .map(|list| list.split(' ').fold(head.clone(), Line::word))
        .collect()
}

fn show(ctx: &mut Context<'_>, caller: Caller, kind: &[&str], lines: &[Line]) {
    let tags = ctx.server_tags();
    let lines = lines
        .iter()
        .map(|line| line.render(&tags, caller.capabilities))
        .collect();
    ctx.send_inner_batch(caller, kind, lines);
}

fn no_permission(ctx: &mut Context<'_>, caller: Caller, target: &str, key: &str) {
    refuse(
        ctx,
        caller,
        "KEY_NO_PERMISSION",
        &[target, key],
        "Permission denied",
    );
}

fn refuse(ctx: &mut Context<'_>, caller: Caller, code: &str, context: &[&str], text: &str) {
    ctx.fail(caller, "METADATA", code, context, text);
}

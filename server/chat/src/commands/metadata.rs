//! `METADATA`: what users and channels say of themselves, by keys (`draft/metadata-3`).

use rookery_protocol::numeric::{
    RPL_METADATASUBOK, RPL_METADATASUBS, RPL_METADATASYNCLATER, RPL_METADATAUNSUBOK,
};
use rookery_protocol::{Capability, ChannelName, Message};

use crate::commands::needs_more;
use crate::lengths;
use crate::line::Line;
use crate::line::fill;
use crate::metadata::{Bearer, is_key};
use crate::state::channel::Flag;
use crate::turn::{Caller, Turn};
use rookery_record::Metadata;

/// `METADATA <target> <subcommand> [<parameters>]`.
pub fn metadata(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let [target, subcommand, rest @ ..] = message.params.as_slice() else {
        return;
    };
    let Some(bearer) = find(turn, caller, target) else {
        return refuse(
            turn,
            caller,
            "INVALID_TARGET",
            &[target],
            "Nobody, and no channel, goes by that name",
        );
    };
    let name = turn.bearer_name(&bearer);
    let subcommand = subcommand.to_ascii_uppercase();
    let closed = match &bearer {
        Bearer::Channel(name) => !turn
            .state
            .channel(name)
            .is_some_and(|channel| channel.shows_metadata_to(caller.user)),
        Bearer::User(_) => false,
    };
    match subcommand.as_str() {
        "GET" | "LIST" | "SYNC" if closed => no_permission(turn, caller, &name, "*"),
        "GET" if !rest.is_empty() => get(turn, caller, &bearer, rest),
        "LIST" => list(turn, caller, &bearer),
        "SET" if !rest.is_empty() => set(
            turn,
            caller,
            &bearer,
            &rest[0],
            rest.get(1).map(String::as_str),
        ),
        "CLEAR" => clear(turn, caller, &bearer),
        "SUB" if !rest.is_empty() => subscribe(turn, caller, rest),
        "UNSUB" if !rest.is_empty() => unsubscribe(turn, caller, rest),
        "SUBS" => {
            let keys: Vec<String> = turn
                .state
                .session(caller.session)
                .map(|session| session.subscriptions.iter().cloned().collect())
                .unwrap_or_default();
            let lines = key_lines(turn, caller, RPL_METADATASUBS, &keys);
            show(turn, caller, &["metadata-subs"], &lines);
        }
        "SYNC" => {
            let lines: Vec<Line> = turn.synced_lines(caller, &bearer).collect();
            show(turn, caller, &["metadata", &name], &lines);
        }
        "GET" | "SET" | "SUB" | "UNSUB" => needs_more(turn, caller, "METADATA"),
        _ => {
            let text = "It is GET, LIST, SET, CLEAR, SUB, UNSUB, SUBS or SYNC";
            refuse(turn, caller, "SUBCOMMAND_INVALID", &[&subcommand], text);
        }
    }
}

/// Whom the target means: `*` is the caller. A secret channel is none for those who are not in it.
fn find(turn: &Turn<'_>, caller: Caller, target: &str) -> Option<Bearer> {
    if target == "*" {
        return Some(Bearer::User(caller.user));
    }
    if let Ok(name) = ChannelName::parse(target) {
        let channel = turn.state.channel(&name)?;
        let hidden = channel.flags.has(Flag::Secret) && !channel.has(caller.user);
        return (!hidden).then(|| Bearer::Channel(channel.name.clone()));
    }
    turn.state.named(target).map(|user| Bearer::User(user.id))
}

/// All that it says of itself, as one batch.
pub fn list(turn: &mut Turn<'_>, caller: Caller, bearer: &Bearer) {
    let name = turn.bearer_name(bearer);
    let values = turn.metadata(bearer).into_iter().flatten();
    let lines: Vec<Line> = values
        .map(|(key, value)| turn.metadata_line(caller, &name, key, Some(value)))
        .collect();
    show(turn, caller, &["metadata", &name], &lines);
}

fn get(turn: &mut Turn<'_>, caller: Caller, bearer: &Bearer, keys: &[String]) {
    let name = turn.bearer_name(bearer);
    let lines: Vec<Line> = keys
        .iter()
        .map(|key| {
            if is_key(key) {
                let value = turn.metadata(bearer).and_then(|metadata| metadata.get(key));
                turn.metadata_line(caller, &name, key, value.map(String::as_str))
            } else {
                let line = turn
                    .server_line("FAIL")
                    .word("METADATA")
                    .word("KEY_INVALID")
                    .word(key);
                line.text("That is not a key")
            }
        })
        .collect();
    show(turn, caller, &["metadata", &name], &lines);
}

fn set(turn: &mut Turn<'_>, caller: Caller, bearer: &Bearer, key: &str, value: Option<&str>) {
    let name = turn.bearer_name(bearer);
    if !is_key(key) {
        return refuse(turn, caller, "KEY_INVALID", &[key], "That is not a key");
    }
    if !may_change(turn, caller, bearer) {
        return no_permission(turn, caller, &name, key);
    }
    if value.is_some_and(|value| value.len() > lengths::METADATA_VALUE) {
        let text = format!("A value is {} bytes at most", lengths::METADATA_VALUE);
        return refuse(turn, caller, "INVALID_VALUE", &[key], &text);
    }
    let before = turn.metadata(bearer).cloned().unwrap_or_default();
    let mut after = before.clone();
    match value {
        None if after.remove(key).is_none() => {
            return refuse(
                turn,
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
        let text = format!("There may be {} keys at most", lengths::METADATA_KEYS);
        return refuse(turn, caller, "LIMIT_REACHED", &[&name], &text);
    }
    change(turn, caller, bearer, &before, after);
    let line = turn.metadata_line(caller, &name, key, value);
    turn.send(caller, &line);
}

fn clear(turn: &mut Turn<'_>, caller: Caller, bearer: &Bearer) {
    let name = turn.bearer_name(bearer);
    if !may_change(turn, caller, bearer) {
        return no_permission(turn, caller, &name, "*");
    }
    let before = turn.metadata(bearer).cloned().unwrap_or_default();
    change(turn, caller, bearer, &before, Metadata::new());
    let lines: Vec<Line> = before
        .keys()
        .map(|key| turn.metadata_line(caller, &name, key, None))
        .collect();
    show(turn, caller, &["metadata", &name], &lines);
}

fn change(
    turn: &mut Turn<'_>,
    caller: Caller,
    bearer: &Bearer,
    before: &Metadata,
    after: Metadata,
) {
    if *before != after {
        turn.set_metadata(bearer, after);
        turn.tell_metadata(bearer, before, Some(caller.session));
    }
}

/// Everyone may say what they like of themselves, and of the channels they run.
fn may_change(turn: &Turn<'_>, caller: Caller, bearer: &Bearer) -> bool {
    match bearer {
        Bearer::User(user) => *user == caller.user,
        Bearer::Channel(name) => turn
            .state
            .channel(name)
            .is_some_and(|channel| channel.is_operator(caller.user)),
    }
}

fn subscribe(turn: &mut Turn<'_>, caller: Caller, keys: &[String]) {
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for key in keys {
        let Some(session) = turn.state.session_mut(caller.session) else {
            return;
        };
        if !is_key(key) {
            refused.push(("KEY_INVALID", key, "That is not a key"));
        } else if session.subscriptions.len() >= lengths::METADATA_SUBSCRIPTIONS
            && !session.subscriptions.contains(key)
        {
            refused.push((
                "TOO_MANY_SUBS",
                key,
                "You have subscribed to as many keys as one may",
            ));
            break;
        } else {
            session.subscriptions.insert(key.clone());
            done.push(key.clone());
        }
    }
    acknowledge(turn, caller, RPL_METADATASUBOK, &done, &refused);
    // What they say by now the client asks for, one channel after the other.
    if done.is_empty() || !caller.has(Capability::Metadata) {
        return;
    }
    for channel in turn.state.user(caller.user).channels().to_vec() {
        let is_said = turn
            .synced_lines(caller, &Bearer::Channel(channel.clone()))
            .next()
            .is_some();
        if is_said {
            turn.reply_words(caller, RPL_METADATASYNCLATER, &[channel.as_str(), "1"]);
        }
    }
}

fn unsubscribe(turn: &mut Turn<'_>, caller: Caller, keys: &[String]) {
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for key in keys {
        let Some(session) = turn.state.session_mut(caller.session) else {
            return;
        };
        if is_key(key) {
            session.subscriptions.remove(key);
            done.push(key.clone());
        } else {
            refused.push(("KEY_INVALID", key, "That is not a key"));
        }
    }
    acknowledge(turn, caller, RPL_METADATAUNSUBOK, &done, &refused);
}

fn acknowledge(
    turn: &mut Turn<'_>,
    caller: Caller,
    code: &str,
    done: &[String],
    refused: &[(&str, &String, &str)],
) {
    for line in key_lines(turn, caller, code, done) {
        turn.send(caller, &line);
    }
    for (code, key, text) in refused {
        refuse(turn, caller, code, &[key], text);
    }
}

/// The keys as words, in as many lines as they take.
fn key_lines(turn: &Turn<'_>, caller: Caller, code: &str, keys: &[String]) -> Vec<Line> {
    let (head, room) = turn.list_head(caller, code, &[]);
    let lists = fill(keys.iter().map(|key| ["", key.as_str()]), ' ', room);
    lists
        .iter()
        .map(|list| list.split(' ').fold(head.clone(), Line::word))
        .collect()
}

fn show(turn: &mut Turn<'_>, caller: Caller, kind: &[&str], lines: &[Line]) {
    let tags = turn.server_tags();
    let lines = lines
        .iter()
        .map(|line| line.render(&tags, caller.capabilities))
        .collect();
    turn.show_batch(caller, kind, lines);
}

fn no_permission(turn: &mut Turn<'_>, caller: Caller, target: &str, key: &str) {
    refuse(
        turn,
        caller,
        "KEY_NO_PERMISSION",
        &[target, key],
        "You may not do that",
    );
}

fn refuse(turn: &mut Turn<'_>, caller: Caller, code: &str, context: &[&str], text: &str) {
    turn.fail(caller, "METADATA", code, context, text);
}

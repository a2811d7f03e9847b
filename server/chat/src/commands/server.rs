//! The server about itself: `PING`, `MOTD`, `LUSERS`, `VERSION`, `TIME`, `INFO`, `CAP`, and what
//! every session hears first.

use bytes::Bytes;
use rookery_protocol::numeric::{
    ERR_ALREADYREGISTERED, ERR_NOMOTD, ERR_NOPRIVILEGES, RPL_CREATED, RPL_ENDOFINFO,
    RPL_ENDOFLINKS, RPL_ENDOFMOTD, RPL_GLOBALUSERS, RPL_INFO, RPL_ISUPPORT, RPL_LOCALUSERS,
    RPL_LUSERCHANNELS, RPL_LUSERCLIENT, RPL_LUSERME, RPL_MOTD, RPL_MOTDSTART, RPL_MYINFO, RPL_TIME,
    RPL_VERSION, RPL_WELCOME, RPL_YOURHOST,
};
use rookery_protocol::{Capability, Message};

use crate::capabilities;
use crate::commands::metadata;
use crate::event::{Delivery, Output};
use crate::isupport;
use crate::line::Line;
use crate::metadata::Bearer;
use crate::turn::{Caller, Turn};

/// The server's name and version.
const VERSION: &str = concat!("rookeryd-", env!("CARGO_PKG_VERSION"));
/// The modes of users and of channels, and those of channels that take a parameter.
const USER_MODES: &str = "Bi";
const CHANNEL_MODES: &str = "CbeIiklmnoqstv";
const PARAMETER_MODES: &str = "beIkloqv";

/// What every new session hears first: 001 to 005, the counts, the message of the day.
pub fn burst(turn: &mut Turn<'_>, caller: Caller) {
    let user = turn.state.user(caller.user);
    let source = user.source.to_string();
    let (network, server) = (
        turn.settings.network.clone(),
        turn.settings.server_name.clone(),
    );
    let started = turn
        .state
        .started_at
        .strftime("%Y-%m-%d %H:%M:%S UTC")
        .to_string();
    turn.reply(
        caller,
        RPL_WELCOME,
        &[],
        &format!("Welcome to {network}, {source}"),
    );
    turn.reply(
        caller,
        RPL_YOURHOST,
        &[],
        &format!("Your host is {server}, running {VERSION}"),
    );
    turn.reply(
        caller,
        RPL_CREATED,
        &[],
        &format!("This server was started on {started}"),
    );
    turn.reply_words(
        caller,
        RPL_MYINFO,
        &[&server, VERSION, USER_MODES, CHANNEL_MODES, PARAMETER_MODES],
    );
    show_isupport(turn, caller);
    counts(turn, caller);
    if caller.has(Capability::Metadata) {
        metadata::list(turn, caller, &Bearer::User(caller.user));
    }
    message_of_the_day(turn, caller);
}

/// `ISUPPORT`.
pub fn isupport(turn: &mut Turn<'_>, caller: Caller, _: &Message) {
    show_isupport(turn, caller);
}

/// What the server supports; as one batch for those who know `draft/extended-isupport`.
fn show_isupport(turn: &mut Turn<'_>, caller: Caller) {
    let lines: Vec<Bytes> = isupport::lines(turn.settings)
        .map(|tokens| {
            let line = tokens
                .iter()
                .fold(turn.numeric(caller, RPL_ISUPPORT), |line, token| {
                    line.word(token)
                });
            line.text(isupport::END)
                .render(&turn.server_tags(), caller.capabilities)
        })
        .collect();
    if caller.has(Capability::ExtendedIsupport) {
        return turn.show_batch(caller, &["draft/isupport"], lines);
    }
    for line in lines {
        turn.out.push(Output::Deliver(Delivery {
            to: vec![caller.session],
            line,
        }));
    }
}

/// `LUSERS`.
pub fn lusers(turn: &mut Turn<'_>, caller: Caller, _: &Message) {
    counts(turn, caller);
}

fn counts(turn: &mut Turn<'_>, caller: Caller) {
    let users = turn.state.user_count();
    let invisible = turn.state.invisible_count();
    let visible = users - invisible;
    let channels = turn.state.channel_count();
    let most = turn.state.most_users;
    let text = format!("There are {visible} users and {invisible} invisible on 1 server");
    turn.reply(caller, RPL_LUSERCLIENT, &[], &text);
    turn.reply(
        caller,
        RPL_LUSERCHANNELS,
        &[&channels.to_string()],
        "channels formed",
    );
    turn.reply(
        caller,
        RPL_LUSERME,
        &[],
        &format!("I have {users} users and 0 servers"),
    );
    let (users, most) = (users.to_string(), most.to_string());
    for (code, kind) in [(RPL_LOCALUSERS, "local"), (RPL_GLOBALUSERS, "global")] {
        turn.reply(
            caller,
            code,
            &[&users, &most],
            &format!("Current {kind} users {users}, max {most}"),
        );
    }
}

/// `MOTD`.
pub fn motd(turn: &mut Turn<'_>, caller: Caller, _: &Message) {
    message_of_the_day(turn, caller);
}

fn message_of_the_day(turn: &mut Turn<'_>, caller: Caller) {
    let settings = turn.settings;
    if settings.motd.trim().is_empty() {
        return turn.reply(caller, ERR_NOMOTD, &[], "There is no message of the day");
    }
    turn.reply(
        caller,
        RPL_MOTDSTART,
        &[],
        &format!("- {} Message of the day -", settings.server_name),
    );
    for line in settings.motd.trim_end().lines() {
        turn.reply(caller, RPL_MOTD, &[], &format!("- {line}"));
    }
    turn.reply(caller, RPL_ENDOFMOTD, &[], "End of the message of the day");
}

/// `LINKS`: a server of this kind stands alone.
pub fn links(turn: &mut Turn<'_>, caller: Caller, _: &Message) {
    turn.reply(
        caller,
        RPL_ENDOFLINKS,
        &["*"],
        "This server is linked to no other",
    );
}

/// `PING <token>`.
pub fn ping(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let server = &turn.settings.server_name;
    let line = Line::new(server, "PONG")
        .word(server)
        .text(message.param(0).unwrap_or_default());
    turn.send(caller, &line);
}

/// `PONG`: the connection keeps track of those.
pub fn pong(_: &mut Turn<'_>, _: Caller, _: &Message) {}

/// `VERSION`.
pub fn version(turn: &mut Turn<'_>, caller: Caller, _: &Message) {
    let server = turn.settings.server_name.clone();
    turn.reply(
        caller,
        RPL_VERSION,
        &[VERSION, &server],
        "Encrypted from the first byte",
    );
    show_isupport(turn, caller);
}

/// `TIME`.
pub fn time(turn: &mut Turn<'_>, caller: Caller, _: &Message) {
    let server = turn.settings.server_name.clone();
    let now = turn.now();
    let text = now.strftime("%A %d %B %Y -- %H:%M:%S UTC").to_string();
    turn.reply(
        caller,
        RPL_TIME,
        &[&server, &now.as_second().to_string()],
        &text,
    );
}

/// `INFO`.
pub fn info(turn: &mut Turn<'_>, caller: Caller, _: &Message) {
    let started = turn.state.started_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let lines = [
        format!("{VERSION}, the Rookery chat server: encrypted from the first byte."),
        "Operators use the control plane, on a port of its own; nothing typed here reaches it."
            .to_owned(),
        format!("Started on {started}."),
    ];
    for line in lines {
        turn.reply(caller, RPL_INFO, &[], &line);
    }
    turn.reply(caller, RPL_ENDOFINFO, &[], "End of INFO");
}

/// `USER`, `PASS`: too late for those.
pub fn already_registered(turn: &mut Turn<'_>, caller: Caller, _: &Message) {
    turn.reply(
        caller,
        ERR_ALREADYREGISTERED,
        &[],
        "You have said who you are already",
    );
}

/// What elsewhere makes one an operator, or is for operators.
pub fn operators_only(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let text = format!(
        "{} is not for the chat port: operators use the control plane (admin-cli), and nothing typed here reaches it",
        message.command
    );
    turn.reply(caller, ERR_NOPRIVILEGES, &[], &text);
}

/// `CAP`: the negotiation may go on after admission.
pub fn cap(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let settings = turn.settings;
    let nick = turn.state.user(caller.user).nick.clone();
    let (replies, capabilities) = capabilities::negotiate(
        &settings.server_name,
        nick.as_str(),
        settings.capabilities,
        settings.capability_values,
        caller.capabilities,
        message,
    );
    if let Some(session) = turn.state.session_mut(caller.session) {
        session.capabilities = capabilities;
    }
    for reply in replies {
        let line = Line::from_message(&reply).render(&turn.server_tags(), capabilities);
        turn.out.push(Output::Deliver(Delivery {
            to: vec![caller.session],
            line,
        }));
    }
}

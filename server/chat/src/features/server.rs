//! Commands about the server: `PING`, `MOTD`, `LUSERS`, `VERSION`, `TIME`, `INFO`, `CAP`, and the
//! lines that every new session receives first.

use bytes::Bytes;
use rookery_protocol::numeric::{
    ERR_ALREADYREGISTERED, ERR_NOMOTD, ERR_NOPRIVILEGES, RPL_CREATED, RPL_ENDOFINFO,
    RPL_ENDOFLINKS, RPL_ENDOFMOTD, RPL_GLOBALUSERS, RPL_INFO, RPL_ISUPPORT, RPL_LOCALUSERS,
    RPL_LUSERCHANNELS, RPL_LUSERCLIENT, RPL_LUSERME, RPL_MOTD, RPL_MOTDSTART, RPL_MYINFO, RPL_TIME,
    RPL_VERSION, RPL_WELCOME, RPL_YOURHOST,
};
use rookery_protocol::{Capability, Message};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::metadata;
use crate::features::metadata::subscriptions::is_notified;
use crate::line::Line;
use crate::{capabilities, isupport};

/// The commands of this module.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["PING"],
        min_params: 1,
        help: &["PING token", "The server replies with PONG and the token."],
        weight: |_| Weight::LIGHT,
        handler: Handler::Core(ping),
    },
    Command {
        names: &["PONG"],
        min_params: 0,
        help: &[
            "PONG token",
            "Your client's reply to a PING from the server.",
        ],
        weight: |_| Weight::LIGHT,
        handler: Handler::Core(pong),
    },
    Command {
        names: &["CAP"],
        min_params: 0,
        help: &[
            "CAP LS 302, CAP LIST, CAP REQ :names, CAP END",
            "Negotiates the capabilities that your client uses.",
        ],
        weight: |_| Weight::LIGHT,
        handler: Handler::Core(cap),
    },
    Command {
        names: &["INFO"],
        min_params: 0,
        help: &["INFO", "Shows information about this server."],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(info),
    },
    Command {
        names: &["ISUPPORT"],
        min_params: 0,
        help: &["ISUPPORT", "Shows the features and limits of this server."],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(isupport),
    },
    Command {
        names: &["LINKS"],
        min_params: 0,
        help: &["LINKS", "This server is not linked to other servers."],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(links),
    },
    Command {
        names: &["LUSERS"],
        min_params: 0,
        help: &["LUSERS", "Shows the number of users and channels."],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(lusers),
    },
    Command {
        names: &["MOTD"],
        min_params: 0,
        help: &["MOTD", "Shows the message of the day."],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(motd),
    },
    Command {
        names: &["TIME"],
        min_params: 0,
        help: &["TIME", "Shows the server's time."],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(time),
    },
    Command {
        names: &["VERSION"],
        min_params: 0,
        help: &["VERSION", "Shows the server's version and its features."],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(version),
    },
    Command {
        names: &["PASS"],
        min_params: 0,
        help: &[
            "PASS account:password",
            "Valid only before registration: signs in clients that do not support SASL.",
            "account/device names the device, which is sent what it missed itself.",
        ],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(already_registered),
    },
    Command {
        names: &["USER"],
        min_params: 0,
        help: &[
            "USER name 0 * :real name",
            "Valid only before registration. SETNAME changes your real name later.",
        ],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(already_registered),
    },
    Command {
        names: &[
            "CONNECT", "DIE", "DLINE", "GLINE", "KILL", "KLINE", "OPER", "REHASH", "RESTART",
            "SAJOIN", "SAMODE", "SANICK", "SAPART", "SQUIT", "UNDLINE", "UNKLINE", "WALLOPS",
        ],
        min_params: 0,
        help: &[
            "Operators use the control plane, with admin-cli, on its own port.",
            "No command in chat can kick or ban users, or change the server.",
        ],
        weight: |_| Weight::MESSAGE,
        handler: Handler::ControlPlane,
    },
];

/// The server's name and version.
const VERSION: &str = concat!("rookeryd-", env!("CARGO_PKG_VERSION"));

/// The modes of users.
const USER_MODES: &str = "BRi";

/// The modes of channels.
const CHANNEL_MODES: &str = "CbeIiklmnoqstv";

/// The modes of channels that have a parameter.
const PARAMETER_MODES: &str = "beIkloqv";

/// Sends the lines that every new session receives first: 001 to 005, the counts, the message of
/// the day.
pub fn burst(ctx: &mut Context<'_>, caller: Caller) {
    let user = ctx.state.user(caller.user);
    let source = user.source.to_string();
    let (network, server) = (
        ctx.settings.network.clone(),
        ctx.settings.server_name.clone(),
    );
    let started = ctx
        .state
        .started_at
        .strftime("%Y-%m-%d %H:%M:%S UTC")
        .to_string();
    ctx.reply(
        caller,
        RPL_WELCOME,
        &[],
        &format!("Welcome to {network}, {source}"),
    );
    ctx.reply(
        caller,
        RPL_YOURHOST,
        &[],
        &format!("Your host is {server}, running {VERSION}"),
    );
    ctx.reply(
        caller,
        RPL_CREATED,
        &[],
        &format!("This server was started on {started}"),
    );
    ctx.reply_words(
        caller,
        RPL_MYINFO,
        &[&server, VERSION, USER_MODES, CHANNEL_MODES, PARAMETER_MODES],
    );
    show_isupport(ctx, caller);
    counts(ctx, caller);
    if is_notified(caller.capabilities) {
        metadata::send_own(ctx, caller);
    }
    message_of_the_day(ctx, caller);
}

/// Handles `ISUPPORT`.
pub fn isupport(ctx: &mut Context<'_>, caller: Caller, _: &Message) {
    show_isupport(ctx, caller);
}

/// Sends the `ISUPPORT` tokens; as a batch to clients with `draft/extended-isupport`.
fn show_isupport(ctx: &mut Context<'_>, caller: Caller) {
    let lines: Vec<Bytes> = isupport::lines(ctx.settings)
        .map(|tokens| {
            let line = tokens
                .iter()
                .fold(ctx.numeric(caller, RPL_ISUPPORT), |line, token| {
                    line.word(token)
                });
            line.text(isupport::END)
                .render(&ctx.server_tags(), caller.capabilities)
        })
        .collect();
    if caller.has(Capability::ExtendedIsupport) {
        return ctx.send_inner_batch(caller, &["draft/isupport"], lines);
    }
    for line in lines {
        ctx.send_bytes(caller, line);
    }
}

/// Handles `LUSERS`.
pub fn lusers(ctx: &mut Context<'_>, caller: Caller, _: &Message) {
    counts(ctx, caller);
}

fn counts(ctx: &mut Context<'_>, caller: Caller) {
    let users = ctx.state.user_count();
    let invisible = ctx.state.invisible_count();
    let visible = users - invisible;
    let channels = ctx.state.channel_count();
    let peak = ctx.state.peak_users;
    let text = format!("There are {visible} users and {invisible} invisible on 1 server");
    ctx.reply(caller, RPL_LUSERCLIENT, &[], &text);
    ctx.reply(
        caller,
        RPL_LUSERCHANNELS,
        &[&channels.to_string()],
        "channels formed",
    );
    ctx.reply(
        caller,
        RPL_LUSERME,
        &[],
        &format!("I have {users} users and 0 servers"),
    );
    let (users, peak) = (users.to_string(), peak.to_string());
    for (code, kind) in [(RPL_LOCALUSERS, "local"), (RPL_GLOBALUSERS, "global")] {
        ctx.reply(
            caller,
            code,
            &[&users, &peak],
            &format!("Current {kind} users {users}, max {peak}"),
        );
    }
}

/// Handles `MOTD`.
pub fn motd(ctx: &mut Context<'_>, caller: Caller, _: &Message) {
    message_of_the_day(ctx, caller);
}

fn message_of_the_day(ctx: &mut Context<'_>, caller: Caller) {
    let settings = ctx.settings;
    if settings.motd.trim().is_empty() {
        return ctx.reply(caller, ERR_NOMOTD, &[], "MOTD File is missing");
    }
    ctx.reply(
        caller,
        RPL_MOTDSTART,
        &[],
        &format!("- {} Message of the day -", settings.server_name),
    );
    for line in settings.motd.trim_end().lines() {
        ctx.reply(caller, RPL_MOTD, &[], &format!("- {line}"));
    }
    ctx.reply(caller, RPL_ENDOFMOTD, &[], "End of /MOTD command.");
}

/// Handles `LINKS`: this server is never linked to others.
pub fn links(ctx: &mut Context<'_>, caller: Caller, _: &Message) {
    ctx.reply(
        caller,
        RPL_ENDOFLINKS,
        &["*"],
        "This server is not linked to others",
    );
}

/// Handles `PING <token>`.
pub fn ping(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let server = &ctx.settings.server_name;
    let line = Line::new(server, "PONG")
        .word(server)
        .text(message.param(0).unwrap_or_default());
    ctx.send(caller, &line);
}

/// Handles `PONG`, which needs no action: the connection has already recorded the activity.
pub fn pong(_: &mut Context<'_>, _: Caller, _: &Message) {}

/// Handles `VERSION`.
pub fn version(ctx: &mut Context<'_>, caller: Caller, _: &Message) {
    let server = ctx.settings.server_name.clone();
    ctx.reply(
        caller,
        RPL_VERSION,
        &[VERSION, &server],
        "Encrypted from the first byte",
    );
    show_isupport(ctx, caller);
}

/// Handles `TIME`.
pub fn time(ctx: &mut Context<'_>, caller: Caller, _: &Message) {
    let server = ctx.settings.server_name.clone();
    let now = ctx.now();
    let text = now.strftime("%A %d %B %Y -- %H:%M:%S UTC").to_string();
    ctx.reply(
        caller,
        RPL_TIME,
        &[&server, &now.as_second().to_string()],
        &text,
    );
}

/// Handles `INFO`.
pub fn info(ctx: &mut Context<'_>, caller: Caller, _: &Message) {
    let started = ctx.state.started_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let lines = [
        format!("{VERSION}, the Rookery chat server: encrypted from the first byte."),
        "Operators use the control plane, on its own port; nothing sent here reaches it."
            .to_owned(),
        format!("Started on {started}."),
    ];
    for line in lines {
        ctx.reply(caller, RPL_INFO, &[], &line);
    }
    ctx.reply(caller, RPL_ENDOFINFO, &[], "End of /INFO list");
}

/// Handles `USER` and `PASS`, which are valid only before registration.
pub fn already_registered(ctx: &mut Context<'_>, caller: Caller, _: &Message) {
    ctx.reply(caller, ERR_ALREADYREGISTERED, &[], "You may not reregister");
}

/// Replies that operators use the control plane (numeric 481).
pub fn refuse_operator_command(ctx: &mut Context<'_>, caller: Caller, command: &str) {
    let text =
        format!("{command} is not available in chat: operators use the control plane (admin-cli)");
    ctx.reply(caller, ERR_NOPRIVILEGES, &[], &text);
}

/// Handles `CAP` after admission.
pub fn cap(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let settings = ctx.settings;
    let nick = ctx.state.user(caller.user).nick.clone();
    let (replies, capabilities) = capabilities::negotiate(
        &settings.server_name,
        nick.as_str(),
        settings.capabilities,
        settings.capability_values,
        caller.capabilities,
        message,
    );
    ctx.state.set_capabilities(caller.session, capabilities);
    for reply in replies {
        let line = Line::from_message(&reply).render(&ctx.server_tags(), capabilities);
        ctx.send_bytes(caller, line);
    }
}

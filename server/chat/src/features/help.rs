//! `HELP`: the pages of all commands, and of a few topics.

use rookery_protocol::Message;
use rookery_protocol::numeric::{ERR_HELPNOTFOUND, RPL_ENDOFHELP, RPL_HELPSTART, RPL_HELPTXT};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["HELP", "HELPOP"],
    min_params: 0,
    help: &["HELP [command]", "Shows how to use a command."],
    weight: |_| Weight::MESSAGE,
    handler: Handler::Core(help),
}];

/// Pages on topics that are not commands.
const TOPICS: &[(&str, &[&str])] = &[
    (
        "ADMIN",
        &[
            "Operators use the control plane, with admin-cli, on its own port.",
            "No command in chat can kick or ban users, or change the server.",
        ],
    ),
    (
        "CHANNELS",
        &[
            "A channel that you create while signed in is yours. It is persistent: its topic,",
            "modes, lists and history remain when it is empty.",
            "MODE #channel +q nick transfers it; MODE #channel -q with your own nick renounces it.",
            "ACCESS grants accounts permanent operator status or voice.",
            "A channel without an owner is removed when its last member leaves. Until then an",
            "operator can give it an owner with +q.",
        ],
    ),
    (
        "HISTORY",
        &[
            "Messages are stored. CHATHISTORY reads those of channels that you are in, from when the",
            "channel was created or renamed, and, while you are signed in, those of your private",
            "conversations. Clients without CHATHISTORY receive missed messages when they connect.",
        ],
    ),
];

/// Handles `HELP [<subject>]`.
fn help(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let Some(requested) = message.param(0).filter(|name| !name.is_empty()) else {
        return index(ctx, caller);
    };
    let subject = requested.to_ascii_uppercase();
    let topic = TOPICS.iter().find(|(name, _)| *name == subject);
    let lines = topic.map(|(_, lines)| *lines);
    match lines.or_else(|| features::find(&subject).map(|command| command.help)) {
        Some(lines) => page(ctx, caller, &subject, lines.iter().copied()),
        None => ctx.reply(
            caller,
            ERR_HELPNOTFOUND,
            &[requested],
            "No help available on that topic; HELP lists all topics",
        ),
    }
}

/// Sends the names of all pages, except for those of commands that are refused here.
fn index(ctx: &mut Context<'_>, caller: Caller) {
    let commands = features::commands()
        .filter(|command| !matches!(command.handler, Handler::ControlPlane))
        .flat_map(|command| command.names.iter().copied());
    let mut names: Vec<&str> = commands
        .chain(TOPICS.iter().map(|(name, _)| *name))
        .collect();
    names.sort_unstable();
    let mut lines = vec!["Commands and topics; HELP <name> explains one:".to_owned()];
    lines.extend(names.chunks(8).map(|names| names.join(" ")));
    page(ctx, caller, "*", lines.iter().map(String::as_str));
}

/// Sends one page.
fn page<'t>(
    ctx: &mut Context<'_>,
    caller: Caller,
    subject: &str,
    lines: impl Iterator<Item = &'t str>,
) {
    ctx.reply(caller, RPL_HELPSTART, &[subject], "Help");
    for line in lines {
        ctx.reply(caller, RPL_HELPTXT, &[subject], line);
    }
    ctx.reply(caller, RPL_ENDOFHELP, &[subject], "End of /HELP");
}

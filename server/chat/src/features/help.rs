//! `HELP`: the pages of all commands, and of a few topics.

use rookery_protocol::Message;
use rookery_protocol::numeric::{ERR_HELPNOTFOUND, RPL_ENDOFHELP, RPL_HELPSTART, RPL_HELPTXT};

use crate::command::{Command, Handler};
use crate::context::{Caller, Context};
use crate::features;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["HELP", "HELPOP"],
    min_params: 0,
    help: &["HELP [command]", "Shows how to use a command."],
    weight: |_| 1,
    handler: Handler::Core(help),
}];

/// Pages on what is not a command.
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
            "MODE #channel +q nick transfers it, MODE #channel -q and your own nick gives it up.",
            "ACCESS gives accounts permanent operator status or voice.",
            "A channel without an owner is removed when its last member leaves. Until then an",
            "operator can give it an owner with +q.",
        ],
    ),
    (
        "HISTORY",
        &[
            "Messages are stored, and CHATHISTORY reads them: in channels you are in, since the",
            "channel",
            "was created or renamed, and in your private conversations while you are signed in.",
            "Clients without CHATHISTORY are sent what they missed when they connect again.",
        ],
    ),
];

/// Handles `HELP [<subject>]`.
fn help(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let Some(asked) = message.param(0).filter(|asked| !asked.is_empty()) else {
        return index(ctx, caller);
    };
    let subject = asked.to_ascii_uppercase();
    let topic = TOPICS.iter().find(|(name, _)| *name == subject);
    let lines = topic.map(|(_, lines)| *lines);
    match lines.or_else(|| features::find(&subject).map(|command| command.help)) {
        Some(lines) => page(ctx, caller, &subject, lines.iter().copied()),
        None => ctx.reply(
            caller,
            ERR_HELPNOTFOUND,
            &[asked],
            "No help available on that topic; HELP lists all topics",
        ),
    }
}

/// Sends the names of all pages, except for the commands that no one can use here.
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

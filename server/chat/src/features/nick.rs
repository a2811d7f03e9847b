//! `NICK` and `SETNAME`: the nick and the real name of a user.

use rookery_protocol::numeric::{
    ERR_ERRONEUSNICKNAME, ERR_NICKNAMEINUSE, ERR_NONICKCHANGE, ERR_NONICKNAMEGIVEN,
};
use rookery_protocol::{Capability, Message, Nick};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::monitor;
use crate::ids::UserId;
use crate::lengths;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["NICK"],
        min_params: 0,
        help: &[
            "NICK nick",
            "Changes your nick. When you are signed in, your nick is the name of your account,",
            "unless the server allows free nicks.",
        ],
        weight: |_| Weight::TO_FOLLOWERS,
        handler: Handler::Core(nick),
    },
    Command {
        names: &["SETNAME"],
        min_params: 1,
        help: &["SETNAME :real name", "Changes your real name."],
        weight: |_| Weight::TO_FOLLOWERS,
        handler: Handler::Core(setname),
    },
];

/// Handles `NICK <nick>`.
pub fn nick(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let Some(asked) = message.param(0).filter(|asked| !asked.is_empty()) else {
        return ctx.reply(caller, ERR_NONICKNAMEGIVEN, &[], "No nickname given");
    };
    let user = ctx.state.user(caller.user);
    let parsed = Nick::parse(asked);
    if parsed.as_ref().map(Nick::as_str) == Ok(user.nick.as_str()) {
        return;
    }
    if user.identity.is_some() && !ctx.settings.free_nicks {
        let text = "Your nick is the name of your account; sign out to change it";
        return ctx.reply(caller, ERR_NONICKCHANGE, &[], text);
    }
    let nick = match parsed {
        Ok(nick) => nick,
        Err(error) => {
            return ctx.reply(
                caller,
                ERR_ERRONEUSNICKNAME,
                &[asked],
                &format!("Bad nick: {error}"),
            );
        }
    };
    if ctx
        .state
        .holders(&nick)
        .iter()
        .any(|holder| *holder != caller.user)
    {
        let text = "That nick, or one that looks the same, is already in use";
        return ctx.reply(caller, ERR_NICKNAMEINUSE, &[asked], text);
    }
    rename(ctx, caller.user, nick);
}

/// Handles `SETNAME <real name>`.
pub fn setname(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let name = &*message.text(0).unwrap_or_default();
    if name.is_empty() || name.len() > lengths::REALNAME {
        let text = format!("A real name must have 1 to {} bytes", lengths::REALNAME);
        return ctx.fail(caller, "SETNAME", "INVALID_REALNAME", &[], &text);
    }
    ctx.state.user_mut(caller.user).realname = name.into();
    ctx.state.touch(caller.user);
    let line = ctx.user_line(caller.user, "SETNAME").text(name);
    ctx.send_to_followers(caller.user, &line, Capability::Setname, None);
}

/// Renames the user, and notifies everyone who shares a channel with it or monitors its nick.
pub fn rename(ctx: &mut Context<'_>, user: UserId, nick: Nick) {
    let line = ctx.user_line(user, "NICK").word(nick.as_str());
    let peers = ctx.state.peers(user, |_| true);
    ctx.send_to(user, &peers, &line);
    let old = ctx.state.user(user).nick.clone();
    let is_other = old != nick;
    ctx.state.rename(user, nick, ctx.stamp.at);
    if is_other {
        monitor::announce_offline(ctx, &old);
        monitor::announce_online(ctx, user);
    }
}

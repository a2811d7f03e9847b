//! What a user is to others: `NICK`, `AWAY`, `SETNAME`, `QUIT`.

use rookery_protocol::numeric::{
    ERR_ERRONEUSNICKNAME, ERR_NICKNAMEINUSE, ERR_NONICKNAMEGIVEN, ERR_UNKNOWNERROR, RPL_NOWAWAY,
    RPL_UNAWAY,
};
use rookery_protocol::{Capability, Message, Nick};

use crate::lengths;
use crate::line::truncate;
use crate::state::away::AwayState;
use crate::turn::{Caller, Turn};

/// `NICK <nick>`.
pub fn nick(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let Some(asked) = message.param(0).filter(|asked| !asked.is_empty()) else {
        return turn.reply(caller, ERR_NONICKNAMEGIVEN, &[], "No nick given");
    };
    let user = turn.state.user(caller.user);
    if user.nick.as_str() == asked {
        return;
    }
    if user.identity.is_some() && !turn.settings.free_nicks {
        let text =
            "Your nick is the name of your account; it cannot be another while you are signed in";
        return turn.reply(caller, ERR_UNKNOWNERROR, &["NICK"], text);
    }
    let nick = match Nick::parse(asked) {
        Ok(nick) => nick,
        Err(error) => {
            return turn.reply(
                caller,
                ERR_ERRONEUSNICKNAME,
                &[asked],
                &format!("Bad nick: {error}"),
            );
        }
    };
    if turn
        .state
        .holders(&nick)
        .iter()
        .any(|holder| *holder != caller.user)
    {
        let text = "Someone here has that nick, or one that looks the same";
        return turn.reply(caller, ERR_NICKNAMEINUSE, &[asked], text);
    }
    turn.rename(caller.user, nick);
}

/// `AWAY [<message>]`, `AWAY *`: the user is away when nobody sits at any of its sessions.
pub fn away(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let away_state = away_state(message, caller.has(Capability::PreAway));
    let is_here = away_state == AwayState::Here;
    if let Some(session) = turn.state.session_mut(caller.session) {
        session.away_state = away_state;
    }
    turn.update_away(caller.user, Some(caller.session), true);
    if is_here {
        turn.reply(
            caller,
            RPL_UNAWAY,
            &[],
            "You are no longer marked as being away",
        );
    } else {
        turn.reply(
            caller,
            RPL_NOWAWAY,
            &[],
            "You have been marked as being away",
        );
    }
}

/// What `AWAY` says; a lone `*` has its meaning for those who know it.
pub fn away_state(message: &Message, knows_pre_away: bool) -> AwayState {
    match message.param(0) {
        None | Some("") => AwayState::Here,
        Some("*") if knows_pre_away => AwayState::Unattended,
        Some(text) => AwayState::Away(truncate(text, lengths::AWAY).into()),
    }
}

/// `SETNAME <real name>`.
pub fn setname(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let name = message.param(0).unwrap_or_default();
    if name.is_empty() || name.len() > lengths::REALNAME {
        let text = format!("A real name takes 1 to {} bytes", lengths::REALNAME);
        return turn.fail(caller, "SETNAME", "INVALID_REALNAME", &[], &text);
    }
    turn.state.user_mut(caller.user).realname = name.into();
    turn.state.touch(caller.user);
    let line = turn.user_line(caller.user, "SETNAME").text(name);
    turn.show_followers(caller.user, &line, Capability::Setname, None);
}

/// `QUIT [<reason>]`: ends this session; the user stays as long as it has another.
pub fn quit(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let reason = match message.param(0).filter(|reason| !reason.is_empty()) {
        Some(reason) => format!("Quit: {}", truncate(reason, lengths::QUIT - "Quit: ".len())),
        None => "Quit".to_owned(),
    };
    turn.close_session(caller, &reason);
}

//! `AWAY`: whether a user is away. A user is away if and only if all its sessions are.

use rookery_protocol::numeric::{RPL_NOWAWAY, RPL_UNAWAY};
use rookery_protocol::{Capability, Message};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::ids::{SessionId, UserId};
use crate::lengths;
use crate::line::truncate;
use crate::state::away::{AwayState, DEFAULT_MESSAGE};

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["AWAY"],
    min_params: 0,
    help: &[
        "AWAY [:message]",
        "Marks you as away. Without a message, marks you as back.",
    ],
    weight: |_| Weight::TO_FOLLOWERS,
    handler: Handler::Core(away),
}];

/// Handles `AWAY [<message>]` and `AWAY *`.
pub fn away(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let away_state = away_state(message, caller.has(Capability::PreAway));
    let is_here = away_state == AwayState::Here;
    if let Some(session) = ctx.state.session_mut(caller.session) {
        session.away_state = away_state;
    }
    update_away(ctx, caller.user, Some(caller.session), true);
    if is_here {
        ctx.reply(
            caller,
            RPL_UNAWAY,
            &[],
            "You are no longer marked as being away",
        );
    } else {
        ctx.reply(
            caller,
            RPL_NOWAWAY,
            &[],
            "You have been marked as being away",
        );
        let given = message.text(0).unwrap_or_default();
        ctx.warn_if_cut(caller, "AWAY", &given, lengths::AWAY);
    }
}

/// Returns the state that an `AWAY` message reports. A lone `*` is special only for clients with
/// `draft/pre-away`.
pub fn away_state(message: &Message, knows_pre_away: bool) -> AwayState {
    match message.text(0).as_deref() {
        None | Some("") => AwayState::Here,
        Some("*") if knows_pre_away => AwayState::Unattended,
        Some(text) => AwayState::Away(truncate(text, lengths::AWAY).into()),
    }
}

/// Recomputes whether the user is away from the states of its sessions, and notifies others of a
/// change. `by` is the session whose state has just changed; it is not notified. The away message
/// of a session that has ended remains in use, unless `by_command` is true: `AWAY` replaces it.
pub fn update_away(ctx: &mut Context<'_>, id: UserId, by: Option<SessionId>, by_command: bool) {
    let user = ctx.state.user(id);
    let sessions = || user.sessions().iter();
    let away: Option<Box<str>> = if sessions().any(|session| session.away_state == AwayState::Here)
    {
        None
    } else {
        let own = sessions().find(|session| Some(session.id) == by);
        let is_set = |text: &str| sessions().any(|session| session.away_state.text() == Some(text));
        let before = user.away.as_deref();
        let text = own
            .and_then(|own| own.away_state.text())
            .or(before.filter(|text| is_set(text)))
            .or_else(|| {
                sessions()
                    .rev()
                    .find_map(|session| session.away_state.text())
            })
            .or(before.filter(|_| !by_command));
        Some(text.unwrap_or(DEFAULT_MESSAGE).into())
    };
    if user.away == away {
        return;
    }
    let line = ctx.user_line(id, "AWAY");
    let line = match &away {
        Some(away) => line.text(away),
        None => line,
    };
    ctx.state.user_mut(id).away = away;
    ctx.state.touch(id);
    ctx.send_to_followers(id, &line, Capability::AwayNotify, by);
}

//! The end of sessions and users, and `QUIT`.

use rookery_control_api::DisconnectReason;
use rookery_protocol::Message;
use rookery_record::{AccountId, Mark};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::event::{Disconnect, Output, Revoked};
use crate::features::{always_on, away, catch_up, monitor};
use crate::ids::{SessionId, UserId};
use crate::lengths;
use crate::line::{Line, truncate};
use crate::state::{ClosingSession, SecretChange, Session, User};

/// Why a sign-in from before the end of the account's sessions is refused.
pub const NO_LONGER_VALID: &str = "Your sign-in is no longer valid; sign in again";
/// Why a session ends whose credential was revoked.
pub const REVOKED: &str = "A device or certificate of your account was revoked; sign in again";
/// Why a session ends that signed in with a password that was changed.
pub const PASSWORD_CHANGED: &str = "The password of your account was changed; sign in again";
/// Why a session ends whose account has another email.
pub const EMAIL_CHANGED: &str = "The email of your account was changed; sign in again";
/// Why a session ends whose place another one has taken. `rook` recognises the first word, and does
/// not reconnect by itself.
const DISPLACED: &str =
    "Displaced: there are too many sessions, and a new one took the place of this one";

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["QUIT"],
    min_params: 0,
    help: &["QUIT [:reason]", "Ends this session."],
    weight: |_| Weight::MESSAGE,
    handler: Handler::Core(quit),
}];

/// Handles `QUIT [<reason>]`: ends this session. The user remains if it has another one.
pub fn quit(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let may_speak = || {
        let mut channels = ctx.state.user(caller.user).channels().iter();
        channels.all(|name| ctx.state.may_speak(caller.user, name))
    };
    let reason = message.text(0).filter(|reason| !reason.is_empty());
    let reason = match reason.filter(|_| may_speak()) {
        Some(reason) => {
            let limit = lengths::QUIT - "Quit: ".len();
            ctx.warn_if_cut(caller, "QUIT", &reason, limit);
            format!("Quit: {}", truncate(&reason, limit))
        }
        None => "Quit".to_owned(),
    };
    close_session(ctx, caller, &reason, DisconnectReason::Quit);
}

/// Ends the sessions that have signed in with what their account no longer accepts. Sign-ins with
/// it from before now are refused admission. The session `by` which a password or email was changed
/// remains.
pub fn access_revoked(ctx: &mut Context<'_>, revoked: Revoked, by: Option<SessionId>) {
    let now = ctx.now();
    let change = SecretChange { at: now, by };
    let (to_end, reason): (Vec<SessionId>, _) = match revoked {
        Revoked::Credential(credential) => {
            ctx.state.revoke_credential(credential, now);
            let sessions = ctx.state.users().flat_map(User::sessions);
            let ended = sessions.filter(|session| session.credential == Some(credential));
            (ended.map(|session| session.id).collect(), REVOKED)
        }
        Revoked::Password(account) => {
            ctx.state.changed_passwords.insert(account, change);
            let sessions = sessions_of(ctx, account);
            let ended =
                sessions.filter(|session| session.credential.is_none() && Some(session.id) != by);
            (ended.map(|session| session.id).collect(), PASSWORD_CHANGED)
        }
        Revoked::Email(account) => {
            ctx.state.changed_emails.insert(account, change);
            let ended = sessions_of(ctx, account).filter(|session| Some(session.id) != by);
            (ended.map(|session| session.id).collect(), EMAIL_CHANGED)
        }
    };
    end_sessions(ctx, to_end, reason, DisconnectReason::AccountEnded);
}

/// Ends a session whose place another one has taken.
pub fn displaced(ctx: &mut Context<'_>, session: SessionId) {
    let reason = DisconnectReason::ConnectionLost;
    end_sessions(ctx, vec![session], DISPLACED, reason);
}

/// Returns the sessions that are signed in to the account.
fn sessions_of<'c>(ctx: &'c Context<'_>, account: AccountId) -> impl Iterator<Item = &'c Session> {
    let is_owner = move |user: &&User| user.identity.as_ref().is_some_and(|own| own.id == account);
    ctx.state.users().filter(is_owner).flat_map(User::sessions)
}

/// Ends sessions. `text` is for the clients and for others.
pub fn end_sessions(
    ctx: &mut Context<'_>,
    sessions: Vec<SessionId>,
    text: &str,
    reason: DisconnectReason,
) {
    for session in sessions {
        if let Some(caller) = ctx.caller(session) {
            close_session(ctx, caller, text, reason);
        }
    }
}

/// Handles the end of a connection.
pub fn disconnected(
    ctx: &mut Context<'_>,
    session: SessionId,
    disconnect: &Disconnect,
    received: Option<Mark>,
) {
    if let Some(closing) = ctx.state.closing_sessions.remove(&session) {
        if let Some(device) = closing.device {
            catch_up::device_closed(ctx, *device, received);
        }
        for ticket in closing.tickets {
            connection_closed(ctx, ticket);
        }
    } else {
        catch_up::detach_device(ctx, session, received);
        remove_session(ctx, session, &disconnect.text, disconnect.reason);
    }
}

/// Ends the caller's session, and its user if this was the last one. `text` is for the client and
/// for others.
fn close_session(ctx: &mut Context<'_>, caller: Caller, text: &str, reason: DisconnectReason) {
    let closing = closing_session(ctx, caller);
    let asks = reason != DisconnectReason::Quit;
    remove_session(ctx, caller.session, text, reason);
    end_session(ctx, caller.session, closing, text, asks);
}

/// Removes the session from its user. The user quits if this was its last session, unless it is
/// always on.
pub fn remove_session(
    ctx: &mut Context<'_>,
    session: SessionId,
    quit_text: &str,
    reason: DisconnectReason,
) {
    let Some(id) = ctx.state.user_of(session) else {
        return;
    };
    let user = ctx.state.user(id);
    if user.sessions().len() == 1 && !always_on::is_always_on(ctx, user) {
        quit_user(ctx, id, quit_text, reason);
    } else if let Some(mut session) = ctx.state.detach(session) {
        ctx.state.forget_monitors(&mut session);
        away::update_away(ctx, id, None, false);
    }
}

/// Removes the user, and notifies everyone who shares a channel with it.
pub fn quit_user(ctx: &mut Context<'_>, user: UserId, quit_text: &str, reason: DisconnectReason) {
    let peers = ctx.state.peers(user, |peer| peer.user != user);
    let line = ctx
        .user_line(user, "QUIT")
        .text(truncate(quit_text, lengths::QUIT));
    ctx.send_to(user, &peers, &line);
    let user = ctx.state.remove_user(user, ctx.stamp.at, reason);
    if let Some(identity) = user.identity.as_ref().filter(|_| user.is_persisted) {
        ctx.state.ended_presences.push(identity.id);
    }
    monitor::announce_offline(ctx, &user.nick);
}

/// Sends a last line and closes the session's connection. If `asks` is true, the client is asked
/// before what it has received. The session is remembered until the connection is closed.
pub fn end_session(
    ctx: &mut Context<'_>,
    session: SessionId,
    closing: ClosingSession,
    error_text: &str,
    asks: bool,
) {
    ctx.out.push(Output::End {
        session,
        line: Line::error(error_text).plain(),
        asks,
    });
    ctx.state.closing_sessions.insert(session, closing);
}

/// Returns the record of a session that is about to be ended, with its device, unless that is
/// detached already.
pub fn closing_session(ctx: &mut Context<'_>, caller: Caller) -> ClosingSession {
    let device = catch_up::close_device(ctx, caller.session);
    let user = ctx.state.user(caller.user);
    let session = ctx
        .state
        .session(caller.session)
        .expect("a caller has a session");
    ClosingSession {
        nick: user.nick.clone(),
        identity: user.identity.clone(),
        address: session.address.ip(),
        device,
        tickets: Vec::new(),
    }
}

/// Answers the ticket if this was the last session that it was waiting for.
fn connection_closed(ctx: &mut Context<'_>, ticket: u64) {
    let Some(pending) = ctx.state.pending_ends.get_mut(&ticket) else {
        return;
    };
    pending.waiting -= 1;
    if pending.waiting == 0
        && let Some(pending) = ctx.state.pending_ends.remove(&ticket)
    {
        ctx.answer(pending.ticket, pending.ended);
    }
}

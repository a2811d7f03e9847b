//! Admission of sessions, and signing in after admission.
//!
//! A session reaches the core once its handshake is complete. It becomes the first session of a new
//! user, or one more session of the user that its account already has.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use rookery_control_api::DisconnectReason;
use rookery_protocol::{Capability, ChannelName, Nick};
use rookery_record::{AccountId, CredentialId};

use crate::context::{Caller, Context};
use crate::event::{Candidate, Revoked};
use crate::features::metadata::values;
use crate::features::metadata::values::MetadataTarget;
use crate::features::{access, always_on, away, catch_up, channels, monitor, nick, quit, server};
use crate::ids::{Identity, SessionId, SignedInWith, UserId};
use crate::lengths;
use crate::line::truncate;
use crate::request::Admission;
use crate::state::user::{Session, host};
use crate::state::{NewUser, SecretChange, User};
use crate::ticket::Ticket;

/// Admits the candidate, or answers the ticket with the reason for the refusal.
pub fn admit(
    ctx: &mut Context<'_>,
    ticket: Ticket<Admission>,
    session: SessionId,
    candidate: Candidate,
) {
    if ctx.state.user_of(session).is_some() {
        return ctx.answer(ticket, Admission::Admitted);
    }
    let Candidate {
        nick,
        username,
        realname,
        identity,
        capabilities,
        away_state,
        subscriptions,
        address,
        tls,
    } = candidate;
    if let Some(banned) = refusal(ctx, session, identity.as_ref(), address.ip(), false) {
        return ctx.answer(ticket, banned);
    }
    if let Some(message) = &ctx.state.policy.maintenance {
        let reason = message.to_string();
        return ctx.answer(ticket, Admission::Closed { reason });
    }
    let existing = identity
        .as_ref()
        .and_then(|identity| ctx.state.by_account(&identity.name));
    let existing = existing.map(|user| user.id);
    let nick = match &identity {
        Some(identity) if !ctx.settings.free_nicks => identity.name.to_nick(),
        _ => nick,
    };
    if existing.is_none() && clear_nick(ctx, &nick, identity.as_ref(), None).is_err() {
        return ctx.answer(ticket, Admission::NickInUse);
    }
    let given_realname = realname.clone();
    let new = identity.as_ref().map(|identity| identity.new);
    let signed_in_with = identity
        .as_ref()
        .map(|identity| identity.signed_in_with.clone());
    let user = existing.unwrap_or_else(|| {
        let new_user = NewUser {
            nick: nick.clone(),
            host: host(&ctx.settings.server_name, identity.is_some()),
            identity,
            username: shown_username(&username).into(),
            realname: truncate(&realname, lengths::REALNAME).into(),
        };
        ctx.state.add_user(new_user, ctx.stamp.at)
    });
    let session = Session {
        id: session,
        username: username.into(),
        realname: realname.into(),
        capabilities,
        address,
        tls: tls.into(),
        since: ctx.now(),
        monitors: std::collections::BTreeSet::new(),
        subscriptions,
        credential: signed_in_with.as_ref().and_then(SignedInWith::credential),
        device: None,
        received: ctx.state.mark(ctx.clock.now()),
        catch_up: None,
        away_state,
        batch: None,
    };
    let caller = Caller {
        session: session.id,
        user,
        capabilities,
    };
    ctx.state.attach(user, session);
    if existing.is_none() {
        monitor::announce_online(ctx, user);
    } else {
        displace_oldest_sessions(ctx, user);
    }
    away::update_away(ctx, user, Some(caller.session), false);
    greet(ctx, caller, new);
    if existing.is_some() {
        send_memberships(ctx, caller);
    } else {
        ctx.warn_if_cut(caller, "USER", &given_realname, lengths::REALNAME);
    }
    join_lobby(ctx, caller);
    if let Some(signed_in_with) = signed_in_with {
        catch_up::start(ctx, caller, signed_in_with);
    }
    ctx.answer(ticket, Admission::Admitted);
}

/// Signs an admitted session in to an account: the session of a guest or, with free nicks, of
/// another account.
pub fn sign_in(
    ctx: &mut Context<'_>,
    ticket: Ticket<Admission>,
    session: SessionId,
    identity: Identity,
) {
    // The session may have ended in the meantime.
    let Some(caller) = ctx.caller(session) else {
        return ctx.answer(ticket, Admission::Admitted);
    };
    let address = ctx
        .state
        .session(session)
        .map(|session| session.address.ip());
    let before = ctx.state.user(caller.user);
    let present = before.identity.as_ref();
    let is_signed_in = present.is_some_and(|present| present.id == identity.id);
    let email_changed = is_signed_in && present.is_some_and(|own| own.email != identity.email);
    let host = Arc::clone(&before.host);
    if let Some(refused) =
        address.and_then(|address| refusal(ctx, session, Some(&identity), address, is_signed_in))
    {
        return ctx.answer(ticket, refused);
    }
    let before = ctx.state.user(caller.user);
    if is_signed_in {
        let account = identity.id;
        ctx.state.identify(caller.user, identity, host);
        if email_changed {
            quit::access_revoked(ctx, Revoked::Email(account), Some(session));
        }
        return ctx.answer(ticket, Admission::Admitted);
    }
    let (new, signed_in_with) = (identity.new, identity.signed_in_with.clone());
    let existing = ctx.state.by_account(&identity.name).map(|user| user.id);
    let caller = if let Some(user) = existing {
        let caller = move_session(ctx, caller, user);
        displace_oldest_sessions(ctx, user);
        caller
    } else {
        let own = identity.name.to_nick();
        // The session cannot retain the name of the account that it signs out of.
        let is_old_account = |nick: &Nick| {
            before
                .account()
                .is_some_and(|account| is_alike(nick, account))
        };
        let retains_nick = ctx.settings.free_nicks && !is_old_account(&before.nick);
        let nick = if retains_nick {
            before.nick.clone()
        } else {
            own.clone()
        };
        // A user that is always on is not renamed, as it remains without sessions.
        let is_only_session = before.sessions().len() == 1 && !always_on::is_always_on(ctx, before);
        let (nick, itself) = if is_only_session {
            (nick, Some(caller.user))
        } else {
            (own, None)
        };
        if clear_nick(ctx, &nick, Some(&identity), itself).is_err() {
            return ctx.answer(ticket, Admission::NickInUse);
        }
        if is_only_session {
            catch_up::detach_device(ctx, session, None);
            apply_identity(ctx, caller, identity, nick);
            caller
        } else {
            split_session(ctx, caller, identity, nick)
        }
    };
    if let Some(session) = ctx.state.session_mut(session) {
        session.credential = signed_in_with.credential();
    }
    // The session was greeted when it was admitted; only new accounts are welcomed again.
    if new {
        welcome(ctx, caller, Some(new));
    }
    join_lobby(ctx, caller);
    catch_up::start(ctx, caller, signed_in_with);
    ctx.answer(ticket, Admission::Admitted);
}

/// Returns the refusal of an account or address that must not be admitted: since it signed in, an
/// operator has ended the account's sessions, or the credential was revoked, or the password or the
/// email was changed; or a ban covers it. `is_signed_in`: the session is signed in to that account
/// already.
fn refusal(
    ctx: &Context<'_>,
    session: SessionId,
    identity: Option<&Identity>,
    address: IpAddr,
    is_signed_in: bool,
) -> Option<Admission> {
    let is_ended = identity.is_some_and(|identity| {
        let ended_at = ctx.state.ended_accounts.get(&identity.id);
        ended_at.is_some_and(|at| identity.authenticated_at <= *at)
    });
    // Why may no longer be true: the account may have been enabled again. If not, the next sign-in
    // says so.
    if is_ended {
        return Some(Admission::Stale {
            reason: quit::NO_LONGER_VALID.to_owned(),
        });
    }
    // The clock was set back during the sign-in, so it may be from before any end of access.
    let from_future = identity.filter(|identity| identity.authenticated_at > ctx.now());
    if from_future.is_some() && !is_signed_in {
        return Some(Admission::Stale {
            reason: "The clock of the server was set; sign in again".to_owned(),
        });
    }
    let revoked = identity.and_then(|identity| {
        let at = identity.authenticated_at;
        let is_ended = |changes: &BTreeMap<AccountId, SecretChange>| {
            let change = changes.get(&identity.id);
            change.is_some_and(|change| change.ends(session, at))
        };
        let is_revoked = |credential: CredentialId| {
            let forgotten = &ctx.state.revocations_forgotten;
            let revoked_at = ctx.state.revoked_credentials.get(&credential);
            at <= *revoked_at.unwrap_or(forgotten)
        };
        let secret = match identity.signed_in_with.credential() {
            Some(one) => is_revoked(one).then_some(quit::REVOKED),
            None => is_ended(&ctx.state.changed_passwords).then_some(quit::PASSWORD_CHANGED),
        };
        let email = || is_ended(&ctx.state.changed_emails).then_some(quit::EMAIL_CHANGED);
        secret.or_else(email)
    });
    // A session that is signed in to the account would have been ended.
    if let Some(reason) = revoked.filter(|_| !is_signed_in) {
        return Some(Admission::Stale {
            reason: reason.to_owned(),
        });
    }
    let (bans, now) = (&ctx.state.policy.bans, ctx.now());
    let on_account = identity.and_then(|identity| bans.on_account(identity, now));
    let ban = on_account.or_else(|| bans.on_address(address, now))?;
    Some(Admission::Banned {
        reason: ban.reason.clone(),
        expires_at: ban.expires_at,
    })
}

/// Ends the user's oldest sessions if it has more than it may. The newest stays: sessions that were
/// forgotten, or that someone else has opened, must not keep the owner of an account out.
fn displace_oldest_sessions(ctx: &mut Context<'_>, user: UserId) {
    let limit = ctx.settings.sessions_per_account;
    if limit == 0 {
        return;
    }
    // Sessions are in the order of their sign-ins.
    let sessions = ctx.state.user(user).sessions();
    let excess = sessions.len().saturating_sub(limit);
    let oldest = sessions[..excess].iter().map(|session| session.id);
    // `rook` recognises the first word, and does not reconnect by itself.
    let reason = format!(
        "Displaced: a newer session of your account took the place of this one; the limit is \
         {limit}"
    );
    let oldest = oldest.collect();
    quit::end_sessions(ctx, oldest, &reason, DisconnectReason::AccountEnded);
}

/// Makes `nick` and the name of `identity`'s account available. Only the owner of an account may
/// use its name as a nick, so other users who have it are renamed. `itself` may keep the nick.
fn clear_nick(
    ctx: &mut Context<'_>,
    nick: &Nick,
    identity: Option<&Identity>,
    itself: Option<UserId>,
) -> Result<(), NickTaken> {
    let name = identity.map(|identity| identity.name.to_nick());
    let others = |holders: Vec<UserId>| {
        holders
            .into_iter()
            .filter(move |holder| Some(*holder) != itself)
    };
    let to_rename: Vec<UserId> = name
        .iter()
        .flat_map(|name| others(ctx.state.holders(name)))
        .collect();
    let is_its_own = |user: &User| {
        let account = user.account().unwrap_or_default();
        name.as_ref().is_some_and(|name| is_alike(name, account))
    };
    if to_rename
        .iter()
        .any(|holder| is_its_own(ctx.state.user(*holder)))
        || others(ctx.state.holders(nick)).any(|holder| !to_rename.contains(&holder))
    {
        return Err(NickTaken);
    }
    if let Some(name) = name {
        for user in to_rename {
            reassign_nick(ctx, user, &name);
        }
    }
    // A user may have been renamed to `nick`.
    let mut holders = ctx.state.holders(nick).into_iter();
    if holders.all(|holder| Some(holder) == itself) {
        Ok(())
    } else {
        Err(NickTaken)
    }
}

/// Renames a user that has the name of an account whose owner has just signed in.
fn reassign_nick(ctx: &mut Context<'_>, user: UserId, name: &Nick) {
    let own = ctx
        .state
        .user(user)
        .identity
        .as_ref()
        .map(|identity| identity.name.to_nick());
    let own = own.filter(|own| ctx.state.holders(own).is_empty());
    let free = own.unwrap_or_else(|| ctx.state.free_guest_nick());
    nick::rename(ctx, user, free);
    for caller in ctx.callers(user) {
        ctx.notice(
            caller,
            &format!("{name} is the name of an account, and its owner has signed in."),
        );
    }
}

/// Moves the session to a new user of its own. Its current user remains, with its other sessions or
/// always on.
fn split_session(ctx: &mut Context<'_>, caller: Caller, identity: Identity, nick: Nick) -> Caller {
    let before = ctx.state.user(caller.user);
    let new_user = NewUser {
        nick,
        identity: Some(identity),
        username: before.username.clone(),
        host: host(&ctx.settings.server_name, true),
        realname: before.realname.clone(),
    };
    let user = ctx.state.add_user(new_user, ctx.stamp.at);
    monitor::announce_online(ctx, user);
    move_session(ctx, caller, user)
}

/// Signs the user in to the account, and notifies those who follow it.
fn apply_identity(ctx: &mut Context<'_>, caller: Caller, identity: Identity, nick: Nick) {
    if ctx.state.user(caller.user).nick.as_str() != nick.as_str() {
        nick::rename(ctx, caller.user, nick);
    }
    let line = ctx
        .user_line(caller.user, "ACCOUNT")
        .word(identity.name.as_str());
    ctx.send_to_followers(caller.user, &line, Capability::AccountNotify, None);
    let host = host(&ctx.settings.server_name, true);
    let user = ctx.state.user(caller.user);
    if user.host != host {
        let line = ctx
            .user_line(caller.user, "CHGHOST")
            .word(&user.username)
            .word(&host);
        ctx.send_to_followers(caller.user, &line, Capability::Chghost, None);
    }
    let metadata = std::mem::take(&mut ctx.state.user_mut(caller.user).metadata);
    ctx.state.identify(caller.user, identity, host);
    values::notify_change(ctx, &MetadataTarget::User(caller.user), &metadata, None);
    for name in ctx.state.user(caller.user).channels().to_vec() {
        access::apply_access(ctx, caller.user, &name);
    }
}

/// Moves the session to another user. Its previous user quits if this was its last session, unless
/// it is always on.
fn move_session(ctx: &mut Context<'_>, caller: Caller, user: UserId) -> Caller {
    catch_up::detach_device(ctx, caller.session, None);
    let name = ctx.state.user(user).nick.clone();
    for channel in ctx.state.user(caller.user).channels().to_vec() {
        let line = ctx.user_line(caller.user, "PART").word(channel.as_str());
        ctx.send(caller, &line);
    }
    let line = ctx.user_line(caller.user, "NICK").word(name.as_str());
    ctx.send(caller, &line);
    let Some(mut session) = ctx.state.detach(caller.session) else {
        return caller;
    };
    let monitors = std::mem::take(&mut session.monitors);
    let old_user = ctx.state.user(caller.user);
    if old_user.sessions().is_empty() && !always_on::is_always_on(ctx, old_user) {
        quit::quit_user(
            ctx,
            caller.user,
            &format!("Signed in as {name}"),
            DisconnectReason::SignedIn,
        );
    } else {
        away::update_away(ctx, caller.user, None, false);
    }
    session.monitors = monitors;
    ctx.state.attach(user, session);
    away::update_away(ctx, user, Some(caller.session), false);
    let caller = Caller { user, ..caller };
    send_memberships(ctx, caller);
    caller
}

/// Sends the lines that every new session receives first.
fn greet(ctx: &mut Context<'_>, caller: Caller, new: Option<bool>) {
    server::burst(ctx, caller);
    welcome(ctx, caller, new);
}

fn welcome(ctx: &mut Context<'_>, caller: Caller, new: Option<bool>) {
    let nick = &ctx.state.user(caller.user).nick;
    match new {
        Some(true) => ctx.notice(caller, &format!("Welcome, {nick}. You are new here.")),
        Some(false) => ctx.notice(caller, &format!("Welcome back, {nick}.")),
        None => {}
    }
}

/// Sends the session the channels that its user is already in.
fn send_memberships(ctx: &mut Context<'_>, caller: Caller) {
    for name in ctx.state.user(caller.user).channels().to_vec() {
        channels::send_membership(ctx, caller, &name);
    }
}

/// Whether the session is a short visit (capability `visitor`), which is not shown to others.
/// Guests are always shown.
pub fn is_visitor(ctx: &Context<'_>, caller: Caller) -> bool {
    caller.has(Capability::Visitor) && ctx.state.user(caller.user).identity.is_some()
}

fn join_lobby(ctx: &mut Context<'_>, caller: Caller) {
    if is_visitor(ctx, caller) {
        return;
    }
    let missing: Vec<ChannelName> = {
        let joined = ctx.state.user(caller.user).channels();
        ctx.settings
            .lobby
            .iter()
            .filter(|name| !joined.contains(name))
            .cloned()
            .collect()
    };
    for name in missing {
        channels::join_channel(ctx, caller, &name, None);
    }
}

/// Whether the nick is, or looks like, the name of the account.
fn is_alike(nick: &Nick, account: &str) -> bool {
    Nick::parse(account).is_ok_and(|account| account.skeleton() == nick.skeleton())
}

/// Another user has the nick, or one that looks the same.
struct NickTaken;

/// Returns the username as others see it: `~`, then what the client chose, restricted to safe
/// characters.
fn shown_username(given: &str) -> String {
    let safe: String = given
        .chars()
        .filter(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.'))
        .take(lengths::USERNAME)
        .collect();
    format!("~{}", if safe.is_empty() { "user" } else { &safe })
}

//! New bans, and the sessions that they end.

use std::sync::Arc;

use jiff::Timestamp;
use rookery_control_api::DisconnectReason;
use rookery_record::{Ban, ban_text};

use super::{Ending, SelectedUser, end_each, end_user, publish_policy};
use crate::context::Context;
use crate::request::Ended;
use crate::state::User;
use crate::state::bans::Bans;
use crate::ticket::Ticket;

/// Applies the bans to new sessions, and ends the sessions that they cover.
pub fn add(ctx: &mut Context<'_>, ticket: Ticket<Ended>, new: Vec<Ban>) {
    if new.is_empty() {
        ctx.answer(ticket, Ended::default());
        return;
    }
    let bans = &mut Arc::make_mut(&mut ctx.state.policy).bans;
    // In a set of their own, the new bans are found by lookup, however many they are.
    let new = Bans::new(new, bans.aliases().clone());
    for ban in new.iter() {
        bans.add(Arc::clone(ban));
    }
    publish_policy(ctx);
    let now = ctx.now();
    let selected = covered(ctx, &new);
    let selected = selected.iter().map(|(user, end)| (user, end));
    end_each(ctx, ticket, selected, |_, closing| {
        let identity = closing.identity.as_ref();
        identity.is_some_and(|identity| new.on_account(identity, now).is_some())
            || new.on_address(closing.address, now).is_some()
    });
}

/// Ends the users and sessions that bans cover now, because other emails lead to a banned mailbox.
pub fn apply_all(ctx: &mut Context<'_>) {
    let bans = ctx.state.policy.bans.clone();
    for (user, end) in covered(ctx, &bans) {
        end_user(ctx, None, &user, &end, &mut Ended::default());
    }
}

/// Ends the users and sessions that a ban covers which is in force again, because the clock was set
/// back. `before` is the time that it showed: bans that had expired by then admitted them.
pub fn reapply(ctx: &mut Context<'_>, before: Timestamp) {
    let now = ctx.now();
    let bans = &ctx.state.policy.bans;
    let is_again = |ban: &&Arc<Ban>| ban.is_active(now) && !ban.is_active(before);
    let again: Vec<Ban> = bans
        .iter()
        .filter(is_again)
        .map(|ban| Ban::clone(ban))
        .collect();
    let again = Bans::new(again, bans.aliases().clone());
    for (user, end) in covered(ctx, &again) {
        end_user(ctx, None, &user, &end, &mut Ended::default());
    }
}

/// Returns the users and sessions that these bans cover, and how they are ended.
fn covered(ctx: &Context<'_>, bans: &Bans) -> Vec<(SelectedUser, Ending)> {
    let now = ctx.now();
    ctx.state
        .users()
        .flat_map(|user| covered_by(user, bans, now))
        .map(|(user, ban)| (user, Ending::by_ban(ban)))
        .collect()
}

/// Returns the user as a whole with the ban that covers its account, or its sessions by the ban
/// that covers their addresses.
fn covered_by<'b>(user: &User, bans: &'b Bans, now: Timestamp) -> Vec<(SelectedUser, &'b Ban)> {
    let identity = user.identity.as_ref();
    if let Some(ban) = identity.and_then(|identity| bans.on_account(identity, now)) {
        return vec![(SelectedUser::whole(user), ban)];
    }
    let mut covered: Vec<(SelectedUser, &Ban)> = Vec::new();
    for session in user.sessions() {
        let Some(ban) = bans.on_address(session.address.ip(), now) else {
            continue;
        };
        if let Some((selected, _)) = covered.iter_mut().find(|(_, other)| other.id == ban.id) {
            selected.sessions.push(session.id);
        } else {
            let selected = SelectedUser {
                user: user.id,
                sessions: vec![session.id],
                is_whole: false,
            };
            covered.push((selected, ban));
        }
    }
    covered
}

impl Ending {
    /// Returns the reason and the texts of a ban.
    fn by_ban(ban: &Ban) -> Self {
        let text = ban_text(&ban.reason, ban.expires_at);
        Self {
            reason: DisconnectReason::Banned,
            numeric_text: Some(format!("You are banned from this server: {text}")),
            quit_text: Some("Banned".to_owned()),
            error_text: format!("Banned: {text}"),
        }
    }
}

//! Finds the busiest channels and users of the last minute, and the owners of slow sessions.

use std::cmp::Reverse;

use crate::context::Context;
use crate::ids::{Identity, SessionId};
use crate::request::{Busy, BusyChannel, BusyUser, Owner};

/// Returns up to `limit` busy channels and users, and the owners of the sessions.
pub fn find_busiest(ctx: &Context<'_>, limit: usize, sessions: &[SessionId]) -> Busy {
    let now = ctx.now();
    let account =
        |identity: &Option<Identity>| identity.as_ref().map(|identity| identity.name.clone());
    let channels = ctx
        .state
        .channels()
        .map(|channel| (channel.activity.count(now), channel));
    let busiest_channels = busiest(limit, channels).map(|(messages, channel)| BusyChannel {
        name: channel.name.clone(),
        members: channel.members().len(),
        messages,
    });
    let users = ctx
        .state
        .users()
        .map(|user| (user.activity.count(now), user));
    let busiest_users = busiest(limit, users).map(|(messages, user)| BusyUser {
        nick: user.nick.clone(),
        account: account(&user.identity),
        address: user.sessions().last().map(|session| session.address),
        sessions: user.sessions().len(),
        messages,
    });
    let owners = sessions.iter().filter_map(|&id| {
        let user = ctx.state.user(ctx.state.user_of(id)?);
        let session = ctx.state.session(id)?;
        let (nick, account) = (user.nick.clone(), account(&user.identity));
        Some(Owner {
            session: id,
            nick,
            account,
            address: session.address,
        })
    });
    Busy {
        users: ctx.state.user_count(),
        guests: ctx
            .state
            .users()
            .filter(|user| user.identity.is_none())
            .count(),
        sessions: ctx.state.session_count(),
        channels: ctx.state.channel_count(),
        busiest_channels: busiest_channels.collect(),
        busiest_users: busiest_users.collect(),
        owners: owners.collect(),
    }
}

/// Returns up to `limit` items with the most messages, in a stable order, without those that have
/// none.
fn busiest<T>(limit: usize, all: impl Iterator<Item = (u32, T)>) -> impl Iterator<Item = (u32, T)> {
    let mut busy: Vec<(u32, T)> = all.filter(|(messages, _)| *messages > 0).collect();
    busy.sort_by_key(|(messages, _)| Reverse(*messages));
    busy.truncate(limit);
    busy.into_iter()
}

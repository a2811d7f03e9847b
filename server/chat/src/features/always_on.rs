//! Users that are always on: they stay in their channels, marked as away, while none of their
//! sessions is connected, including across restarts. `SET` turns always-on on or off for an
//! account.

use jiff::Timestamp;
use rookery_control_api::DisconnectReason;
use rookery_protocol::{ChannelName, Message};
use rookery_record::{AccountId, Change, Membership, Presence};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::event::Output;
use crate::features::quit;
use crate::ids::{Identity, UserId};
use crate::state::User;
use crate::state::channel::{Member, MemberModes};

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["SET"],
    min_params: 0,
    help: &[
        "SET, SET always-on on|off|default",
        "Shows or sets whether you stay in your channels, marked as away, while none of your",
        "clients is connected.",
    ],
    weight: |_| Weight::MESSAGE,
    handler: Handler::Core(set),
}];

const ALWAYS_ON: &str = "always-on";

/// Handles `SET`, `SET <setting>`, `SET <setting> <value>`. The only setting is `always-on`, with
/// the values `on`, `off` and `default`.
pub fn set(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let Some(account) = ctx
        .state
        .user(caller.user)
        .identity
        .as_ref()
        .map(|identity| identity.id)
    else {
        return ctx.fail(
            caller,
            "SET",
            "ACCOUNT_REQUIRED",
            &[],
            "Settings belong to an account; sign in first",
        );
    };
    let setting = message
        .param(0)
        .filter(|setting| !setting.is_empty())
        .unwrap_or(ALWAYS_ON);
    if !setting.eq_ignore_ascii_case(ALWAYS_ON) {
        let text = "Unknown setting; the only one is always-on";
        return ctx.fail(caller, "SET", "UNKNOWN_SETTING", &[setting], text);
    }
    if let Some(value) = message.param(1) {
        let choice = match value.to_ascii_lowercase().as_str() {
            "on" => Some(true),
            "off" => Some(false),
            "default" => None,
            _ => {
                let text = "Invalid value; use on, off or default";
                return ctx.fail(caller, "SET", "INVALID_VALUE", &[ALWAYS_ON, value], text);
            }
        };
        set_choice(ctx, caller, account, choice);
    }
    show_setting(ctx, caller, account);
}

fn set_choice(ctx: &mut Context<'_>, caller: Caller, account: AccountId, choice: Option<bool>) {
    let before = match choice {
        Some(choice) => ctx.state.always_on.insert(account, choice),
        None => ctx.state.always_on.remove(&account),
    };
    if before != choice {
        ctx.out
            .push(Output::Persist(Box::new(Change::AlwaysOn(account, choice))));
        ctx.state.touch(caller.user);
    }
}

fn show_setting(ctx: &mut Context<'_>, caller: Caller, account: AccountId) {
    let choice = ctx.state.always_on.get(&account);
    let on = is_always_on(ctx, ctx.state.user(caller.user));
    let (value, meaning) = if on {
        (
            "on",
            "you stay in your channels while none of your clients is connected",
        )
    } else {
        (
            "off",
            "you leave your channels when your last client disconnects",
        )
    };
    let origin = if choice.is_some() {
        "your choice"
    } else {
        "the server's default"
    };
    ctx.notice(
        caller,
        &format!("{ALWAYS_ON} is {value} ({origin}): {meaning}."),
    );
}

/// Whether the user stays while none of its sessions is connected.
pub fn is_always_on(ctx: &Context<'_>, user: &User) -> bool {
    user.identity
        .as_ref()
        .is_some_and(|identity| ctx.state.wants_always_on(identity, ctx.settings))
}

/// Persists the changes of users that are always on.
pub fn persist_presences(ctx: &mut Context<'_>) {
    for account in std::mem::take(&mut ctx.state.ended_presences) {
        ctx.out
            .push(Output::Persist(Box::new(Change::PresenceRemoved(account))));
    }
    for id in std::mem::take(&mut ctx.state.touched) {
        if !ctx.state.exists(id) {
            continue;
        }
        let user = ctx.state.user(id);
        let is_always_on = is_always_on(ctx, user);
        let change = match (&user.identity, is_always_on, user.is_persisted) {
            (Some(identity), true, _) => Change::Presence(presence_of(ctx, user, identity)),
            (Some(identity), false, true) => Change::PresenceRemoved(identity.id),
            _ => continue,
        };
        ctx.state.user_mut(id).is_persisted = is_always_on;
        ctx.out.push(Output::Persist(Box::new(change)));
    }
}

/// Persists that the channel was renamed, or removed if `renamed` is `None`, for those of its
/// members that are always on. All of it is one change: storing the presence of each, with all its
/// channels, would delay everyone else.
pub fn persist_memberships(
    ctx: &mut Context<'_>,
    members: impl IntoIterator<Item = UserId>,
    channel: ChannelName,
    renamed: Option<(ChannelName, Timestamp)>,
) {
    let users = members.into_iter().map(|member| ctx.state.user(member));
    // A user who becomes always on in this event is persisted as a whole at its end.
    let accounts: Vec<AccountId> = users
        .filter(|user| user.is_persisted)
        .filter_map(|user| user.identity.as_ref())
        .map(|identity| identity.id)
        .collect();
    if accounts.is_empty() {
        return;
    }
    ctx.out.push(Output::Persist(Box::new(Change::Memberships {
        accounts,
        channel,
        renamed,
    })));
}

fn presence_of(ctx: &Context<'_>, user: &User, identity: &Identity) -> Presence {
    let channels = user
        .channels()
        .iter()
        .filter_map(|name| ctx.state.channel(name));
    let channels = channels.filter_map(|channel| {
        let Member {
            joined_at, modes, ..
        } = channel.member(user.id)?;
        let MemberModes {
            operator, voice, ..
        } = modes;
        // Messages under this name from before the channel got it belong to another channel. If the
        // channel itself is not persisted, this is the only record of when it got its name.
        let joined_at = joined_at.max(channel.named_at);
        Some(Membership {
            channel: channel.name.clone(),
            joined_at,
            operator,
            voice,
        })
    });
    let modes = [
        ('B', user.is_bot),
        ('R', user.only_accounts),
        ('i', user.is_invisible()),
    ];
    Presence {
        account: identity.id,
        name: identity.name.clone(),
        email: identity.email.clone(),
        nick: user.nick.clone(),
        username: user.username.to_string(),
        realname: user.realname.to_string(),
        modes: modes
            .into_iter()
            .filter(|(_, on)| *on)
            .map(|(letter, _)| letter)
            .collect(),
        away: user.away.as_deref().map(str::to_owned),
        since: user.since,
        channels: channels.collect(),
    }
}

/// Applies a changed default: users that are now always on are persisted, and those that are no
/// longer quit if they have no session.
pub fn review_presences(ctx: &mut Context<'_>) {
    let users: Vec<UserId> = ctx.state.users().map(|user| user.id).collect();
    for id in users {
        ctx.state.touch(id);
        let user = ctx.state.user(id);
        if user.sessions().is_empty() && !is_always_on(ctx, user) {
            quit::quit_user(ctx, id, "No longer always on", DisconnectReason::Quit);
        }
    }
}

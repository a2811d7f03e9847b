//! The requests of the control plane: kicks, bans, announcements, and views of users and channels.

mod bans;

pub use bans::{apply_all as apply_bans, reapply as reapply_bans};

use std::sync::Arc;

use rookery_control_api::DisconnectReason;
use rookery_protocol::numeric::ERR_YOUREBANNEDCREEP;
use rookery_protocol::{ChannelName, Email, Nick};
use rookery_record::{AccountId, BanTarget, EmailAliases, covers_account};

use crate::busy;
use crate::context::{Caller, Context};
use crate::event::Output;
use crate::features::{access, always_on, persistence, quit, redact};
use crate::ids::{Identity, SessionId, UserId};
use crate::request::{
    AddBans, Announce, Announced, AssignTimes, Audience, ChannelView, CloseChannel, ClosedChannel,
    ControlRequest, Count, Counts, EndAccount, EndAll, Ended, FindBusiest, FindChannel,
    FindCovered, FindUser, ForgetAccount, Kick, KickTarget, ListChannels, ListUsers, MemberView,
    PublishRedactions, RemoveBan, SessionView, SetMaintenance, UserView,
};
use crate::state::channel::{Channel, Flag};
use crate::state::{ClosingSession, PendingEnd, Session, User};
use crate::ticket::Ticket;

/// Carries out a request of an operator.
pub fn control(ctx: &mut Context<'_>, request: ControlRequest) {
    match request {
        ControlRequest::Kick(ticket, Kick { target, reason }) => {
            kick(ctx, ticket, &target, &reason);
        }
        ControlRequest::AddBans(ticket, AddBans(bans)) => bans::add(ctx, ticket, bans),
        ControlRequest::RemoveBan(ticket, RemoveBan(id)) => {
            Arc::make_mut(&mut ctx.state.policy).bans.remove(id);
            publish_policy(ctx);
            ctx.answer(ticket, ());
        }
        ControlRequest::SetMaintenance(ticket, SetMaintenance(message)) => {
            Arc::make_mut(&mut ctx.state.policy).maintenance = message;
            publish_policy(ctx);
            ctx.answer(ticket, ());
        }
        ControlRequest::EndAccount(ticket, EndAccount { account, reason }) => {
            end_account(ctx, ticket, account, reason);
        }
        ControlRequest::ForgetAccount(ticket, ForgetAccount(name)) => {
            access::forget_account(ctx, &name);
            ctx.answer(ticket, ());
        }
        ControlRequest::FindCovered(
            ticket,
            FindCovered {
                target,
                account_email,
            },
        ) => {
            let covered = covered(ctx, &target, account_email.as_ref());
            let users = covered
                .iter()
                .map(|user| selected_view(ctx, user))
                .collect();
            ctx.answer(ticket, users);
        }
        ControlRequest::FindUser(ticket, FindUser(nick)) => {
            let user = ctx.state.by_name(&nick).map(view);
            ctx.answer(ticket, user);
        }
        ControlRequest::ListUsers(ticket, ListUsers) => {
            let users = ctx.state.users().map(view).collect();
            ctx.answer(ticket, users);
        }
        ControlRequest::ListChannels(ticket, ListChannels) => {
            let channels = ctx.state.channels();
            let views = channels.map(|channel| channel_view(ctx, channel)).collect();
            ctx.answer(ticket, views);
        }
        ControlRequest::FindChannel(ticket, FindChannel(name)) => {
            let channel = ctx.state.channel(&name);
            let view = channel.map(|channel| channel_view(ctx, channel));
            ctx.answer(ticket, view);
        }
        ControlRequest::CloseChannel(ticket, CloseChannel { name, reason }) => {
            let members = close_channel(ctx, &name, &reason);
            ctx.answer(ticket, ClosedChannel { members });
        }
        ControlRequest::Announce(ticket, Announce { to, text }) => {
            let announced = announce(ctx, &to, &text);
            ctx.answer(ticket, announced);
        }
        ControlRequest::AssignTimes(ticket, AssignTimes(places)) => {
            let times = places.iter().map(|place| ctx.clock.next(place)).collect();
            ctx.answer(ticket, times);
        }
        ControlRequest::PublishRedactions(ticket, PublishRedactions { messages, reason }) => {
            redact::notify_redacted_by_operator(ctx, &messages, &reason);
            ctx.answer(ticket, ());
        }
        ControlRequest::Count(ticket, Count) => {
            let counts = Counts {
                users: ctx.state.user_count(),
                sessions: ctx.state.session_count(),
                channels: ctx.state.channel_count(),
                maintenance: ctx.state.policy.maintenance.is_some(),
                bans: ctx.state.policy.bans.count(ctx.stamp.at),
            };
            ctx.answer(ticket, counts);
        }
        ControlRequest::FindBusiest(ticket, FindBusiest { limit, sessions }) => {
            let busiest = Box::new(busy::find_busiest(ctx, limit, &sessions));
            ctx.answer(ticket, busiest);
        }
        ControlRequest::EndAll(ticket, EndAll { reason }) => end_all(ctx, ticket, reason),
    }
}

fn kick(ctx: &mut Context<'_>, ticket: Ticket<Ended>, target: &KickTarget, reason: &str) {
    let text = format!("Kicked: {reason}");
    let end = Ending {
        reason: DisconnectReason::Kicked,
        numeric_text: None,
        quit_text: Some(text.clone()),
        error_text: text,
    };
    match target {
        KickTarget::User(nick) => {
            let selected: Vec<SelectedUser> = ctx
                .state
                .by_name(nick)
                .map(SelectedUser::whole)
                .into_iter()
                .collect();
            end_selected(ctx, ticket, &selected, &end, |_, closing| {
                closing.is_named(nick)
            });
        }
        KickTarget::Session(nick, session) => {
            let select = |user| SelectedUser::with_sessions(user, |other| other.id == *session);
            let selected: Vec<SelectedUser> = ctx
                .state
                .by_name(nick)
                .and_then(select)
                .into_iter()
                .collect();
            end_selected(ctx, ticket, &selected, &end, |id, closing| {
                id == *session && closing.is_named(nick)
            });
        }
        KickTarget::Covered {
            target,
            account_email,
        } => {
            let policy = Arc::clone(&ctx.state.policy);
            let email = account_email.as_ref();
            let selected = covered(ctx, target, email);
            end_selected(ctx, ticket, &selected, &end, |_, closing| {
                closing.is_covered(target, email, policy.bans.aliases())
            });
        }
    }
}

/// Publishes the admission policy to the listener, which refuses connections before they reach the
/// core.
pub fn publish_policy(ctx: &mut Context<'_>) {
    ctx.out
        .push(Output::AdmissionPolicy(Arc::clone(&ctx.state.policy)));
}

/// Returns the users that a ban of the target covers: the users of a covered account with all
/// their sessions, and other users with their sessions from a covered address.
fn covered(
    ctx: &Context<'_>,
    target: &BanTarget,
    account_email: Option<&Email>,
) -> Vec<SelectedUser> {
    let aliases = ctx.state.policy.bans.aliases();
    let select = |user: &User| {
        if covers_identity(target, account_email, aliases, user.identity.as_ref()) {
            Some(SelectedUser::whole(user))
        } else {
            SelectedUser::with_sessions(user, |session| target.covers_address(session.address.ip()))
        }
    };
    ctx.state.users().filter_map(select).collect()
}

fn end_account(ctx: &mut Context<'_>, ticket: Ticket<Ended>, account: AccountId, reason: String) {
    let is_owner =
        |identity: &Option<Identity>| identity.as_ref().is_some_and(|own| own.id == account);
    let selected: Vec<SelectedUser> = ctx
        .state
        .users()
        .filter(|user| is_owner(&user.identity))
        .map(SelectedUser::whole)
        .collect();
    ctx.state.ended_accounts.insert(account, ctx.now());
    let quit_text = Some(reason.clone());
    let end = Ending {
        reason: DisconnectReason::AccountEnded,
        numeric_text: None,
        quit_text,
        error_text: reason,
    };
    end_selected(ctx, ticket, &selected, &end, |_, closing| {
        is_owner(&closing.identity)
    });
}

fn announce(ctx: &mut Context<'_>, to: &Audience, text: &str) -> Announced {
    let sessions = match to {
        Audience::All => ctx.state.users().flat_map(sessions_of).collect(),
        Audience::Channel(name) => match ctx.state.channel(name) {
            Some(channel) => {
                let receivers = channel.receivers().iter();
                receivers.map(|receiver| receiver.session).collect()
            }
            None => Vec::new(),
        },
        Audience::Account(name) => {
            let is_owner =
                |user: &&User| user.identity.as_ref().is_some_and(|own| own.name == *name);
            ctx.state
                .users()
                .filter(is_owner)
                .flat_map(sessions_of)
                .collect()
        }
    };
    let callers: Vec<Caller> = sessions
        .iter()
        .filter_map(|&session| ctx.caller(session))
        .collect();
    for &caller in &callers {
        match to {
            Audience::Channel(name) => {
                let name = ctx
                    .state
                    .channel(name)
                    .map_or(name, |channel| &channel.name)
                    .clone();
                let line = ctx.server_line("NOTICE").word(name.as_str()).text(text);
                ctx.send(caller, &line);
            }
            Audience::All | Audience::Account(_) => ctx.notice(caller, text),
        }
    }
    if callers.is_empty() && !matches!(to, Audience::All) {
        Announced::NoRecipient
    } else {
        Announced::Sent {
            sessions: callers.len(),
        }
    }
}

/// Removes the channel, and deletes it from the store if it is persistent.
///
/// Each member is notified of its own kick only, because all members are removed.
fn close_channel(ctx: &mut Context<'_>, name: &ChannelName, reason: &str) -> Vec<Nick> {
    let Some(channel) = ctx.state.channel(name) else {
        return Vec::new();
    };
    let name = channel.name.clone();
    let members: Vec<UserId> = channel.members().iter().map(|member| member.user).collect();
    if channel.founder().is_some() {
        persistence::forget_channel(ctx, &name);
    }
    always_on::persist_memberships(ctx, members.iter().copied(), name.clone(), None);
    let reason = format!("Closed: {reason}");
    let mut nicks = Vec::new();
    for user in members {
        let nick = ctx.state.user(user).nick.clone();
        let line = ctx
            .server_line("KICK")
            .word(name.as_str())
            .word(nick.as_str())
            .text(&reason);
        for caller in ctx.callers(user) {
            ctx.send(caller, &line);
        }
        nicks.push(nick);
    }
    ctx.state.remove_channel(&name);
    nicks.sort_unstable();
    nicks
}

fn channel_view(ctx: &Context<'_>, channel: &Channel) -> ChannelView {
    let mut members: Vec<MemberView> = channel
        .members()
        .iter()
        .map(|member| MemberView {
            nick: ctx.state.user(member.user).nick.clone(),
            operator: member.modes.is_operator(),
            voice: member.modes.voice,
        })
        .collect();
    members.sort_unstable_by(|one, other| one.nick.cmp(&other.nick));
    let flags = Flag::ALL
        .into_iter()
        .filter(|flag| channel.flags.has(*flag))
        .map(Flag::letter);
    let key = channel.key.as_ref().map(|_| 'k');
    let limit = channel.limit.map(|_| 'l');
    ChannelView {
        name: channel.name.clone(),
        created_at: channel.created_at,
        founder: channel.founder().cloned(),
        topic: channel.topic.as_ref().map(|topic| topic.text.to_string()),
        modes: flags.chain(key).chain(limit).collect(),
        members,
    }
}

/// Returns the view of a user with only its selected sessions.
fn selected_view(ctx: &Context<'_>, selected: &SelectedUser) -> UserView {
    let mut view = view(ctx.state.user(selected.user));
    view.sessions
        .retain(|session| selected.sessions.contains(&session.id));
    view
}

/// Ends all sessions because the server stops. Users that are always on remain in the store, and
/// are restored at the next start.
fn end_all(ctx: &mut Context<'_>, ticket: Ticket<Ended>, reason: String) {
    let connected = ctx.state.users().filter(|user| !user.sessions().is_empty());
    let selected: Vec<SelectedUser> = connected.map(SelectedUser::whole).collect();
    let end = Ending {
        reason: DisconnectReason::ServerStopping,
        numeric_text: None,
        quit_text: None,
        error_text: reason,
    };
    end_selected(ctx, ticket, &selected, &end, |_, _| true);
}

/// Ends the selected sessions, and the users that are selected as a whole. The ticket is answered
/// when their connections have closed, and those of the closing sessions for which `includes` is
/// true.
fn end_selected(
    ctx: &mut Context<'_>,
    ticket: Ticket<Ended>,
    selected: &[SelectedUser],
    end: &Ending,
    includes: impl Fn(SessionId, &ClosingSession) -> bool,
) {
    end_each(
        ctx,
        ticket,
        selected.iter().map(|user| (user, end)),
        includes,
    );
}

/// Like [`end_selected`], with an ending for each of the selected.
fn end_each<'e>(
    ctx: &mut Context<'_>,
    ticket: Ticket<Ended>,
    selected: impl Iterator<Item = (&'e SelectedUser, &'e Ending)>,
    includes: impl Fn(SessionId, &ClosingSession) -> bool,
) {
    let number = ticket.number();
    let (mut ended, mut waiting) = (Ended::default(), 0);
    for (_, closing) in ctx
        .state
        .closing_sessions
        .iter_mut()
        .filter(|(id, closing)| includes(**id, closing))
    {
        closing.tickets.push(number);
        waiting += 1;
    }
    for (user, end) in selected {
        end_user(ctx, Some(number), user, end, &mut ended);
    }
    waiting += ended.sessions;
    if waiting == 0 {
        ctx.answer(ticket, ended);
    } else {
        let pending = PendingEnd {
            ticket,
            ended,
            waiting,
        };
        ctx.state.pending_ends.insert(number, pending);
    }
}

/// Ends one selected user. The connections that have to close count for the ticket with that
/// number, if someone waits for them.
fn end_user(
    ctx: &mut Context<'_>,
    ticket: Option<u64>,
    selected: &SelectedUser,
    end: &Ending,
    ended: &mut Ended,
) {
    let callers: Vec<Caller> = selected
        .sessions
        .iter()
        .filter_map(|&session| ctx.caller(session))
        .collect();
    if let Some(text) = &end.numeric_text {
        for &caller in &callers {
            ctx.reply(caller, ERR_YOUREBANNEDCREEP, &[], text);
        }
    }
    let nick = ctx.state.user(selected.user).nick.clone();
    // The selections of one user follow each other.
    if ended.users.last() != Some(&nick) {
        ended.users.push(nick);
    }
    ended.sessions += callers.len();
    let closing: Vec<ClosingSession> = callers
        .iter()
        .map(|&caller| ClosingSession {
            tickets: ticket.into_iter().collect(),
            ..quit::closing_session(ctx, caller)
        })
        .collect();
    match &end.quit_text {
        Some(quit_text) if selected.is_whole => {
            quit::quit_user(ctx, selected.user, quit_text, end.reason);
        }
        Some(quit_text) => {
            for caller in &callers {
                quit::remove_session(ctx, caller.session, quit_text, end.reason);
            }
        }
        None => drop(
            ctx.state
                .remove_user(selected.user, ctx.stamp.at, end.reason),
        ),
    }
    for (caller, closing) in callers.iter().zip(closing) {
        quit::end_session(ctx, caller.session, closing, &end.error_text, true);
    }
}

/// A user that a request selects, as a whole or with some of its sessions.
struct SelectedUser {
    user: UserId,
    sessions: Vec<SessionId>,
    /// Whether the user quits even if it is always on. Otherwise it quits with its last session, as
    /// usual.
    is_whole: bool,
}

impl SelectedUser {
    /// Selects the user as a whole.
    fn whole(user: &User) -> Self {
        Self {
            user: user.id,
            sessions: sessions_of(user),
            is_whole: true,
        }
    }

    /// Selects the sessions for which `includes` is true; returns `None` if there are none.
    fn with_sessions(user: &User, includes: impl Fn(&Session) -> bool) -> Option<Self> {
        let sessions: Vec<SessionId> = user
            .sessions()
            .iter()
            .filter(|session| includes(session))
            .map(|session| session.id)
            .collect();
        (!sessions.is_empty()).then_some(Self {
            user: user.id,
            sessions,
            is_whole: false,
        })
    }
}

impl ClosingSession {
    /// Whether the session's user had that nick, or was signed in to the account with that name.
    fn is_named(&self, nick: &Nick) -> bool {
        let account = self
            .identity
            .as_ref()
            .map(|identity| identity.name.to_nick());
        self.nick == *nick || account.is_some_and(|account| account == *nick)
    }

    fn is_covered(
        &self,
        target: &BanTarget,
        account_email: Option<&Email>,
        aliases: &EmailAliases,
    ) -> bool {
        target.covers_address(self.address)
            || covers_identity(target, account_email, aliases, self.identity.as_ref())
    }
}

/// Whether a ban of that target covers the identity; never a guest.
fn covers_identity(
    target: &BanTarget,
    account_email: Option<&Email>,
    aliases: &EmailAliases,
    identity: Option<&Identity>,
) -> bool {
    identity.is_some_and(|identity| {
        let (name, email) = (&identity.name, identity.email.as_ref());
        covers_account(target, account_email, aliases, name, email)
    })
}

/// The reason for which sessions are ended, and the texts about it.
struct Ending {
    reason: DisconnectReason,
    /// The text of numeric 465, if it precedes the `ERROR`.
    numeric_text: Option<String>,
    /// The quit message that others see; `None` if all are ended.
    quit_text: Option<String>,
    /// The text of the `ERROR` that each session receives.
    error_text: String,
}

fn sessions_of(user: &User) -> Vec<SessionId> {
    user.sessions().iter().map(|session| session.id).collect()
}

fn view(user: &User) -> UserView {
    UserView {
        nick: user.nick.clone(),
        identity: user.identity.clone(),
        since: user.since,
        active_at: user.active_at,
        channels: user.channels().to_vec(),
        sessions: user
            .sessions()
            .iter()
            .map(|session| SessionView {
                id: session.id,
                username: session.username.to_string(),
                realname: session.realname.to_string(),
                address: session.address,
                tls: session.tls.to_string(),
                since: session.since,
            })
            .collect(),
    }
}

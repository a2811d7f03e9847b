//! Requests of the control plane: kicks, bans, announcements, and what operators see.

use std::sync::Arc;

use rookery_control_api::DisconnectReason;
use rookery_protocol::numeric::ERR_YOUREBANNEDCREEP;
use rookery_protocol::{ChannelName, Nick};
use rookery_record::{AccountId, Ban, BanTarget, EmailAliases, ban_text, covers_account};

use crate::busy;
use crate::context::{Caller, Context};
use crate::event::Output;
use crate::features::{access, catch_up, persistence, quit, redact};
use crate::ids::{Identity, SessionId, UserId};
use crate::request::{
    AddBan, Announce, Announced, ApplyBansToNewSessions, Audience, ChannelView, CloseChannel,
    ControlRequest, Count, Counts, Emptied, EndAccount, EndAll, Ended, FindBusiest, FindChannel,
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
        ControlRequest::AddBan(ticket, AddBan(ban)) => add_ban(ctx, ticket, ban),
        ControlRequest::ApplyBansToNewSessions(ticket, ApplyBansToNewSessions(new)) => {
            let bans = &mut Arc::make_mut(&mut ctx.state.policy).bans;
            for ban in new {
                bans.add(ban);
            }
            publish_policy(ctx);
            ctx.answer(ticket, ());
        }
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
        ControlRequest::FindCovered(ticket, FindCovered(target)) => {
            let covered = covered(ctx, &target);
            let users = covered.iter().map(|hit| view_of(ctx, hit)).collect();
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
            ctx.answer(ticket, Emptied { members });
        }
        ControlRequest::Announce(ticket, Announce { to, text }) => {
            let announced = announce(ctx, &to, &text);
            ctx.answer(ticket, announced);
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
        ControlRequest::FindBusiest(ticket, FindBusiest { most, sessions }) => {
            let busiest = Box::new(busy::find_busiest(ctx, most, &sessions));
            ctx.answer(ticket, busiest);
        }
        ControlRequest::EndAll(ticket, EndAll { reason }) => end_all(ctx, ticket, reason),
    }
}

fn kick(ctx: &mut Context<'_>, ticket: Ticket<Ended>, target: &KickTarget, reason: &str) {
    let last = format!("Kicked: {reason}");
    let end = Ending {
        why: DisconnectReason::Kicked,
        numeric_text: None,
        quit_text: Some(last.clone()),
        last,
    };
    match target {
        KickTarget::User(nick) => {
            let hits: Vec<Hit> = ctx
                .state
                .by_name(nick)
                .map(Hit::all_of)
                .into_iter()
                .collect();
            end_hits(ctx, ticket, &hits, &end, |_, leaving| {
                leaving.is_named(nick)
            });
        }
        KickTarget::Session(nick, session) => {
            let its = |user| Hit::some_of(user, |its| its.id == *session);
            let hits: Vec<Hit> = ctx.state.by_name(nick).and_then(its).into_iter().collect();
            end_hits(ctx, ticket, &hits, &end, |id, leaving| {
                id == *session && leaving.is_named(nick)
            });
        }
        KickTarget::Covered(target) => {
            let policy = Arc::clone(&ctx.state.policy);
            let hits = covered(ctx, target);
            end_hits(ctx, ticket, &hits, &end, |_, leaving| {
                leaving.is_covered(target, policy.bans.aliases())
            });
        }
    }
}

fn add_ban(ctx: &mut Context<'_>, ticket: Ticket<Ended>, ban: Ban) {
    let now = ctx.now();
    let text = ban_text(&ban.reason, ban.expires_at);
    let target = ban.target.clone();
    let holds = ban.holds(now);
    let bans = &mut Arc::make_mut(&mut ctx.state.policy).bans;
    bans.expire(now);
    bans.add(ban);
    publish_policy(ctx);
    let policy = Arc::clone(&ctx.state.policy);
    let hits = if holds {
        covered(ctx, &target)
    } else {
        Vec::new()
    };
    let numeric_text = Some(format!("You are banned from this server: {text}"));
    let quit_text = Some("Banned".to_owned());
    let end = Ending {
        why: DisconnectReason::Banned,
        numeric_text,
        quit_text,
        last: format!("Banned: {text}"),
    };
    end_hits(ctx, ticket, &hits, &end, |_, leaving| {
        holds && leaving.is_covered(&target, policy.bans.aliases())
    });
}

/// Publishes the admission policy to those who refuse connections before they reach the core.
pub fn publish_policy(ctx: &mut Context<'_>) {
    ctx.out
        .push(Output::AdmissionPolicy(Arc::clone(&ctx.state.policy)));
}

/// Returns the sessions that a ban of the target covers: an account with all its sessions, or the
/// sessions from an address.
fn covered(ctx: &Context<'_>, target: &BanTarget) -> Vec<Hit> {
    let aliases = ctx.state.policy.bans.aliases();
    let hit = |user: &User| {
        if covers_identity(target, aliases, user.identity.as_ref()) {
            Some(Hit::all_of(user))
        } else {
            Hit::some_of(user, |session| target.covers_address(session.address.ip()))
        }
    };
    ctx.state.users().filter_map(hit).collect()
}

fn end_account(ctx: &mut Context<'_>, ticket: Ticket<Ended>, account: AccountId, reason: String) {
    let is_its =
        |identity: &Option<Identity>| identity.as_ref().is_some_and(|who| who.id == account);
    let hits: Vec<Hit> = ctx
        .state
        .users()
        .filter(|user| is_its(&user.identity))
        .map(Hit::all_of)
        .collect();
    ctx.state
        .ended_accounts
        .insert(account, (ctx.now(), reason.clone()));
    let quit_text = Some(reason.clone());
    let end = Ending {
        why: DisconnectReason::AccountEnded,
        numeric_text: None,
        quit_text,
        last: reason,
    };
    end_hits(ctx, ticket, &hits, &end, |_, leaving| {
        is_its(&leaving.identity)
    });
}

fn announce(ctx: &mut Context<'_>, to: &Audience, text: &str) -> Announced {
    let sessions = match to {
        Audience::All => ctx.state.users().flat_map(sessions_of).collect(),
        Audience::Channel(name) => match ctx.state.channel(name) {
            Some(channel) => ctx
                .state
                .sessions_in(channel)
                .map(|session| session.id)
                .collect(),
            None => Vec::new(),
        },
        Audience::Account(name) => {
            let is_its = |user: &&User| user.identity.as_ref().is_some_and(|who| who.name == *name);
            ctx.state
                .users()
                .filter(is_its)
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
    let nobody = callers.is_empty() && !matches!(to, Audience::All);
    if nobody {
        Announced::NoRecipient
    } else {
        Announced::Sent {
            sessions: callers.len(),
        }
    }
}

/// Removes the channel, and deletes it from the store if it is persistent.
///
/// Each member sees only its own kick: there is nothing left to see of the others'.
fn close_channel(ctx: &mut Context<'_>, name: &ChannelName, reason: &str) -> Vec<Nick> {
    let Some(channel) = ctx.state.channel(name) else {
        return Vec::new();
    };
    let name = channel.name.clone();
    let members: Vec<UserId> = channel.members().iter().map(|member| member.user).collect();
    if channel.founder.is_some() {
        persistence::forget_channel(ctx, &name);
    }
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
        founder: channel.founder.clone(),
        topic: channel.topic.as_ref().map(|topic| topic.text.to_string()),
        modes: flags.chain(key).chain(limit).collect(),
        members,
    }
}

/// Returns the user with only those of its sessions that are hit.
fn view_of(ctx: &Context<'_>, hit: &Hit) -> UserView {
    let mut view = view(ctx.state.user(hit.user));
    view.sessions
        .retain(|session| hit.sessions.contains(&session.id));
    view
}

/// Users that are always on remain in the store, and are restored at the next start.
fn end_all(ctx: &mut Context<'_>, ticket: Ticket<Ended>, reason: String) {
    let connected = ctx.state.users().filter(|user| !user.sessions().is_empty());
    let hits: Vec<Hit> = connected.map(Hit::all_of).collect();
    let end = Ending {
        why: DisconnectReason::ServerStopping,
        numeric_text: None,
        quit_text: None,
        last: reason,
    };
    end_hits(ctx, ticket, &hits, &end, |_, _| true);
}

/// Ends the sessions, and the users that are hit as a whole. The ticket is answered when their
/// connections have closed, and those of closing sessions for which `also_meant` is true.
fn end_hits(
    ctx: &mut Context<'_>,
    ticket: Ticket<Ended>,
    hits: &[Hit],
    end: &Ending,
    also_meant: impl Fn(SessionId, &ClosingSession) -> bool,
) {
    let number = ticket.number();
    let (mut ended, mut waiting) = (Ended::default(), 0);
    for (_, leaving) in ctx
        .state
        .closing_sessions
        .iter_mut()
        .filter(|(id, leaving)| also_meant(**id, leaving))
    {
        leaving.tickets.push(number);
        waiting += 1;
    }
    for hit in hits {
        end_hit(ctx, number, hit, end, &mut ended);
    }
    waiting += ended.sessions;
    if waiting == 0 {
        ctx.answer(ticket, ended);
    } else {
        let due = PendingEnd {
            ticket,
            ended,
            waiting,
        };
        ctx.state.pending_ends.insert(number, due);
    }
}

fn end_hit(ctx: &mut Context<'_>, ticket: u64, hit: &Hit, end: &Ending, ended: &mut Ended) {
    let callers: Vec<Caller> = hit
        .sessions
        .iter()
        .filter_map(|&session| ctx.caller(session))
        .collect();
    if let Some(text) = &end.numeric_text {
        for &caller in &callers {
            ctx.reply(caller, ERR_YOUREBANNEDCREEP, &[], text);
        }
    }
    ended.users.push(ctx.state.user(hit.user).nick.clone());
    ended.sessions += callers.len();
    let leaving: Vec<ClosingSession> = callers
        .iter()
        .map(|&caller| ClosingSession {
            tickets: vec![ticket],
            ..quit::closing_session(ctx, caller)
        })
        .collect();
    for caller in &callers {
        catch_up::leave_device(ctx, caller.session, false);
    }
    match &end.quit_text {
        Some(quit_text) if hit.is_whole => quit::quit_user(ctx, hit.user, quit_text, end.why),
        Some(quit_text) => {
            for caller in &callers {
                quit::remove_session(ctx, caller.session, quit_text, end.why);
            }
        }
        None => drop(ctx.state.remove_user(hit.user, ctx.stamp.at, end.why)),
    }
    for (caller, leaving) in callers.iter().zip(leaving) {
        quit::end_session(ctx, caller.session, leaving, &end.last);
    }
}

/// A user to end, as a whole or some of its sessions.
struct Hit {
    user: UserId,
    sessions: Vec<SessionId>,
    /// Whether the user quits even if it is always on. Otherwise it quits with its last session, as
    /// usual.
    is_whole: bool,
}

impl Hit {
    fn all_of(user: &User) -> Self {
        Self {
            user: user.id,
            sessions: sessions_of(user),
            is_whole: true,
        }
    }

    /// Returns `None` if there are no such sessions.
    fn some_of(user: &User, meant: impl Fn(&Session) -> bool) -> Option<Self> {
        let sessions: Vec<SessionId> = user
            .sessions()
            .iter()
            .filter(|session| meant(session))
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
    /// Whether the session's user had that nick, or an account of that name.
    fn is_named(&self, nick: &Nick) -> bool {
        let account = self
            .identity
            .as_ref()
            .map(|identity| identity.name.to_nick());
        self.nick == *nick || account.is_some_and(|account| account == *nick)
    }

    fn is_covered(&self, target: &BanTarget, aliases: &EmailAliases) -> bool {
        target.covers_address(self.address)
            || covers_identity(target, aliases, self.identity.as_ref())
    }
}

/// Whether a ban of that target covers the identity; never a guest.
fn covers_identity(target: &BanTarget, aliases: &EmailAliases, who: Option<&Identity>) -> bool {
    who.is_some_and(|who| covers_account(target, aliases, &who.name, who.email.as_ref()))
}

/// How users are ended.
struct Ending {
    why: DisconnectReason,
    /// The text of numeric 465, if it is sent before the end.
    numeric_text: Option<String>,
    /// The quit message that others see; `None` if all are ended.
    quit_text: Option<String>,
    /// The text of the `ERROR` that they receive.
    last: String,
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

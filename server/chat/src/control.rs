//! What the control plane does to the chat: kicks, bans, and looking around.

use std::sync::Arc;

use rookery_control_api::DisconnectReason;
use rookery_protocol::numeric::ERR_YOUREBANNEDCREEP;
use rookery_protocol::{ChannelName, Nick};

use super::channel::{Channel, Flag};
use super::event::{Identity, Output, SessionId};
use super::request::{
    AddBan, Announced, ApplyBansToNewSessions, Audience, ChannelView, ControlRequest, Count,
    Counts, Emptied, EndAll, Ended, FindBusiest, FindChannel, FindCovered, FindUser, ForgetAccount,
    KickTarget, ListChannels, ListUsers, MemberView, RemoveBan, SessionView, SetMaintenance,
    UserView,
};
use super::state::{ClosingSession, PendingEnd, Session, User, UserId};
use super::ticket::Ticket;
use super::turn::{Caller, Turn};
use rookery_record::{AccountId, Ban, BanTarget, EmailAliases, covers_account};

impl Turn<'_> {
    /// Carries out a request of an operator.
    pub fn control(&mut self, request: ControlRequest) {
        use ControlRequest as Asked;
        match request {
            Asked::Kick(ticket, request) => self.kick(ticket, &request.target, &request.reason),
            Asked::AddBan(ticket, AddBan(ban)) => self.ban(ticket, ban),
            Asked::ApplyBansToNewSessions(ticket, ApplyBansToNewSessions(new)) => {
                let bans = &mut Arc::make_mut(&mut self.state.gate).bans;
                for ban in new {
                    bans.add(ban);
                }
                self.show_gate();
                self.answer(ticket, ());
            }
            Asked::RemoveBan(ticket, RemoveBan(id)) => {
                Arc::make_mut(&mut self.state.gate).bans.remove(id);
                self.show_gate();
                self.answer(ticket, ());
            }
            Asked::SetMaintenance(ticket, SetMaintenance(message)) => {
                Arc::make_mut(&mut self.state.gate).maintenance = message;
                self.show_gate();
                self.answer(ticket, ());
            }
            Asked::EndAccount(ticket, request) => {
                self.end_account(ticket, request.account, request.reason);
            }
            Asked::ForgetAccount(ticket, ForgetAccount(name)) => {
                self.forget_account(&name);
                self.answer(ticket, ());
            }
            Asked::FindCovered(ticket, FindCovered(target)) => {
                let covered = self.covered(&target);
                let users = covered.iter().map(|hit| self.view_of(hit)).collect();
                self.answer(ticket, users);
            }
            Asked::FindUser(ticket, FindUser(nick)) => {
                let user = self.state.by_name(&nick).map(view);
                self.answer(ticket, user);
            }
            Asked::ListUsers(ticket, ListUsers) => {
                let users = self.state.users().map(view).collect();
                self.answer(ticket, users);
            }
            Asked::ListChannels(ticket, ListChannels) => {
                let channels = self.state.channels();
                let views = channels.map(|channel| self.channel_view(channel)).collect();
                self.answer(ticket, views);
            }
            Asked::FindChannel(ticket, FindChannel(name)) => {
                let channel = self.state.channel(&name);
                let view = channel.map(|channel| self.channel_view(channel));
                self.answer(ticket, view);
            }
            Asked::CloseChannel(ticket, request) => {
                let members = self.close_channel(&request.name, &request.reason);
                self.answer(ticket, Emptied { members });
            }
            Asked::Announce(ticket, request) => {
                let announced = self.announce(&request.to, &request.text);
                self.answer(ticket, announced);
            }
            Asked::PublishRedactions(ticket, request) => {
                self.show_redacted(&request.messages, &request.reason);
                self.answer(ticket, ());
            }
            Asked::Count(ticket, Count) => {
                let counts = Counts {
                    users: self.state.user_count(),
                    sessions: self.state.session_count(),
                    channels: self.state.channel_count(),
                    maintenance: self.state.gate.maintenance.is_some(),
                    bans: self.state.gate.bans.count(self.stamp.at),
                };
                self.answer(ticket, counts);
            }
            Asked::FindBusiest(ticket, FindBusiest { most, sessions }) => {
                let busy = self.busiest(most, &sessions);
                self.answer(ticket, busy);
            }
            Asked::EndAll(ticket, EndAll { reason }) => self.end_all(ticket, reason),
        }
    }

    fn kick(&mut self, ticket: Ticket<Ended>, target: &KickTarget, reason: &str) {
        let last = format!("Kicked: {reason}");
        let end = Ending {
            why: DisconnectReason::Kicked,
            told: None,
            shown: Some(last.clone()),
            last,
        };
        match target {
            KickTarget::User(nick) => {
                let hits: Vec<Hit> = self
                    .state
                    .by_name(nick)
                    .map(Hit::all_of)
                    .into_iter()
                    .collect();
                self.end(ticket, &hits, &end, |_, leaving| leaving.is_named(nick));
            }
            KickTarget::Session(nick, session) => {
                let its = |user| Hit::some_of(user, |its| its.id == *session);
                let hits: Vec<Hit> = self.state.by_name(nick).and_then(its).into_iter().collect();
                self.end(ticket, &hits, &end, |id, leaving| {
                    id == *session && leaving.is_named(nick)
                });
            }
            KickTarget::Covered(target) => {
                let gate = Arc::clone(&self.state.gate);
                let hits = self.covered(target);
                self.end(ticket, &hits, &end, |_, leaving| {
                    leaving.is_covered(target, gate.bans.aliases())
                });
            }
        }
    }

    fn ban(&mut self, ticket: Ticket<Ended>, ban: Ban) {
        let now = self.now();
        let Ban { target, reason, .. } = ban.clone();
        let holds = ban.holds(now);
        let bans = &mut Arc::make_mut(&mut self.state.gate).bans;
        bans.expire(now);
        bans.add(ban);
        self.show_gate();
        let gate = Arc::clone(&self.state.gate);
        let hits = if holds {
            self.covered(&target)
        } else {
            Vec::new()
        };
        let told = Some(format!("You are banned from this server: {reason}"));
        let shown = Some("Banned".to_owned());
        let end = Ending {
            why: DisconnectReason::Banned,
            told,
            shown,
            last: format!("Banned: {reason}"),
        };
        self.end(ticket, &hits, &end, |_, leaving| {
            holds && leaving.is_covered(&target, gate.bans.aliases())
        });
    }

    /// Those who keep people out before they reach the core look at this gate from now on.
    pub fn show_gate(&mut self) {
        self.out
            .push(Output::AdmissionPolicy(Arc::clone(&self.state.gate)));
    }

    /// Whom a ban of that target covers: an account with all its sessions, an address with those
    /// that come from there.
    fn covered(&self, target: &BanTarget) -> Vec<Hit> {
        let aliases = self.state.gate.bans.aliases();
        let hit = |user: &User| {
            if covers_identity(target, aliases, user.identity.as_ref()) {
                Some(Hit::all_of(user))
            } else {
                Hit::some_of(user, |session| target.covers_address(session.address.ip()))
            }
        };
        self.state.users().filter_map(hit).collect()
    }

    fn end_account(&mut self, ticket: Ticket<Ended>, account: AccountId, reason: String) {
        let is_its =
            |identity: &Option<Identity>| identity.as_ref().is_some_and(|who| who.id == account);
        let hits: Vec<Hit> = self
            .state
            .users()
            .filter(|user| is_its(&user.identity))
            .map(Hit::all_of)
            .collect();
        self.state
            .ended_accounts
            .insert(account, (self.now(), reason.clone()));
        let shown = Some(reason.clone());
        let end = Ending {
            why: DisconnectReason::AccountEnded,
            told: None,
            shown,
            last: reason,
        };
        self.end(ticket, &hits, &end, |_, leaving| is_its(&leaving.identity));
    }

    fn announce(&mut self, to: &Audience, text: &str) -> Announced {
        let sessions = match to {
            Audience::All => self.state.users().flat_map(sessions_of).collect(),
            Audience::Channel(name) => match self.state.channel(name) {
                Some(channel) => self
                    .state
                    .hearers(channel)
                    .map(|session| session.id)
                    .collect(),
                None => Vec::new(),
            },
            Audience::Account(name) => {
                let is_its =
                    |user: &&User| user.identity.as_ref().is_some_and(|who| who.name == *name);
                self.state
                    .users()
                    .filter(is_its)
                    .flat_map(sessions_of)
                    .collect()
            }
        };
        let callers: Vec<Caller> = sessions
            .iter()
            .filter_map(|&session| self.caller(session))
            .collect();
        for &caller in &callers {
            match to {
                Audience::Channel(name) => {
                    let name = self
                        .state
                        .channel(name)
                        .map_or(name, |channel| &channel.name)
                        .clone();
                    let line = self.server_line("NOTICE").word(name.as_str()).text(text);
                    self.send(caller, &line);
                }
                Audience::All | Audience::Account(_) => self.notice(caller, text),
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

    /// Nothing of the channel is kept, should it have been a lasting one.
    ///
    /// Each member sees itself kicked, and not the others: for all of them there is nothing left to
    /// see.
    fn close_channel(&mut self, name: &ChannelName, reason: &str) -> Vec<Nick> {
        let Some(channel) = self.state.channel(name) else {
            return Vec::new();
        };
        let name = channel.name.clone();
        let members: Vec<UserId> = channel.members().iter().map(|member| member.user).collect();
        if channel.founder.is_some() {
            self.forget_channel(&name);
        }
        let reason = format!("Closed: {reason}");
        let mut nicks = Vec::new();
        for user in members {
            let nick = self.state.user(user).nick.clone();
            let line = self
                .server_line("KICK")
                .word(name.as_str())
                .word(nick.as_str())
                .text(&reason);
            for caller in self.callers(user) {
                self.send(caller, &line);
            }
            nicks.push(nick);
        }
        self.state.remove_channel(&name);
        nicks.sort_unstable();
        nicks
    }

    fn channel_view(&self, channel: &Channel) -> ChannelView {
        let mut members: Vec<MemberView> = channel
            .members()
            .iter()
            .map(|member| MemberView {
                nick: self.state.user(member.user).nick.clone(),
                operator: member.standing.runs(),
                voice: member.standing.voice,
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

    /// The user with those of its sessions only that are hit.
    fn view_of(&self, hit: &Hit) -> UserView {
        let mut view = view(self.state.user(hit.user));
        view.sessions
            .retain(|session| hit.sessions.contains(&session.id));
        view
    }

    /// Those who are always on stay in the record, to be here again.
    fn end_all(&mut self, ticket: Ticket<Ended>, reason: String) {
        let connected = self
            .state
            .users()
            .filter(|user| !user.sessions().is_empty());
        let hits: Vec<Hit> = connected.map(Hit::all_of).collect();
        let end = Ending {
            why: DisconnectReason::ServerStopping,
            told: None,
            shown: None,
            last: reason,
        };
        self.end(ticket, &hits, &end, |_, _| true);
    }

    /// Ends those users and sessions. The answer waits for their connections, and for those
    /// `also_meant` that are on their way out already.
    fn end(
        &mut self,
        ticket: Ticket<Ended>,
        hits: &[Hit],
        end: &Ending,
        also_meant: impl Fn(SessionId, &ClosingSession) -> bool,
    ) {
        let (mut ended, mut waiting) = (Ended::default(), 0);
        for (_, leaving) in self
            .state
            .leaving
            .iter_mut()
            .filter(|(id, leaving)| also_meant(**id, leaving))
        {
            leaving.tickets.push(ticket.number());
            waiting += 1;
        }
        for hit in hits {
            self.end_hit(ticket.number(), hit, end, &mut ended);
        }
        waiting += ended.sessions;
        if waiting == 0 {
            self.answer(ticket, ended);
        } else {
            let number = ticket.number();
            let due = PendingEnd {
                ticket,
                ended,
                waiting,
            };
            self.state.due.insert(number, due);
        }
    }

    fn end_hit(&mut self, ticket: u64, hit: &Hit, end: &Ending, ended: &mut Ended) {
        let callers: Vec<Caller> = hit
            .sessions
            .iter()
            .filter_map(|&session| self.caller(session))
            .collect();
        if let Some(text) = &end.told {
            for &caller in &callers {
                self.reply(caller, ERR_YOUREBANNEDCREEP, &[], text);
            }
        }
        ended.users.push(self.state.user(hit.user).nick.clone());
        ended.sessions += callers.len();
        let leaving: Vec<ClosingSession> = callers
            .iter()
            .map(|&caller| ClosingSession {
                tickets: vec![ticket],
                ..self.leaving(caller)
            })
            .collect();
        for caller in &callers {
            self.leave_device(caller.session, false);
        }
        match &end.shown {
            Some(shown) if hit.is_whole => self.quit_user(hit.user, shown, end.why),
            Some(shown) => {
                for caller in &callers {
                    self.drop_session(caller.session, shown, end.why);
                }
            }
            None => drop(self.state.remove_user(hit.user, self.stamp.at, end.why)),
        }
        for (caller, leaving) in callers.iter().zip(leaving) {
            self.end_session(caller.session, leaving, &end.last);
        }
    }
}

/// A user who is ended, or of whom some sessions are.
struct Hit {
    user: UserId,
    sessions: Vec<SessionId>,
    /// Whether the user goes too, however always on. If not, it goes with the last of its sessions,
    /// as ever.
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

    /// None if there are no such sessions.
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
    /// Whether that was its nick, or is the name of its account.
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

/// Whether a ban of that target covers whoever that is; never a guest.
fn covers_identity(target: &BanTarget, aliases: &EmailAliases, who: Option<&Identity>) -> bool {
    who.is_some_and(|who| covers_account(target, aliases, &who.name, who.email.as_ref()))
}

/// How users are ended.
struct Ending {
    why: DisconnectReason,
    /// What numeric 465 says to them before, if anything.
    told: Option<String>,
    /// What the others see; nothing when none of them stays.
    shown: Option<String>,
    /// What `ERROR` says to them.
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

//! Requests of the control plane: kicks, bans, announcements, and what operators see.

use std::sync::Arc;

use rookery_control_api::DisconnectReason;
use rookery_protocol::numeric::ERR_YOUREBANNEDCREEP;
use rookery_protocol::{ChannelName, Nick};
use rookery_record::{AccountId, Ban, BanTarget, EmailAliases, covers_account};

use crate::context::{Caller, Context};
use crate::event::{
    Act, Answer, Audience, ChannelView, Kicked, MemberView, Output, SessionView, UserView,
};
use crate::features::{access, catch_up, persistence, quit, redact};
use crate::ids::{Identity, SessionId, Ticket, UserId};
use crate::state::channel::{Channel, Flag};
use crate::state::{ClosingSession, PendingEnd, Session, User};

impl Context<'_> {
    /// Carries out a request of an operator.
    pub fn control(&mut self, ticket: Ticket, act: Act) {
        match act {
            Act::Kick { whom, reason } => self.kick(ticket, &whom, &reason),
            Act::AddBan(ban) => self.ban(ticket, ban),
            Act::KeepBans(bans) => {
                let kept = &mut Arc::make_mut(&mut self.state.gate).bans;
                for ban in bans {
                    kept.add(ban);
                }
                self.show_gate();
                self.answer(ticket, Answer::Done);
            }
            Act::RemoveBan(id) => {
                Arc::make_mut(&mut self.state.gate).bans.remove(id);
                self.show_gate();
                self.answer(ticket, Answer::Done);
            }
            Act::SetMaintenance(message) => {
                Arc::make_mut(&mut self.state.gate).maintenance = message;
                self.show_gate();
                self.answer(ticket, Answer::Done);
            }
            Act::EndAccount { account, reason } => self.end_account(ticket, account, reason),
            Act::ForgetAccount(name) => {
                access::forget_account(self, &name);
                self.answer(ticket, Answer::Done);
            }
            Act::FindCovered(target) => {
                let users = self
                    .covered(&target)
                    .iter()
                    .map(|hit| self.view_of(hit))
                    .collect();
                self.answer(ticket, Answer::Users(users));
            }
            Act::FindUser(nick) => {
                let users = self.state.by_name(&nick).map(view).into_iter().collect();
                self.answer(ticket, Answer::Users(users));
            }
            Act::ListUsers => {
                let users = self.state.users().map(view).collect();
                self.answer(ticket, Answer::Users(users));
            }
            Act::ListChannels => {
                let channels = self
                    .state
                    .channels()
                    .map(|channel| self.channel_view(channel))
                    .collect();
                self.answer(ticket, Answer::Channels(channels));
            }
            Act::FindChannel(name) => {
                let channels = self
                    .state
                    .channel(&name)
                    .map(|channel| self.channel_view(channel));
                let channels = channels.into_iter().collect();
                self.answer(ticket, Answer::Channels(channels));
            }
            Act::CloseChannel { name, reason } => self.close_channel(ticket, &name, &reason),
            Act::Announce { to, text } => self.announce(ticket, &to, &text),
            Act::ShowRedacted { messages, reason } => {
                redact::notify_redacted_by_operator(self, ticket, &messages, &reason)
            }
            Act::Count => {
                let counts = Answer::Counts {
                    users: self.state.user_count(),
                    sessions: self.state.session_count(),
                    channels: self.state.channel_count(),
                    maintenance: self.state.gate.maintenance.is_some(),
                    bans: self.state.gate.bans.count(self.stamp.at),
                };
                self.answer(ticket, counts);
            }
            Act::FindBusy { most, sessions } => self.tell_busy(ticket, most, &sessions),
            Act::EndAll { reason } => self.end_all(ticket, reason),
        }
    }

    fn kick(&mut self, ticket: Ticket, whom: &Kicked, reason: &str) {
        let last = format!("Kicked: {reason}");
        let end = Ending {
            why: DisconnectReason::Kicked,
            told: None,
            shown: Some(last.clone()),
            last,
        };
        match whom {
            Kicked::User(nick) => {
                let hits: Vec<Hit> = self
                    .state
                    .by_name(nick)
                    .map(Hit::all_of)
                    .into_iter()
                    .collect();
                self.end(ticket, &hits, &end, |_, leaving| leaving.is_named(nick));
            }
            Kicked::Session(nick, session) => {
                let its = |user| Hit::some_of(user, |its| its.id == *session);
                let hits: Vec<Hit> = self.state.by_name(nick).and_then(its).into_iter().collect();
                self.end(ticket, &hits, &end, |id, leaving| {
                    id == *session && leaving.is_named(nick)
                });
            }
            Kicked::Covered(target) => {
                let gate = Arc::clone(&self.state.gate);
                let hits = self.covered(target);
                self.end(ticket, &hits, &end, |_, leaving| {
                    leaving.is_covered(target, gate.bans.aliases())
                });
            }
        }
    }

    fn ban(&mut self, ticket: Ticket, ban: Ban) {
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

    /// Publishes the admission policy to those who refuse connections before they reach the core.
    pub fn show_gate(&mut self) {
        self.out
            .push(Output::AdmissionPolicy(Arc::clone(&self.state.gate)));
    }

    /// Returns whom a ban of that target covers: an account with all its sessions, or the sessions
    /// from an address.
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

    fn end_account(&mut self, ticket: Ticket, account: AccountId, reason: String) {
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

    fn announce(&mut self, ticket: Ticket, to: &Audience, text: &str) {
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
        let answer = if nobody {
            Answer::Done
        } else {
            Answer::Announced {
                sessions: callers.len(),
            }
        };
        self.answer(ticket, answer);
    }

    /// Removes the channel, and deletes it from the store if it is persistent.
    ///
    /// Each member sees only its own kick: there is nothing left to see of the others'.
    fn close_channel(&mut self, ticket: Ticket, name: &ChannelName, reason: &str) {
        let Some(channel) = self.state.channel(name) else {
            return self.answer(
                ticket,
                Answer::Emptied {
                    members: Vec::new(),
                },
            );
        };
        let name = channel.name.clone();
        let members: Vec<UserId> = channel.members().iter().map(|member| member.user).collect();
        if channel.founder.is_some() {
            persistence::forget_channel(self, &name);
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
        self.answer(ticket, Answer::Emptied { members: nicks });
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

    /// Returns the user with only those of its sessions that are hit.
    fn view_of(&self, hit: &Hit) -> UserView {
        let mut view = view(self.state.user(hit.user));
        view.sessions
            .retain(|session| hit.sessions.contains(&session.id));
        view
    }

    /// Users that are always on remain in the store, and are restored at the next start.
    fn end_all(&mut self, ticket: Ticket, reason: String) {
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

    /// Ends the sessions, and the users that are hit as a whole. The ticket is answered when their
    /// connections have closed, and those of closing sessions for which `also_meant` is true.
    fn end(
        &mut self,
        ticket: Ticket,
        hits: &[Hit],
        end: &Ending,
        also_meant: impl Fn(SessionId, &ClosingSession) -> bool,
    ) {
        let mut due = PendingEnd {
            users: Vec::new(),
            sessions: 0,
            waiting: 0,
        };
        for (_, leaving) in self
            .state
            .leaving
            .iter_mut()
            .filter(|(id, leaving)| also_meant(**id, leaving))
        {
            leaving.tickets.push(ticket);
            due.waiting += 1;
        }
        for hit in hits {
            self.end_hit(ticket, hit, end, &mut due);
        }
        due.waiting += due.sessions;
        if due.waiting == 0 {
            self.answer(
                ticket,
                Answer::Ended {
                    users: due.users,
                    sessions: due.sessions,
                },
            );
        } else {
            self.state.due.insert(ticket, due);
        }
    }

    fn end_hit(&mut self, ticket: Ticket, hit: &Hit, end: &Ending, due: &mut PendingEnd) {
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
        due.users.push(self.state.user(hit.user).nick.clone());
        due.sessions += callers.len();
        let leaving: Vec<ClosingSession> = callers
            .iter()
            .map(|&caller| ClosingSession {
                tickets: vec![ticket],
                ..quit::closing_session(self, caller)
            })
            .collect();
        for caller in &callers {
            catch_up::leave_device(self, caller.session, false);
        }
        match &end.shown {
            Some(shown) if hit.is_whole => quit::quit_user(self, hit.user, shown, end.why),
            Some(shown) => {
                for caller in &callers {
                    quit::remove_session(self, caller.session, shown, end.why);
                }
            }
            None => drop(self.state.remove_user(hit.user, self.stamp.at, end.why)),
        }
        for (caller, leaving) in callers.iter().zip(leaving) {
            quit::end_session(self, caller.session, leaving, &end.last);
        }
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
    told: Option<String>,
    /// The quit message that others see; `None` if all are ended.
    shown: Option<String>,
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

//! Coming and going: admission, signing in, the greeting, the end of a session.

use std::net::IpAddr;
use std::sync::Arc;

use rookery_control_api::DisconnectReason;
use rookery_protocol::{Capability, ChannelName, Nick};

use crate::commands::{channels, monitor, names, server};
use crate::event::{Answer, Candidate, Delivery, Disconnect, Output};
use crate::ids::{Identity, SessionId, Ticket, UserId};
use crate::lengths;
use crate::line::{Line, truncate};
use crate::metadata::Bearer;
use crate::state::user::host;
use crate::state::{ClosingSession, NewUser, Session, User};
use crate::turn::{Caller, Turn};

impl Turn<'_> {
    /// Lets the candidate in, or says why not.
    pub fn admit(&mut self, ticket: Ticket, session: SessionId, candidate: Candidate) {
        if self.state.user_of(session).is_some() {
            return self.answer(ticket, Answer::Admitted);
        }
        let Candidate {
            nick,
            username,
            realname,
            identity,
            capabilities,
            away_state,
            address,
            tls,
        } = candidate;
        if let Some(banned) = self.refusal(identity.as_ref(), address.ip()) {
            return self.answer(ticket, banned);
        }
        if let Some(message) = &self.state.gate.maintenance {
            let reason = message.to_string();
            return self.answer(ticket, Answer::Closed { reason });
        }
        let here = identity
            .as_ref()
            .and_then(|identity| self.state.by_account(&identity.name));
        let here = here.map(|user| user.id);
        let nick = match &identity {
            Some(identity) if !self.settings.free_nicks => identity.name.to_nick(),
            _ => nick,
        };
        if here.is_none() && self.make_way(&nick, identity.as_ref(), None).is_err() {
            return self.answer(ticket, Answer::NickInUse);
        }
        let new = identity.as_ref().map(|identity| identity.new);
        let credential = identity.as_ref().and_then(|identity| identity.credential);
        let user = here.unwrap_or_else(|| {
            let newcomer = NewUser {
                nick: nick.clone(),
                host: host(&self.settings.server_name, identity.is_some()),
                identity,
                username: shown_username(&username).into(),
                realname: truncate(&realname, lengths::REALNAME).into(),
            };
            self.state.add_user(newcomer, self.stamp.at)
        });
        let session = Session {
            id: session,
            username: username.into(),
            realname: realname.into(),
            capabilities,
            address,
            tls: tls.into(),
            since: self.now(),
            monitors: std::collections::BTreeSet::new(),
            subscriptions: std::collections::BTreeSet::new(),
            device: None,
            heard: self.state.mark(self.stamp.at),
            catch_up: None,
            away_state,
            batch: None,
        };
        let caller = Caller {
            session: session.id,
            user,
            capabilities,
        };
        self.state.attach(user, session);
        if here.is_none() {
            monitor::announce_online(self, user);
        }
        self.update_away(user, Some(caller.session), false);
        self.greet(caller, new);
        if here.is_some() {
            self.show_memberships(caller);
        }
        self.join_lobby(caller);
        self.catch_up(caller, credential);
        self.answer(ticket, Answer::Admitted);
    }

    /// A session has proved to be of that account: that of a guest, or, where nicks are free, of
    /// another account.
    pub fn sign_in(&mut self, ticket: Ticket, session: SessionId, identity: Identity) {
        // It may have gone while it proved that.
        let Some(caller) = self.caller(session) else {
            return self.answer(ticket, Answer::Admitted);
        };
        let address = self
            .state
            .session(session)
            .map(|session| session.address.ip());
        if let Some(banned) = address.and_then(|address| self.refusal(Some(&identity), address)) {
            return self.answer(ticket, banned);
        }
        let before = self.state.user(caller.user);
        if before
            .identity
            .as_ref()
            .is_some_and(|present| present.id == identity.id)
        {
            // It may have another email.
            let host = Arc::clone(&before.host);
            self.state.identify(caller.user, identity, host);
            return self.answer(ticket, Answer::Admitted);
        }
        let (new, credential) = (identity.new, identity.credential);
        let here = self.state.by_account(&identity.name).map(|user| user.id);
        let caller = if let Some(user) = here {
            self.move_session(caller, user)
        } else {
            let own = identity.name.to_nick();
            // The name of the account that it was signed in to stays with that.
            let is_left = |nick: &Nick| {
                before
                    .account()
                    .is_some_and(|account| is_alike(nick, account))
            };
            let keeps = self.settings.free_nicks && !is_left(&before.nick);
            let nick = if keeps {
                before.nick.clone()
            } else {
                own.clone()
            };
            // Whoever is always on stays behind.
            let alone = before.sessions().len() == 1 && !self.is_always_on(before);
            let (nick, itself) = if alone {
                (nick, Some(caller.user))
            } else {
                (own, None)
            };
            if self.make_way(&nick, Some(&identity), itself).is_err() {
                return self.answer(ticket, Answer::NickInUse);
            }
            if alone {
                self.leave_device(session, false);
                self.become_known(caller, identity, nick);
                caller
            } else {
                self.part_company(caller, identity, nick)
            }
        };
        // Whoever is inside already needs no other greeting than the first.
        if new {
            self.welcome(caller, Some(new));
        }
        self.join_lobby(caller);
        self.catch_up(caller, credential);
        self.answer(ticket, Answer::Admitted);
    }

    /// The connection is no more.
    pub fn gone(&mut self, session: SessionId, disconnect: &Disconnect, lost: bool) {
        if let Some(leaving) = self.state.leaving.remove(&session) {
            for ticket in leaving.tickets {
                self.settle(ticket);
            }
        } else {
            self.leave_device(session, lost);
            self.drop_session(session, &disconnect.words, disconnect.why);
        }
    }

    /// The client wants to go: its session ends, and its user with it if it was the last.
    pub fn close_session(&mut self, caller: Caller, reason: &str) {
        let leaving = self.leaving(caller);
        self.leave_device(caller.session, false);
        self.drop_session(caller.session, reason, DisconnectReason::Quit);
        self.end_session(caller.session, leaving, reason);
    }

    /// Takes the session away from its user, and the user from the others if it was the last; but
    /// for one who is always on.
    pub fn drop_session(&mut self, session: SessionId, reason: &str, why: DisconnectReason) {
        let Some(id) = self.state.user_of(session) else {
            return;
        };
        let user = self.state.user(id);
        if user.sessions().len() == 1 && !self.is_always_on(user) {
            self.quit_user(id, reason, why);
        } else if let Some(mut session) = self.state.detach(session) {
            self.state.forget_monitors(&mut session);
            self.update_away(id, None, false);
        }
    }

    /// Takes the user away; those who shared a channel with it see it quit.
    pub fn quit_user(&mut self, user: UserId, reason: &str, why: DisconnectReason) {
        let mut peers = self.state.peers(user);
        peers.retain(|peer| *peer != user);
        let line = self
            .user_line(user, "QUIT")
            .text(truncate(reason, lengths::QUIT));
        self.show_users(user, &peers, &line, |_| true);
        let user = self.state.remove_user(user, self.stamp.at, why);
        if let Some(identity) = user.identity.as_ref().filter(|_| user.is_kept) {
            self.state.presences_gone.push(identity.id);
        }
        monitor::announce_offline(self, &user.nick);
    }

    /// Has the session's connection closed after a last line. It is remembered until it is gone.
    pub fn end_session(&mut self, session: SessionId, leaving: ClosingSession, last: &str) {
        self.out.push(Output::End {
            session,
            line: Line::error(last).plain(),
        });
        self.state.leaving.insert(session, leaving);
    }

    /// What is remembered of a session that is about to be ended.
    pub fn leaving(&self, caller: Caller) -> ClosingSession {
        let user = self.state.user(caller.user);
        let session = self
            .state
            .session(caller.session)
            .expect("a caller has a session");
        ClosingSession {
            nick: user.nick.clone(),
            identity: user.identity.clone(),
            address: session.address.ip(),
            tickets: Vec::new(),
        }
    }

    /// One of the sessions that the ticket waits for is gone.
    fn settle(&mut self, ticket: Ticket) {
        let Some(due) = self.state.due.get_mut(&ticket) else {
            return;
        };
        due.waiting -= 1;
        if due.waiting == 0
            && let Some(due) = self.state.due.remove(&ticket)
        {
            self.answer(
                ticket,
                Answer::Ended {
                    users: due.users,
                    sessions: due.sessions,
                },
            );
        }
    }

    /// The answer for an account, or an address, that is kept out.
    fn refusal(&self, identity: Option<&Identity>, address: IpAddr) -> Option<Answer> {
        let ended = identity
            .and_then(|identity| Some((identity, self.state.ended_accounts.get(&identity.id)?)));
        if let Some((_, (_, reason))) =
            ended.filter(|(identity, (at, _))| identity.proved_at <= *at)
        {
            return Some(Answer::Stale {
                reason: reason.clone(),
            });
        }
        let (bans, now) = (&self.state.gate.bans, self.now());
        let on_account = identity.and_then(|identity| bans.on_account(identity, now));
        let ban = on_account.or_else(|| bans.on_address(address, now))?;
        Some(Answer::Banned {
            reason: ban.reason.clone(),
            expires_at: ban.expires_at,
        })
    }

    /// Sees to it that nobody but `itself` stands in the way of `nick`, nor of the name of the
    /// account of `identity`, whose owner alone may be shown under it: whoever wears it steps
    /// aside.
    fn make_way(
        &mut self,
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
        let aside: Vec<UserId> = name
            .iter()
            .flat_map(|name| others(self.state.holders(name)))
            .collect();
        let is_its_own = |user: &User| {
            let account = user.account().unwrap_or_default();
            name.as_ref().is_some_and(|name| is_alike(name, account))
        };
        if aside
            .iter()
            .any(|holder| is_its_own(self.state.user(*holder)))
            || others(self.state.holders(nick)).any(|holder| !aside.contains(&holder))
        {
            return Err(NickTaken);
        }
        if let Some(name) = name {
            for user in aside {
                self.step_aside(user, &name);
            }
        }
        // Where they stepped to may be the very nick that is asked for.
        let mut holders = self.state.holders(nick).into_iter();
        if holders.all(|holder| Some(holder) == itself) {
            Ok(())
        } else {
            Err(NickTaken)
        }
    }

    /// The owner of the account of that name has come: whoever is shown under it gets another nick.
    fn step_aside(&mut self, user: UserId, name: &Nick) {
        let own = self
            .state
            .user(user)
            .identity
            .as_ref()
            .map(|identity| identity.name.to_nick());
        let own = own.filter(|own| self.state.holders(own).is_empty());
        let free = own.unwrap_or_else(|| self.state.free_guest_nick());
        self.rename(user, free);
        for caller in self.callers(user) {
            self.notice(
                caller,
                &format!("{name} is the name of an account whose owner has just signed in."),
            );
        }
    }

    /// The session leaves the others of its user, and is a user of its own from now on.
    fn part_company(&mut self, caller: Caller, identity: Identity, nick: Nick) -> Caller {
        let before = self.state.user(caller.user);
        let newcomer = NewUser {
            nick,
            identity: Some(identity),
            username: before.username.clone(),
            host: host(&self.settings.server_name, true),
            realname: before.realname.clone(),
        };
        let user = self.state.add_user(newcomer, self.stamp.at);
        monitor::announce_online(self, user);
        self.move_session(caller, user)
    }

    /// The user is the owner of the account from now on.
    fn become_known(&mut self, caller: Caller, identity: Identity, nick: Nick) {
        if self.state.user(caller.user).nick.as_str() != nick.as_str() {
            self.rename(caller.user, nick);
        }
        let line = self
            .user_line(caller.user, "ACCOUNT")
            .word(identity.name.as_str());
        self.show_followers(caller.user, &line, Capability::AccountNotify, None);
        let host = host(&self.settings.server_name, true);
        let user = self.state.user(caller.user);
        if user.host != host {
            let line = self
                .user_line(caller.user, "CHGHOST")
                .word(&user.username)
                .word(&host);
            self.show_followers(caller.user, &line, Capability::Chghost, None);
        }
        let said = std::mem::take(&mut self.state.user_mut(caller.user).metadata);
        self.state.identify(caller.user, identity, host);
        self.tell_metadata(&Bearer::User(caller.user), &said, None);
        for name in self.state.user(caller.user).channels().to_vec() {
            self.recognize(caller.user, &name);
        }
    }

    /// The session goes to the user of its account; if it was the only one of the user it was of,
    /// that one is gone, unless it is always on.
    fn move_session(&mut self, caller: Caller, user: UserId) -> Caller {
        self.leave_device(caller.session, false);
        let name = self.state.user(user).nick.clone();
        for channel in self.state.user(caller.user).channels().to_vec() {
            let line = self.user_line(caller.user, "PART").word(channel.as_str());
            self.send(caller, &line);
        }
        let line = self.user_line(caller.user, "NICK").word(name.as_str());
        self.send(caller, &line);
        let Some(mut session) = self.state.detach(caller.session) else {
            return caller;
        };
        let monitors = std::mem::take(&mut session.monitors);
        let left = self.state.user(caller.user);
        if left.sessions().is_empty() && !self.is_always_on(left) {
            self.quit_user(
                caller.user,
                &format!("Signed in as {name}"),
                DisconnectReason::SignedIn,
            );
        } else {
            self.update_away(caller.user, None, false);
        }
        session.monitors = monitors;
        self.state.attach(user, session);
        self.update_away(user, Some(caller.session), false);
        let caller = Caller { user, ..caller };
        self.show_memberships(caller);
        caller
    }

    /// Gives the user another nick before all eyes.
    pub fn rename(&mut self, user: UserId, nick: Nick) {
        let line = self.user_line(user, "NICK").word(nick.as_str());
        let peers = self.state.peers(user);
        self.show_users(user, &peers, &line, |_| true);
        let old = self.state.user(user).nick.clone();
        let other = old != nick;
        self.state.rename(user, nick, self.stamp.at);
        if other {
            monitor::announce_offline(self, &old);
            monitor::announce_online(self, user);
        }
    }

    /// What every new session hears first.
    fn greet(&mut self, caller: Caller, new: Option<bool>) {
        server::burst(self, caller);
        self.welcome(caller, new);
    }

    fn welcome(&mut self, caller: Caller, new: Option<bool>) {
        let nick = &self.state.user(caller.user).nick;
        match new {
            Some(true) => self.notice(caller, &format!("Welcome, {nick}. You are new here.")),
            Some(false) => self.notice(caller, &format!("Welcome back, {nick}.")),
            None => {}
        }
    }

    /// Tells a new session of a user where that user is.
    fn show_memberships(&mut self, caller: Caller) {
        for name in self.state.user(caller.user).channels().to_vec() {
            let user = self.state.user(caller.user);
            let line = channels::join_line(user, &name, caller.has(Capability::ExtendedJoin));
            let line = line.render(&self.tags_of(user), caller.capabilities);
            self.out.push(Output::Deliver(Delivery {
                to: vec![caller.session],
                line,
            }));
            names::describe(self, caller, &name);
        }
    }

    /// Whether the session has come for one errand, and is not to be seen coming and going. A guest
    /// always is: nobody vouches for it.
    pub fn visits(&self, caller: Caller) -> bool {
        caller.has(Capability::Visitor) && self.state.user(caller.user).identity.is_some()
    }

    fn join_lobby(&mut self, caller: Caller) {
        if self.visits(caller) {
            return;
        }
        let missing: Vec<ChannelName> = {
            let joined = self.state.user(caller.user).channels();
            self.settings
                .lobby
                .iter()
                .filter(|name| !joined.contains(name))
                .cloned()
                .collect()
        };
        for name in missing {
            channels::enter(self, caller, &name, None);
        }
    }
}

/// Whether the nick is, or looks like, the name of that account.
fn is_alike(nick: &Nick, account: &str) -> bool {
    Nick::parse(account).is_ok_and(|account| account.skeleton() == nick.skeleton())
}

/// Another user has the nick, or one that looks the same.
struct NickTaken;

/// A username as others see it: what the client said of itself, marked as such.
fn shown_username(given: &str) -> String {
    let kept: String = given
        .chars()
        .filter(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.'))
        .take(lengths::USERNAME)
        .collect();
    format!("~{}", if kept.is_empty() { "user" } else { &kept })
}

//! What the control plane does to the chat: kicks, bans, and looking around.

use rookery_protocol::Nick;
use rookery_protocol::numeric::ERR_YOUREBANNEDCREEP;

use super::admission::account_of;
use super::event::{Act, Answer, SessionView, Ticket, UserView};
use super::state::{Due, Leaving, User, UserId};
use super::turn::Turn;
use crate::record::Ban;

impl Turn<'_> {
    /// Does what an operator asked for.
    pub fn control(&mut self, ticket: Ticket, act: Act) {
        match act {
            Act::Kick { nick, reason } => self.kick(ticket, &nick, &reason),
            Act::AddBan(ban) => self.ban(ticket, ban),
            Act::RemoveBan(id) => {
                self.state.remove_ban(id);
                self.answer(ticket, Answer::Done);
            }
            Act::FindUser(nick) => {
                let users = self.state.by_nick(&nick).map(view).into_iter().collect();
                self.answer(ticket, Answer::Users(users));
            }
            Act::ListUsers => {
                let users = self.state.users().map(view).collect();
                self.answer(ticket, Answer::Users(users));
            }
            Act::Count => {
                let counts = Answer::Counts {
                    users: self.state.user_count(),
                    sessions: self.state.session_count(),
                    channels: self.state.channel_count(),
                    bans: self.state.count_bans(self.stamp.at),
                };
                self.answer(ticket, counts);
            }
            Act::EndAll { reason } => self.end_all(ticket, reason),
        }
    }

    fn kick(&mut self, ticket: Ticket, nick: &Nick, reason: &str) {
        let users: Vec<UserId> = self.state.by_nick(nick).map(|user| user.id).into_iter().collect();
        let last = format!("Kicked: {reason}");
        let end = Ending { told: None, shown: Some(last.clone()), last };
        self.end(ticket, &users, &end, |leaving| leaving.nick == *nick);
    }

    fn ban(&mut self, ticket: Ticket, ban: Ban) {
        let target = ban.target.clone();
        let reason = ban.reason.clone();
        let holds = ban.holds(self.now());
        self.state.add_ban(ban);
        let users: Vec<UserId> = self
            .state
            .users()
            .filter(|user| {
                holds && user.identity.as_ref().is_some_and(|who| target.covers(&who.name, &who.email))
            })
            .map(|user| user.id)
            .collect();
        let told = Some(format!("You are banned from this server: {reason}"));
        let end = Ending { told, shown: Some("Banned".to_owned()), last: format!("Banned: {reason}") };
        self.end(ticket, &users, &end, |leaving| {
            holds && leaving.account.as_ref().is_some_and(|(name, email)| target.covers(name, email))
        });
    }

    fn end_all(&mut self, ticket: Ticket, reason: String) {
        let users: Vec<UserId> = self.state.users().map(|user| user.id).collect();
        let end = Ending { told: None, shown: None, last: reason };
        self.end(ticket, &users, &end, |_| true);
    }

    /// Ends all sessions of the users. The answer waits for their connections, and for those `also_meant` that are on
    /// their way out already.
    fn end(&mut self, ticket: Ticket, users: &[UserId], end: &Ending, also_meant: impl Fn(&Leaving) -> bool) {
        let mut due = Due { users: Vec::new(), sessions: 0, waiting: 0 };
        for leaving in self.state.leaving.values_mut().filter(|leaving| also_meant(leaving)) {
            leaving.tickets.push(ticket);
            due.waiting += 1;
        }
        for &user in users {
            let callers = self.callers(user);
            if let Some(text) = &end.told {
                for &caller in &callers {
                    self.reply(caller, ERR_YOUREBANNEDCREEP, &[], text);
                }
            }
            let user = match &end.shown {
                Some(shown) => self.quit_user(user, shown),
                None => self.state.remove_user(user, self.stamp.at),
            };
            for caller in &callers {
                self.end_session(
                    caller.session,
                    user.nick.clone(),
                    account_of(&user),
                    &end.last,
                    Some(ticket),
                );
            }
            due.users.push(user.nick);
            due.sessions += callers.len();
        }
        due.waiting += due.sessions;
        if due.waiting == 0 {
            self.answer(ticket, Answer::Ended { users: due.users, sessions: due.sessions });
        } else {
            self.state.due.insert(ticket, due);
        }
    }
}

/// How users are ended.
struct Ending {
    /// What numeric 465 says to them before, if anything.
    told: Option<String>,
    /// What the others see; nothing when none of them stays.
    shown: Option<String>,
    /// What `ERROR` says to them.
    last: String,
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
                address: session.address,
                tls: session.tls.to_string(),
                since: session.since,
            })
            .collect(),
    }
}

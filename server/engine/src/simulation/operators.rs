//! The acts of operators, and the checks that they have taken effect when they are acknowledged.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::Nick;
use tokio::sync::oneshot;

use super::client::Client;
use super::{ACCOUNTS, CHANNELS, Simulation};
use rookery_chat::event::{Event, SessionId};
use rookery_chat::request::{AddBans, CloseChannel, Ended, Kick, KickTarget, RemoveBan, Request};
use rookery_record::audit::AuditQuery;
use rookery_record::{Ban, BanId, BanTarget, NewAudit, NewBan, Outcome};
use rookery_store::{Durability, Store};

/// An act of an operator that the core has not acknowledged yet.
pub struct Act {
    pub reply: oneshot::Receiver<Ended>,
    /// The sessions that must have ended when it is acknowledged.
    pub covered: BTreeSet<SessionId>,
    pub ban: Option<BanId>,
}

impl Simulation {
    pub(super) fn kick(&mut self) {
        let account = self.random.below(ACCOUNTS.len());
        if !self.record("kick", ACCOUNTS[account]) {
            return;
        }
        let of_account = |client: &&Client| client.account == Some(account);
        let clients = self.server.clients.iter().filter(of_account);
        let covered = clients.map(|client| client.session).collect();
        let reply = self.act(Kick {
            target: KickTarget::User(Nick::parse(ACCOUNTS[account]).unwrap()),
            reason: "enough".to_owned(),
        });
        self.server.acts.push(Act {
            reply,
            covered,
            ban: None,
        });
    }

    /// Bans an account or an address: first in the store, then in the core.
    pub(super) fn ban(&mut self) {
        let address = format!("192.0.2.{}", self.random.below(6));
        let account = self.random.pick(&ACCOUNTS);
        let target = self.random.pick(&[account, address.as_str()]);
        if !self.record("ban", target) {
            return;
        }
        let minutes = self.random.pick(&[None, Some(1), Some(90)]);
        let ban = NewBan {
            target: BanTarget::parse(target).unwrap(),
            reason: "enough".to_owned(),
            by: "root".to_owned(),
            created_at: self.now,
            expires_at: minutes.map(|minutes| self.now + SignedDuration::from_mins(minutes)),
        };
        let database = self.server.database.clone();
        let write = async move {
            let add = move |store: &mut Store| store.add_ban(&ban);
            database.write(Durability::Record, add).await
        };
        let Ok(ban) = self.runtime.block_on(write) else {
            assert!(self.disk_is_full);
            return;
        };
        // It may replace another one, also if the server crashes before the core learns of it.
        self.bans.insert(ban.id, ban.clone());
        if self.random.below(10) == 0 {
            return self.crash();
        }
        let covers = |client: &&Client| client.is_covered_by(&ban);
        let clients = self.server.clients.iter().filter(covers);
        let covered = clients.map(|client| client.session).collect();
        let id = ban.id;
        let reply = self.act(AddBans(vec![ban]));
        self.server.acts.push(Act {
            reply,
            covered,
            ban: Some(id),
        });
    }

    pub(super) fn lift_ban(&mut self) {
        let Some((&id, _)) = self.bans.iter().next() else {
            return;
        };
        let database = self.server.database.clone();
        let write = async move {
            let remove = move |store: &mut Store| store.remove_ban(id);
            database.write(Durability::Record, remove).await
        };
        self.runtime.block_on(write).unwrap();
        self.bans.remove(&id);
        drop(self.request(None, |ticket| {
            Event::Control(RemoveBan(id).with_ticket(ticket))
        }));
    }

    pub(super) fn close_channel(&mut self) {
        let request = CloseChannel {
            name: self.random.pick(&CHANNELS[1..]).parse().unwrap(),
            reason: "closed".to_owned(),
        };
        drop(self.request(None, |ticket| Event::Control(request.with_ticket(ticket))));
    }

    fn act<R: Request<Reply = Ended>>(&mut self, request: R) -> oneshot::Receiver<Ended> {
        self.request(None, |ticket| Event::Control(request.with_ticket(ticket)))
    }

    /// Enters an act in the audit trail, as the control plane does before it performs one. Returns
    /// whether the server still runs.
    fn record(&mut self, act: &str, target: &str) -> bool {
        let entry = NewAudit {
            at: self.now,
            actor: "root".to_owned(),
            origin: "127.0.0.1:1".to_owned(),
            session: String::new(),
            act: act.to_owned(),
            target: target.to_owned(),
            outcome: Outcome::Allowed,
            detail: String::new(),
        };
        let database = self.server.database.clone();
        let write = async move {
            let append = move |store: &mut Store| store.append_audit(&entry);
            database.write(Durability::Record, append).await
        };
        self.runtime.block_on(write).unwrap();
        let crashes = self.random.below(20) == 0;
        if crashes {
            self.crash();
        }
        !crashes
    }

    /// Checks that each ban on disk is in the audit trail.
    pub(super) fn check_audit(&self) {
        let database = self.server.database.clone();
        let read = |store: &Store| {
            let query = AuditQuery {
                act: Some("ban".to_owned()),
                limit: usize::MAX >> 1,
                ..AuditQuery::default()
            };
            Ok((store.bans(Timestamp::MIN)?, store.find_audit(&query)?))
        };
        let read = async move { database.read(read).await };
        let (bans, entries) = self.runtime.block_on(read).unwrap();
        for ban in bans {
            let target = ban.target.to_string();
            assert!(
                entries.iter().any(|entry| entry.entry.target == target),
                "the ban on {target} is not in the audit trail"
            );
        }
    }

    /// Whether the ban has not expired.
    pub(super) fn is_in_force(&self, ban: &Ban) -> bool {
        ban.expires_at.is_none_or(|end| end > self.now)
    }

    pub(super) fn check_acts(&mut self) {
        let mut at = 0;
        while at < self.server.acts.len() {
            if self.server.acts[at].reply.try_recv().is_err() {
                at += 1;
                continue;
            }
            let act = self.server.acts.remove(at);
            for client in &self.server.clients {
                assert!(
                    !act.covered.contains(&client.session),
                    "an act was acknowledged while a session of {} was connected",
                    client.nick
                );
            }
            if let Some(ban) = act.ban {
                self.check_stored_ban(ban);
            }
        }
    }

    pub(super) fn check_stored_ban(&self, ban: BanId) {
        let database = self.server.database.clone();
        let read = async move { database.read(|store| store.bans(Timestamp::MIN)).await };
        let bans = self.runtime.block_on(read).unwrap();
        assert!(
            bans.iter().any(|stored| stored.id == ban)
                || self.bans.get(&ban).is_none_or(|ban| !self.is_in_force(ban)),
            "a ban was acknowledged, but is not stored"
        );
    }
}

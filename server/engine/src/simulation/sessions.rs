//! The steps of the sessions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use rookery_protocol::{AccountName, Capabilities, Capability, DeviceName, Email, Message, Nick};

use super::client::Client;
use super::{ACCOUNTS, CHANNELS, MAX_CLIENTS, SENDQ_BYTES, Simulation};
use crate::receipts::Receipts;
use crate::sendq::Sendq;
use rookery_chat::AwayState;
use rookery_chat::event::{Candidate, Event, Identity, SessionId, SignedInWith};
use rookery_chat::request::Admission;
use rookery_record::{AccountId, PasswordFingerprint};

/// The capabilities of clients that leave it to the server to send them what they missed.
const DEVICE_CAPABILITIES: [Capability; 4] = [
    Capability::Batch,
    Capability::EchoMessage,
    Capability::MessageTags,
    Capability::ServerTime,
];

impl Simulation {
    pub(super) fn connect(&mut self) {
        if self.server.clients.len() == MAX_CLIENTS {
            return;
        }
        let account = Some(self.random.below(ACCOUNTS.len() + 2)).filter(|&at| at < ACCOUNTS.len());
        let device = self.random.pick(&[None, None, Some("phone"), Some("desk")]);
        let id = account.zip(device);
        // A device connects once.
        if id.is_none_or(|id| self.server.clients.iter().all(|one| one.device != Some(id))) {
            self.connect_as(account, device);
        }
    }

    /// Connects as a guest or an account. An account's device, if it has a name, reads no history,
    /// but is sent what it missed.
    pub(super) fn connect_as(&mut self, account: Option<usize>, device: Option<&'static str>) {
        let id = account.zip(device);
        let mut stored_before = BTreeSet::new();
        if let Some((account, _)) = id.filter(|id| !self.devices.contains_key(id)) {
            self.commit();
            stored_before = self.ids_stored_for(account);
        }
        self.last_session += 1;
        let session = SessionId(self.last_session);
        let host = u8::try_from(self.random.below(6)).unwrap();
        let address = SocketAddr::from(([192, 0, 2, host], 50_000));
        let nick = account.map_or(format!("guest{}", self.random.below(4)), |at| {
            ACCOUNTS[at].to_owned()
        });
        let identity = account.map(|at| Identity {
            id: AccountId(i64::try_from(at).unwrap() + 1),
            name: AccountName::parse(ACCOUNTS[at]).unwrap(),
            email: Email::parse(&format!("{}@example.org", ACCOUNTS[at])).ok(),
            new: false,
            authenticated_at: self.now,
            signed_in_with: SignedInWith::Password {
                fingerprint: PasswordFingerprint::UNKNOWN,
                device: device.map(|name| DeviceName::parse(name).unwrap()),
            },
        });
        let candidate = Box::new(Candidate {
            nick: Nick::parse(&nick).unwrap(),
            username: String::new(),
            realname: String::new(),
            identity,
            capabilities: Capabilities::of(if id.is_some() {
                &DEVICE_CAPABILITIES
            } else {
                Capability::ALL
            }),
            away_state: AwayState::Here,
            subscriptions: BTreeSet::new(),
            address,
            tls: String::new(),
        });
        let sendq = Sendq::new(SENDQ_BYTES);
        let admission = self.request(Some(Arc::clone(&sendq)), |ticket| Event::Admit {
            ticket,
            session,
            candidate,
        });
        let mut client = Client {
            session,
            account,
            device: id,
            stored_before,
            received: BTreeSet::new(),
            address,
            sendq,
            receipts: Receipts::default(),
            written: 0,
            on_the_way: VecDeque::new(),
            admission: Some(admission),
            is_banned: false,
            nick,
            channels: BTreeSet::new(),
            last: BTreeMap::new(),
        };
        let mut in_force = self.bans.values().filter(|ban| self.is_in_force(ban));
        client.is_banned = in_force.any(|ban| client.is_covered_by(ban));
        self.server.clients.push(client);
    }

    /// Returns the index of an admitted client.
    pub(super) fn pick_client(&mut self) -> Option<usize> {
        let clients = self.server.clients.iter().enumerate();
        let admitted: Vec<_> = clients
            .filter(|(_, client)| client.admission.is_none())
            .map(|(at, _)| at)
            .collect();
        (!admitted.is_empty()).then(|| self.random.pick(&admitted))
    }

    pub(super) fn command(&mut self) {
        let Some(at) = self.pick_client() else {
            return;
        };
        let session = self.server.clients[at].session;
        let channel = self.random.pick(&CHANNELS);
        let nick = self
            .random
            .pick(&["alice", "bob", "carl", "dora", "guest0", "guest1"]);
        let target = if self.random.below(4) == 0 {
            nick
        } else {
            channel
        };
        let verb = self.random.pick(&["PRIVMSG", "PRIVMSG", "NOTICE"]);
        self.texts += 1;
        let text = self.texts;
        let lines = match self.random.below(40) {
            0..7 => vec![format!("JOIN {channel}")],
            7..9 if channel == "#lobby" => return,
            7..9 => vec![format!("PART {channel} :bye")],
            9..23 => vec![format!("{verb} {target} :text {text}")],
            23..25 => vec![
                format!("BATCH +m draft/multiline {target}"),
                format!("@batch=m PRIVMSG {target} :first {text}"),
                format!("@batch=m PRIVMSG {target} :second {text}"),
                "BATCH -m".to_owned(),
            ],
            25..27 => vec![format!("TOPIC {channel} :topic {text}")],
            27 => {
                let flags = self
                    .random
                    .pick(&["+m", "-m", "+n", "-n", "+i", "-i", "+l 3", "-l"]);
                vec![format!("MODE {channel} {flags}")]
            }
            28 => vec![format!("MODE {channel} +o {nick}")],
            29 => vec![format!("MODE {channel} +b {nick}!*@*")],
            30 => vec![format!("MODE {channel} -b {nick}!*@*")],
            31 => vec![format!("KICK {channel} {nick} :out")],
            32 => {
                let seen = self.seen.iter().nth_back(self.random.below(8));
                let Some(((place, _), msgid)) = seen else {
                    return;
                };
                self.redacted.insert(msgid.clone());
                vec![format!("REDACT {place} {msgid}")]
            }
            33..35 => vec![format!("CHATHISTORY LATEST {target} * 10")],
            35 => vec![format!("MARKREAD {channel} timestamp={:.3}", self.now)],
            36 => vec![format!("NICK guest{}", self.random.below(4))],
            37 => vec!["AWAY :away".to_owned()],
            38 => vec![
                self.random
                    .pick(&["SET always-on on", "SET always-on off"])
                    .to_owned(),
            ],
            _ => vec![
                self.random
                    .pick(&["QUIT", "NAMES #lobby", "WHO #lobby %tn", ""])
                    .to_owned(),
            ],
        };
        for line in lines {
            if let Ok(message) = Message::parse(&line) {
                self.event(Event::Command { session, message });
            }
        }
    }

    /// A client sends a user more than a replay can hold.
    pub(super) fn flood(&mut self) {
        let Some(at) = self.pick_client() else {
            return;
        };
        let session = self.server.clients[at].session;
        let target = self.random.pick(&ACCOUNTS);
        for _ in 0..8 {
            self.texts += 1;
            let text = format!("{} {}", "x".repeat(400), self.texts);
            let line = format!("@batch=f PRIVMSG {target} :{text}");
            let open = format!("BATCH +f draft/multiline {target}");
            for line in [&open]
                .into_iter()
                .chain([&line; 9])
                .chain([&"BATCH -f".to_owned()])
            {
                let message = Message::parse(line).unwrap();
                self.event(Event::Command { session, message });
            }
        }
    }

    pub(super) fn check_admissions(&mut self) {
        let mut new = Vec::new();
        self.server.clients.retain_mut(|client| {
            let Some(reply) = &mut client.admission else {
                return true;
            };
            let Ok(admission) = reply.try_recv() else {
                return true;
            };
            client.admission = None;
            let admitted = admission == Admission::Admitted;
            assert!(
                !admitted || !client.is_banned,
                "{} was admitted in spite of a ban",
                client.nick
            );
            if let Some(device) = client.device.filter(|_| admitted) {
                new.push((device, std::mem::take(&mut client.stored_before)));
            }
            admitted
        });
        for (device, excused) in new {
            self.add_device(device, excused);
        }
    }
}

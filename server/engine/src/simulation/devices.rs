//! What devices have received: each of them is sent each message in the lobby and in its account's
//! conversations once, live or when it connects again, whatever the clock does and however the
//! server ends. Only what a device has read before a crash, or before its session was ended, may be
//! sent to it again. If there is more than can be sent at once, a notice names where earlier
//! messages were left out, and the device receives the newest ones.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rookery_protocol::{ChannelName, Nick};

use super::client::Client;
use super::{ACCOUNTS, Simulation};
use rookery_chat::event::SessionId;
use rookery_record::{HistoryEntry, HistoryTarget, PageQuery, Place, Selection, TargetsQuery};
use rookery_store::Store;

/// An account, by its index, and the name of its device.
pub type DeviceId = (usize, &'static str);

/// How many bytes of the newest messages of a channel or conversation a device is sent in any case,
/// whatever others send meanwhile: less than the share of each if all are full.
const SHARE_BYTES: usize = 1000;

/// The messages that a device has received, and those that it need not receive.
#[derive(Default)]
pub struct Received {
    received: BTreeSet<String>,
    excused: BTreeSet<String>,
}

impl Simulation {
    /// Remembers a device that has connected for the first time, and need not receive what was
    /// stored before.
    pub(super) fn add_device(&mut self, device: DeviceId, excused: BTreeSet<String>) {
        self.devices.entry(device).or_insert(Received {
            received: BTreeSet::new(),
            excused,
        });
    }

    /// Checks that a device receives a message for the first time.
    pub(super) fn receive_on_device(&mut self, device: DeviceId, msgid: &str, line: &str) {
        if let Some(state) = self.devices.get_mut(&device) {
            let is_first = state.received.insert(msgid.to_owned());
            assert!(is_first, "{device:?} received a message twice: {line}");
        }
    }

    /// Follows a notice that earlier messages of these channels and conversations were left out.
    /// The newest ones of each are still to be received.
    pub(super) fn excuse(&mut self, device: DeviceId, names: &str) {
        let names: BTreeSet<String> = names.split(' ').map(str::to_lowercase).collect();
        for (name, entries) in self.stored_for(device.0) {
            if !names.contains(&name) {
                continue;
            }
            let mut bytes = 0;
            let newest = entries.iter().rev().take_while(|entry| {
                bytes += entry.held_bytes();
                bytes <= SHARE_BYTES
            });
            let left_out = entries.len() - newest.count();
            if let Some(state) = self.devices.get_mut(&device) {
                let ids = entries[..left_out].iter().map(|entry| entry.msgid.clone());
                state.excused.extend(ids);
            }
        }
    }

    /// Follows the end of a connection whose client may not have read everything.
    pub(super) fn end_abruptly(&mut self, client: &Client) {
        let Some(device) = client.device else {
            return;
        };
        self.commit();
        self.permit_again(device, client);
    }

    /// Permits that what the client has received is sent to its device again.
    fn permit_again(&mut self, device: DeviceId, client: &Client) {
        if let Some(state) = self.devices.get_mut(&device) {
            for msgid in &client.received {
                state.received.remove(msgid);
                state.excused.insert(msgid.clone());
            }
        }
    }

    /// Follows a crash, of whose clients these were. If `lacks_changes`, the marks of devices may
    /// not have been stored.
    pub(super) fn crash_devices(&mut self, clients: &[Client], lacks_changes: bool) {
        if lacks_changes {
            self.devices.clear();
        }
        let admitted = clients.iter().filter(|client| client.admission.is_none());
        for client in admitted {
            let Some(device) = client.device else {
                continue;
            };
            self.permit_again(device, client);
        }
    }

    /// Lets everything that is under way arrive, and the client read it.
    pub(super) fn settle(&mut self, session: SessionId) {
        loop {
            self.commit();
            self.deliver_page();
            while self.server.chat.has_incomplete_replies() {
                self.continue_replies();
            }
            let clients = &self.server.clients;
            if let Some(at) = clients.iter().position(|client| client.session == session) {
                self.send_to(at);
            }
            let clients = &self.server.clients;
            if let Some(at) = clients.iter().position(|client| client.session == session) {
                self.receive(at);
            }
            // A reply that waits for room is continued in the next round.
            if self.server.waiting.is_empty()
                && self.server.fetched.is_empty()
                && self.server.rooms.is_empty()
            {
                return;
            }
            self.continue_replies();
        }
    }

    /// Connects each device, and checks that it has received everything.
    pub(super) fn check_devices(&mut self) {
        if self.disk_is_full {
            self.toggle_disk();
        }
        let devices: Vec<DeviceId> = self.devices.keys().copied().collect();
        for device in devices {
            let connected = |client: &&Client| client.device == Some(device);
            let known = self.server.clients.iter().find(connected);
            let session = known.map_or(self.last_session + 1, |client| client.session.0);
            if known.is_none() {
                self.connect_as(Some(device.0), Some(device.1));
            }
            self.settle(SessionId(session));
            // It may be banned.
            if !self.server.clients.iter().any(|client| connected(&client)) {
                continue;
            }
            let mut missing = self.ids_stored_for(device.0);
            let Received { received, excused } = &self.devices[&device];
            missing.retain(|msgid| {
                let is_excused = excused.contains(msgid) || self.redacted.contains(msgid);
                !received.contains(msgid) && !is_excused
            });
            assert!(
                missing.is_empty(),
                "{device:?} has not received {missing:?}"
            );
        }
    }

    /// Returns the ids of the stored messages of the lobby and of the account's conversations.
    pub(super) fn ids_stored_for(&self, account: usize) -> BTreeSet<String> {
        let entries = self.stored_for(account).into_values().flatten();
        entries.map(|entry| entry.msgid).collect()
    }

    /// Returns the stored messages of the lobby and of the account's conversations, oldest first.
    fn stored_for(&self, account: usize) -> BTreeMap<String, Vec<HistoryEntry>> {
        let own = Nick::parse(ACCOUNTS[account]).unwrap();
        let query = TargetsQuery {
            channels: vec![(ChannelName::parse("#lobby").unwrap(), Timestamp::MIN)],
            account: Some(own.clone()),
            from: Timestamp::MIN,
            to: Timestamp::MAX,
            limit: usize::MAX,
        };
        let find = move |store: &Store| {
            let mut stored = BTreeMap::new();
            for HistoryTarget { name, .. } in store.history_targets(&query)? {
                let page = PageQuery {
                    places: match (ChannelName::parse(&name), Nick::parse(&name)) {
                        (Ok(channel), _) => vec![Place::Channel(channel)],
                        (_, Ok(nick)) => Place::conversation(&own, nick.clone(), nick),
                        _ => continue,
                    },
                    selection: Selection::Latest(None),
                    events: false,
                    redactions: false,
                    since: Timestamp::MIN,
                    limit: usize::MAX >> 1,
                    bytes: usize::MAX,
                };
                let entries = store.history_page(&page)?.unwrap_or_default();
                stored.insert(name.to_lowercase(), entries);
            }
            // A device receives what its user sends to itself as an echo.
            stored.remove(own.folded());
            Ok(stored)
        };
        let database = self.server.database.clone();
        let read = async move { database.read(find).await };
        self.runtime.block_on(read).unwrap()
    }
}

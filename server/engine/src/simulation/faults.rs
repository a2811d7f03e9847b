//! What goes wrong: the clock jumps, the disk fails, the server crashes.

use jiff::SignedDuration;

use super::Simulation;
use super::server::start;
use rookery_store::{DATABASE_FILE, Store};

/// Makes every write of messages, channels and bans fail, as a full disk does.
const BREAK_DISK: &str = "
    CREATE TRIGGER full_messages BEFORE INSERT ON history
        BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;
    CREATE TRIGGER full_channels BEFORE INSERT ON channels
        BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;
    CREATE TRIGGER full_bans BEFORE INSERT ON bans
        BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;";
const MEND_DISK: &str =
    "DROP TRIGGER full_messages; DROP TRIGGER full_channels; DROP TRIGGER full_bans;";

impl Simulation {
    /// The clock of the system jumps, forwards or back.
    pub(super) fn jump(&mut self) {
        let seconds = self.random.pick(&[-86_400, -3600, -1, 1, 3600, 86_400]);
        self.now += SignedDuration::from_secs(seconds);
    }

    pub(super) fn toggle_disk(&mut self) {
        let file = self.folder.path().join(DATABASE_FILE);
        let connection = rusqlite::Connection::open(file).unwrap();
        let sql = if self.disk_is_full {
            MEND_DISK
        } else {
            BREAK_DISK
        };
        connection.execute_batch(sql).unwrap();
        self.disk_is_full = !self.disk_is_full;
    }

    /// Kills the server, with everything that is only in memory, and starts it again.
    pub(super) fn crash(&mut self) {
        self.runs += 1;
        let mut clients = std::mem::take(&mut self.server.clients);
        clients.append(&mut self.server.left);
        let lacks_changes = self.server.lacks_changes;
        self.server = start(&self.runtime, &self.folder, self.runs, self.now);
        self.crash_devices(&clients, lacks_changes);
        for &ban in self.bans.keys() {
            self.check_stored_ban(ban);
        }
        self.check_audit();
        let seen: Vec<String> = self.seen.values().cloned().collect();
        let database = self.server.database.clone();
        let read = async move {
            let find = move |store: &Store| {
                let mut missing = Vec::new();
                for msgid in seen {
                    if store.history_entry(&msgid)?.is_none() {
                        missing.push(msgid);
                    }
                }
                Ok(missing)
            };
            database.read(find).await
        };
        let mut missing = self.runtime.block_on(read).unwrap();
        missing.retain(|msgid| !self.redacted.contains(msgid));
        assert!(missing.is_empty(), "lost in a crash: {missing:?}");
    }
}

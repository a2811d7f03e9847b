//! What changes for those who are here when the config is read anew.

use std::sync::Arc;

use rookery_protocol::Capability;

use crate::capabilities::listed;
use crate::event::Settings;
use crate::ids::SessionId;
use crate::turn::Turn;

impl Turn<'_> {
    /// Compares emails anew, lets go whoever is not always on any more, and tells of capabilities
    /// that are new or withdrawn (`cap-notify`).
    pub fn reload(&mut self, old: &Settings) {
        if old.email_aliases != self.settings.email_aliases {
            let gate = Arc::make_mut(&mut self.state.gate);
            gate.bans.set_aliases(self.settings.email_aliases.clone());
            self.show_gate();
        }
        if old.always_on != self.settings.always_on {
            self.review_presences();
        }
        let (before, after) = (old.capabilities, self.settings.capabilities);
        let (old, values) = (old.capability_values, self.settings.capability_values);
        if before == after && old == values {
            return;
        }
        let withdrawn: Vec<String> = before
            .iter()
            .filter(|item| !after.has(*item))
            .map(|item| listed(item, None))
            .collect();
        // What has another value is new as well.
        let is_new = |item: &Capability| {
            !before.has(*item) || listed(*item, Some(old)) != listed(*item, Some(values))
        };
        let new: Vec<String> = after
            .iter()
            .filter(is_new)
            .map(|item| listed(item, Some(values)))
            .collect();
        // A duration of none ends what clients remember.
        let sts = if old.sts_seconds == values.sts_seconds {
            None
        } else {
            Some(format!("sts=duration={}", values.sts_seconds))
        };
        let (withdrawn, new) = (
            withdrawn.join(" "),
            new.into_iter().chain(sts).collect::<Vec<_>>().join(" "),
        );
        let mut sessions: Vec<SessionId> = self
            .state
            .users()
            .flat_map(crate::state::User::sessions)
            .map(|session| session.id)
            .collect();
        sessions.sort_unstable();
        for session in sessions {
            if let Some(session) = self.state.session_mut(session) {
                session.capabilities = session.capabilities.and(after);
            }
            let Some(caller) = self.caller(session) else {
                continue;
            };
            if caller.has(Capability::CapNotify) {
                let nick = self.state.user(caller.user).nick.clone();
                for (subcommand, list) in [("DEL", &withdrawn), ("NEW", &new)] {
                    if !list.is_empty() {
                        let line = self
                            .server_line("CAP")
                            .word(nick.as_str())
                            .word(subcommand)
                            .text(list);
                        self.send(caller, &line);
                    }
                }
            }
        }
    }
}

//! The task that runs the core: takes events in batches, and passes on what the core decides.
//!
//! It owns the core and passes it the current time. What the core decides goes to the committer in
//! the order in which it was decided. When the committer falls behind, this task waits, the core's
//! queue fills, and those who send events wait in turn: that is the server's back pressure.

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::committer::Effect;
use crate::handle::{Envelope, EventQueue};
use rookery_chat::Chat;
use rookery_chat::event::Event;

/// How many events at most are handled in one go. Their effects make one batch.
const BATCH: usize = 512;
/// From how many effects on a batch is passed on before the rest of its events is handled: the long
/// answers to many who ask at the same time would otherwise all be in memory.
const EFFECTS: usize = 4096;

/// Runs the core until every way into it is closed, or the committer has stopped.
pub async fn run(mut chat: Chat, mut events: EventQueue, committer: mpsc::Sender<Vec<Effect>>) {
    let mut batch = Vec::new();
    let mut outputs = Vec::new();
    while events.recv_many(&mut batch, BATCH).await > 0 {
        let now = Timestamp::now();
        let mut effects = Vec::with_capacity(batch.len());
        for Envelope {
            event,
            sendq,
            register,
        } in batch.drain(..)
        {
            effects.extend(register.map(Effect::Await));
            match (&event, sendq) {
                (Event::Admit { session, .. }, Some(sendq)) => {
                    effects.push(Effect::Attach(*session, sendq));
                }
                (Event::Disconnected { session, .. }, _) => effects.push(Effect::Detach(*session)),
                _ => {}
            }
            chat.handle(now, event, &mut outputs);
            effects.extend(outputs.drain(..).map(Effect::Core));
            if effects.len() >= EFFECTS
                && committer.send(std::mem::take(&mut effects)).await.is_err()
            {
                return;
            }
        }
        if !effects.is_empty() && committer.send(effects).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rookery_protocol::Message;
    use tokio::time::timeout;

    use super::*;
    use crate::handle::{SessionEvent, channel};
    use crate::sendq::Sendq;
    use rookery_chat::event::{Candidate, SessionId};
    use rookery_record::ChatSnapshot;

    fn alice() -> Candidate {
        Candidate {
            nick: rookery_protocol::Nick::parse("alice").unwrap(),
            username: String::new(),
            realname: String::new(),
            identity: None,
            capabilities: rookery_protocol::Capabilities::NONE,
            away_state: rookery_chat::AwayState::Here,
            address: ([192, 0, 2, 1], 5000).into(),
            tls: String::new(),
        }
    }

    #[tokio::test]
    async fn the_effects_of_many_long_answers_are_passed_on_in_parts() {
        let mut config = rookery_base::config::Config::default();
        config.chat.motd = "a line\n".repeat(50);
        let settings = crate::settings::from_config(&config);
        let chat = Chat::new(
            settings,
            String::new(),
            Arc::default(),
            ChatSnapshot::default(),
            Timestamp::now(),
        );
        let (core, operators, events) = channel();
        let session = SessionId(1);
        let admission = core.admit(session, Arc::new(Sendq::new(0)), Box::new(alice()));
        // Its reply comes when the events are committed, which nothing does here.
        assert!(timeout(Duration::ZERO, admission).await.is_err());
        for _ in 0..BATCH - 1 {
            let message = Message::parse("MOTD").unwrap();
            core.send(SessionEvent::command(session, message))
                .await
                .unwrap();
        }
        drop((core, operators));
        let (committer, mut batches) = crate::committer::channel();
        tokio::spawn(run(chat, events, committer));
        let mut all = 0;
        while let Some(effects) = batches.recv().await {
            assert!(effects.len() < EFFECTS + 100, "{} at once", effects.len());
            all += effects.len();
        }
        assert!(all > 50 * (BATCH - 1), "{all} in all");
    }
}

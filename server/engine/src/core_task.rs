//! The task that runs the core: receives events in batches, and sends the core's decisions to the
//! committer.
//!
//! It owns the core and passes it the current time. The decisions reach the committer in the order
//! in which they were made. When the committer falls behind, this task waits, the core's queue
//! fills, and the senders of events wait in turn: this is the server's back pressure.
//!
//! The slices of long replies are produced when nothing else is to be done: no event waits, the
//! committer has caught up, and the connections have sent what they were sent before. So they delay
//! an event by one slice at most. After [`EVENTS_BETWEEN_SLICES`] events, one is produced anyway.
//! The committer reports the sessions that may get their next one.

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::committer::Effect;
use crate::handle::{Envelope, EventQueue};
use rookery_chat::Chat;
use rookery_chat::event::{Event, Output, SessionId};

/// The maximum number of events that are handled together. Their effects form one batch.
const MAX_EVENTS: usize = 512;
/// The maximum number of events that are handled between two slices of long replies.
const EVENTS_BETWEEN_SLICES: usize = 64;
/// The number of effects at which a batch is sent before the rest of its events is handled.
/// Otherwise, the long answers to many simultaneous commands would all be in memory.
const MAX_EFFECTS: usize = 4096;

/// Runs the core until every handle to it is dropped, or the committer has stopped. `rooms`
/// receives the sessions whose long replies may continue.
pub async fn run(
    mut chat: Chat,
    mut events: EventQueue,
    mut rooms: mpsc::UnboundedReceiver<SessionId>,
    committer: mpsc::Sender<Vec<Effect>>,
) {
    let mut batch = Vec::new();
    let mut outputs = Vec::new();
    let mut events_since_slice = 0;
    loop {
        while let Ok(session) = rooms.try_recv() {
            chat.resume_replies(session);
        }
        let slice_is_due = chat.has_incomplete_replies();
        let limit = if slice_is_due {
            EVENTS_BETWEEN_SLICES.saturating_sub(events_since_slice)
        } else {
            MAX_EVENTS
        };
        tokio::select! {
            biased;
            received = events.recv_many(&mut batch, limit), if limit > 0 => {
                if received == 0 {
                    return;
                }
                events_since_slice += received;
            }
            Some(session) = rooms.recv() => {
                chat.resume_replies(session);
                continue;
            }
            () = nothing_else_to_do(&committer), if slice_is_due && limit > 0 => {}
            () = std::future::ready(()), if limit == 0 => {}
        }
        let now = Timestamp::now();
        let mut effects = Vec::with_capacity(batch.len());
        if batch.is_empty() {
            events_since_slice = 0;
            chat.continue_replies(now, &mut outputs);
            effects.extend(outputs.drain(..).map(Effect::Core));
        } else {
            chat.start_batch();
        }
        for envelope in batch.drain(..) {
            handle_envelope(&mut chat, now, envelope, &mut outputs, &mut effects);
            if effects.len() >= MAX_EFFECTS
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

/// Waits until the committer has caught up and every other task that is ready has had its turn.
async fn nothing_else_to_do(committer: &mpsc::Sender<Vec<Effect>>) {
    // Holding the permits would take the place of the batch. If the committer has stopped, sending
    // to it fails.
    drop(committer.reserve_many(committer.max_capacity()).await);
    tokio::task::yield_now().await;
}

/// Passes one event to the core, and appends the resulting effects to `effects`. `outputs` is empty
/// before and after.
pub fn handle_envelope(
    chat: &mut Chat,
    now: Timestamp,
    envelope: Envelope,
    outputs: &mut Vec<Output>,
    effects: &mut Vec<Effect>,
) {
    let Envelope {
        event,
        sendq,
        register,
    } = envelope;
    effects.extend(register.map(Effect::Await));
    let of_operator = matches!(event, Event::Control(_));
    match (&event, sendq) {
        (Event::Admit { session, .. }, Some(sendq)) => {
            effects.push(Effect::Attach(*session, sendq));
        }
        (Event::Disconnected { session, .. }, _) => effects.push(Effect::Detach(*session)),
        _ => {}
    }
    chat.handle(now, event, outputs);
    let is_change = |output: &Output| matches!(output, Output::Persist(_));
    if of_operator && outputs.iter().any(is_change) {
        effects.push(Effect::OfOperator);
    }
    effects.extend(outputs.drain(..).map(Effect::Core));
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
    use rookery_base::events::EventBus;
    use rookery_chat::event::{Candidate, SessionId};
    use rookery_chat::event::{Identity, SignedInWith};
    use rookery_chat::request::CloseChannel;
    use rookery_protocol::{AccountName, ChannelName};
    use rookery_record::{AccountId, ChatSnapshot, HistorySync, Metadata, PersistentChannel};
    use rookery_store::Database;

    fn alice() -> Candidate {
        Candidate {
            nick: rookery_protocol::Nick::parse("alice").unwrap(),
            username: String::new(),
            realname: String::new(),
            identity: None,
            capabilities: rookery_protocol::Capabilities::NONE,
            away_state: rookery_chat::AwayState::Here,
            subscriptions: std::collections::BTreeSet::new(),
            address: ([192, 0, 2, 1], 5000).into(),
            tls: String::new(),
        }
    }

    #[tokio::test]
    async fn the_effects_of_many_long_answers_are_sent_in_several_batches() {
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
        let admission = core.admit(session, Sendq::new(0), Box::new(alice()));
        // This queues the event. The reply never comes, because there is no committer.
        assert!(timeout(Duration::ZERO, admission).await.is_err());
        for _ in 0..MAX_EVENTS - 1 {
            let message = Message::parse("MOTD").unwrap();
            core.send(SessionEvent::command(session, message))
                .await
                .unwrap();
        }
        drop((core, operators));
        let (committer, mut batches) = crate::committer::channel();
        tokio::spawn(run(chat, events, mpsc::unbounded_channel().1, committer));
        let mut total = 0;
        while let Some(effects) = batches.recv().await {
            assert!(
                effects.len() < MAX_EFFECTS + 100,
                "{} at once",
                effects.len()
            );
            total += effects.len();
        }
        assert!(total > 50 * (MAX_EVENTS - 1), "{total} in total");
    }

    #[tokio::test]
    async fn only_what_an_operator_changes_is_marked_so() {
        let account = AccountName::parse("alice").unwrap();
        let name = ChannelName::parse("#hers").unwrap();
        let now = Timestamp::now();
        let snapshot = ChatSnapshot {
            channels: vec![PersistentChannel {
                name: name.clone(),
                former_names: Vec::new(),
                founder: account.clone(),
                created_at: now,
                named_at: now,
                topic: None,
                modes: "nt".to_owned(),
                key: None,
                limit: None,
                lists: Vec::new(),
                access: Vec::new(),
                metadata: Metadata::new(),
            }],
            ..ChatSnapshot::default()
        };
        let settings = crate::settings::from_config(&rookery_base::config::Config::default());
        let chat = Chat::new(settings, String::new(), Arc::default(), snapshot, now);
        let (core, operators, events) = channel();
        let candidate = Candidate {
            identity: Some(Identity {
                id: AccountId(1),
                name: account,
                email: None,
                new: false,
                authenticated_at: now,
                signed_in_with: SignedInWith::PASSWORD,
            }),
            ..alice()
        };
        let session = SessionId(1);
        let admission = core.admit(session, Sendq::new(0), Box::new(candidate));
        assert!(timeout(Duration::ZERO, admission).await.is_err());
        let (committer, mut batches) = crate::committer::channel();
        let (_room, rooms) = mpsc::unbounded_channel();
        tokio::spawn(run(chat, events, rooms, committer));
        let mut next_change = async || {
            loop {
                let batch = batches.recv().await.unwrap();
                let is = |wanted: fn(&Effect) -> bool| batch.iter().any(wanted);
                if is(|effect| matches!(effect, Effect::Core(Output::Persist(_)))) {
                    return is(|effect| matches!(effect, Effect::OfOperator));
                }
            }
        };
        for line in ["JOIN #hers", "TOPIC #hers :a topic"] {
            let message = Message::parse(line).unwrap();
            let event = SessionEvent::command(session, message);
            core.send(event).await.unwrap();
        }
        assert!(!next_change().await, "a user");
        let reason = String::new();
        let _reply = operators.enqueue(CloseChannel { name, reason }).await;
        assert!(next_change().await, "an operator");
    }

    #[tokio::test]
    async fn long_replies_are_completed_between_the_events() {
        let mut settings = crate::settings::from_config(&rookery_base::config::Config::default());
        settings.slice_rows = 2;
        settings.history = false;
        let now = Timestamp::now();
        let snapshot = ChatSnapshot::default();
        let chat = Chat::new(settings, String::new(), Arc::default(), snapshot, now);
        let (core, _operators, events) = channel();
        for number in 0..9 {
            let candidate = Candidate {
                nick: rookery_protocol::Nick::parse(&format!("guest{number}")).unwrap(),
                ..alice()
            };
            let admission = core.admit(SessionId(number), Sendq::new(0), Box::new(candidate));
            assert!(timeout(Duration::ZERO, admission).await.is_err());
        }
        let mut pings = 1;
        for line in ["WHO guest*", "PING x"] {
            let message = Message::parse(line).unwrap();
            let event = SessionEvent::command(SessionId(0), message);
            core.send(event).await.unwrap();
        }
        let (committer, mut batches) = crate::committer::channel();
        let (room, rooms) = mpsc::unbounded_channel();
        tokio::spawn(run(chat, events, rooms, committer));
        let mut order = Vec::new();
        while order.last() != Some(&"315") {
            let first = order.len();
            for effect in batches.recv().await.unwrap() {
                match effect {
                    Effect::Core(Output::Deliver(delivery)) => {
                        let line = String::from_utf8(delivery.line.to_vec()).unwrap();
                        let codes = ["352", "PONG", "315"].into_iter();
                        order.extend(codes.filter(|code| line.contains(&format!(" {code} "))));
                    }
                    Effect::Core(Output::AwaitRoom(session)) => room.send(session).unwrap(),
                    _ => {}
                }
            }
            let batch = &order[first..];
            if batch.contains(&"352") && pings < 5 {
                // It arrives while slices are due.
                let message = Message::parse("PING x").unwrap();
                let event = SessionEvent::command(SessionId(0), message);
                core.send(event).await.unwrap();
                pings += 1;
            }
            assert!(
                batch.len() <= 2 || batch.contains(&"315"),
                "an event does not wait for a slice: {batch:?}"
            );
        }
        let count = |code| order.iter().filter(|other| **other == code).count();
        assert_eq!((count("352"), count("PONG")), (9, pings), "{order:?}");
    }

    #[tokio::test]
    async fn a_session_that_reads_nothing_gets_no_more_of_its_reply_until_it_reads() {
        const USERS: usize = 500;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rookery.db");
        let database = Database::open(&file, HistorySync::Normal).unwrap();
        let mut settings = crate::settings::from_config(&rookery_base::config::Config::default());
        settings.lobby.clear();
        let now = Timestamp::now();
        let snapshot = ChatSnapshot::default();
        let chat = Chat::new(settings, String::new(), Arc::default(), snapshot, now);
        let engine = crate::start(
            &tokio::runtime::Handle::current(),
            chat,
            Arc::default(),
            database,
            EventBus::default(),
        );
        let core = engine.core;
        // The reply is longer than that.
        let [silent, reader] = [(); 2].map(|()| Sendq::new(32 << 10));
        for number in 0..USERS {
            let candidate = Candidate {
                nick: rookery_protocol::Nick::parse(&format!("guest{number}")).unwrap(),
                ..alice()
            };
            let sendq = match number {
                0 => Arc::clone(&silent),
                1 => Arc::clone(&reader),
                _ => Sendq::new(0),
            };
            let session = SessionId(number as u64);
            core.admit(session, sendq, Box::new(candidate))
                .await
                .unwrap();
        }
        let read = |sendq: &Sendq| {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let (state, lines) = sendq.poll(&mut context, true);
            assert_eq!(state, crate::sendq::State::Open);
            let lines: Vec<u8> = lines.into_iter().flatten().collect();
            sendq.sent(lines.len());
            String::from_utf8(lines).unwrap().matches(" 352 ").count()
        };
        let who = |session| {
            let message = Message::parse("WHO guest*").unwrap();
            core.awaited_command(SessionId(session), message)
        };
        let mut silent_reply = std::pin::pin!(who(0));
        let mut reply = std::pin::pin!(who(1));
        let mut rows = 0;
        let everything = async {
            loop {
                tokio::select! {
                    biased;
                    _ = &mut silent_reply => panic!("its reply is longer than its queue"),
                    done = &mut reply => break done.unwrap(),
                    () = tokio::task::yield_now() => rows += read(&reader),
                }
            }
        };
        timeout(Duration::from_secs(30), everything).await.unwrap();
        assert_eq!(rows + read(&reader), USERS);
        let waiting = silent.bytes();
        assert!((8 << 10..16 << 10).contains(&waiting), "{waiting}");
        let mut rows = 0;
        let everything = async {
            loop {
                tokio::select! {
                    biased;
                    done = &mut silent_reply => break done.unwrap(),
                    () = tokio::task::yield_now() => rows += read(&silent),
                }
            }
        };
        timeout(Duration::from_secs(30), everything).await.unwrap();
        assert_eq!(rows + read(&silent), USERS);
    }
}

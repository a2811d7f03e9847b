//! The core's core, and the one task that drives the core: events in, in batches, outputs on to
//! the journal.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use rookery_protocol::Message;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::committer::Release;
use crate::history_reader::HistoryReader;
use crate::sendq::Sendq;
use rookery_chat::Chat;
use rookery_chat::event::{Act, Answer, Candidate, Event, Identity, Output, SessionId, Ticket};
use rookery_store::Database;

/// Events that may wait before a connection has to.
const WAITING_EVENTS: usize = 4096;
/// Events the core takes in one go; their outputs make one batch.
const BATCH: usize = 512;
/// What they let out that is handed on before the rest of them is looked at: a few long answers to
/// many who ask at once would otherwise all be in memory.
const RELEASES: usize = 4096;

/// The core has stopped: the server is going down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server is stopping")]
pub struct CoreStopped;

/// The only way into the core.
#[derive(Clone)]
pub struct CoreHandle {
    events: mpsc::Sender<Envelope>,
    tickets: Arc<AtomicU64>,
    /// One change at a time is committed and brought to the core; those who wait stand in line.
    turn: Arc<Semaphore>,
}

struct Envelope {
    event: Event,
    /// Where lines for the session of an [`Event::Admit`] go.
    sendq: Option<Arc<Sendq>>,
    reply: Option<(Ticket, oneshot::Sender<Answer>)>,
}

/// The core's decision about a session that asks to be admitted or to sign in.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// The only decision that lets the session in.
    Admitted,
    /// Another user has the nick, or one that looks the same.
    NickInUse,
    /// The session is sent numeric 465 and closed.
    Banned {
        reason: String,
        expires_at: Option<Timestamp>,
    },
    /// The session is sent the reason and closed.
    Refused { reason: String },
}

impl Admission {
    /// Returns the decision that `answer` stands for. An answer to anything else admits nobody: it
    /// is reported as a core that can no longer be relied on.
    fn of(answer: Answer) -> Result<Self, CoreStopped> {
        match answer {
            Answer::Admitted => Ok(Self::Admitted),
            Answer::NickInUse => Ok(Self::NickInUse),
            Answer::Banned { reason, expires_at } => Ok(Self::Banned { reason, expires_at }),
            Answer::Stale { reason } | Answer::Closed { reason } => Ok(Self::Refused { reason }),
            Answer::Ended { .. }
            | Answer::Users(_)
            | Answer::Channels(_)
            | Answer::Announced { .. }
            | Answer::Emptied { .. }
            | Answer::Form { .. }
            | Answer::Counts { .. }
            | Answer::Busy(_)
            | Answer::Done => {
                tracing::error!(
                    ?answer,
                    "the chat answered an admission with something else"
                );
                Err(CoreStopped)
            }
        }
    }
}

/// The other end of an [`CoreHandle`].
pub struct Events {
    receiver: mpsc::Receiver<Envelope>,
    /// For what is read for the core; it keeps nobody waiting.
    back: mpsc::WeakSender<Envelope>,
}

/// The way back into the core of what is read for it.
#[derive(Clone)]
pub struct HistorySender(mpsc::WeakSender<Envelope>);

impl HistorySender {
    /// Gives the core an event, if it is still there.
    pub async fn send(&self, event: Event) {
        if let Some(events) = self.0.upgrade() {
            // It may have stopped.
            let _ = events
                .send(Envelope {
                    event,
                    sendq: None,
                    reply: None,
                })
                .await;
        }
    }
}

/// An core and where its events come out.
pub fn channel() -> (CoreHandle, Events) {
    let (sender, receiver) = mpsc::channel(WAITING_EVENTS);
    let back = sender.downgrade();
    let core = CoreHandle {
        events: sender,
        tickets: Arc::default(),
        turn: Arc::new(Semaphore::new(1)),
    };
    (core, Events { receiver, back })
}

impl CoreHandle {
    /// How many events wait for the core.
    pub fn waiting(&self) -> usize {
        self.events.max_capacity() - self.events.capacity()
    }

    /// Gives an event that has no answer; gives it back while the core is behind.
    pub fn try_send(&self, event: Event) -> Result<Option<Box<Event>>, CoreStopped> {
        match self.events.try_send(Envelope {
            event,
            sendq: None,
            reply: None,
        }) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(Envelope { event, .. })) => Ok(Some(Box::new(event))),
            Err(TrySendError::Closed(_)) => Err(CoreStopped),
        }
    }

    /// Gives an event that has no answer; waits while the core is behind.
    pub async fn send(&self, event: Event) -> Result<(), CoreStopped> {
        self.events
            .send(Envelope {
                event,
                sendq: None,
                reply: None,
            })
            .await
            .map_err(|_| CoreStopped)
    }

    /// Asks for admission. When admitted, `sendq` gets what the session is to hear, the welcome
    /// first.
    pub async fn admit(
        &self,
        session: SessionId,
        sendq: Arc<Sendq>,
        candidate: Box<Candidate>,
    ) -> Result<Admission, CoreStopped> {
        let answer = self
            .ask(Some(sendq), |ticket| Event::Admit {
                ticket,
                session,
                candidate,
            })
            .await?;
        Admission::of(answer)
    }

    /// An admitted session is someone, or someone else.
    pub async fn sign_in(
        &self,
        session: SessionId,
        identity: Identity,
    ) -> Result<Admission, CoreStopped> {
        let answer = self
            .ask(None, |ticket| Event::SignIn {
                ticket,
                session,
                identity,
            })
            .await?;
        Admission::of(answer)
    }

    /// How the session is to be spoken to.
    pub async fn ask_form(&self, session: SessionId) -> Result<Answer, CoreStopped> {
        self.ask(None, |ticket| Event::AskForm { ticket, session })
            .await
    }

    /// Asks for history; answered when the session has its reply.
    pub async fn ask_history(
        &self,
        session: SessionId,
        message: Message,
    ) -> Result<Answer, CoreStopped> {
        self.ask(None, |ticket| Event::AskHistory {
            ticket,
            session,
            message,
        })
        .await
    }

    /// An act of the control plane; its answer comes when all that it does is done.
    pub async fn act(&self, act: Act) -> Result<Answer, CoreStopped> {
        self.ask(None, |ticket| Event::Control { ticket, act })
            .await
    }

    /// Commits a change, and brings the acts that follow from it to the core before those of any
    /// later commit: the core hears of changes in the order in which they are on disk. Gives what
    /// was committed, and the answers.
    pub async fn commit_and_act<T, E: From<CoreStopped>>(
        &self,
        commit: impl Future<Output = Result<T, E>>,
        acts: impl FnOnce(&T) -> Vec<Act>,
    ) -> Result<(T, Vec<Answer>), E> {
        let turn = self.turn.acquire().await.map_err(|_| CoreStopped)?;
        let committed = commit.await?;
        let mut waiting = Vec::new();
        for act in acts(&committed) {
            waiting.push(
                self.begin(None, |ticket| Event::Control { ticket, act })
                    .await?,
            );
        }
        drop(turn);
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            answers.push(answer.await.map_err(|_| CoreStopped)?);
        }
        Ok((committed, answers))
    }

    async fn ask(
        &self,
        sendq: Option<Arc<Sendq>>,
        event: impl FnOnce(Ticket) -> Event,
    ) -> Result<Answer, CoreStopped> {
        self.begin(sendq, event)
            .await?
            .await
            .map_err(|_| CoreStopped)
    }

    /// Gives an event; its answer is still to come.
    async fn begin(
        &self,
        sendq: Option<Arc<Sendq>>,
        event: impl FnOnce(Ticket) -> Event,
    ) -> Result<oneshot::Receiver<Answer>, CoreStopped> {
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        let envelope = Envelope {
            event: event(ticket),
            sendq,
            reply: Some((ticket, reply)),
        };
        self.events.send(envelope).await.map_err(|_| CoreStopped)?;
        Ok(answer)
    }
}

/// Drives the core until every core is gone.
pub async fn drive(
    mut chat: Chat,
    mut events: Events,
    journal: mpsc::Sender<Vec<Release>>,
    database: Database,
) {
    let library = HistoryReader::new(database, HistorySender(events.back));
    let mut waiting = HashMap::new();
    let mut batch = Vec::new();
    let mut outputs = Vec::new();
    while events.receiver.recv_many(&mut batch, BATCH).await > 0 {
        let now = Timestamp::now();
        let mut releases = Vec::with_capacity(batch.len());
        for Envelope {
            event,
            sendq,
            reply,
        } in batch.drain(..)
        {
            waiting.extend(reply);
            match (&event, sendq) {
                (Event::Admit { session, .. }, Some(sendq)) => {
                    releases.push(Release::Attach(*session, sendq));
                }
                (Event::Gone { session, .. }, _) => releases.push(Release::Detach(*session)),
                _ => {}
            }
            chat.handle(now, event, &mut outputs);
            releases.extend(outputs.drain(..).filter_map(|output| {
                match output {
                    Output::Deliver(delivery) => Some(Release::Deliver(delivery)),
                    Output::Store {
                        entry,
                        then,
                        otherwise,
                    } => Some(Release::Store {
                        entry,
                        then,
                        otherwise,
                    }),
                    Output::Persist(change) => Some(Release::Persist(change)),
                    Output::End { session, line } => Some(Release::End(session, line)),
                    Output::AdmissionPolicy(gate) => Some(Release::AdmissionPolicy(gate)),
                    Output::Answer { ticket, answer } => waiting
                        .remove(&ticket)
                        .map(|reply| Release::Answer(reply, answer)),
                    Output::Happened(event) => Some(Release::Happened(event)),
                    Output::Fetch(fetch) => {
                        Some(Release::Answer(library.fetch(fetch), Answer::Done))
                    }
                }
            }));
            if releases.len() >= RELEASES
                && journal.send(std::mem::take(&mut releases)).await.is_err()
            {
                return;
            }
        }
        if !releases.is_empty() && journal.send(releases).await.is_err() {
            break;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use super::*;
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
    async fn the_core_hears_of_changes_in_the_order_of_their_commits() {
        let (core, mut events) = channel();
        let disk: Arc<Mutex<Vec<String>>> = Arc::default();
        // What is committed first takes longest to come back from the disk.
        let changes: Vec<_> = (0..20_u32)
            .map(|number| {
                let (core, disk) = (core.clone(), Arc::clone(&disk));
                tokio::spawn(async move {
                    let commit = async {
                        disk.lock().unwrap().push(number.to_string());
                        for _ in number..20 {
                            tokio::task::yield_now().await;
                        }
                        Ok::<_, CoreStopped>(number.to_string())
                    };
                    let acts = |reason: &String| {
                        vec![Act::EndAll {
                            reason: reason.clone(),
                        }]
                    };
                    core.commit_and_act(commit, acts).await.unwrap()
                })
            })
            .collect();
        let mut heard = Vec::new();
        while heard.len() < 20 {
            let Envelope { event, reply, .. } = events.receiver.recv().await.unwrap();
            let Event::Control {
                act: Act::EndAll { reason },
                ..
            } = event
            else {
                panic!("{event:?}")
            };
            heard.push(reason);
            reply.unwrap().1.send(Answer::Done).unwrap();
        }
        assert_eq!(heard, *disk.lock().unwrap());
        for change in changes {
            let (_, answers) = change.await.unwrap();
            assert!(matches!(answers[..], [Answer::Done]));
        }
    }

    #[tokio::test]
    async fn an_answer_to_something_else_admits_nobody() {
        let (core, mut events) = channel();
        let asked = tokio::spawn(async move {
            let (sendq, session) = (Arc::new(Sendq::new(0)), SessionId(1));
            let admitted = core.admit(session, sendq, Box::new(alice())).await;
            let identity = Identity {
                id: rookery_record::AccountId(1),
                name: rookery_protocol::AccountName::parse("alice").unwrap(),
                email: None,
                new: false,
                proved_at: Timestamp::UNIX_EPOCH,
                credential: None,
            };
            [admitted, core.sign_in(session, identity).await]
        });
        for _ in 0..2 {
            let Envelope { reply, .. } = events.receiver.recv().await.unwrap();
            reply.unwrap().1.send(Answer::Done).unwrap();
        }
        assert_eq!(asked.await.unwrap(), [Err(CoreStopped), Err(CoreStopped)]);
    }

    #[tokio::test]
    async fn what_is_let_out_by_many_long_answers_goes_on_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(
            &folder.path().join("rookery.db"),
            rookery_record::HistorySync::Normal,
        )
        .unwrap();
        let mut config = rookery_base::config::Config::default();
        config.chat.motd = "a line\n".repeat(50);
        let settings = crate::settings::of(&config);
        let chat = Chat::new(
            settings,
            String::new(),
            Arc::default(),
            ChatSnapshot::default(),
            Timestamp::now(),
        );
        let (core, events) = channel();
        let session = SessionId(1);
        let candidate = Box::new(alice());
        core.send(Event::Admit {
            ticket: Ticket(0),
            session,
            candidate,
        })
        .await
        .unwrap();
        for _ in 0..BATCH - 1 {
            let message = Message::parse("MOTD").unwrap();
            core.send(Event::Command { session, message })
                .await
                .unwrap();
        }
        drop(core);
        let (journal, mut batches) = crate::committer::channel();
        tokio::spawn(drive(chat, events, journal, database));
        let mut all = 0;
        while let Some(releases) = batches.recv().await {
            assert!(
                releases.len() < RELEASES + 100,
                "{} at once",
                releases.len()
            );
            all += releases.len();
        }
        assert!(all > 50 * (BATCH - 1), "{all} in all");
    }

    #[tokio::test]
    async fn a_change_that_fails_keeps_no_other_from_its_turn() {
        let (core, mut events) = channel();
        let failed = core
            .commit_and_act(async { Err::<(), _>(CoreStopped) }, |()| vec![Act::Count])
            .await;
        assert_eq!(failed.unwrap_err(), CoreStopped);
        let (committed, answers) = core
            .commit_and_act(async { Ok::<_, CoreStopped>(7) }, |_| Vec::new())
            .await
            .unwrap();
        assert_eq!((committed, answers.len()), (7, 0));
        assert!(
            events.receiver.try_recv().is_err(),
            "nothing was to be done"
        );
    }
}

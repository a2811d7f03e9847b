//! `rook send`: signs in with the kept credential, sends, waits for the receipt, and says with its
//! exit code whether all has arrived.

use std::collections::VecDeque;

use jiff::Timestamp;
use rookery_protocol::{Message, numeric};
use tokio::time::Instant;

use crate::chat::messages;
use crate::cli::Target;
use crate::ending::{Ending, Over};
use crate::link::{Options, stand_in};
use crate::model::{Manner, Model};
use crate::person::{self, Input, Interrupt, Keyboard};
use crate::receipts::{Outcome, PATIENCE, Receipts, Sent};
use crate::session::{self, Event, Session};
use crate::sign_in::Plan;
use crate::state::StateFile;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Connecting is done.
    SigningIn,
    /// One message at a time.
    Sending,
    /// All is done, or something has failed.
    Leaving,
}

/// Where the text comes from.
enum Source {
    /// The command line: it is all in the queue.
    Given,
    /// Standard input, one message a line.
    Lines(Keyboard),
}

impl Source {
    /// The next line; waits for ever when there is none to come.
    async fn next(&mut self) -> Input {
        match self {
            Self::Given => std::future::pending().await,
            Self::Lines(keyboard) => keyboard.next().await,
        }
    }
}

/// Sends `text`, or what comes from standard input, to `target`.
pub async fn run(options: Options, target: Target, text: Option<String>) -> anyhow::Result<Ending> {
    let state = StateFile::of(&options.server)?;
    let mut kept = state.load()?;
    let trust = session::trust(options.ca.as_deref(), &kept);
    let account = match options.signed_in(&kept) {
        Ok(account) => account.clone(),
        Err(ending) => return Ok(ending),
    };
    let mut interrupt = Interrupt::catch()?;
    let give_up_at = Instant::now() + PATIENCE;
    let connected = tokio::select! {
        connected = session::connect(&options.server, trust, &state) => connected,
        () = interrupt.wait() => return Ok(Ending::Failed("interrupted: nothing was sent".to_owned())),
    };
    let connection = match connected {
        Ok(connected) => {
            if connected
                .authority
                .is_some_and(|authority| kept.remember(authority))
            {
                state.save(&kept)?;
            }
            connected.connection
        }
        Err(over) => return Ok(end(over, None)),
    };
    let mut sender = Sender {
        session: Session::start(connection, Plan::Errand(account), stand_in()),
        target,
        model: Model::default(),
        receipts: Receipts::default(),
        queue: VecDeque::new(),
        more_to_come: text.is_none(),
        phase: Phase::SigningIn,
        joined: false,
        failure: None,
    };
    let mut source = match text {
        Some(text) => {
            sender.queue.extend(text.lines().map(str::to_owned));
            Source::Given
        }
        None => Source::Lines(Keyboard::open()),
    };
    loop {
        sender.proceed();
        let wants_text =
            sender.phase == Phase::Sending && sender.receipts.is_empty() && sender.more_to_come;
        let deadline = match sender.phase {
            Phase::SigningIn => Some(give_up_at),
            Phase::Sending => sender.receipts.deadline(),
            // The session sees to it.
            Phase::Leaving => None,
        };
        tokio::select! {
            event = sender.session.next() => {
                if let Some(ending) = sender.take(event) {
                    return Ok(ending);
                }
            }
            input = source.next(), if wants_text => match input {
                Input::Line(line) => sender.queue.push_back(line),
                Input::NotText => sender.fail("a line is not UTF-8: it was not sent".to_owned()),
                Input::End => sender.more_to_come = false,
            },
            () = interrupt.wait() => sender.fail("interrupted".to_owned()),
            () = tokio::time::sleep_until(deadline.unwrap_or(give_up_at)), if deadline.is_some() => {
                sender.fail(format!("no answer from the server within {} seconds", PATIENCE.as_secs()));
            }
        }
    }
}

/// One session that sends.
struct Sender {
    session: Session,
    target: Target,
    model: Model,
    receipts: Receipts,
    queue: VecDeque<String>,
    more_to_come: bool,
    phase: Phase,
    /// The channel was not ours, and is left again.
    joined: bool,
    failure: Option<String>,
}

impl Sender {
    /// Sends what is next, once what was sent is confirmed; leaves when there is nothing more.
    fn proceed(&mut self) {
        while self.phase == Phase::Sending && self.receipts.is_empty() {
            match self.queue.pop_front() {
                Some(text) => {
                    for message in
                        messages(&self.model, self.target.as_str(), &text, Manner::Message)
                    {
                        let sent = Sent::Said {
                            target: self.target.as_str().to_owned(),
                            text: text.clone(),
                        };
                        self.session.send(&self.receipts.expect(message, sent));
                    }
                }
                None if self.more_to_come => return,
                None => self.leave(),
            }
        }
    }

    fn take(&mut self, event: Event) -> Option<Ending> {
        match event {
            Event::Over(over) => return Some(end(over, self.failure.take())),
            Event::Tell(words) => person::tell(&words),
            Event::AskCode { .. } => self.fail("the server asks for a mailed code".to_owned()),
            Event::Settled if self.phase == Phase::SigningIn => self.phase = Phase::Sending,
            Event::Message(message) => {
                self.model.take(&message, Timestamp::now());
                if let Some(Outcome::Refused(sent, words)) = self.receipts.take(&message) {
                    self.refused(sent, &message.command, words);
                }
            }
            Event::Keep(_) | Event::SignedIn | Event::Settled | Event::Lag(_) => {}
        }
        None
    }

    /// Not everyone may speak in a channel who is not in it: then it is joined, once, and all is
    /// said again.
    fn refused(&mut self, sent: Sent, code: &str, words: String) {
        let outside = matches!(
            code,
            numeric::ERR_CANNOTSENDTOCHAN | numeric::ERR_NOSUCHCHANNEL
        );
        match (&self.target, sent) {
            (Target::Channel(channel), Sent::Said { text, .. })
                if outside && !self.joined && !self.model.is_in(channel) =>
            {
                self.joined = true;
                self.queue.push_front(text);
                self.receipts.give_up();
                let join = Message::new("JOIN", [channel.as_str()]);
                self.session
                    .send(&self.receipts.expect(join, Sent::Command));
            }
            _ => self.fail(words),
        }
    }

    /// Notes the first failure; nothing is sent after it.
    fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
        self.leave();
    }

    fn leave(&mut self) {
        if self.phase == Phase::Leaving {
            return;
        }
        self.phase = Phase::Leaving;
        // Other devices of the account are where they were.
        if let Target::Channel(channel) = &self.target
            && self.joined
            && self.model.is_in(channel)
        {
            self.session.send(&Message::new("PART", [channel.as_str()]));
        }
        self.session.quit(None);
    }
}

/// An accident is a failure here: whether a message has arrived before it is not known, so nothing
/// is tried again.
fn end(over: Over, failure: Option<String>) -> Ending {
    match (over, failure) {
        (Over::Ended(Ending::Finished), Some(why)) | (Over::Lost(why), None) => Ending::Failed(why),
        (Over::Lost(why), Some(first)) => Ending::Failed(format!("{first} ({why})")),
        (Over::Ended(ending), _) => ending,
    }
}

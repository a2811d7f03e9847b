//! `rook send`: signs in with the stored credential, sends messages, waits for each receipt, and
//! says with its exit code whether all have arrived.

use std::collections::VecDeque;

use jiff::Timestamp;
use rookery_protocol::{Message, numeric};
use tokio::time::Instant;

use crate::cli::Target;
use crate::console::{self, Interrupt, StdinEvent, StdinReader};
use crate::exit::{Exit, SessionEnd};
use crate::model::{MessageKind, Model};
use crate::receipts::{Outcome, PATIENCE, Receipts, Sent};
use crate::reconnect::{ConnectOptions, temporary_nick};
use crate::session::{self, Event, Session};
use crate::sign_in::Plan;
use crate::state::StateFile;

/// How far the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The sign-in is under way.
    SigningIn,
    /// Messages are sent, one at a time.
    Sending,
    /// `QUIT` is sent.
    Leaving,
}

/// Where the text comes from.
enum Source {
    /// The command line; it is in the queue already.
    Given,
    /// Standard input, one message a line.
    Lines(StdinReader),
}

impl Source {
    /// Waits for the next line, or forever if there is none to wait for.
    async fn next(&mut self) -> StdinEvent {
        match self {
            Self::Given => std::future::pending().await,
            Self::Lines(stdin) => stdin.next().await,
        }
    }
}

/// Sends `text`, or the lines of standard input, to `target`.
pub async fn run(
    options: ConnectOptions,
    target: Target,
    text: Option<String>,
) -> anyhow::Result<Exit> {
    let state_file = StateFile::of(&options.server)?;
    let mut state = state_file.load()?;
    let trust = session::trust(options.ca.as_deref(), &state);
    let account = match options.require_account(&state) {
        Ok(account) => account.clone(),
        Err(exit) => return Ok(exit),
    };
    let mut interrupt = Interrupt::catch()?;
    let give_up_at = Instant::now() + PATIENCE;
    let connected = tokio::select! {
        connected = session::connect(&options.server, trust, &state_file) => connected,
        () = interrupt.wait() => return Ok(Exit::Failed("interrupted: nothing was sent".to_owned())),
    };
    let connection = match connected {
        Ok(connected) => {
            if connected
                .authority
                .is_some_and(|authority| state.trust_authority(authority))
            {
                state_file.save(&state)?;
            }
            connected.connection
        }
        Err(over) => return Ok(end(over, None)),
    };
    let mut sender = Sender {
        session: Session::start(connection, Plan::Visit(account), temporary_nick()),
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
        None => Source::Lines(StdinReader::start()),
    };
    loop {
        sender.proceed();
        let wants_text =
            sender.phase == Phase::Sending && sender.receipts.is_empty() && sender.more_to_come;
        let deadline = match sender.phase {
            Phase::SigningIn => Some(give_up_at),
            Phase::Sending => sender.receipts.deadline(),
            // The session has a deadline of its own.
            Phase::Leaving => None,
        };
        tokio::select! {
            event = sender.session.next() => {
                if let Some(exit) = sender.take(event) {
                    return Ok(exit);
                }
            }
            input = source.next(), if wants_text => match input {
                StdinEvent::Line(line) => sender.queue.push_back(line),
                StdinEvent::InvalidUtf8 => sender.fail("a line is not UTF-8 text: it was not sent".to_owned()),
                StdinEvent::Eof => sender.more_to_come = false,
            },
            () = interrupt.wait() => sender.fail("interrupted".to_owned()),
            () = tokio::time::sleep_until(deadline.unwrap_or(give_up_at)),
                if deadline.is_some() =>
            {
                let seconds = PATIENCE.as_secs();
                sender.fail(format!("no answer from the server within {seconds} seconds"));
            }
        }
    }
}

/// A session that sends messages.
struct Sender {
    session: Session,
    target: Target,
    model: Model,
    receipts: Receipts,
    queue: VecDeque<String>,
    more_to_come: bool,
    phase: Phase,
    /// Whether the channel was joined for this, so that it must be left again.
    joined: bool,
    failure: Option<String>,
}

impl Sender {
    /// Sends the next message once the previous one is confirmed; quits after the last one.
    fn proceed(&mut self) {
        while self.phase == Phase::Sending && self.receipts.is_empty() {
            match self.queue.pop_front() {
                Some(text) => {
                    for message in
                        self.model
                            .text_messages(self.target.as_str(), &text, MessageKind::Message)
                    {
                        let sent = Sent::Text {
                            target: self.target.as_str().to_owned(),
                            text: text.clone(),
                        };
                        self.session.send(&self.receipts.track(message, sent));
                    }
                }
                None if self.more_to_come => return,
                None => self.leave(),
            }
        }
    }

    fn take(&mut self, event: Event) -> Option<Exit> {
        match event {
            Event::Closed(over) => return Some(end(over, self.failure.take())),
            Event::Notice(text) => console::notice(&text),
            Event::CodeRequired { .. } => self.fail("the server asks for a mailed code".to_owned()),
            Event::Ready if self.phase == Phase::SigningIn => self.phase = Phase::Sending,
            Event::Message(message) => {
                self.model.handle(&message, Timestamp::now());
                if let Some(Outcome::Refused(sent, text)) = self.receipts.settle(&message) {
                    self.refused(sent, &message.command, text);
                }
            }
            Event::Store(_) | Event::SignedIn | Event::Ready | Event::Lag(_) => {}
        }
        None
    }

    /// Handles a refused message. If the channel accepts messages from members only, joins it once
    /// and sends the message again.
    fn refused(&mut self, sent: Sent, code: &str, text: String) {
        let outside = matches!(
            code,
            numeric::ERR_CANNOTSENDTOCHAN | numeric::ERR_NOSUCHCHANNEL
        );
        match (&self.target, sent) {
            (Target::Channel(channel), Sent::Text { text, .. })
                if outside && !self.joined && !self.model.is_in(channel) =>
            {
                self.joined = true;
                self.queue.push_front(text);
                self.receipts.drain();
                let join = Message::new("JOIN", [channel.as_str()]);
                self.session.send(&self.receipts.track(join, Sent::Command));
            }
            _ => self.fail(text),
        }
    }

    /// Notes the first failure, and quits.
    fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
        self.leave();
    }

    fn leave(&mut self) {
        if self.phase == Phase::Leaving {
            return;
        }
        self.phase = Phase::Leaving;
        // Other devices of the account stay in the channels they were in.
        if let Target::Channel(channel) = &self.target
            && self.joined
            && self.model.is_in(channel)
        {
            self.session.send(&Message::new("PART", [channel.as_str()]));
        }
        self.session.quit(None);
    }
}

/// Returns the exit for the end of the session. A lost connection is a failure: the message may
/// have been delivered, so it is not sent again.
fn end(over: SessionEnd, failure: Option<String>) -> Exit {
    match (over, failure) {
        (SessionEnd::Exit(Exit::Finished), Some(why)) | (SessionEnd::Lost(why), None) => {
            Exit::Failed(why)
        }
        (SessionEnd::Lost(why), Some(first)) => Exit::Failed(format!("{first} ({why})")),
        (SessionEnd::Exit(exit), _) => exit,
    }
}

//! `rook send`: signs in with the stored credential, sends messages and waits for the receipt of
//! each. The exit code says whether all were delivered.

use std::collections::VecDeque;

use jiff::Timestamp;
use rookery_protocol::{Message, numeric};
use tokio::time::Instant;

use crate::cli::Target;
use crate::console::{self, Interrupt, StdinEvent, StdinReader};
use crate::exit::{Exit, SessionEnd};
use crate::model::{MessageKind, Model};
use crate::receipts::{Outcome, RECEIPT_TIMEOUT, Receipts, Sent};
use crate::reconnect::{ConnectOptions, temporary_nick};
use crate::session::{self, Event, NotConnected, Session};
use crate::sign_in::Plan;
use crate::state::StateFile;

/// The stage of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The sign-in is under way.
    SigningIn,
    /// Messages are sent, one at a time.
    Sending,
    /// `QUIT` was sent.
    Quitting,
}

/// The source of the text.
enum Source {
    /// The command line; the text is in the queue already.
    Argument,
    /// Standard input, with one message on each line.
    Stdin(StdinReader),
}

impl Source {
    /// Waits for the next line; never returns if the source is not standard input.
    async fn next(&mut self) -> StdinEvent {
        match self {
            Self::Argument => std::future::pending().await,
            Self::Stdin(stdin) => stdin.next().await,
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
    let sign_in_deadline = Instant::now() + RECEIPT_TIMEOUT;
    let connected = tokio::select! {
        connected = session::connect(&options.server, trust) => connected,
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
        Err(NotConnected::UnknownCertificate(unknown)) => {
            return Ok(Exit::Failed(unknown.refusal()));
        }
        Err(NotConnected::Ended(end)) => return Ok(exit_for(end, None)),
    };
    let mut sender = Sender {
        session: Session::start(connection, Plan::Visit(account), temporary_nick()),
        target,
        model: Model::default(),
        receipts: Receipts::default(),
        queue: VecDeque::new(),
        source_open: text.is_none(),
        phase: Phase::SigningIn,
        joined: false,
        failure: None,
    };
    let mut source = match text {
        Some(text) => {
            sender.queue.extend(text.lines().map(str::to_owned));
            Source::Argument
        }
        None => Source::Stdin(StdinReader::start()),
    };
    loop {
        sender.proceed();
        let wants_text =
            sender.phase == Phase::Sending && sender.receipts.is_empty() && sender.source_open;
        let deadline = match sender.phase {
            Phase::SigningIn => Some(sign_in_deadline),
            Phase::Sending => sender.receipts.deadline(),
            // The session limits the time for this.
            Phase::Quitting => None,
        };
        tokio::select! {
            event = sender.session.next() => {
                if let Some(exit) = sender.handle_event(event) {
                    return Ok(exit);
                }
            }
            input = source.next(), if wants_text => match input {
                StdinEvent::Line(line) => sender.queue.push_back(line),
                StdinEvent::InvalidUtf8 => sender.fail("a line is not UTF-8 text: it was not sent".to_owned()),
                StdinEvent::Eof => sender.source_open = false,
            },
            () = interrupt.wait() => sender.fail("interrupted".to_owned()),
            () = tokio::time::sleep_until(deadline.unwrap_or(sign_in_deadline)),
                if deadline.is_some() =>
            {
                let seconds = RECEIPT_TIMEOUT.as_secs();
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
    /// The texts that are still to be sent.
    queue: VecDeque<String>,
    /// Whether more text may follow from the source.
    source_open: bool,
    phase: Phase,
    /// Whether the channel was joined to send this, so that it must be left at the end.
    joined: bool,
    /// The first failure.
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
                None if self.source_open => return,
                None => self.quit(),
            }
        }
    }

    /// Handles an event of the session; returns `Some` when the program should exit.
    fn handle_event(&mut self, event: Event) -> Option<Exit> {
        match event {
            Event::Closed(end) => return Some(exit_for(end, self.failure.take())),
            Event::Notice(text) => console::notice(&text),
            Event::CodeRequired { .. } => self.fail("the server asks for a mailed code".to_owned()),
            Event::Ready if self.phase == Phase::SigningIn => self.phase = Phase::Sending,
            Event::Message(message) => {
                self.model.handle(&message, Timestamp::now());
                if let Some(Outcome::Refused(sent, text)) = self.receipts.handle(&message) {
                    self.handle_refusal(sent, &message.command, text);
                }
            }
            Event::Store(_) | Event::SignedIn | Event::Ready | Event::Lag(_) => {}
        }
        None
    }

    /// Handles a refused message. If the channel accepts messages from members only, joins it once
    /// and sends the message again.
    fn handle_refusal(&mut self, sent: Sent, code: &str, reason: String) {
        let needs_membership = matches!(
            code,
            numeric::ERR_CANNOTSENDTOCHAN | numeric::ERR_NOSUCHCHANNEL
        );
        match (&self.target, sent) {
            (Target::Channel(channel), Sent::Text { text, .. })
                if needs_membership && !self.joined && !self.model.is_in(channel) =>
            {
                self.joined = true;
                self.queue.push_front(text);
                self.receipts.drain();
                let join = Message::new("JOIN", [channel.as_str()]);
                self.session.send(&self.receipts.track(join, Sent::Command));
            }
            (_, Sent::Command) => {
                self.joined = false;
                self.fail(reason);
            }
            _ => self.fail(reason),
        }
    }

    /// Records the first failure, and quits.
    fn fail(&mut self, reason: String) {
        self.failure.get_or_insert(reason);
        self.quit();
    }

    /// Leaves the channel if it was joined for this, and quits.
    fn quit(&mut self) {
        if self.phase == Phase::Quitting {
            return;
        }
        self.phase = Phase::Quitting;
        // All devices of an account share its channels, so this one must not add a channel. The
        // server may not have answered the join yet.
        if let Target::Channel(channel) = &self.target
            && self.joined
        {
            self.session.send(&Message::new("PART", [channel.as_str()]));
        }
        self.session.quit(None);
    }
}

/// Returns the exit after the end of the session. A lost connection is a failure: the message may
/// have been delivered, so it is not sent again.
fn exit_for(end: SessionEnd, failure: Option<String>) -> Exit {
    match (end, failure) {
        (SessionEnd::Exit(Exit::Finished), Some(reason)) | (SessionEnd::Lost(reason), None) => {
            Exit::Failed(reason)
        }
        (SessionEnd::Lost(reason), Some(first)) => Exit::Failed(format!("{first} ({reason})")),
        (SessionEnd::Exit(exit), _) => exit,
    }
}

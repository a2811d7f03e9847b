//! `rook send`: signs in with the stored credential, sends messages and waits for the receipt of
//! each. The exit code says whether all were delivered.

use std::collections::VecDeque;

use jiff::Timestamp;
use rookery_protocol::{Message, numeric};
use tokio::time::Instant;

use crate::cli::{Target, not_here};
use crate::commands;
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

/// Where the messages go.
#[derive(Debug)]
pub struct Destination {
    /// The channel or person.
    pub target: Target,
    /// Whether a channel that does not exist is created.
    pub create: bool,
    /// Whether text for a channel is sent even if it ends in `/NICK`.
    pub literal: bool,
}

impl Destination {
    /// Returns why a text is not sent there: what may be meant for one person does not go to a
    /// channel.
    fn refusal(&self, text: &str) -> Option<String> {
        let Target::Channel(channel) = &self.target else {
            return None;
        };
        if self.literal {
            return None;
        }
        if let Some(name) = commands::one_line_command(text) {
            return Some(format!(
                "text that begins with /{name} is not for everyone, and was not sent to \
                 {channel}: use `rook send NICK TEXT`, or --literal to send it to the channel"
            ));
        }
        let nick = match commands::addressee(text) {
            Some((_, nick)) => nick,
            None => commands::likely_addressee(text, |_| false)?,
        };
        Some(format!(
            "text that ends in /{nick} may be for {nick} only, and was not sent to {channel}: use \
             `rook send {nick} TEXT`, or --literal to send it to the channel"
        ))
    }
}

/// Sends `text`, or the lines of standard input, to `destination`.
pub async fn run(
    options: ConnectOptions,
    destination: Destination,
    text: Option<String>,
) -> anyhow::Result<Exit> {
    if let Some(refusal) = text
        .iter()
        .flat_map(|text| text.lines().chain([text.as_str()]))
        .find_map(|line| destination.refusal(line))
    {
        return Ok(Exit::Failed(refusal));
    }
    let state_file = StateFile::of(&options.server)?;
    let state = state_file.load()?;
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
            if let Some(authority) = connected.authority
                && state.authority.as_ref() != Some(&authority)
            {
                state_file.update(|state| state.trust_authority(authority))?;
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
        destination,
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
            sender.queue.push_back(text);
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
                StdinEvent::Line(line) => match sender.destination.refusal(&line) {
                    None => sender.queue.push_back(line),
                    Some(refusal) => sender.fail(refusal),
                },
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
    destination: Destination,
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
                    let target = self.destination.target.as_str();
                    let messages = self
                        .model
                        .text_messages(target, &text, MessageKind::Message);
                    let mut messages = messages.into_iter();
                    if let Some(outgoing) = messages.next() {
                        let sent = Sent::Text {
                            target: target.to_owned(),
                            text: outgoing.text,
                        };
                        self.session
                            .send(&self.receipts.track(outgoing.first, sent));
                        for message in &outgoing.rest {
                            self.session.send(message);
                        }
                    }
                    for outgoing in messages.rev() {
                        self.queue.push_front(outgoing.text);
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
                for event in self.model.handle(&message, Timestamp::now()) {
                    self.destination.target.follow(event.kind);
                }
                if message.command == "WARN"
                    && let Some(warning) = message.params.last()
                {
                    console::notice(warning);
                }
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
        let does_not_exist = code == numeric::ERR_NOSUCHCHANNEL;
        let needs_membership =
            code == numeric::ERR_CANNOTSENDTOCHAN || (does_not_exist && self.destination.create);
        match (&self.destination.target, sent) {
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
            (Target::Channel(_), _) if does_not_exist && !self.destination.create => {
                self.fail(format!("{reason}; --create creates it"));
            }
            (Target::User(nick), _) if code == numeric::ERR_NOSUCHNICK => {
                self.fail(not_here(nick, &reason));
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
        if let Target::Channel(channel) = &self.destination.target
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

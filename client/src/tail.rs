//! `rook tail`: prints the messages of one conversation, first from the history and then as they
//! arrive. It reconnects when a connection is lost, and prints every message exactly once.
//!
//! After a reconnection, the messages since the last printed one are read from the history before
//! new messages are printed; new messages wait meanwhile. The history and the new messages overlap,
//! so duplicates are recognised by their msgid.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Write};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{ChannelName, Message, Nick, numeric};
use rookery_terminal::{hanging, stdout_width};

use crate::chat_message::ChatMessage;
use crate::cli::{Target, not_here};
use crate::console::{self, Interrupt};
use crate::exit::Exit;
use crate::model::chathistory::{self, Batched, Batches};
use crate::model::{Audience, Model};
use crate::receipts::{Outcome, Receipts, Sent};
use crate::reconnect::{ConnectOptions, Event, Reconnector};
use crate::refusals::renamed;
use crate::state::StateFile;
use crate::text;

/// The number of printed messages that are remembered, to recognise duplicates.
const MAX_KNOWN: usize = 10_000;
/// The most messages that wait while the history before them is read.
const MAX_WAITING: usize = 10_000;
/// The precision of the server's timestamps. Several messages may have the same timestamp.
const TIME_PRECISION: SignedDuration = SignedDuration::from_millis(1);

/// The format in which messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people: the time, the nick and the text.
    Lines,
    /// For scripts: one JSON object a line.
    Json,
}

/// Prints the messages of a channel or of the conversation with a nick until the session ends,
/// beginning with the last `lines` of the history. It is an error if the channel does not exist, or
/// if the user is not there and has no messages in the history. With `create`, the channel is
/// created and the user waited for.
pub async fn run(
    options: ConnectOptions,
    target: Target,
    create: bool,
    lines: usize,
    format: OutputFormat,
    out: impl Write,
) -> anyhow::Result<Exit> {
    let state_file = StateFile::of(&options.server)?;
    let state = state_file.load()?;
    let account = match options.require_account(&state) {
        Ok(account) => account.clone(),
        Err(exit) => return Ok(exit),
    };
    let mut interrupt = Interrupt::catch()?;
    let mut server = Reconnector::new(options, state_file, state, Some(account), false);
    let mut tail = Tail::new(target, create, lines, format, out);
    let mut output_closed = console::output_closed();
    loop {
        let handled = tokio::select! {
            event = server.next() => tail.handle_event(event),
            () = interrupt.wait() => {
                tail.quit();
                Ok(None)
            }
            Some(()) = output_closed.recv(), if tail.phase != Phase::Quitting => {
                tail.quit();
                Ok(None)
            }
        };
        match handled {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Finished),
            Err(error) => return Err(error.into()),
            Ok(Some(exit)) => return Ok(exit),
            Ok(None) => {}
        }
        for effect in tail.effects.drain(..) {
            match effect {
                Effect::Send(message) => server.send(&message),
                Effect::Reconnect(reason) => {
                    let seconds = server.retry().as_secs_f32().ceil();
                    console::notice(&format!("{reason}; trying again in {seconds:.0} s"));
                }
                Effect::Quit => server.quit(None),
            }
        }
    }
}

/// An action that the caller must carry out on the connection.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    /// Sends a message.
    Send(Message),
    /// Reconnects; the connection was lost for this reason.
    Reconnect(String),
    /// Quits.
    Quit,
}

/// The stage of the tail on the current connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It signs in and joins the channel.
    Connecting,
    /// It has asked whether the channel exists.
    LookingUp,
    /// It has requested a page of at most `limit` messages.
    CatchingUp { limit: usize },
    /// Messages are printed as they arrive.
    Live,
    /// `QUIT` was sent.
    Quitting,
}

/// The state of `rook tail`.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is independent of the others"
)]
struct Tail<W> {
    target: Target,
    /// Whether the channel is joined even if it does not exist, and a user waited for who is not
    /// there. After a reconnection the channel may have to be created again, so this is set once it
    /// has been found.
    create: bool,
    /// The number of messages from before the first connection to print.
    lines: usize,
    format: OutputFormat,
    zone: TimeZone,
    out: W,
    model: Model,
    receipts: Receipts,
    batches: Batches,
    phase: Phase,
    /// Whether the channel was joined for this, so that it must be left at the end.
    joined: bool,
    /// Whether the history from before the first connection has been read. After that, only
    /// messages newer than the latest one can be missing.
    has_start: bool,
    /// Messages from before the first connection, oldest first, until there are `lines` of them.
    before: VecDeque<ChatMessage>,
    /// Messages that arrived while older ones were read from the history.
    waiting: Vec<ChatMessage>,
    /// Whether some of the waiting messages were dropped, since there were too many.
    dropped: bool,
    /// The time of the latest message.
    latest_at: Timestamp,
    /// The msgids of recently printed messages.
    known: HashSet<String>,
    /// The msgids in `known`, oldest first.
    known_in_order: VecDeque<String>,
    /// The failure for which it quits, if any.
    failure: Option<String>,
    effects: Vec<Effect>,
}

impl<W: Write> Tail<W> {
    fn new(target: Target, create: bool, lines: usize, format: OutputFormat, out: W) -> Self {
        Self {
            target,
            create,
            lines,
            format,
            zone: TimeZone::system(),
            out,
            model: Model::default(),
            receipts: Receipts::default(),
            batches: Batches::default(),
            phase: Phase::Connecting,
            joined: false,
            has_start: false,
            before: VecDeque::new(),
            waiting: Vec::new(),
            dropped: false,
            latest_at: Timestamp::UNIX_EPOCH,
            known: HashSet::new(),
            known_in_order: VecDeque::new(),
            failure: None,
            effects: Vec::new(),
        }
    }

    /// Handles an event on the connection; returns `Some` when the program should exit.
    fn handle_event(&mut self, event: Event) -> io::Result<Option<Exit>> {
        match event {
            Event::Exit(Exit::Finished) => return Ok(Some(self.exit())),
            Event::Lost(_) if self.phase == Phase::Quitting => return Ok(Some(self.exit())),
            Event::Exit(exit) => return Ok(Some(exit)),
            Event::Lost(reason) => {
                self.model.disconnect();
                self.receipts.drain();
                self.batches.clear();
                self.before.clear();
                self.waiting.clear();
                self.phase = Phase::Connecting;
                self.effects.push(Effect::Reconnect(reason));
            }
            Event::Notice(text) => console::notice(&text),
            Event::CodeRequired { .. } => self.fail("the server asks for a mailed code".to_owned()),
            Event::Ready => self.handle_ready()?,
            Event::Message(message) => self.handle_message(&message)?,
            // The first three are for a user at a terminal.
            Event::UnknownCertificate(_)
            | Event::CertificateRefused(_)
            | Event::AccountRequired
            | Event::SignedIn
            | Event::Lag(_) => {}
        }
        Ok(None)
    }

    fn exit(&mut self) -> Exit {
        self.failure.take().map_or(Exit::Finished, Exit::Failed)
    }

    /// Leaves the channel if it was joined for this, and quits.
    fn quit(&mut self) {
        if self.phase == Phase::Quitting {
            return;
        }
        // The server may not have answered the join yet.
        if let Target::Channel(channel) = &self.target
            && self.joined
        {
            self.effects
                .push(Effect::Send(Message::new("PART", [channel.as_str()])));
        }
        self.phase = Phase::Quitting;
        self.effects.push(Effect::Quit);
    }

    fn fail(&mut self, reason: String) {
        self.failure.get_or_insert(reason);
        self.quit();
    }

    /// Joins the channel if necessary, and begins to read the history.
    fn handle_ready(&mut self) -> io::Result<()> {
        if self.phase != Phase::Connecting {
            return Ok(());
        }
        match &self.target {
            Target::Channel(channel) if !self.model.is_in(channel) => {
                if self.create {
                    self.join();
                } else {
                    self.phase = Phase::LookingUp;
                    self.request(Message::new("TOPIC", [channel.as_str()]));
                }
                Ok(())
            }
            _ => self.catch_up(),
        }
    }

    fn join(&mut self) {
        self.phase = Phase::Connecting;
        self.joined = true;
        self.request(Message::new("JOIN", [self.target.as_str()]));
    }

    fn request(&mut self, message: Message) {
        let message = self.receipts.track(message, Sent::Command);
        self.effects.push(Effect::Send(message));
    }

    /// Requests the first page of the missing history.
    fn catch_up(&mut self) -> io::Result<()> {
        let target = self.target.as_str();
        let Some(limit) = self.model.history_limit() else {
            if !self.has_start && self.lines > 0 {
                console::notice("the server keeps no history: only new messages are printed");
            }
            self.look_for_user();
            self.has_start = true;
            return self.go_live();
        };
        if self.has_start {
            // There may be more messages in the same millisecond, so it is requested again.
            let since = self
                .latest_at
                .checked_sub(TIME_PRECISION)
                .unwrap_or(self.latest_at);
            let reference = chathistory::time_reference(since);
            self.request_page(chathistory::after(target, &reference, limit), limit);
        } else {
            // At least one message is requested, even if none is printed: after a reconnection,
            // only newer messages are missing.
            let limit = self.lines.clamp(1, limit);
            self.request_page(chathistory::latest(target, limit), limit);
        }
        Ok(())
    }

    /// Asks whether a user without messages in the history is there: the nick may be mistyped.
    fn look_for_user(&mut self) {
        if let Target::User(nick) = &self.target
            && !self.has_start
            && !self.create
        {
            let request = Message::new("ISON", [nick.as_str()]);
            self.effects.push(Effect::Send(request));
        }
    }

    fn request_page(&mut self, request: Message, limit: usize) {
        self.phase = Phase::CatchingUp { limit };
        self.effects.push(Effect::Send(request));
    }

    fn handle_message(&mut self, message: &Message) -> io::Result<()> {
        let whole;
        let message = match self.batches.collect(message) {
            Some(Batched::Page(page)) => return self.handle_page(&page.messages),
            Some(Batched::Message(joined)) => {
                whole = joined;
                &whole
            }
            Some(Batched::Incomplete | Batched::Conversations(_)) => return Ok(()),
            None => message,
        };
        if let Some(outcome) = self.receipts.handle(message) {
            match outcome {
                Outcome::Refused(_, reason)
                    if self.phase == Phase::LookingUp
                        && message.command == numeric::ERR_NOSUCHCHANNEL =>
                {
                    self.fail(format!("{reason}; --create creates it"));
                }
                // Any other answer means that the channel exists.
                _ if self.phase == Phase::LookingUp => {
                    self.create = true;
                    self.join();
                    return Ok(());
                }
                Outcome::Refused(_, reason) => {
                    self.joined = false;
                    if let Some((_, new)) = renamed(message) {
                        console::notice(&reason);
                        self.target = Target::Channel(new);
                        return self.handle_ready();
                    }
                    self.fail(reason);
                }
                Outcome::Done(_) => {
                    self.model.handle(message, Timestamp::now());
                    // The user may have interrupted the program before the answer.
                    if self.phase == Phase::Connecting {
                        return self.catch_up();
                    }
                    return Ok(());
                }
            }
        }
        if let (numeric::RPL_ISON, Target::User(nick)) = (message.command.as_str(), &self.target) {
            if message.param(1).unwrap_or_default().trim().is_empty() {
                let reason = format!("{nick} is not here, and there are no messages with {nick}");
                self.fail(not_here(nick, &reason));
            }
            return Ok(());
        }
        if message.command == "FAIL" && message.param(0) == Some("CHATHISTORY") {
            console::notice(message.params.last().map_or("", String::as_str));
            return self.handle_page(&[]);
        }
        if let Some(message) = self.message_here(message) {
            return self.handle_live(message);
        }
        let was_in = self.is_in_channel();
        for event in self.model.handle(message, Timestamp::now()) {
            self.target.follow(event.kind);
        }
        if was_in && !self.is_in_channel() && self.phase != Phase::Quitting {
            self.joined = false;
            let channel = self.target.as_str();
            let reason = match (message.command.as_str(), message.param(2)) {
                ("KICK", Some(reason)) => {
                    format!("kicked from {channel}{}", text::reason(Some(reason)))
                }
                _ => format!("no longer in {channel}"),
            };
            self.fail(reason);
        }
        Ok(())
    }

    fn is_in_channel(&self) -> bool {
        matches!(&self.target, Target::Channel(channel) if self.model.is_in(channel))
    }

    /// Returns the chat message in a message, if it belongs to the conversation.
    fn message_here(&self, message: &Message) -> Option<ChatMessage> {
        if !matches!(message.command.as_str(), "PRIVMSG" | "NOTICE") {
            return None;
        }
        let message = ChatMessage::of(message)?;
        let is_here = match &self.target {
            Target::Channel(channel) => {
                // A message may be for the operators or voiced members of the channel only.
                let (_, name) = Audience::split(&message.target);
                ChannelName::parse(name).is_ok_and(|name| name == *channel)
            }
            Target::User(nick) => {
                let is_nick = |name: &str| Nick::parse(name).is_ok_and(|name| name == *nick);
                (is_nick(&message.sender) && self.model.is_me(&message.target))
                    || (self.model.is_me(&message.sender) && is_nick(&message.target))
            }
        };
        is_here.then_some(message)
    }

    /// Prints a new message, or stores it until older ones are printed.
    fn handle_live(&mut self, message: ChatMessage) -> io::Result<()> {
        match self.phase {
            Phase::Live => return self.print(&message),
            Phase::Quitting => {}
            Phase::Connecting | Phase::LookingUp | Phase::CatchingUp { .. } => {
                if self.waiting.len() < MAX_WAITING {
                    self.waiting.push(message);
                } else {
                    self.dropped = true;
                }
            }
        }
        Ok(())
    }

    /// Handles a page of history, which is empty if it was refused. After a full page, requests the
    /// next one.
    fn handle_page(&mut self, page: &[Message]) -> io::Result<()> {
        let Phase::CatchingUp { limit } = self.phase else {
            return Ok(());
        };
        let is_full = page.len() >= limit;
        let reference = |message: Option<&Message>| {
            message
                .filter(|_| is_full)
                .and_then(|message| message.tags.get("msgid"))
                .map(chathistory::msgid_reference)
        };
        let messages: Vec<ChatMessage> = page
            .iter()
            .filter_map(|message| self.message_here(message))
            .collect();
        if self.has_start {
            for message in &messages {
                self.print(message)?;
            }
            return match reference(page.last()) {
                Some(reference) => {
                    let request = chathistory::after(self.target.as_str(), &reference, limit);
                    self.request_page(request, limit);
                    Ok(())
                }
                None => self.go_live(),
            };
        }
        for message in messages.into_iter().rev() {
            self.before.push_front(message);
        }
        if self.before.len() < self.lines
            && let Some(reference) = reference(page.first())
        {
            let request = chathistory::before(self.target.as_str(), &reference, limit);
            self.request_page(request, limit);
            return Ok(());
        }
        if self.before.is_empty() {
            self.look_for_user();
        }
        self.has_start = true;
        let before = std::mem::take(&mut self.before);
        let surplus = before.len().saturating_sub(self.lines);
        for message in before.iter().take(surplus) {
            self.remember(message);
        }
        for message in before.iter().skip(surplus) {
            self.print(message)?;
        }
        self.go_live()
    }

    /// Prints the waiting messages. If some were dropped, reads them from the history.
    fn go_live(&mut self) -> io::Result<()> {
        self.phase = Phase::Live;
        for message in std::mem::take(&mut self.waiting) {
            self.print(&message)?;
        }
        if std::mem::take(&mut self.dropped) {
            self.catch_up()
        } else {
            Ok(())
        }
    }

    /// Prints a message, unless it was printed before.
    fn print(&mut self, message: &ChatMessage) -> io::Result<()> {
        let is_known = |msgid: &String| self.known.contains(msgid);
        if message.msgid.as_ref().is_some_and(is_known) {
            return Ok(());
        }
        self.remember(message);
        match self.format {
            OutputFormat::Lines => {
                let lines = hanging(&message.line(&self.zone), stdout_width());
                writeln!(self.out, "{lines}")?;
            }
            OutputFormat::Json => writeln!(self.out, "{}", message.json())?,
        }
        self.out.flush()
    }

    fn remember(&mut self, message: &ChatMessage) {
        self.latest_at = self.latest_at.max(message.time);
        let Some(msgid) = &message.msgid else { return };
        self.known.insert(msgid.clone());
        self.known_in_order.push_back(msgid.clone());
        if self.known_in_order.len() > MAX_KNOWN
            && let Some(oldest) = self.known_in_order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

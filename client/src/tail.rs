//! `rook tail`: prints what is said in one place, from the history on and then as it comes, over as
//! many connections as it takes, without a gap and nothing twice.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Write};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{ChannelName, Message, Nick};

use crate::chat_message::ChatMessage;
use crate::cli::Target;
use crate::console::{self, Interrupt};
use crate::exit::Exit;
use crate::model::Model;
use crate::receipts::{Outcome, Receipts, Sent};
use crate::reconnect::{ConnectOptions, Event, Reconnector};
use crate::state::StateFile;

/// Messages known again when they come twice.
const MAX_KNOWN: usize = 10_000;
/// Messages that may wait for the history before them.
const MAX_WAITING: usize = 10_000;
/// The server's clock may have given several messages the same moment.
const A_MOMENT: SignedDuration = SignedDuration::from_millis(1);

/// How messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people: time, nick, text.
    Lines,
    /// For scripts: one JSON object a line.
    Json,
}

/// Prints what is said at `target` until it is over, beginning with the last `lines` there are.
pub async fn run(
    options: ConnectOptions,
    target: Target,
    lines: usize,
    format: OutputFormat,
    out: impl Write,
) -> anyhow::Result<Exit> {
    let state = StateFile::of(&options.server)?;
    let kept = state.load()?;
    let account = match options.require_account(&kept) {
        Ok(account) => account.clone(),
        Err(exit) => return Ok(exit),
    };
    let mut interrupt = Interrupt::catch()?;
    let mut server = Reconnector::new(options, state, kept, account, false);
    let mut tail = Tail::new(target, lines, format, out);
    loop {
        let followed = tokio::select! {
            event = server.next() => tail.follow(event),
            () = interrupt.wait() => {
                tail.leave();
                Ok(None)
            }
        };
        match followed {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Finished),
            Err(error) => return Err(error.into()),
            Ok(Some(exit)) => return Ok(exit),
            Ok(None) => {}
        }
        for effect in tail.effects.drain(..) {
            match effect {
                Effect::Send(message) => server.send(&message),
                Effect::Retry(why) => {
                    let pause = server.retry();
                    console::notice(&format!(
                        "{why}; trying again in {:.0} s",
                        pause.as_secs_f32().ceil()
                    ));
                }
                Effect::Quit => server.quit(None),
            }
        }
    }
}

/// What is to be done outside.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    Send(Message),
    /// Connect again; the connection was lost for that reason.
    Retry(String),
    Quit,
}

/// How far it has come, on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Signing in, and joining.
    Arriving,
    /// Reading what was said before.
    CatchingUp,
    /// All is printed that there is.
    Live,
    /// Enough.
    Leaving,
}

/// The page of history that is coming in.
#[derive(Debug, Default)]
struct Page {
    /// How many messages were asked for.
    limit: usize,
    batch: Option<String>,
    /// Messages of any kind that have come.
    heard: usize,
    /// The ids of the first and the last of them.
    first: Option<String>,
    last: Option<String>,
    said: Vec<ChatMessage>,
}

impl Page {
    /// Whether the message is of this page.
    fn holds(&self, message: &Message) -> bool {
        self.batch.is_some() && message.tags.get("batch") == self.batch.as_deref()
    }

    /// There may be more.
    fn is_full(&self) -> bool {
        self.heard >= self.limit
    }
}

/// The messages of one place.
struct Tail<W> {
    target: Target,
    /// To be printed of what was said before the first connection.
    lines: usize,
    format: OutputFormat,
    zone: TimeZone,
    out: W,
    model: Model,
    receipts: Receipts,
    phase: Phase,
    /// The channel was not ours, and is left again.
    joined: bool,
    /// Messages on one page of history; none while the server has not offered any.
    page_size: Option<usize>,
    page: Page,
    /// What was said before the first connection has been read; what is missing later is what came
    /// after it.
    begun: bool,
    /// That, the oldest first, until there is enough of it.
    before: VecDeque<ChatMessage>,
    /// What comes while older messages are read.
    waiting: Vec<ChatMessage>,
    /// There was too much of it.
    overran: bool,
    /// When the last message was said.
    last_at: Timestamp,
    known: HashSet<String>,
    known_in_order: VecDeque<String>,
    /// Why it ends, when that is not our own wish.
    failure: Option<String>,
    effects: Vec<Effect>,
}

impl<W: Write> Tail<W> {
    fn new(target: Target, lines: usize, format: OutputFormat, out: W) -> Self {
        Self {
            target,
            lines,
            format,
            zone: TimeZone::system(),
            out,
            model: Model::default(),
            receipts: Receipts::default(),
            phase: Phase::Arriving,
            joined: false,
            page_size: None,
            page: Page::default(),
            begun: false,
            before: VecDeque::new(),
            waiting: Vec::new(),
            overran: false,
            last_at: Timestamp::UNIX_EPOCH,
            known: HashSet::new(),
            known_in_order: VecDeque::new(),
            failure: None,
            effects: Vec::new(),
        }
    }

    /// Takes what happens; gives the end when that is it.
    fn follow(&mut self, event: Event) -> io::Result<Option<Exit>> {
        match event {
            Event::Exit(Exit::Finished) => return Ok(Some(self.exit())),
            Event::Lost(_) if self.phase == Phase::Leaving => return Ok(Some(self.exit())),
            Event::Exit(exit) => return Ok(Some(exit)),
            Event::Lost(why) => {
                self.model.disconnect();
                self.receipts.drain();
                self.before.clear();
                self.waiting.clear();
                self.phase = Phase::Arriving;
                self.effects.push(Effect::Retry(why));
            }
            Event::Notice(words) => console::notice(&words),
            Event::CodeRequired { .. } => self.fail("the server asks for a mailed code".to_owned()),
            Event::Ready => self.arrive()?,
            Event::Message(message) => self.hear(&message)?,
            Event::SignedIn | Event::Lag(_) => {}
        }
        Ok(None)
    }

    fn exit(&mut self) -> Exit {
        self.failure.take().map_or(Exit::Finished, Exit::Failed)
    }

    /// Leaves by our own wish.
    fn leave(&mut self) {
        if self.phase == Phase::Leaving {
            return;
        }
        if let Target::Channel(channel) = &self.target
            && self.joined
            && self.model.is_in(channel)
        {
            self.effects
                .push(Effect::Send(Message::new("PART", [channel.as_str()])));
        }
        self.phase = Phase::Leaving;
        self.effects.push(Effect::Quit);
    }

    fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
        self.leave();
    }

    /// The server has told a newcomer all it had to.
    fn arrive(&mut self) -> io::Result<()> {
        if self.phase != Phase::Arriving {
            return Ok(());
        }
        match &self.target {
            Target::Channel(channel) if !self.model.is_in(channel) => {
                self.joined = true;
                let join = self
                    .receipts
                    .track(Message::new("JOIN", [channel.as_str()]), Sent::Command);
                self.effects.push(Effect::Send(join));
                Ok(())
            }
            _ => self.catch_up(),
        }
    }

    /// Asks for what was said before.
    fn catch_up(&mut self) -> io::Result<()> {
        let Some(size) = self.page_size else {
            if !self.begun && self.lines > 0 {
                console::notice(
                    "the server keeps no history: only what is said from now on is shown",
                );
            }
            self.begun = true;
            return self.go_live();
        };
        if self.begun {
            // The last moment is asked for once more: not all that was said in it need have come.
            let since = self.last_at.checked_sub(A_MOMENT).unwrap_or(self.last_at);
            self.ask("AFTER", &format!("timestamp={since:.3}"), size);
        } else {
            // At least the last message is to be known: what is missed later came after it.
            self.ask("LATEST", "*", self.lines.clamp(1, size));
        }
        Ok(())
    }

    fn ask(&mut self, what: &str, from: &str, limit: usize) {
        self.phase = Phase::CatchingUp;
        self.page = Page {
            limit,
            ..Page::default()
        };
        let asked = Message::new(
            "CHATHISTORY",
            [what, self.target.as_str(), from, &limit.to_string()],
        );
        self.effects.push(Effect::Send(asked));
    }

    fn hear(&mut self, message: &Message) -> io::Result<()> {
        if message.command == "005" {
            self.learn(message);
        }
        if let Some(outcome) = self.receipts.settle(message) {
            match outcome {
                Outcome::Refused(_, words) => self.fail(words),
                Outcome::Done(_) => {
                    self.model.handle(message, Timestamp::now());
                    return self.catch_up();
                }
            }
        }
        let said = || match message.command.as_str() {
            "PRIVMSG" | "NOTICE" => ChatMessage::of(message).filter(|said| self.is_here(said)),
            _ => None,
        };
        match message.command.as_str() {
            "BATCH" => return self.hear_batch(message),
            "FAIL" if message.param(0) == Some("CHATHISTORY") => {
                console::notice(message.params.last().map_or("", String::as_str));
                return self.page_ends();
            }
            _ if self.page.holds(message) => {
                let said = said();
                let id = message.tags.get("msgid").map(str::to_owned);
                self.page.heard += 1;
                self.page.first = self.page.first.take().or_else(|| id.clone());
                self.page.last = id;
                self.page.said.extend(said);
                return Ok(());
            }
            _ => {
                if let Some(said) = said() {
                    return self.take(said);
                }
            }
        }
        let was_in = self.is_in();
        self.model.handle(message, Timestamp::now());
        if was_in && !self.is_in() && self.phase != Phase::Leaving {
            let why = match (message.command.as_str(), message.param(2)) {
                ("KICK", Some(reason)) => {
                    format!("removed from {} ({reason})", self.target.as_str())
                }
                _ => format!("no longer in {}", self.target.as_str()),
            };
            self.fail(why);
        }
        Ok(())
    }

    fn is_in(&self) -> bool {
        matches!(&self.target, Target::Channel(channel) if self.model.is_in(channel))
    }

    /// How much history the server gives at once.
    fn learn(&mut self, message: &Message) {
        let limit = message
            .params
            .iter()
            .find_map(|token| token.strip_prefix("CHATHISTORY="));
        if let Some(limit) = limit.and_then(|limit| limit.parse().ok()) {
            // No limit is told by zero.
            self.page_size = Some(if limit == 0 { 1000 } else { limit });
        }
    }

    fn hear_batch(&mut self, message: &Message) -> io::Result<()> {
        let name = message.param(0).unwrap_or_default();
        if let Some(opened) = name.strip_prefix('+') {
            if message.param(1) == Some("chathistory") {
                self.page.batch = Some(opened.to_owned());
            }
        } else if self.page.batch.is_some() && name.strip_prefix('-') == self.page.batch.as_deref()
        {
            return self.page_ends();
        }
        Ok(())
    }

    /// Whether it was said where we listen.
    fn is_here(&self, said: &ChatMessage) -> bool {
        match &self.target {
            Target::Channel(channel) => {
                let to = said.target.trim_start_matches(['@', '+']);
                ChannelName::parse(to).is_ok_and(|to| to == *channel)
            }
            Target::User(nick) => {
                let is_them = |name: &str| Nick::parse(name).is_ok_and(|name| name == *nick);
                (is_them(&said.sender) && self.model.is_me(&said.target))
                    || (self.model.is_me(&said.sender) && is_them(&said.target))
            }
        }
    }

    /// Takes what is said now.
    fn take(&mut self, said: ChatMessage) -> io::Result<()> {
        match self.phase {
            Phase::Live => return self.print(&said),
            Phase::Leaving => {}
            Phase::Arriving | Phase::CatchingUp if self.waiting.len() < MAX_WAITING => {
                self.waiting.push(said);
            }
            Phase::Arriving | Phase::CatchingUp => self.overran = true,
        }
        Ok(())
    }

    /// A page of history is whole, or there is none.
    fn page_ends(&mut self) -> io::Result<()> {
        if self.phase != Phase::CatchingUp {
            return Ok(());
        }
        let page = std::mem::take(&mut self.page);
        let full = page.is_full();
        if self.begun {
            for said in &page.said {
                self.print(said)?;
            }
            match page.last.filter(|_| full) {
                Some(last) => self.ask("AFTER", &format!("msgid={last}"), page.limit),
                None => self.go_live()?,
            }
            return Ok(());
        }
        page.said
            .into_iter()
            .rev()
            .for_each(|said| self.before.push_front(said));
        if self.before.len() < self.lines
            && let Some(first) = page.first.filter(|_| full)
        {
            self.ask("BEFORE", &format!("msgid={first}"), page.limit);
            return Ok(());
        }
        self.begun = true;
        let before = std::mem::take(&mut self.before);
        let untold = before.len().saturating_sub(self.lines);
        before.iter().take(untold).for_each(|said| self.know(said));
        for said in before.iter().skip(untold) {
            self.print(said)?;
        }
        self.go_live()
    }

    fn go_live(&mut self) -> io::Result<()> {
        self.phase = Phase::Live;
        for said in std::mem::take(&mut self.waiting) {
            self.print(&said)?;
        }
        if std::mem::take(&mut self.overran) {
            self.catch_up()
        } else {
            Ok(())
        }
    }

    fn print(&mut self, said: &ChatMessage) -> io::Result<()> {
        if said
            .msgid
            .as_ref()
            .is_some_and(|msgid| self.known.contains(msgid))
        {
            return Ok(());
        }
        self.know(said);
        match self.format {
            OutputFormat::Lines => writeln!(self.out, "{}", said.line(&self.zone))?,
            OutputFormat::Json => writeln!(self.out, "{}", said.json())?,
        }
        self.out.flush()
    }

    fn know(&mut self, said: &ChatMessage) {
        self.last_at = self.last_at.max(said.time);
        let Some(msgid) = &said.msgid else { return };
        self.known.insert(msgid.clone());
        self.known_in_order.push_back(msgid.clone());
        if self.known_in_order.len() > MAX_KNOWN
            && let Some(forgotten) = self.known_in_order.pop_front()
        {
            self.known.remove(&forgotten);
        }
    }
}

//! The chat in plain lines: what is typed goes out, what comes in is printed, and a lost connection is replaced.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName, DeviceCredential, Email, Message, Nick};
use tokio::time::Instant;

use crate::address::ServerAddress;
use crate::commands::{self, Typed};
use crate::ending::{Ending, Over};
use crate::model::{Manner, Model};
use crate::person::{self, Input, Interrupt, Keyboard};
use crate::plain::Printer;
use crate::receipts::{Outcome, Receipts, Sent};
use crate::session::{self, Event, Session};
use crate::sign_in::Plan;
use crate::state::{Kept, KeptAccount, StateFile};
use crate::text;

/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A connection that held so long was a good one: the next pause is short again.
const GOOD_WHILE: Duration = Duration::from_mins(1);

/// Which server, and what the command line says about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub server: ServerAddress,
    /// The authority to trust.
    pub ca: Option<PathBuf>,
    /// Who to be.
    pub name: Option<AccountName>,
    /// Where the code is mailed.
    pub email: Option<Email>,
}

/// The chat, over as many connections as it takes.
pub struct Chat<W> {
    options: Options,
    state: StateFile,
    kept: Kept,
    /// Who signs in; good for SASL PLAIN once it is in `kept`.
    account: KeptAccount,
    keyboard: Keyboard,
    interrupt: Interrupt,
    printer: Printer<W>,
    model: Model,
    receipts: Receipts,
    /// Signed in at least once.
    admitted: bool,
    /// Nothing more will be typed; what is sent is waited for, then we leave.
    leaving: Option<Leave>,
    /// Messages that did not arrive, as far as we know.
    undelivered: usize,
}

/// Why we leave.
#[derive(Clone, Debug)]
enum Leave {
    /// The person said so, perhaps with a last word.
    Asked(Option<String>),
    /// All of the input is sent.
    InputEnded,
}

/// What the keyboard is for, at one time of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing yet.
    SigningIn,
    /// The mailed code.
    Asking,
    /// Chatting.
    Chatting,
    /// Nothing any more.
    Goodbye,
}

/// Chats until it is over.
pub async fn run<W: Write>(options: Options, printer: Printer<W>) -> anyhow::Result<Ending> {
    let state = StateFile::of(&options.server)?;
    let kept = state.load()?;
    let mut interrupt = Interrupt::catch()?;
    let mut keyboard = Keyboard::open();
    let known =
        kept.account.clone().filter(|account| options.name.as_ref().is_none_or(|name| *name == account.name));
    let introduced = tokio::select! {
        introduced = introduce(known, &options, &mut keyboard) => introduced?,
        () = interrupt.wait() => return Ok(Ending::Finished),
    };
    let Some(account) = introduced else {
        return Ok(Ending::NotSignedIn("who you are was asked, and standard input has ended".to_owned()));
    };
    let mut chat = Chat {
        options,
        state,
        kept,
        account,
        keyboard,
        interrupt,
        printer,
        model: Model::default(),
        receipts: Receipts::default(),
        admitted: false,
        leaving: None,
        undelivered: 0,
    };
    match chat.run().await {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Ending::Finished),
        ending => Ok(ending?),
    }
}

/// Asks who signs in, unless that is known. `None` when there is nobody to ask.
async fn introduce(
    known: Option<KeptAccount>,
    options: &Options,
    keyboard: &mut Keyboard,
) -> anyhow::Result<Option<KeptAccount>> {
    if known.is_some() {
        return Ok(known);
    }
    let question = format!("Your name on {}:", options.server);
    let Some(name) = ask(keyboard, &question, options.name.clone()).await else { return Ok(None) };
    let Some(email) = ask(keyboard, "Your email:", options.email.clone()).await else { return Ok(None) };
    Ok(Some(KeptAccount { name, email, credential: new_credential()? }))
}

async fn ask<T: std::str::FromStr<Err: std::fmt::Display>>(
    keyboard: &mut Keyboard,
    question: &str,
    given: Option<T>,
) -> Option<T> {
    if given.is_some() {
        return given;
    }
    loop {
        person::prompt(question);
        match keyboard.next().await {
            Input::End => return None,
            Input::NotText => person::tell("That is not UTF-8."),
            Input::Line(line) => match line.trim().parse() {
                Ok(answer) => return Some(answer),
                Err(error) => person::tell(&format!("That will not do: {error}.")),
            },
        }
    }
}

fn new_credential() -> anyhow::Result<DeviceCredential> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(DeviceCredential::from_random(bytes))
}

/// A nick for the time until the server knows whose the wanted one is.
pub fn stand_in() -> Nick {
    let number = getrandom::u32().unwrap_or_default() % 100_000;
    Nick::parse(&format!("rook{number:05}")).expect("letters and digits make a nick")
}

impl<W: Write> Chat<W> {
    async fn run(&mut self) -> io::Result<Ending> {
        let mut next_pause = Duration::from_secs(1);
        loop {
            let began = Instant::now();
            let over = self.connection().await?;
            let lost = self.receipts.give_up();
            self.report_lost(lost)?;
            let why = match over {
                Over::Ended(Ending::Finished) => return Ok(self.account_for_losses()),
                Over::Ended(ending) => return Ok(ending),
                // Whoever never got in is told why, and decides.
                Over::Lost(why) if !self.admitted => return Ok(Ending::Failed(why)),
                Over::Lost(why) if self.leaving.is_some() => {
                    return Ok(match self.account_for_losses() {
                        Ending::Failed(losses) => Ending::Failed(format!("{losses} ({why})")),
                        ending => ending,
                    });
                }
                Over::Lost(why) => why,
            };
            self.model.disconnect();
            if began.elapsed() >= GOOD_WHILE {
                next_pause = Duration::from_secs(1);
            }
            let pause = jittered(next_pause, getrandom::u32().unwrap_or_default());
            next_pause = (next_pause * 2).min(LONGEST_PAUSE);
            self.info(&format!("{why}; trying again in {:.0} s", pause.as_secs_f32().ceil()))?;
            if self.wait(pause).await? {
                return Ok(Ending::Finished);
            }
        }
    }

    /// Waits before the next attempt; true when the person has had enough.
    async fn wait(&mut self, pause: Duration) -> io::Result<bool> {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(false),
                () = self.interrupt.wait() => return Ok(true),
                // A script's lines wait; a person is told that theirs went nowhere.
                input = self.keyboard.next(), if self.keyboard.is_terminal() => match input {
                    Input::End => return Ok(true),
                    Input::Line(line) => match commands::read(&line) {
                        Typed::Quit(_) => return Ok(true),
                        Typed::Nothing => {}
                        _ => self.info("not connected: nothing was sent")?,
                    },
                    Input::NotText => {}
                },
            }
        }
    }

    /// One connection, from its start to its end.
    async fn connection(&mut self) -> io::Result<Over> {
        let trust = session::trust(self.options.ca.as_deref(), &self.kept);
        let connected = tokio::select! {
            connected = session::connect(&self.options.server, &trust, &self.state) => connected,
            () = self.interrupt.wait() => return Ok(Over::Ended(Ending::Finished)),
        };
        let (connection, first_seen) = match connected {
            Ok(connected) => connected,
            Err(over) => return Ok(over),
        };
        if let Some(fingerprint) = first_seen {
            person::tell(&format!(
                "No authority vouches for the certificate of {}. Its fingerprint is\n  SHA-256 {fingerprint}\n\
                 It is trusted from now on, and pinned in {}",
                self.options.server,
                self.state.path().display()
            ));
            self.kept.fingerprint = Some(fingerprint);
            self.save();
        }
        let plan = match self.plan() {
            Ok(plan) => plan,
            Err(error) => return Ok(Over::Ended(Ending::Failed(format!("{error:#}")))),
        };
        let mut session = Session::start(connection, plan, stand_in());
        let mut phase = Phase::SigningIn;
        loop {
            if phase == Phase::Chatting
                && self.receipts.is_empty()
                && let Some(leave) = &self.leaving
            {
                let reason = match leave {
                    Leave::Asked(reason) => reason.as_deref(),
                    Leave::InputEnded => None,
                };
                session.quit(reason);
                phase = Phase::Goodbye;
            }
            let listening = match phase {
                Phase::SigningIn | Phase::Goodbye => false,
                Phase::Asking => true,
                Phase::Chatting => self.leaving.is_none() && self.receipts.has_room(),
            };
            let late = self.receipts.deadline();
            tokio::select! {
                event = session.next() => match event {
                    Event::Over(over) => return Ok(over),
                    Event::AskCode { email, known_to } => {
                        person::prompt(&match known_to {
                            None => format!("A code was mailed to {email}. Code:"),
                            Some(name) => {
                                format!("If {email} is the email of {name}, a code was mailed to it. Code:")
                            }
                        });
                        phase = Phase::Asking;
                    }
                    Event::Tell(words) if phase == Phase::Asking => {
                        // The cursor stands behind the question.
                        person::tell(&format!("\n{words}"));
                        person::prompt("Code:");
                    }
                    Event::Tell(words) => person::tell(&words),
                    Event::Keep(account) => {
                        self.tell_who_makes_room(&account);
                        self.account = account.clone();
                        self.kept.account = Some(account);
                        self.save();
                    }
                    Event::SignedIn => self.admitted = true,
                    Event::Settled => {
                        for (channel, key) in self.model.missing() {
                            self.join(&mut session, &channel, key.as_deref());
                        }
                        if phase != Phase::Goodbye {
                            phase = Phase::Chatting;
                        }
                    }
                    Event::Message(message) => self.take(&message)?,
                },
                input = self.keyboard.next(), if listening => match (phase, input) {
                    (Phase::Asking, Input::Line(line)) => {
                        phase = Phase::SigningIn;
                        session.answer(&line);
                    }
                    (Phase::Asking, Input::NotText) => person::prompt("That is not UTF-8. Code:"),
                    (Phase::Asking, Input::End) => {
                        let why = "the mailed code was asked for, and standard input has ended";
                        return Ok(Over::Ended(Ending::NotSignedIn(why.to_owned())));
                    }
                    (_, Input::Line(line)) => self.obey(&mut session, commands::read(&line))?,
                    (_, Input::NotText) => {
                        self.undelivered += 1;
                        self.info("that line is not UTF-8: it was not sent")?;
                    }
                    (_, Input::End) => self.leaving = Some(Leave::InputEnded),
                },
                () = self.interrupt.wait() => {
                    if phase == Phase::Goodbye {
                        return Ok(Over::Ended(Ending::Finished));
                    }
                    if phase == Phase::Asking {
                        // The cursor stands behind the question.
                        person::tell("\n");
                    }
                    session.quit(None);
                    phase = Phase::Goodbye;
                }
                () = tokio::time::sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => {
                    let lost = self.receipts.give_up_late(Instant::now());
                    self.report_lost(lost)?;
                }
            }
        }
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        if self.kept.account.as_ref() != Some(&self.account) {
            return Ok(Plan::Mail(self.account.clone()));
        }
        // What a script pipes in is not the answer to a question it does not expect.
        let otherwise = if self.keyboard.is_terminal() { Some(new_credential()?) } else { None };
        Ok(Plan::Kept { account: self.account.clone(), otherwise })
    }

    /// A device keeps one account for each server.
    fn tell_who_makes_room(&self, account: &KeptAccount) {
        if let Some(before) = self.kept.account.as_ref().filter(|before| before.name != account.name) {
            person::tell(&format!(
                "This device signs in to {} as {} from now on; for {}, a code will be mailed again.",
                self.options.server, account.name, before.name
            ));
        }
    }

    fn save(&self) {
        if let Err(error) = self.state.save(&self.kept) {
            person::tell(&format!("{error:#}: you will be asked again the next time"));
        }
    }

    fn take(&mut self, message: &Message) -> io::Result<()> {
        if let Some(Outcome::Refused(Sent::Said { .. }, _)) = self.receipts.take(message) {
            self.undelivered += 1;
        }
        for change in self.model.take(message, Timestamp::now()) {
            self.printer.show(&change, &self.model)?;
        }
        Ok(())
    }

    fn obey(&mut self, session: &mut Session, typed: Typed) -> io::Result<()> {
        let here = || self.model.current().cloned();
        let nowhere = "you are in no channel: /join #CHANNEL";
        match typed {
            Typed::Nothing => {}
            Typed::Say(line) => match (commands::addressed(&line, |nick| self.model.is_here(nick)), here()) {
                (Some((text, nick)), _) => self.say(session, nick.as_str(), text, Manner::Message),
                (None, Some(channel)) => {
                    self.say(session, channel.as_str(), &line, Manner::Message);
                    // It may have been meant for one person's eyes.
                    if let Some((_, nick)) = commands::addressed(&line, |_| true) {
                        self.info(&format!("{nick} is not here, so that goes to all of {channel}"))?;
                    }
                }
                (None, None) => self.hint(nowhere)?,
            },
            Typed::Act(text) => match here() {
                Some(channel) => self.say(session, channel.as_str(), &text, Manner::Action),
                None => self.hint(nowhere)?,
            },
            Typed::Message(target, text) => self.say(session, target.as_str(), &text, Manner::Message),
            Typed::Join(channel, key) => {
                if self.model.is_in(&channel) {
                    self.info(&format!("you are in {channel}"))?;
                } else {
                    self.join(session, &channel, key.as_deref());
                }
                self.model.ask_for(&channel, key.as_deref());
            }
            Typed::Part(channel, reason) => match channel.or_else(here) {
                Some(channel) => self.command(session, "PART", [Some(channel.as_str()), reason.as_deref()]),
                None => self.hint(nowhere)?,
            },
            Typed::Nick(nick) => self.command(session, "NICK", [Some(nick.as_str())]),
            Typed::Who(mask) => match mask.or_else(|| here().map(String::from)) {
                Some(mask) => self.command(session, "WHO", [Some(mask.as_str())]),
                None => self.hint(nowhere)?,
            },
            Typed::Topic(text) => match here() {
                Some(channel) => self.command(session, "TOPIC", [Some(channel.as_str()), text.as_deref()]),
                None => self.hint(nowhere)?,
            },
            Typed::Away(text) => self.command(session, "AWAY", [text.as_deref()]),
            Typed::Quit(reason) => self.leaving = Some(Leave::Asked(reason)),
            Typed::Help => {
                for line in commands::HELP {
                    self.info(line)?;
                }
            }
            Typed::Hint(hint) => self.hint(&hint)?,
        }
        Ok(())
    }

    fn say(&mut self, session: &mut Session, target: &str, text: &str, manner: Manner) {
        for message in messages(&self.model, target, text, manner) {
            let sent = Sent::Said { target: target.to_owned(), text: text.to_owned() };
            session.send(&self.receipts.expect(message, sent));
        }
    }

    fn join(&mut self, session: &mut Session, channel: &ChannelName, key: Option<&str>) {
        self.command(session, "JOIN", [Some(channel.as_str()), key]);
    }

    fn command<const N: usize>(&mut self, session: &mut Session, command: &str, params: [Option<&str>; N]) {
        let message = Message::new(command, params.into_iter().flatten());
        session.send(&self.receipts.expect(message, Sent::Command));
    }

    fn info(&mut self, words: &str) -> io::Result<()> {
        self.printer.info(Timestamp::now(), words)
    }

    /// Something typed was not understood, so it was not sent.
    fn hint(&mut self, words: &str) -> io::Result<()> {
        self.undelivered += 1;
        self.info(words)
    }

    fn report_lost(&mut self, lost: Vec<Sent>) -> io::Result<()> {
        for sent in lost {
            if let Sent::Said { target, text } = sent {
                self.undelivered += 1;
                self.info(&format!("not confirmed, perhaps not sent, to {target}: {text}"))?;
            }
        }
        Ok(())
    }

    /// A script learns whether all that it piped in has arrived; a person has seen it.
    fn account_for_losses(&self) -> Ending {
        match (&self.leaving, self.undelivered) {
            (Some(Leave::InputEnded), 1..) if !self.keyboard.is_terminal() => {
                Ending::Failed(format!("lines that did not arrive: {}", self.undelivered))
            }
            _ => Ending::Finished,
        }
    }
}

/// The messages that carry `text`, as many as it takes.
pub fn messages(model: &Model, target: &str, text: &str, manner: Manner) -> Vec<Message> {
    let (before, after) = if manner == Manner::Action { ("\u{1}ACTION ", "\u{1}") } else { ("", "") };
    let room = model.room("PRIVMSG", target).saturating_sub(before.len() + after.len());
    let piece = |piece: &str| Message::new("PRIVMSG", [target.to_owned(), format!("{before}{piece}{after}")]);
    text::split(text, room).into_iter().map(piece).collect()
}

/// Up to a quarter less, so that a server that comes back is not met by everyone at once.
fn jittered(pause: Duration, random: u32) -> Duration {
    pause.mul_f64(1.0 - f64::from(random) / f64::from(u32::MAX) / 4.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pauses_vary_within_a_quarter() {
        let pause = Duration::from_secs(8);
        assert_eq!(jittered(pause, 0), pause);
        assert_eq!(jittered(pause, u32::MAX), Duration::from_secs(6));
    }

    #[test]
    fn long_text_takes_several_messages_that_fit_the_wire_with_our_source() {
        let mut model = Model::default();
        let source = "me!user@some.host.example";
        model.take(&Message::parse(":s 001 me :Hi").unwrap(), Timestamp::UNIX_EPOCH);
        model.take(&Message::parse(&format!(":{source} JOIN #lobby")).unwrap(), Timestamp::UNIX_EPOCH);
        let text = "word ".repeat(300);
        for manner in [Manner::Message, Manner::Action] {
            let sent = messages(&model, "#lobby", &text, manner);
            assert!(sent.len() > 2);
            let heard: Vec<String> =
                sent.into_iter().map(|message| format!("{}\r\n", message.from_source(source))).collect();
            assert!(heard.iter().all(|line| line.len() <= 512), "{heard:?}");
            assert!(heard[0].len() > 500, "the room is used");
            assert_eq!(heard.iter().map(|line| line.matches("word").count()).sum::<usize>(), 300);
        }
    }
}

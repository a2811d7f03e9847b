//! The chat in plain lines: what is typed goes out, what comes in is printed.

use std::io::{self, Write};

use jiff::Timestamp;
use rookery_protocol::{ChannelName, Message};
use tokio::time::Instant;

use crate::commands::{self, Typed};
use crate::console::{self, Interrupt, StdinEvent, StdinReader};
use crate::exit::Exit;
use crate::model::{MessageKind, Model};
use crate::plain::Printer;
use crate::receipts::{Outcome, Receipts, Sent};
use crate::reconnect::{ConnectOptions, Event, Reconnector, new_credential};
use crate::state::{StateFile, StoredAccount};
use crate::text;

/// The chat, over as many connections as it takes.
pub struct Chat<W> {
    server: Reconnector,
    stdin: StdinReader,
    interrupt: Interrupt,
    printer: Printer<W>,
    model: Model,
    receipts: Receipts,
    phase: Phase,
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

/// What the stdin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing yet.
    SigningIn,
    /// Nothing much: the connection is lost, and not replaced yet.
    Lost,
    /// The mailed code.
    Asking,
    /// Chatting.
    Chatting,
    /// Nothing any more.
    Goodbye,
}

/// Chats until it is over.
pub async fn run<W: Write>(options: ConnectOptions, printer: Printer<W>) -> anyhow::Result<Exit> {
    let state = StateFile::of(&options.server)?;
    let kept = state.load()?;
    let mut interrupt = Interrupt::catch()?;
    let mut stdin = StdinReader::open();
    let introduced = tokio::select! {
        introduced = introduce(options.known(&kept).cloned(), &options, &mut stdin) => introduced?,
        () = interrupt.wait() => return Ok(Exit::Finished),
    };
    let Some(account) = introduced else {
        return Ok(Exit::NotSignedIn(
            "who you are was asked, and standard input has ended".to_owned(),
        ));
    };
    // What a script pipes in is not the answer to a question it does not expect.
    let mut model = Model::default();
    model.add_auto_join(&options.join);
    let server = Reconnector::new(options, state, kept, account, stdin.is_terminal());
    let mut chat = Chat {
        server,
        stdin,
        interrupt,
        printer,
        model,
        receipts: Receipts::default(),
        phase: Phase::SigningIn,
        leaving: None,
        undelivered: 0,
    };
    match chat.run().await {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Finished),
        exit => Ok(exit?),
    }
}

/// Asks who signs in, unless that is known. `None` when there is nobody to ask.
async fn introduce(
    known: Option<StoredAccount>,
    options: &ConnectOptions,
    stdin: &mut StdinReader,
) -> anyhow::Result<Option<StoredAccount>> {
    if known.is_some() {
        return Ok(known);
    }
    let question = format!("Your name on {}:", options.server);
    let Some(name) = ask(stdin, &question, options.name.clone()).await else {
        return Ok(None);
    };
    let Some(email) = ask(stdin, "Your email:", options.email.clone()).await else {
        return Ok(None);
    };
    Ok(Some(StoredAccount {
        name,
        email,
        credential: new_credential()?,
    }))
}

async fn ask<T: std::str::FromStr<Err: std::fmt::Display>>(
    stdin: &mut StdinReader,
    question: &str,
    given: Option<T>,
) -> Option<T> {
    if given.is_some() {
        return given;
    }
    loop {
        console::prompt(question);
        match stdin.next().await {
            StdinEvent::Eof => return None,
            StdinEvent::InvalidUtf8 => console::notice("That is not UTF-8."),
            StdinEvent::Line(line) => match line.trim().parse() {
                Ok(answer) => return Some(answer),
                Err(error) => console::notice(&format!("That will not do: {error}.")),
            },
        }
    }
}

impl<W: Write> Chat<W> {
    async fn run(&mut self) -> io::Result<Exit> {
        loop {
            if self.phase == Phase::Chatting
                && self.receipts.is_empty()
                && let Some(leave) = &self.leaving
            {
                let reason = match leave {
                    Leave::Asked(reason) => reason.as_deref(),
                    Leave::InputEnded => None,
                };
                self.server.quit(reason);
                self.phase = Phase::Goodbye;
            }
            let listening = match self.phase {
                Phase::SigningIn | Phase::Goodbye => false,
                Phase::Asking => true,
                Phase::Chatting => self.leaving.is_none() && self.receipts.has_room(),
                // A script's lines wait; a person is told that theirs went nowhere.
                Phase::Lost => self.stdin.is_terminal(),
            };
            let late = self.receipts.deadline();
            tokio::select! {
                event = self.server.next() => {
                    if let Some(exit) = self.follow(event)? {
                        return Ok(exit);
                    }
                }
                input = self.stdin.next(), if listening => {
                    if let Some(exit) = self.read(input)? {
                        return Ok(exit);
                    }
                }
                () = self.interrupt.wait() => {
                    if self.phase == Phase::Goodbye {
                        return Ok(Exit::Finished);
                    }
                    if self.phase == Phase::Asking {
                        // The cursor stands behind the question.
                        console::notice("\n");
                    }
                    self.server.quit(None);
                    self.phase = Phase::Goodbye;
                }
                () = tokio::time::sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => {
                    let lost = self.receipts.expire(Instant::now());
                    self.report_lost(lost)?;
                }
            }
        }
    }

    /// Takes what happens; gives the end when that is it.
    fn follow(&mut self, event: Event) -> io::Result<Option<Exit>> {
        match event {
            Event::Exit(exit) => {
                let lost = self.receipts.drain();
                self.report_lost(lost)?;
                return Ok(Some(match exit {
                    Exit::Finished => self.account_for_losses(),
                    exit => exit,
                }));
            }
            Event::Lost(why) => {
                let lost = self.receipts.drain();
                self.report_lost(lost)?;
                if self.leaving.is_some() {
                    return Ok(Some(match self.account_for_losses() {
                        Exit::Failed(losses) => Exit::Failed(format!("{losses} ({why})")),
                        exit => exit,
                    }));
                }
                self.model.disconnect();
                self.phase = Phase::Lost;
                let pause = self.server.retry();
                self.info(&format!(
                    "{why}; trying again in {:.0} s",
                    pause.as_secs_f32().ceil()
                ))?;
            }
            Event::CodeRequired { mailed } => {
                console::prompt(&format!("{mailed} Code:"));
                self.phase = Phase::Asking;
            }
            Event::Notice(words) if self.phase == Phase::Asking => {
                // The cursor stands behind the question.
                console::notice(&format!("\n{words}"));
                console::prompt("Code:");
            }
            Event::Notice(words) => console::notice(&words),
            Event::Ready => {
                for join in self.model.rejoin_messages() {
                    self.ask(join);
                }
                if self.phase != Phase::Goodbye {
                    self.phase = Phase::Chatting;
                }
            }
            Event::Message(message) => self.take(&message)?,
            Event::SignedIn | Event::Lag(_) => {}
        }
        Ok(None)
    }

    /// Takes what was typed; gives the end when that is it.
    fn read(&mut self, input: StdinEvent) -> io::Result<Option<Exit>> {
        match (self.phase, input) {
            (Phase::Asking, StdinEvent::Line(line)) => {
                self.phase = Phase::SigningIn;
                self.server.answer(&line);
            }
            (Phase::Asking, StdinEvent::InvalidUtf8) => console::prompt("That is not UTF-8. Code:"),
            (Phase::Asking, StdinEvent::Eof) => {
                let why = "the mailed code was asked for, and standard input has ended";
                return Ok(Some(Exit::NotSignedIn(why.to_owned())));
            }
            (Phase::Lost, StdinEvent::Eof) => return Ok(Some(Exit::Finished)),
            (Phase::Lost, StdinEvent::Line(line)) => match commands::read(&line) {
                Typed::Quit(_) => return Ok(Some(Exit::Finished)),
                Typed::Nothing => {}
                _ => self.info("not connected: nothing was sent")?,
            },
            (_, StdinEvent::Line(line)) => self.obey(commands::read(&line))?,
            (_, StdinEvent::InvalidUtf8) => {
                self.undelivered += 1;
                self.info("that line is not UTF-8: it was not sent")?;
            }
            (_, StdinEvent::Eof) => self.leaving = Some(Leave::InputEnded),
        }
        Ok(None)
    }

    fn take(&mut self, message: &Message) -> io::Result<()> {
        if let Some(Outcome::Refused(Sent::Text { .. }, _)) = self.receipts.settle(message) {
            self.undelivered += 1;
        }
        for change in self.model.handle(message, Timestamp::now()) {
            self.printer.show(&change, &self.model)?;
        }
        Ok(())
    }

    fn obey(&mut self, typed: Typed) -> io::Result<()> {
        let here = self.model.current().cloned();
        match typed.request(here.as_ref()) {
            Some(Ok(request)) => {
                self.ask(request);
                return Ok(());
            }
            Some(Err(hint)) => return self.hint(hint),
            None => {}
        }
        match typed {
            Typed::Say(line) => match (
                commands::addressed(&line, |nick| self.model.is_present(nick)),
                here,
            ) {
                (Some((text, nick)), _) => self.say(nick.as_str(), text, MessageKind::Message),
                (None, Some(channel)) => {
                    self.say(channel.as_str(), &line, MessageKind::Message);
                    // It may have been meant for one person's eyes.
                    if let Some((_, nick)) = commands::addressed(&line, |_| true) {
                        self.info(&format!(
                            "{nick} is not here, so that goes to all of {channel}"
                        ))?;
                    }
                }
                (None, None) => self.hint(commands::NOWHERE)?,
            },
            Typed::Act(text) => match here {
                Some(channel) => self.say(channel.as_str(), &text, MessageKind::Action),
                None => self.hint(commands::NOWHERE)?,
            },
            Typed::Message(target, text) => self.say(target.as_str(), &text, MessageKind::Message),
            Typed::Join(channel, key) => {
                if self.model.is_in(&channel) {
                    self.info(&format!("you are in {channel}"))?;
                } else {
                    self.join(&channel, key.as_deref());
                }
                self.model.switch_to(&channel, key.as_deref());
            }
            Typed::Quit(reason) => self.leaving = Some(Leave::Asked(reason)),
            Typed::Help => {
                for (form, what) in commands::COMMANDS {
                    self.info(&format!("{form}    {what}"))?;
                }
            }
            Typed::Hint(hint) => self.hint(&hint)?,
            Typed::Query(..)
            | Typed::Close
            | Typed::Links
            | Typed::Reply(_)
            | Typed::Ignore(_)
            | Typed::Mute
            | Typed::Search(_)
            | Typed::Password
            | Typed::Redact(_) => {
                self.hint("that needs the full screen: run rook in a terminal, without --plain")?;
            }
            // Nothing, or a request: that is sent by now.
            _ => {}
        }
        Ok(())
    }

    fn say(&mut self, target: &str, text: &str, kind: MessageKind) {
        for message in messages(&self.model, target, text, kind) {
            let sent = Sent::Text {
                target: target.to_owned(),
                text: text.to_owned(),
            };
            self.server.send(&self.receipts.track(message, sent));
        }
    }

    fn join(&mut self, channel: &ChannelName, key: Option<&str>) {
        self.ask(Message::new(
            "JOIN",
            std::iter::once(channel.as_str()).chain(key),
        ));
    }

    fn ask(&mut self, request: Message) {
        if !commands::is_answered(&request) {
            return self.server.send(&request);
        }
        self.server
            .send(&self.receipts.track(request, Sent::Command));
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
            if let Sent::Text { target, text } = sent {
                self.undelivered += 1;
                self.info(&format!(
                    "not confirmed, perhaps not sent, to {target}: {text}"
                ))?;
            }
        }
        Ok(())
    }

    /// A script learns whether all that it piped in has arrived; a person has seen it.
    fn account_for_losses(&self) -> Exit {
        match (&self.leaving, self.undelivered) {
            (Some(Leave::InputEnded), 1..) if !self.stdin.is_terminal() => {
                Exit::Failed(format!("lines that did not arrive: {}", self.undelivered))
            }
            _ => Exit::Finished,
        }
    }
}

/// The messages that carry `text`, as many as it takes.
pub fn messages(model: &Model, target: &str, text: &str, kind: MessageKind) -> Vec<Message> {
    let (before, after) = if kind == MessageKind::Action {
        ("\u{1}ACTION ", "\u{1}")
    } else {
        ("", "")
    };
    let room = model
        .room("PRIVMSG", target)
        .saturating_sub(before.len() + after.len());
    let piece = |piece: &str| {
        Message::new(
            "PRIVMSG",
            [target.to_owned(), format!("{before}{piece}{after}")],
        )
    };
    text::split(text, room).into_iter().map(piece).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn long_text_takes_several_messages_that_fit_the_wire_with_our_source() {
        let mut model = Model::default();
        let source = "me!user@some.host.example";
        model.handle(
            &Message::parse(":s 001 me :Hi").unwrap(),
            Timestamp::UNIX_EPOCH,
        );
        model.handle(
            &Message::parse(&format!(":{source} JOIN #lobby")).unwrap(),
            Timestamp::UNIX_EPOCH,
        );
        let text = "word ".repeat(300);
        for kind in [MessageKind::Message, MessageKind::Action] {
            let sent = messages(&model, "#lobby", &text, kind);
            assert!(sent.len() > 2);
            let heard: Vec<String> = sent
                .into_iter()
                .map(|message| format!("{}\r\n", message.from_source(source)))
                .collect();
            assert!(heard.iter().all(|line| line.len() <= 512), "{heard:?}");
            assert!(heard[0].len() > 500, "the room is used");
            assert_eq!(
                heard
                    .iter()
                    .map(|line| line.matches("word").count())
                    .sum::<usize>(),
                300
            );
        }
    }
}

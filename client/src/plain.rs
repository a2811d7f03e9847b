//! The plain front end: what is typed is sent, what arrives is printed, one line each.
//!
//! It serves pipes, scripts and screen readers. A script that pipes in lines learns by the exit
//! code whether all of them arrived, so no more is read from standard input than can be sent, and
//! at its end the program waits for the outstanding receipts.

mod printer;

pub use printer::Printer;

use std::io::{self, Write};

use jiff::Timestamp;
use rookery_protocol::Message;
use tokio::time::Instant;

use crate::commands::{self, Requires, Typed};
use crate::console::{self, Interrupt, StdinEvent, StdinReader};
use crate::exit::Exit;
use crate::front_end::FrontEnd;
use crate::model::{Conversation, MessageKind, Model};
use crate::receipts::{Outcome, Receipts, Sent, is_labelled};
use crate::reconnect::{ConnectOptions, Event, Reconnector, new_credential};
use crate::state::{StateFile, StoredAccount};
use crate::tui::is_screen_command;

/// Shown when there is no connection to send what was typed.
const NOT_CONNECTED: &str = "not connected: nothing was sent";

/// A chat in plain lines.
struct PlainChat<W> {
    server: Reconnector,
    stdin: StdinReader,
    interrupt: Interrupt,
    printer: Printer<W>,
    model: Model,
    receipts: Receipts,
    phase: Phase,
    /// Set when nothing more will be typed. The program quits once all receipts have arrived.
    quitting: Option<QuitReason>,
    /// The number of lines that were refused, not understood or not confirmed.
    undelivered: usize,
    /// Lines that a command has shown; they are printed when it has returned.
    shown: Vec<String>,
}

/// Why the program quits.
#[derive(Clone, Debug)]
enum QuitReason {
    /// `/quit`, with a reason for the others.
    Requested(Option<String>),
    /// The end of standard input.
    EndOfInput,
}

/// What the next line from standard input means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing: the sign-in is under way.
    SigningIn,
    /// The mailed code.
    AwaitingCode,
    /// Text or a command.
    Chatting,
    /// A command that needs no connection: it was lost and is being replaced.
    Reconnecting,
    /// Nothing: `QUIT` was sent.
    Closing,
}

/// Runs the chat until it ends.
pub async fn run<W: Write + 'static>(
    options: ConnectOptions,
    printer: Printer<W>,
) -> anyhow::Result<Exit> {
    let state_file = StateFile::of(&options.server)?;
    let state = state_file.load()?;
    let mut interrupt = Interrupt::catch()?;
    let mut stdin = StdinReader::start();
    let account = tokio::select! {
        account = identify(&options, options.stored_account(&state), &mut stdin) => account?,
        () = interrupt.wait() => return Ok(Exit::Finished),
    };
    let Some(account) = account else {
        return Ok(Exit::NotSignedIn(
            "not signed in, and standard input ended before the name and email were given"
                .to_owned(),
        ));
    };
    let mut model = Model::default();
    model.add_auto_join(&options.join);
    // Lines that a script pipes in must not be taken for a mailed code.
    let interactive = stdin.is_terminal();
    let mut chat = PlainChat {
        server: Reconnector::new(options, state_file, state, account, interactive),
        stdin,
        interrupt,
        printer,
        model,
        receipts: Receipts::default(),
        phase: Phase::SigningIn,
        quitting: None,
        undelivered: 0,
        shown: Vec::new(),
    };
    match chat.run().await {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Finished),
        exit => Ok(exit?),
    }
}

/// Returns the stored account, or asks for name and email. `None` if standard input ends first.
async fn identify(
    options: &ConnectOptions,
    stored: Option<&StoredAccount>,
    stdin: &mut StdinReader,
) -> anyhow::Result<Option<StoredAccount>> {
    if let Some(stored) = stored {
        return Ok(Some(stored.clone()));
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

/// Asks until the answer is valid, unless it is `known`. `None` if standard input ends first.
async fn ask<T: std::str::FromStr<Err: std::fmt::Display>>(
    stdin: &mut StdinReader,
    question: &str,
    known: Option<T>,
) -> Option<T> {
    if known.is_some() {
        return known;
    }
    loop {
        console::prompt(question);
        match stdin.next().await {
            StdinEvent::Eof => return None,
            StdinEvent::InvalidUtf8 => console::notice("Please type UTF-8 text."),
            StdinEvent::Line(line) => match line.trim().parse() {
                Ok(answer) => return Some(answer),
                Err(error) => console::notice(&format!("Not valid: {error}.")),
            },
        }
    }
}

impl<W: Write + 'static> PlainChat<W> {
    async fn run(&mut self) -> io::Result<Exit> {
        loop {
            if self.phase == Phase::Chatting
                && self.receipts.is_empty()
                && let Some(quitting) = &self.quitting
            {
                let reason = match quitting {
                    QuitReason::Requested(reason) => reason.as_deref(),
                    QuitReason::EndOfInput => None,
                };
                self.server.quit(reason);
                self.phase = Phase::Closing;
            }
            let reads_stdin = match self.phase {
                Phase::SigningIn | Phase::Closing => false,
                Phase::AwaitingCode => true,
                Phase::Chatting => self.quitting.is_none() && self.receipts.has_room(),
                // Lines of a script wait for the connection; a person sees an error.
                Phase::Reconnecting => self.stdin.is_terminal(),
            };
            let deadline = self.receipts.deadline();
            tokio::select! {
                event = self.server.next() => {
                    if let Some(exit) = self.handle_event(event)? {
                        return Ok(exit);
                    }
                }
                input = self.stdin.next(), if reads_stdin => {
                    if let Some(exit) = self.handle_input(input) {
                        return Ok(exit);
                    }
                }
                () = self.interrupt.wait() => {
                    if self.phase == Phase::Closing {
                        return Ok(Exit::Finished);
                    }
                    if self.phase == Phase::AwaitingCode {
                        // The cursor is behind the prompt.
                        console::notice("\n");
                    }
                    self.server.quit(None);
                    self.phase = Phase::Closing;
                }
                () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)),
                    if deadline.is_some() =>
                {
                    let lost = self.receipts.expire(Instant::now());
                    self.show_unconfirmed(&lost);
                }
            }
            self.print_shown()?;
        }
    }

    /// Handles what happened on the connection; returns `Some` when the program should exit.
    fn handle_event(&mut self, event: Event) -> io::Result<Option<Exit>> {
        match event {
            Event::Exit(exit) => {
                self.give_up_receipts()?;
                return Ok(Some(match exit {
                    Exit::Finished => self.exit_for_losses(),
                    exit => exit,
                }));
            }
            Event::Lost(why) => {
                self.give_up_receipts()?;
                if self.quitting.is_some() {
                    return Ok(Some(match self.exit_for_losses() {
                        Exit::Failed(losses) => Exit::Failed(format!("{losses} ({why})")),
                        exit => exit,
                    }));
                }
                self.model.disconnect();
                self.phase = Phase::Reconnecting;
                let pause = self.server.retry();
                let seconds = pause.as_secs_f32().ceil();
                self.show(&format!("{why}; trying again in {seconds:.0} s"));
            }
            Event::CodeRequired { mailed } => {
                console::prompt(&format!("{mailed} Code:"));
                self.phase = Phase::AwaitingCode;
            }
            Event::Notice(text) if self.phase == Phase::AwaitingCode => {
                // The cursor is behind the prompt.
                console::notice(&format!("\n{text}"));
                console::prompt("Code:");
            }
            Event::Notice(text) => console::notice(&text),
            Event::Ready => {
                for join in self.model.rejoin_messages() {
                    self.request(join);
                }
                if self.phase != Phase::Closing {
                    self.phase = Phase::Chatting;
                }
            }
            Event::Message(message) => self.handle_message(&message)?,
            Event::SignedIn | Event::Lag(_) => {}
        }
        Ok(None)
    }

    /// Handles a line from standard input; returns `Some` when the program should exit.
    fn handle_input(&mut self, input: StdinEvent) -> Option<Exit> {
        match (self.phase, input) {
            (Phase::AwaitingCode, StdinEvent::Line(line)) => {
                self.phase = Phase::SigningIn;
                self.server.answer(&line);
            }
            (Phase::AwaitingCode, StdinEvent::InvalidUtf8) => {
                console::prompt("Please type UTF-8 text. Code:");
            }
            (Phase::AwaitingCode, StdinEvent::Eof) => {
                let why = "not signed in: standard input ended before the mailed code was entered";
                return Some(Exit::NotSignedIn(why.to_owned()));
            }
            (Phase::Reconnecting, StdinEvent::Eof) => return Some(Exit::Finished),
            (Phase::Reconnecting, StdinEvent::Line(line)) => {
                self.execute_offline(&line);
                if self.quitting.is_some() {
                    return Some(Exit::Finished);
                }
            }
            (_, StdinEvent::Line(line)) => self.execute(&line),
            (_, StdinEvent::InvalidUtf8) => {
                self.show_refusal("that line is not UTF-8 text: it was not sent");
            }
            (_, StdinEvent::Eof) => self.quitting = Some(QuitReason::EndOfInput),
        }
        None
    }

    fn handle_message(&mut self, message: &Message) -> io::Result<()> {
        if let Some(Outcome::Refused(Sent::Text { .. }, _)) = self.receipts.settle(message) {
            self.undelivered += 1;
        }
        for event in self.model.handle(message, Timestamp::now()) {
            self.printer.print(&event, &self.model)?;
        }
        Ok(())
    }

    /// Sends a typed line or carries out the command in it.
    fn execute(&mut self, line: &str) {
        match Typed::parse(line) {
            Typed::Nothing => {}
            Typed::Text(text) => commands::say(self, text),
            Typed::Command(name, arguments) => {
                let result = match commands::find(name) {
                    Some(command) => command.execute(self, arguments),
                    None if is_screen_command(name) => Err(format!(
                        "/{name} needs the full screen: run rook in a terminal, without --plain"
                    )),
                    None => Err(commands::unknown(name)),
                };
                if let Err(refusal) = result {
                    self.show_refusal(&refusal);
                }
            }
        }
    }

    /// The same while there is no connection.
    fn execute_offline(&mut self, line: &str) {
        let works_offline = match Typed::parse(line) {
            Typed::Nothing => true,
            Typed::Text(_) => false,
            Typed::Command(name, _) => {
                commands::find(name).is_some_and(|command| command.requires == Requires::Nothing)
            }
        };
        if works_offline {
            self.execute(line);
        } else {
            self.show(NOT_CONNECTED);
        }
    }

    /// Abandons all outstanding receipts, and shows which messages they were for.
    fn give_up_receipts(&mut self) -> io::Result<()> {
        let lost = self.receipts.drain();
        self.show_unconfirmed(&lost);
        self.print_shown()
    }

    fn print_shown(&mut self) -> io::Result<()> {
        for line in std::mem::take(&mut self.shown) {
            self.printer.info(Timestamp::now(), &line)?;
        }
        Ok(())
    }

    /// Tells a script by the exit code whether all that it piped in has arrived. A person has seen
    /// it on the screen.
    fn exit_for_losses(&self) -> Exit {
        match (&self.quitting, self.undelivered) {
            (Some(QuitReason::EndOfInput), 1..) if !self.stdin.is_terminal() => {
                Exit::Failed(format!("lines not delivered: {}", self.undelivered))
            }
            _ => Exit::Finished,
        }
    }
}

impl<W: Write + 'static> FrontEnd for PlainChat<W> {
    fn model(&self) -> &Model {
        &self.model
    }

    fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    fn conversation(&self) -> Option<Conversation> {
        self.model.current().cloned().map(Conversation::Channel)
    }

    fn show(&mut self, line: &str) {
        self.shown.push(line.to_owned());
    }

    fn show_refusal(&mut self, line: &str) {
        self.undelivered += 1;
        self.show(line);
    }

    fn show_help(&mut self) {
        for (form, help) in commands::TEXT_FORMS
            .iter()
            .copied()
            .chain(commands::usages())
        {
            self.show(&format!("{form}    {help}"));
        }
    }

    fn switch_to(&mut self, conversation: Conversation) {
        if let Conversation::Channel(channel) = &conversation {
            self.model.switch_to(channel);
            self.show(&format!("you are in {channel}"));
        }
    }

    /// Nothing is open here.
    fn close(&mut self, _conversation: &Conversation) {}

    fn say(&mut self, target: &str, text: &str, kind: MessageKind) {
        for message in self.model.text_messages(target, text, kind) {
            let sent = Sent::Text {
                target: target.to_owned(),
                text: text.to_owned(),
            };
            self.server.send(&self.receipts.track(message, sent));
        }
    }

    fn request(&mut self, message: Message) {
        if is_labelled(&message) {
            self.server
                .send(&self.receipts.track(message, Sent::Command));
        } else {
            self.server.send(&message);
        }
    }

    fn quit(&mut self, reason: Option<String>) {
        self.quitting = Some(QuitReason::Requested(reason));
    }
}

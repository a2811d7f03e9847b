//! The plain front end: sends each typed line, and prints each event as a line.
//!
//! It is for pipes, scripts and screen readers. The exit code says whether all lines that a script
//! has piped in were delivered. Standard input is therefore read only as fast as lines can be sent,
//! and at its end the program waits for the outstanding receipts.

mod printer;

pub use printer::Printer;

use std::io::{self, Write};

use jiff::Timestamp;
use rookery_protocol::{AccountName, ChannelName, Email, Message, NameError};
use tokio::time::Instant;

use crate::commands::{self, Requires, Typed};
use crate::console::{self, Interrupt, StdinEvent, StdinReader};
use crate::exit::Exit;
use crate::front_end::FrontEnd;
use crate::model::{Conversation, EventKind, MessageKind, Model};
use crate::receipts::{Outcome, Receipts, Sent, is_labelled, remark};
use crate::reconnect::{ConnectOptions, Event, Reconnector, new_account};
use crate::refusals::renamed;
use crate::state::StateFile;
use crate::tui::is_screen_command;
use rookery_trust::{QUESTION, UnknownCertificate};

/// Shown when a line cannot be sent, since there is no connection.
const NOT_CONNECTED: &str = "not connected: nothing was sent";

/// A chat in plain lines.
struct PlainChat<W> {
    identity: Identity,
    server: Reconnector,
    stdin: StdinReader,
    interrupt: Interrupt,
    printer: Printer<W>,
    model: Model,
    receipts: Receipts,
    phase: Phase,
    /// Set when input is no longer read. The program quits once all receipts have arrived.
    quitting: Option<QuitReason>,
    /// The number of lines that were refused, invalid or not confirmed.
    undelivered: usize,
    /// Lines that a command has shown, to be printed once it has returned.
    shown: Vec<String>,
}

/// Why the program quits.
#[derive(Clone, Debug)]
enum QuitReason {
    /// `/quit`, with a reason that other users see.
    Requested(Option<String>),
    /// The end of standard input.
    EndOfInput,
}

/// What the user has said about the account, until it signs in.
struct Identity {
    /// The server, for the question.
    server: String,
    name: Option<AccountName>,
    email: Option<Email>,
}

/// The stage of the chat, which decides the meaning of the next line from standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The sign-in is under way, and no line is read.
    SigningIn,
    /// The line says whether this certificate is trusted.
    AwaitingTrust(UnknownCertificate),
    /// The line is the name of the account, or else its email.
    AwaitingIdentity,
    /// The line is the mailed code.
    AwaitingCode,
    /// The line is text or a command.
    Chatting,
    /// The connection was lost; the line may only be a command that needs no connection.
    Reconnecting,
    /// `QUIT` was sent, and no line is read.
    Closing,
}

/// Runs the chat until it ends.
pub async fn run<W: Write + 'static>(
    options: ConnectOptions,
    printer: Printer<W>,
) -> anyhow::Result<Exit> {
    let state_file = StateFile::of(&options.server)?;
    let state = state_file.load()?;
    let interrupt = Interrupt::catch()?;
    let stdin = StdinReader::start();
    let account = options.known_account(&state)?;
    let mut model = Model::default();
    model.add_auto_join(&options.join);
    // A line that a script pipes in must not be sent as a mailed code, nor answer whether a
    // certificate is trusted.
    let interactive = stdin.is_terminal();
    let mut chat = PlainChat {
        identity: Identity::of(&options),
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

impl Identity {
    fn of(options: &ConnectOptions) -> Self {
        Self {
            server: options.server.to_string(),
            name: options.name.clone(),
            email: options.email.clone(),
        }
    }

    /// Asks for what is still missing.
    fn prompt(&self) {
        if self.name.is_none() {
            console::prompt(&format!("Your name on {}:", self.server));
        } else {
            console::prompt("Your email:");
        }
    }

    /// Handles the answer to the prompt.
    fn answer(&mut self, line: &str) -> Result<(), NameError> {
        if self.name.is_none() {
            self.name = Some(AccountName::parse(line.trim())?);
        } else {
            self.email = Some(Email::parse(line.trim())?);
        }
        Ok(())
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
                Phase::AwaitingTrust(_) | Phase::AwaitingIdentity | Phase::AwaitingCode => true,
                Phase::Chatting => self.quitting.is_none() && self.receipts.may_send(),
                // Lines of a script wait for the connection; for a user, they are refused at once.
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
                    if let Some(exit) = self.handle_input(input).map_err(io::Error::other)? {
                        return Ok(exit);
                    }
                }
                () = self.interrupt.wait() => {
                    if self.phase == Phase::Closing {
                        return Ok(Exit::Finished);
                    }
                    if matches!(
                        self.phase,
                        Phase::AwaitingTrust(_) | Phase::AwaitingIdentity | Phase::AwaitingCode
                    ) {
                        // The cursor is in the line of the prompt.
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

    /// Handles an event on the connection; returns `Some` when the program should exit.
    fn handle_event(&mut self, event: Event) -> io::Result<Option<Exit>> {
        match event {
            Event::Exit(exit) => {
                self.drop_receipts()?;
                return Ok(Some(match exit {
                    Exit::Finished => self.exit_after_quit(),
                    exit => exit,
                }));
            }
            Event::Lost(reason) => {
                self.drop_receipts()?;
                if self.quitting.is_some() {
                    return Ok(Some(match self.exit_after_quit() {
                        Exit::Failed(losses) => Exit::Failed(format!("{losses} ({reason})")),
                        exit => exit,
                    }));
                }
                self.model.disconnect();
                self.phase = Phase::Reconnecting;
                let pause = self.server.retry();
                let seconds = pause.as_secs_f32().ceil();
                self.show(&format!("{reason}; trying again in {seconds:.0} s"));
            }
            Event::UnknownCertificate(unknown) => {
                console::notice(&unknown.description());
                console::prompt(QUESTION);
                self.phase = Phase::AwaitingTrust(unknown);
            }
            Event::CertificateRefused(unknown) => console::notice(&unknown.refusal()),
            Event::AccountRequired => {
                self.phase = Phase::AwaitingIdentity;
                self.identity.prompt();
            }
            Event::CodeRequired { mailed } => {
                console::prompt(&format!("{mailed} Code:"));
                self.phase = Phase::AwaitingCode;
            }
            Event::Notice(text) if self.phase == Phase::AwaitingCode => {
                // The cursor is in the line of the prompt.
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
    fn handle_input(&mut self, input: StdinEvent) -> anyhow::Result<Option<Exit>> {
        match (&self.phase, input) {
            (Phase::AwaitingTrust(unknown), answer) => {
                if !answer.is_yes() {
                    return Ok(Some(Exit::Failed(unknown.declined())));
                }
                self.server.trust(unknown);
                self.phase = Phase::SigningIn;
            }
            (Phase::AwaitingIdentity, StdinEvent::Line(line)) => {
                if let Err(error) = self.identity.answer(&line) {
                    console::notice(&format!("Not valid: {error}."));
                }
                match (&self.identity.name, &self.identity.email) {
                    (Some(name), Some(email)) => {
                        self.server
                            .sign_in_as(new_account(name.clone(), email.clone())?);
                        self.phase = Phase::SigningIn;
                    }
                    _ => self.identity.prompt(),
                }
            }
            (Phase::AwaitingIdentity, StdinEvent::InvalidUtf8) => {
                console::notice("Please type UTF-8 text.");
                self.identity.prompt();
            }
            (Phase::AwaitingIdentity, StdinEvent::Eof) => {
                return Ok(Some(Exit::NotSignedIn(
                    "not signed in, and standard input ended before the name and email were given"
                        .to_owned(),
                )));
            }
            (Phase::AwaitingCode, StdinEvent::Line(line)) => {
                self.phase = Phase::SigningIn;
                self.server.answer(&line);
            }
            (Phase::AwaitingCode, StdinEvent::InvalidUtf8) => {
                console::prompt("Please type UTF-8 text. Code:");
            }
            (Phase::AwaitingCode, StdinEvent::Eof) => {
                let reason =
                    "not signed in: standard input ended before the mailed code was entered";
                return Ok(Some(Exit::NotSignedIn(reason.to_owned())));
            }
            (Phase::Reconnecting, StdinEvent::Eof) => return Ok(Some(Exit::Finished)),
            (Phase::Reconnecting, StdinEvent::Line(line)) => {
                self.execute_offline(&line);
                if self.quitting.is_some() {
                    return Ok(Some(Exit::Finished));
                }
            }
            (_, StdinEvent::Line(line)) => self.execute(&line),
            (_, StdinEvent::InvalidUtf8) => {
                self.show_refusal("that line is not UTF-8 text: it was not sent");
            }
            (_, StdinEvent::Eof) => self.quitting = Some(QuitReason::EndOfInput),
        }
        Ok(None)
    }

    fn handle_message(&mut self, message: &Message) -> io::Result<()> {
        let cause = self.receipts.cause(message).cloned();
        if let Some(Outcome::Refused(Sent::Text { .. }, _)) = self.receipts.handle(message) {
            self.undelivered += 1;
        }
        // A user sees where text goes from now on, a script does not.
        if let Some((old, new)) = renamed(message)
            && self.model.has_requested(&old)
            && !self.stdin.is_terminal()
        {
            self.show_refusal(&format!(
                "{old} was renamed to {new} and not joined; /join {new} joins it"
            ));
            return Ok(());
        }
        for mut event in self.model.handle(message, Timestamp::now()) {
            if let (EventKind::Refused(reason), Some(Sent::Text { text, .. })) =
                (&mut event.kind, &cause)
            {
                *reason = remark(message, reason, text);
            }
            self.join_renamed(&event.kind);
            self.printer.print(&event, &self.model)?;
        }
        Ok(())
    }

    /// Sends a typed line, or carries out the command in it.
    fn execute(&mut self, line: &str) {
        match Typed::parse(line) {
            Typed::Nothing => {}
            Typed::Text(text) => commands::send_text(self, text),
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

    /// Carries out a typed line while there is no connection, if it needs none.
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

    /// Drops all outstanding receipts, and shows the messages that were not confirmed.
    fn drop_receipts(&mut self) -> io::Result<()> {
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

    /// Returns the exit after quitting: a failure if lines of a script were not delivered. A user
    /// at a terminal has seen the refusals.
    fn exit_after_quit(&self) -> Exit {
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

    /// Does nothing: the model knows what was requested.
    fn switch_to_requested(&mut self, _channel: &ChannelName) {}

    /// Does nothing, since plain mode keeps no conversations open.
    fn close(&mut self, _conversation: &Conversation) {}

    fn send_text(&mut self, target: &str, text: &str, kind: MessageKind) {
        for outgoing in self.model.text_messages(target, text, kind) {
            let sent = Sent::Text {
                target: target.to_owned(),
                text: outgoing.text,
            };
            self.server.send(&self.receipts.track(outgoing.first, sent));
            for message in &outgoing.rest {
                self.server.send(message);
            }
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

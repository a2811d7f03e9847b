//! The full screen front end: the event loop that connects the terminal, the server and the state
//! of the screen.
//!
//! [`FullScreen`] owns the connection, and the screens before the chat while they are needed. The
//! chat itself is in [`App`]: the event loop passes keys and messages to it, and carries out its
//! effects.

mod account_change;
mod app;
mod areas;
mod certificate_screen;
mod completion;
mod draw;
mod editor;
#[cfg(feature = "test-support")]
pub mod fuzz;
mod help;
mod layout;
mod overlay;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod screens;
mod search;
mod sign_in_screen;
mod switcher;
mod terminal;
mod theme;
mod wrap;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rookery_terminal::{Capture, Screen};
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::{Colours, Notify};
use crate::console::Interrupt;
use crate::exit::{self, Exit};
use crate::front_end::FrontEnd as _;
use crate::reconnect::{ConnectOptions, Event, Reconnector, new_account};
use crate::state::StateFile;
use app::{App, Connection, Effect, Removal};
use certificate_screen::{CertificateScreen, Decision};
use sign_in_screen::{Answer, SignInScreen};
use theme::Theme;

/// The shortest time between two frames, for at most sixty a second.
const FRAME_INTERVAL: Duration = Duration::from_millis(16);
/// The interval at which the round-trip time to the server is measured.
const LAG_INTERVAL: Duration = Duration::from_secs(15);
/// The interval at which the parts of the screen that depend on the time are updated.
const TICK_INTERVAL: Duration = Duration::from_secs(1);

/// The full screen and its connection.
struct FullScreen {
    options: ConnectOptions,
    server: Reconnector,
    /// The question whether a certificate is trusted, until it is answered.
    certificate: Option<CertificateScreen>,
    /// The sign-in screen, while it is needed.
    sign_in: Option<SignInScreen>,
    app: App,
    theme: Theme,
    notify: Notify,
    /// Notices from before the sign-in screen was opened, which then shows them.
    notices: Vec<String>,
    /// Whether the state may differ from what was last drawn.
    needs_redraw: bool,
    /// Whether `QUIT` was sent.
    quitting: bool,
    /// How an operator has ended the session, until the user is signed in again.
    ended: Option<Exit>,
}

/// Whether a name is that of a slash command that needs the full screen.
pub fn is_screen_command(name: &str) -> bool {
    app::screen_commands::find(name).is_some()
}

/// Runs the chat until it ends, and restores the terminal.
pub async fn run(
    options: ConnectOptions,
    colours: Option<Colours>,
    notify: Notify,
    mouse: bool,
) -> anyhow::Result<Exit> {
    let state_file = StateFile::of(&options.server)?;
    let state = state_file.load()?;
    let mut interrupt = Interrupt::catch()?;
    let mut continued = signal(SignalKind::from_raw(terminal::CONTINUED))?;
    let theme = Theme::new(colours.unwrap_or_else(theme::colours_from_environment));
    let mut app = App::new(
        options.server.to_string(),
        theme,
        TimeZone::system(),
        Timestamp::now(),
    );
    app.model.add_auto_join(&options.join);
    app.restore(&state.preferences);
    let stored = options.stored_account(&state);
    let sign_in = stored.is_none().then(|| {
        SignInScreen::new(
            options.server.to_string(),
            options.name.clone(),
            options.email.clone(),
        )
    });
    let account = options.known_account(&state)?;
    let server = Reconnector::new(options.clone(), state_file, state, account, true);
    let mut full_screen = FullScreen {
        options,
        server,
        certificate: None,
        sign_in,
        app,
        theme,
        notify,
        notices: Vec::new(),
        needs_redraw: true,
        quitting: false,
        ended: None,
    };
    let mut screen = Screen::open(if mouse {
        Capture::All
    } else {
        Capture::WithoutMouse
    })?;
    full_screen
        .run(
            &mut screen,
            &mut terminal::events(),
            &mut interrupt,
            &mut continued,
        )
        .await
}

impl FullScreen {
    async fn run(
        &mut self,
        screen: &mut Screen,
        inputs: &mut mpsc::UnboundedReceiver<Input>,
        interrupt: &mut Interrupt,
        continued: &mut unix::Signal,
    ) -> anyhow::Result<Exit> {
        self.app.size = screen.size()?.into();
        let mut next_frame = Instant::now();
        let mut next_tick = Instant::now() + TICK_INTERVAL;
        let mut next_measurement = Instant::now() + LAG_INTERVAL;
        loop {
            let now = Instant::now();
            if self.needs_redraw && now >= next_frame {
                if self.sign_in.is_none() {
                    self.app.refresh();
                    self.perform_effects()?;
                }
                screen.draw(|frame| {
                    self.app.size = frame.area();
                    match (&self.certificate, &self.sign_in) {
                        (Some(certificate), _) => certificate.draw(frame, self.theme),
                        (None, Some(sign_in)) => sign_in.draw(frame, self.theme),
                        (None, None) => draw::draw(frame, &self.app),
                    }
                })?;
                if self.sign_in.is_none() && self.certificate.is_none() {
                    self.app.handle_drawn();
                }
                self.needs_redraw = false;
                next_frame = now + FRAME_INTERVAL;
            }
            let deadline = self.app.deadline();
            tokio::select! {
                // Keys are handled before messages, even while many messages arrive.
                biased;
                input = inputs.recv() => {
                    let Some(input) = input else { return Ok(Exit::Finished) };
                    self.needs_redraw = true;
                    if is_control(&input, 'z') {
                        terminal::suspend(screen, continued).await?;
                        continue;
                    }
                    if forces_redraw(&input) {
                        screen.invalidate()?;
                    }
                    if let Some(exit) = self.handle_input(input) {
                        return Ok(exit);
                    }
                    // A key is shown at once instead of in the next frame; several pending keys are
                    // shown together.
                    if inputs.is_empty() {
                        next_frame = Instant::now();
                    }
                }
                _ = continued.recv() => {
                    // The process was stopped by another process, and another program may have used
                    // the terminal meanwhile.
                    screen.reopen()?;
                    self.needs_redraw = true;
                }
                () = interrupt.wait() => return Ok(Exit::Finished),
                () = tokio::time::sleep_until(next_frame), if self.needs_redraw => {}
                event = self.server.next() => {
                    self.needs_redraw = true;
                    if let Some(exit) = self.handle_event(event) {
                        return Ok(exit);
                    }
                }
                () = tokio::time::sleep_until(deadline.unwrap_or(now)), if deadline.is_some() => {
                    self.app.expire_receipts(Instant::now());
                    self.needs_redraw = true;
                }
                () = tokio::time::sleep_until(next_tick) => {
                    next_tick = Instant::now() + TICK_INTERVAL;
                    // Only the countdown to the next attempt changes without an event.
                    self.needs_redraw |= matches!(self.app.connection, Connection::Lost { .. });
                    self.app.refresh();
                }
                () = tokio::time::sleep_until(next_measurement) => {
                    next_measurement = Instant::now() + LAG_INTERVAL;
                    self.server.measure_lag();
                }
            }
            if let Some(exit) = self.handle_answers()? {
                return Ok(exit);
            }
            self.perform_effects()?;
            self.app.now = Timestamp::now();
        }
    }

    /// Handles an event of the terminal; returns `Some` when the program should exit.
    fn handle_input(&mut self, input: Input) -> Option<Exit> {
        if let Some(certificate) = &mut self.certificate {
            let answer = match input {
                Input::Key(key) if key.kind != KeyEventKind::Release => certificate.handle_key(key),
                _ => None,
            };
            return match answer {
                Some(Decision::Trust) => {
                    self.server.trust(certificate.unknown());
                    self.certificate = None;
                    None
                }
                Some(Decision::Refuse) if self.server.was_admitted() => {
                    self.certificate = None;
                    None
                }
                Some(Decision::Refuse) => Some(Exit::Failed(certificate.unknown().declined())),
                None => None,
            };
        }
        match (&mut self.sign_in, input) {
            (Some(sign_in), Input::Key(key)) if key.kind != KeyEventKind::Release => {
                sign_in.type_key(key);
            }
            (Some(sign_in), Input::Paste(text)) => sign_in.paste(text),
            (Some(_), _) | (None, Input::Resize(..)) => {}
            (None, Input::Key(key)) => self.app.handle_key(key),
            (None, Input::Paste(text)) => self.app.handle_paste(&text),
            (None, Input::Mouse(mouse)) => self.app.handle_mouse(mouse),
            (None, Input::FocusGained) => self.app.set_focused(true),
            (None, Input::FocusLost) => self.app.set_focused(false),
        }
        None
    }

    /// Signs in with the answers of the user; returns `Some` when the program should exit.
    fn handle_answers(&mut self) -> anyhow::Result<Option<Exit>> {
        while let Some(answer) = self.sign_in.as_mut().and_then(SignInScreen::next_answer) {
            match answer {
                // If a sign-in is under way, the user has corrected the name or email.
                Answer::Identity(name, email) => {
                    self.server.sign_in_as(new_account(name, email)?);
                }
                Answer::Code(code) => self.server.answer(&code),
                Answer::Quit => return Ok(Some(Exit::Finished)),
            }
        }
        Ok(None)
    }

    /// Handles an event on the connection; returns `Some` when the program should exit.
    fn handle_event(&mut self, event: Event) -> Option<Exit> {
        match event {
            Event::Notice(text) => {
                if let Some(sign_in) = &mut self.sign_in {
                    sign_in.add_notice(&text);
                } else {
                    self.app.show(&text);
                    self.notices.push(text);
                }
            }
            Event::UnknownCertificate(unknown) => {
                self.certificate = Some(CertificateScreen::new(unknown, "quits"));
            }
            Event::CertificateRefused(unknown) => {
                self.app.show(&unknown.description());
                self.app
                    .show("rook goes on trying; /trust asks whether to trust it");
            }
            Event::AccountRequired => {
                if let Some(sign_in) = &mut self.sign_in {
                    sign_in.ask_identity();
                }
            }
            Event::CodeRequired { mailed } => {
                // When the stored credential is refused, there is no sign-in screen yet.
                let sign_in = self.sign_in.get_or_insert_with(|| {
                    let account = self.server.account().cloned();
                    let (name, email) =
                        account.map(|account| (account.name, account.email)).unzip();
                    let server = self.options.server.to_string();
                    let mut sign_in = SignInScreen::new(server, name, email);
                    for notice in self.notices.drain(..) {
                        sign_in.add_notice(&notice);
                    }
                    sign_in
                });
                sign_in.ask_code(&mailed);
            }
            Event::SignedIn => {
                self.ended = None;
                if let Some(certificate) = &mut self.certificate {
                    certificate.settle();
                }
                if let Some(sign_in) = self.sign_in.take() {
                    self.app.first_visit = true;
                    self.app.editor.insert(&sign_in.into_unsent_text());
                }
                self.notices.clear();
            }
            Event::Ready => {
                self.app.connection_ready();
                self.server.measure_lag();
            }
            Event::Message(message) => self.app.handle_message(&message),
            Event::Lag(lag) => self.app.lag = Some(lag),
            Event::Lost(reason) => {
                if self.quitting {
                    return Some(Exit::Finished);
                }
                let pause = self.server.retry();
                self.app.connection_lost(&reason, pause);
            }
            Event::Exit(exit) => return self.handle_exit(exit),
        }
        None
    }

    /// Handles the end of the last session; returns `Some` when the program should exit. Where the
    /// user can do something about it, the screen stays.
    fn handle_exit(&mut self, exit: Exit) -> Option<Exit> {
        match (&mut self.sign_in, &exit) {
            (Some(sign_in), Exit::NotSignedIn(reason)) => {
                sign_in.restart(reason);
            }
            (None, Exit::Kicked(reason) | Exit::Banned(reason) | Exit::Displaced(reason)) => {
                let removal = match exit {
                    Exit::Kicked(_) => Removal::Kicked,
                    Exit::Displaced(_) => Removal::Displaced,
                    _ if exit::is_for_a_while(reason) => Removal::BannedForAWhile,
                    _ => Removal::Banned,
                };
                self.app.session_ended(removal, reason);
                self.ended = Some(exit);
            }
            // The exit code says how the session ended.
            (_, Exit::Finished) => return Some(self.ended.take().unwrap_or(exit)),
            _ => return Some(exit),
        }
        None
    }

    /// Carries out the effects of the app.
    fn perform_effects(&mut self) -> anyhow::Result<()> {
        for effect in self.app.take_effects() {
            match effect {
                Effect::Send(message) => self.server.send(&message),
                Effect::Notify(nick, text) => terminal::notify(self.notify, &nick, &text)?,
                Effect::Open(link) => {
                    if let Err(error) = link.open() {
                        self.app.hint = Some(format!("{error}; c copies the link"));
                    }
                }
                Effect::Reconnect => self.app.connecting_in(self.server.retry()),
                Effect::AskTrust => match self.server.refused() {
                    Some(unknown) => {
                        let question = CertificateScreen::new(unknown.clone(), "returns");
                        self.certificate = Some(question);
                    }
                    None => self.app.show("no certificate was refused"),
                },
                Effect::Copy(text) => terminal::copy(&text)?,
                Effect::SavePreferences { before, after } => {
                    self.server.save_preferences(&before, &after);
                }
                Effect::SaveEmail(email) => self.server.save_email(&email),
                Effect::Quit(reason) => {
                    self.quitting = true;
                    self.server.quit(reason.as_deref());
                }
            }
        }
        Ok(())
    }
}

/// Whether the whole screen must be drawn again: after Ctrl-L or a change of size.
fn forces_redraw(input: &Input) -> bool {
    matches!(input, Input::Resize(..)) || is_control(input, 'l')
}

fn is_control(input: &Input, letter: char) -> bool {
    let wanted = KeyCode::Char(letter);
    matches!(input, Input::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. })
        if *code == wanted && *modifiers == KeyModifiers::CONTROL)
}

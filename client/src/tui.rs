//! The chat on the whole screen of a terminal.

mod app;
mod areas;
mod chosen;
mod completion;
mod draw;
mod editor;
mod keys;
mod layout;
mod links;
mod password;
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
use rookery_protocol::{AccountName, Email};
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::{Colours, Notify};
use crate::console::Interrupt;
use crate::exit::Exit;
use crate::reconnect::{ConnectOptions, Event, Reconnector, new_credential};
use crate::state::{ServerState, StateFile, StoredAccount};
use app::{App, Connection, Effect};
use sign_in_screen::{Input as SignInInput, SignInScreen};
use terminal::Screen;
use theme::Theme;

/// At most sixty pictures a second: what comes in between is drawn together.
const FRAME: Duration = Duration::from_millis(16);
/// How often the server is asked how long it takes to answer.
const MEASURE_EVERY: Duration = Duration::from_secs(15);
/// What shows time passing is drawn so often.
const TICK: Duration = Duration::from_secs(1);

/// The chat and its surroundings.
struct Chat {
    options: ConnectOptions,
    state: StateFile,
    kept: ServerState,
    /// None until it is known who signs in.
    link: Option<Reconnector>,
    /// The first screen, while it is needed.
    sign_in: Option<SignInScreen>,
    app: App,
    theme: Theme,
    notify: Notify,
    /// What was told on the way in, before there was a first screen to tell it on.
    told: Vec<String>,
    /// The screen differs from what is drawn.
    stale: bool,
    /// We have said goodbye.
    leaving: bool,
}

/// Chats until it is over. The terminal is given back by then.
pub async fn run(
    options: ConnectOptions,
    colours: Option<Colours>,
    notify: Notify,
) -> anyhow::Result<Exit> {
    let state = StateFile::of(&options.server)?;
    let kept = state.load()?;
    let mut interrupt = Interrupt::catch()?;
    let mut continued = signal(SignalKind::from_raw(terminal::CONTINUED))?;
    let theme = Theme::new(colours.unwrap_or_else(theme::colours_here));
    let mut app = App::new(
        options.server.to_string(),
        theme,
        TimeZone::system(),
        Timestamp::now(),
    );
    app.model.add_auto_join(&options.join);
    let mut chat = Chat {
        options,
        state,
        kept,
        link: None,
        sign_in: None,
        app,
        theme,
        notify,
        told: Vec::new(),
        stale: true,
        leaving: false,
    };
    chat.app.settle_in(&chat.kept.preferences);
    chat.begin()?;
    let mut screen = Screen::take()?;
    chat.run(
        &mut screen,
        &mut terminal::events(),
        &mut interrupt,
        &mut continued,
    )
    .await
}

impl Chat {
    /// Straight in with a kept account; else by the first screen.
    fn begin(&mut self) -> anyhow::Result<()> {
        if let Some(account) = self.options.known(&self.kept).cloned() {
            self.link = Some(self.link_for(account));
            return Ok(());
        }
        let ConnectOptions {
            server,
            name,
            email,
            ..
        } = &self.options;
        let sign_in = SignInScreen::new(server.to_string(), name.clone(), email.clone());
        let identity = sign_in.identity();
        self.sign_in = Some(sign_in);
        if let Some((name, email)) = identity {
            self.introduce(name, email)?;
        }
        Ok(())
    }

    fn introduce(&mut self, name: AccountName, email: Email) -> anyhow::Result<()> {
        // What was pinned at an earlier try is known by now.
        self.kept = self.state.load()?;
        let account = StoredAccount {
            name,
            email,
            credential: new_credential()?,
        };
        // A code may have been asked for already, with something mistyped.
        if !self
            .link
            .as_mut()
            .is_some_and(|link| link.start_over(&account))
        {
            self.link = Some(self.link_for(account));
        }
        Ok(())
    }

    fn link_for(&self, account: StoredAccount) -> Reconnector {
        Reconnector::new(
            self.options.clone(),
            self.state.clone(),
            self.kept.clone(),
            account,
            true,
        )
    }

    async fn run(
        &mut self,
        screen: &mut Screen,
        inputs: &mut mpsc::UnboundedReceiver<Input>,
        interrupt: &mut Interrupt,
        continued: &mut unix::Signal,
    ) -> anyhow::Result<Exit> {
        self.app.size = screen.terminal.size()?.into();
        let mut next_frame = Instant::now();
        let mut next_tick = Instant::now() + TICK;
        let mut next_measure = Instant::now() + MEASURE_EVERY;
        loop {
            let now = Instant::now();
            if self.stale && now >= next_frame {
                if self.sign_in.is_none() {
                    self.app.look();
                    self.perform()?;
                }
                screen.terminal.draw(|frame| {
                    self.app.size = frame.area();
                    match &self.sign_in {
                        Some(sign_in) => sign_in.draw(frame, self.theme),
                        None => draw::draw(frame, &self.app),
                    }
                })?;
                self.stale = false;
                next_frame = now + FRAME;
            }
            let late = self.app.deadline();
            tokio::select! {
                // Keys come before all that the server has to say.
                biased;
                input = inputs.recv() => {
                    let Some(input) = input else { return Ok(Exit::Finished) };
                    self.stale = true;
                    if is_control(&input, 'z') {
                        screen.suspend(continued).await?;
                        continue;
                    }
                    if redraws(&input) {
                        screen.forget()?;
                    }
                    if let Some(exit) = self.input(input)? {
                        return Ok(exit);
                    }
                    // Whoever types sees it at once, however soon the next picture is due; a burst
                    // of keys is one.
                    if inputs.is_empty() {
                        next_frame = Instant::now();
                    }
                }
                _ = continued.recv() => {
                    // Someone else had stopped us, and the terminal may have been theirs meanwhile.
                    screen.take_again()?;
                    self.stale = true;
                }
                () = interrupt.wait() => return Ok(Exit::Finished),
                () = tokio::time::sleep_until(next_frame), if self.stale => {}
                event = next(&mut self.link) => {
                    self.stale = true;
                    if let Some(exit) = self.follow(event) {
                        return Ok(exit);
                    }
                }
                () = tokio::time::sleep_until(late.unwrap_or(now)), if late.is_some() => {
                    self.app.expire(Instant::now());
                    self.stale = true;
                }
                () = tokio::time::sleep_until(next_tick) => {
                    next_tick = Instant::now() + TICK;
                    // A countdown is all that changes by itself.
                    self.stale |= matches!(self.app.connection, Connection::Lost { .. });
                    self.app.look();
                }
                () = tokio::time::sleep_until(next_measure) => {
                    next_measure = Instant::now() + MEASURE_EVERY;
                    if let Some(link) = &mut self.link {
                        link.measure();
                    }
                }
            }
            self.perform()?;
            self.app.now = Timestamp::now();
        }
    }

    /// Takes a key or the like; gives the end when that is it.
    fn input(&mut self, input: Input) -> anyhow::Result<Option<Exit>> {
        let Some(sign_in) = &mut self.sign_in else {
            match input {
                Input::Key(key) => self.app.key(key),
                Input::Paste(text) => self.app.paste(&text),
                Input::Mouse(mouse) => self.app.mouse(mouse),
                Input::FocusGained => self.app.focus(true),
                Input::FocusLost => self.app.focus(false),
                Input::Resize(..) => {}
            }
            return Ok(None);
        };
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => match sign_in.key(key) {
                Some(SignInInput::Identity(name, email)) => self.introduce(name, email)?,
                Some(SignInInput::Code(code)) => {
                    if let Some(link) = &mut self.link {
                        link.answer(&code);
                    }
                }
                Some(SignInInput::Leave) => return Ok(Some(Exit::Finished)),
                None => {}
            },
            Input::Paste(text) => sign_in.paste(&text),
            _ => {}
        }
        Ok(None)
    }

    /// Takes what happens on the way to the server; gives the end when that is it.
    fn follow(&mut self, event: Event) -> Option<Exit> {
        match event {
            Event::Notice(words) => {
                if let Some(sign_in) = &mut self.sign_in {
                    sign_in.tell(&words);
                } else {
                    self.app.tell(&words);
                    self.told.push(words);
                }
            }
            Event::CodeRequired { mailed } => {
                // A kept credential may be refused: then there is no first screen yet.
                let sign_in = self.sign_in.get_or_insert_with(|| {
                    let known = self.kept.account.clone();
                    let (name, email) = known.map(|account| (account.name, account.email)).unzip();
                    let mut sign_in =
                        SignInScreen::new(self.options.server.to_string(), name, email);
                    for words in self.told.drain(..) {
                        sign_in.tell(&words);
                    }
                    sign_in
                });
                sign_in.ask_code(&mailed);
            }
            Event::SignedIn => {
                self.app.newcomer = self.sign_in.take().is_some();
                self.told.clear();
            }
            Event::Ready => {
                self.app.settled();
                if let Some(link) = &mut self.link {
                    link.measure();
                }
            }
            Event::Message(message) => self.app.hear(&message),
            Event::Lag(lag) => self.app.lag = Some(lag),
            Event::Lost(why) => {
                if self.leaving {
                    return Some(Exit::Finished);
                }
                let pause = self
                    .link
                    .as_mut()
                    .map_or(Duration::ZERO, Reconnector::retry);
                self.app.lost(&why, pause);
            }
            Event::Exit(Exit::NotSignedIn(why)) if self.sign_in.is_some() => {
                self.link = None;
                if let Some(sign_in) = &mut self.sign_in {
                    sign_in.refused(&why);
                }
            }
            Event::Exit(exit) => return Some(exit),
        }
        None
    }

    /// Does what the chat has decided.
    fn perform(&mut self) -> anyhow::Result<()> {
        for effect in self.app.effects() {
            let Some(link) = &mut self.link else {
                return Ok(());
            };
            match effect {
                Effect::Send(message) => link.send(&message),
                Effect::Notify(nick, words) => terminal::notify(self.notify, &nick, &words)?,
                Effect::Open(link) => {
                    if let Err(error) = link.open() {
                        self.app.hint = Some(format!("{error}; c copies the link"));
                    }
                }
                Effect::Copy(text) => terminal::copy(&text)?,
                Effect::SavePreferences(preferences) => link.keep(preferences),
                Effect::Quit(reason) => {
                    self.leaving = true;
                    link.quit(reason.as_deref());
                }
            }
        }
        Ok(())
    }
}

/// Ctrl-L, or another size: nothing of what is drawn is relied upon.
fn redraws(input: &Input) -> bool {
    matches!(input, Input::Resize(..)) || is_control(input, 'l')
}

fn is_control(input: &Input, letter: char) -> bool {
    let wanted = KeyCode::Char(letter);
    matches!(input, Input::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. })
        if *code == wanted && *modifiers == KeyModifiers::CONTROL)
}

/// The next event; none for ever while nobody is known to sign in.
async fn next(link: &mut Option<Reconnector>) -> Event {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

//! The event loop: the terminal, and the threads that wait for keys, the server and signals.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use rookery_control_api::{BanReply, BanRequest, KickReply, KickRequest, Top};
use rookery_terminal::{Capture, Screen};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::PATH;
use super::confirm::{Action, ActionKind};
use super::draw::{Look, draw};
use super::model::{Command, Model};
use crate::client::{Client, Reply, segment};
use crate::colour;
use crate::commands::{bans, users};
use crate::failure::{Failure, while_doing};
use crate::render::Clock;

/// An input of the event loop.
enum Input {
    Key(KeyEvent),
    /// The screen has a new size.
    Resized,
    /// The next snapshot, or why there is none.
    Snapshot(Box<Result<Top, Failure>>),
    /// The result of an action.
    ActionDone(Result<String, Failure>),
    /// A signal asks the program to stop, or the terminal has disappeared.
    Stop,
}

/// Shows snapshots until the operator quits or the session ends.
pub fn run(client: &Client, interval: Duration, mut model: Model) -> Result<(), Failure> {
    let (sender, inputs) = mpsc::channel();
    // Registered before the terminal is changed, so that no signal leaves it changed.
    let signals = Signals::new([SIGHUP, SIGINT, SIGTERM])
        .map_err(while_doing("cannot register signal handlers"))?;
    let mut screen = Screen::open(Capture::Keys).map_err(while_doing("cannot use the terminal"))?;
    wait_for_signals(signals, sender.clone());
    wait_for_keys(sender.clone());
    let refresh = fetch_snapshots(client.clone(), interval, sender.clone());
    let look = Look {
        colour: colour::is_on(),
    };
    loop {
        screen
            .draw(|frame| draw(frame, &model, look))
            .map_err(while_doing("cannot write to the terminal"))?;
        match inputs.recv() {
            Err(_) | Ok(Input::Stop) => return Ok(()),
            Ok(Input::Resized) => {}
            Ok(Input::Snapshot(reply)) => match *reply {
                Ok(top) => model.update(top),
                Err(failure @ Failure::NotSignedIn { .. }) => return Err(failure),
                Err(failure) => model.set_unreachable(&failure),
            },
            Ok(Input::ActionDone(Err(failure @ Failure::NotSignedIn { .. }))) => {
                return Err(failure);
            }
            Ok(Input::ActionDone(result)) => {
                model.finish_action(result);
                // If the thread has ended, there is nothing to refresh.
                let _ = refresh.send(());
            }
            Ok(Input::Key(key)) => match model.handle_key(key) {
                None => {}
                Some(Command::Quit) => return Ok(()),
                Some(Command::CarryOut(action)) => {
                    let (client, sender) = (client.clone(), sender.clone());
                    thread::spawn(move || {
                        // The event loop may have ended.
                        let _ = sender.send(Input::ActionDone(carry_out(&client, &action)));
                    });
                }
            },
        }
    }
}

fn wait_for_signals(mut signals: Signals, inputs: Sender<Input>) {
    thread::spawn(move || {
        for _ in signals.forever() {
            if inputs.send(Input::Stop).is_err() {
                return;
            }
        }
    });
}

fn wait_for_keys(inputs: Sender<Input>) {
    thread::spawn(move || {
        loop {
            let input = match event::read() {
                Ok(Event::Key(key)) if key.kind == KeyEventKind::Release => continue,
                Ok(Event::Key(key)) => Input::Key(key),
                Ok(Event::Resize(..)) => Input::Resized,
                Ok(_) => continue,
                Err(_) => Input::Stop,
            };
            let is_last = matches!(input, Input::Stop);
            if inputs.send(input).is_err() || is_last {
                return;
            }
        }
    });
}

/// Fetches a snapshot after each interval, and whenever something is sent to the returned sender.
fn fetch_snapshots(client: Client, interval: Duration, inputs: Sender<Input>) -> Sender<()> {
    let (refresh, requested): (_, Receiver<()>) = mpsc::channel();
    thread::spawn(move || {
        while requested.recv_timeout(interval) != Err(RecvTimeoutError::Disconnected) {
            let snapshot = client.get(PATH).map(|reply: Reply<Top>| reply.value);
            if inputs.send(Input::Snapshot(Box::new(snapshot))).is_err() {
                return;
            }
        }
    });
    refresh
}

/// Carries out an action on the server and returns the confirmation.
fn carry_out(client: &Client, action: &Action) -> Result<String, Failure> {
    let reason = Some(action.reason.clone());
    match &action.kind {
        ActionKind::Kick { nick } => {
            let path = format!("/v1/users/{}/kick", segment(nick));
            let request = KickRequest {
                reason,
                session: None,
            };
            let reply: Reply<KickReply> = client.post(&path, &request)?;
            Ok(users::kicked(nick, &reply.value))
        }
        ActionKind::Ban { target } => {
            let request = BanRequest {
                target: target.clone(),
                reason,
                expires_at: None,
                duration: None,
                dry_run: false,
                confirm: action.confirmed,
            };
            let reply: Reply<BanReply> = client.post("/v1/bans", &request)?;
            Ok(bans::banned(&reply.value, &Clock::system()))
        }
    }
}

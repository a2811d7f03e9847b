//! The terminal: taken whole, and given back as it was; and those who wait for keys, for the
//! server, and for signals.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use rookery_control_api::{BanReply, BanRequest, KickReply, KickRequest, Top};
use rookery_terminal::{Capture, Screen};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::PATH;
use super::asking::{Deed, Kind};
use super::draw::{Look, draw};
use super::model::{Model, Wish};
use crate::client::{Client, Reply, segment};
use crate::colour;
use crate::failure::{Failure, while_doing};
use crate::output::{self, Reader};

/// What there is to react to.
enum Input {
    Key(KeyEvent),
    /// The screen has another size.
    Resized,
    /// The server answered, or did not.
    Moment(Box<Result<Top, Failure>>),
    /// What was to be done is done, or not.
    Done(Result<String, Failure>),
    /// Someone wants it to end, or the terminal is gone.
    Stop,
}

/// Shows what there is, until the operator leaves or the sign-in ends.
pub fn run(client: &Client, every: Duration, mut model: Model) -> Result<(), Failure> {
    let (inputs, came) = mpsc::channel();
    // Before the terminal is taken: a signal may come at any time from here on.
    let signals =
        Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(while_doing("signals cannot be heard"))?;
    let mut screen =
        Screen::open(Capture::Keys).map_err(while_doing("the terminal cannot be used"))?;
    wait_for_signals(signals, inputs.clone());
    wait_for_keys(inputs.clone());
    let look_again = look_every(client.clone(), every, inputs.clone());
    let look = Look {
        colour: colour::is_on(),
    };
    let failed = |error| while_doing("the terminal cannot be written")(error);
    loop {
        screen
            .terminal
            .draw(|frame| draw(frame, &model, look))
            .map_err(failed)?;
        match came.recv() {
            Err(_) | Ok(Input::Stop) => return Ok(()),
            Ok(Input::Resized) => {}
            Ok(Input::Moment(answer)) => match *answer {
                Ok(top) => model.take(top),
                Err(failure @ Failure::NotSignedIn(_)) => return Err(failure),
                Err(failure) => model.no_answer(&failure),
            },
            Ok(Input::Done(Err(failure @ Failure::NotSignedIn(_)))) => return Err(failure),
            Ok(Input::Done(result)) => {
                model.done(result);
                // Whoever looks once a second sees it then, at the latest.
                let _ = look_again.send(());
            }
            Ok(Input::Key(key)) => match model.key(key) {
                None => {}
                Some(Wish::Leave) => return Ok(()),
                Some(Wish::Do(deed)) => {
                    let (client, inputs) = (client.clone(), inputs.clone());
                    thread::spawn(move || {
                        // The screen may be gone.
                        let _ = inputs.send(Input::Done(carry_out(&client, &deed)));
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

/// Looks again after every so long, and whenever the sender that it gives is sent something.
fn look_every(client: Client, every: Duration, inputs: Sender<Input>) -> Sender<()> {
    let (look_again, asked): (_, Receiver<()>) = mpsc::channel();
    thread::spawn(move || {
        while asked.recv_timeout(every) != Err(RecvTimeoutError::Disconnected) {
            let answer = client.get(PATH).map(|reply: Reply<Top>| reply.value);
            if inputs.send(Input::Moment(Box::new(answer))).is_err() {
                return;
            }
        }
    });
    look_again
}

/// Has the server do it; gives what is told of it.
fn carry_out(client: &Client, deed: &Deed) -> Result<String, Failure> {
    let reason = Some(deed.reason.clone());
    match &deed.kind {
        Kind::Kick { nick } => {
            let path = format!("/v1/users/{}/kick", segment(nick));
            let reply: Reply<KickReply> = client.post(
                &path,
                &KickRequest {
                    reason,
                    session: None,
                },
            )?;
            Ok(output::kick(nick, &reply.value))
        }
        Kind::Ban { target } => {
            let request = BanRequest {
                target: target.clone(),
                reason,
                expires_at: None,
                duration: None,
                dry_run: false,
                confirm: deed.confirmed,
            };
            let reply: Reply<BanReply> = client.post("/v1/bans", &request)?;
            Ok(Reader::here().ban(&reply.value))
        }
    }
}

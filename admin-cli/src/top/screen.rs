//! The terminal: taken whole, and given back as it was; and those who wait for keys, for the
//! server, and for signals.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use rookery_control_api::{BanReply, BanRequest, KickReply, KickRequest, Top};
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

/// The terminal, for as long as this lives. A panic gives it back before it is told.
struct Screen(DefaultTerminal);

impl Screen {
    fn take() -> Result<Self, Failure> {
        let taken = ratatui::try_init().map(Self);
        taken.map_err(|error| {
            give_back();
            while_doing("the terminal cannot be used")(error)
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Else it would be shown when the other screen is left already.
        let _ = self.0.show_cursor();
        give_back();
    }
}

/// A terminal that is gone cannot be given back.
fn give_back() {
    let _ = ratatui::try_restore();
}

/// Shows what there is, until the operator leaves or the sign-in ends.
pub fn run(client: &Client, every: Duration, mut model: Model) -> Result<(), Failure> {
    let (inputs, came) = mpsc::channel();
    // Before the terminal is taken: a signal may come at any time from here on.
    let signals =
        Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(while_doing("signals cannot be heard"))?;
    let mut screen = Screen::take()?;
    wait_for_signals(signals, inputs.clone());
    wait_for_keys(inputs.clone());
    let look_again = look_every(client.clone(), every, inputs.clone());
    let look = Look {
        colour: colour::is_on(),
    };
    let failed = |error| while_doing("the terminal cannot be written")(error);
    loop {
        screen
            .0
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Not a test of its own: [`a_panic_gives_the_terminal_back`] runs it, on a terminal.
    const ON_A_TERMINAL: &str = "ADMIN_CLI_TEST_ON_A_TERMINAL";

    #[test]
    fn a_panic_gives_the_terminal_back() {
        use std::io::Read as _;
        use std::process::Command;

        use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
        use rustix::termios::{LocalModes, tcgetattr};

        if std::env::var_os(ON_A_TERMINAL).is_some() {
            let _screen = Screen::take().unwrap();
            panic!("as it may happen");
        }
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let ours = openpt(flags).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let theirs = ioctl_tiocgptpeer(&ours, flags).unwrap();
        let end = || theirs.try_clone().unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "top::screen::tests::a_panic_gives_the_terminal_back",
            ])
            .env(ON_A_TERMINAL, "yes")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .status()
            .unwrap();
        assert!(!status.success());
        let modes = tcgetattr(&theirs).unwrap().local_modes;
        assert!(
            modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG),
            "{modes:?}"
        );
        drop(theirs);
        let mut written = Vec::new();
        // A terminal that nobody holds any more ends with an error.
        let _ = std::fs::File::from(ours).read_to_end(&mut written);
        let written = String::from_utf8_lossy(&written);
        let at = |part: &str| {
            written
                .find(part)
                .unwrap_or_else(|| panic!("no {part:?} in {written:?}"))
        };
        assert!(
            at("\u{1b}[?1049h") < at("\u{1b}[?1049l"),
            "the second screen is left"
        );
        assert!(
            at("\u{1b}[?1049l") < at("as it may happen"),
            "and the panic is told on the first"
        );
    }
}

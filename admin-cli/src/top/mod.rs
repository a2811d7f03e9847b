//! `top`: how busy the server is, moment by moment, on the whole screen; or a line of JSON for each
//! moment.
//!
//! The model knows what is shown and what a key means, `draw` what that looks like; neither needs a
//! terminal. The screen has the terminal, and the threads that wait for keys, for the server, and
//! for signals.

mod asking;
mod draw;
mod model;
mod pace;
mod panes;
mod screen;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _};
use std::thread;
use std::time::Duration;

use jiff::tz::TimeZone;
use rookery_control_api::Top;

use crate::cli::TopOptions;
use crate::client::{Client, Reply};
use crate::commands::Show;
use crate::failure::Failure;
use crate::output;
use model::Model;

const PATH: &str = "/v1/top";

/// Shows one moment after the other until the operator, the sign-in or the terminal ends it.
pub fn run(client: &Client, options: &TopOptions, show: &Show) -> Result<(), Failure> {
    let every = Duration::from_secs(options.interval.into());
    if show.json {
        return print(client, every);
    }
    if !io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "top draws on a terminal, and standard output is none. `admin-cli --json top` writes a line for each moment, \
             `admin-cli status` is one look."
                .to_owned(),
        ));
    }
    let first: Reply<Top> = client.get(PATH)?;
    screen::run(
        client,
        every,
        Model::new(client.server().to_string(), TimeZone::system(), first.value),
    )
}

/// What the server answers, a line each, for as long as somebody reads it.
fn print(client: &Client, every: Duration) -> Result<(), Failure> {
    loop {
        let moment: Reply<Top> = client.get(PATH)?;
        if !output::print_on(moment.raw.trim_end())? {
            return Ok(());
        }
        thread::sleep(every);
    }
}

//! `top`: how busy the server is, live on the whole screen, or as one line of JSON per snapshot.
//!
//! `model` holds what is shown and handles keys, and `draw` renders it; neither touches a terminal,
//! so tests run them in memory. `screen` owns the terminal and the threads that wait for keys, for
//! the server and for signals.

mod confirm;
mod draw;
mod model;
mod panes;
mod rates;
mod screen;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _};
use std::thread;
use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;
use rookery_control_api::Top;

use crate::client::{Client, Reply};
use crate::context::Context;
use crate::failure::Failure;
use crate::render;
use model::Model;

const PATH: &str = "/v1/top";

#[derive(Debug, Args)]
pub struct Options {
    /// Seconds between two snapshots, 1 to 60
    #[arg(
        long, value_name = "SECONDS", default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=60)
    )]
    interval: u8,
}

impl Options {
    /// Shows snapshots until the operator quits, or the session or the terminal ends.
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        let interval = Duration::from_secs(self.interval.into());
        if context.json {
            return print_json(&client, interval);
        }
        if !io::stdout().is_terminal() {
            return Err(Failure::Usage(
                "top needs a terminal as standard output. `admin-cli --json top` prints a line per \
                 snapshot, `admin-cli status` a single snapshot."
                    .to_owned(),
            ));
        }
        let first: Reply<Top> = client.get(PATH)?;
        let model = Model::new(client.server().to_string(), TimeZone::system(), first.value);
        screen::run(&client.without_notices(), interval, model)
    }
}

/// Prints each snapshot as one line, until nothing reads them any longer.
fn print_json(client: &Client, interval: Duration) -> Result<(), Failure> {
    loop {
        let snapshot: Reply<Top> = client.get(PATH)?;
        if !render::print_json_line(&snapshot.raw)? {
            return Ok(());
        }
        thread::sleep(interval);
    }
}

//! `top`.

use clap::Args;

/// How often to look.
#[derive(Debug, Args)]
pub struct TopOptions {
    /// How long from one look to the next, 1 to 60
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=60))]
    pub interval: u8,
}

//! `announce`.

use clap::Args;

/// What is said, and to whom.
#[derive(Debug, Args)]
pub struct AnnounceOptions {
    /// One line
    pub text: String,
    /// Only those in that channel, with or without its #
    #[arg(long, value_name = "C", conflicts_with = "account")]
    pub channel: Option<String>,
    /// Only that account
    #[arg(long, value_name = "A")]
    pub account: Option<String>,
}

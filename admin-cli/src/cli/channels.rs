//! `channel`.

use clap::Subcommand;

/// What to do with a channel. Its `#` may be left out: a shell would take it for a comment.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Show who is in it
    Show {
        /// The channel's name, with or without its #
        name: String,
    },
    /// Kick everyone out of it; it is gone with that
    Close {
        /// The channel's name, with or without its #
        name: String,
        /// Shown to everyone in it
        #[arg(long, value_name = "R")]
        reason: Option<String>,
    },
}

//! `channel`.

use clap::Subcommand;
use jiff::Timestamp;

use super::audit::moment;

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
    /// Remove what was said and done in it, for good
    Purge {
        /// The channel's name, with or without its #
        name: String,
        /// Only what was before then: 7d for all but the last seven days, or a time as
        /// 2026-11-22T10:00:00Z
        #[arg(long, value_name = "WHEN", value_parser = moment)]
        before: Option<Timestamp>,
        /// Shown to everyone in it
        #[arg(long, value_name = "R")]
        reason: Option<String>,
        /// Do not ask again
        #[arg(long)]
        yes: bool,
    },
}

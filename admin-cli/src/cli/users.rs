//! `kick`.

use clap::Args;

/// Whose sessions end.
#[derive(Debug, Args)]
pub struct KickOptions {
    /// The user's nick
    pub name: String,
    /// Shown to the user
    #[arg(long, value_name = "R")]
    pub reason: Option<String>,
}

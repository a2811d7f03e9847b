//! `kick`.

use clap::Args;

/// Whose sessions end.
#[derive(Debug, Args)]
pub struct KickOptions {
    /// The user's nick
    #[arg(required_unless_present = "target", conflicts_with = "target")]
    pub name: Option<String>,
    /// Only this session of the user, by its id
    #[arg(long, value_name = "ID", conflicts_with = "target")]
    pub session: Option<u64>,
    /// Everyone whom a ban of this target would end: an account's name, an email, a pattern of emails, an IP address, a
    /// network
    #[arg(long = "match", value_name = "TARGET")]
    pub target: Option<String>,
    /// Shown to whoever is kicked
    #[arg(long, value_name = "R")]
    pub reason: Option<String>,
    /// Only show whom `--match` would hit now
    #[arg(long, requires = "target")]
    pub dry_run: bool,
    /// Do not ask again before a kick of the world, or of yourself
    #[arg(long, requires = "target")]
    pub yes: bool,
}

//! `list` and `kick`.

use clap::Args;
use rookery_control_api::UserOrder;

use super::one_of;

/// Whose sessions end.
#[derive(Debug, Args)]
pub struct KickOptions {
    /// The user's nick
    #[arg(required_unless_present = "target", conflicts_with = "target")]
    pub name: Option<String>,
    /// Only this session of the user, by its id (see `whois`)
    #[arg(long, value_name = "ID", conflicts_with = "target")]
    pub session: Option<u64>,
    /// Everyone whom a ban of this target would end: an account's name, an email, a pattern of
    /// emails, an IP address, a network
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

/// Who is shown, and in which order.
#[derive(Debug, Args)]
pub struct ListOptions {
    /// Only those in that channel, with or without its #
    #[arg(long, value_name = "C")]
    pub channel: Option<String>,
    /// Only those whom a ban of this target would end, with the sessions that would end
    #[arg(long = "match", value_name = "TARGET")]
    pub target: Option<String>,
    /// Only those with this in their nick, email, address, or in what a client says of itself
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Only guests
    #[arg(long)]
    pub guests: bool,
    /// By name, since (who came first), idle (the longest first), sessions (the most first) or
    /// address
    #[arg(long, value_name = "BY", default_value = "name",
        value_parser = one_of::<UserOrder>(UserOrder::ALL.map(UserOrder::as_str)))]
    pub sort: UserOrder,
    /// The other way round
    #[arg(long)]
    pub reverse: bool,
    /// Begin after this user, as the page before says
    #[arg(long, value_name = "NEXT")]
    pub after: Option<String>,
    /// How many on a page
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Show it anew every two seconds, until ctrl-c
    #[arg(long)]
    pub watch: bool,
}

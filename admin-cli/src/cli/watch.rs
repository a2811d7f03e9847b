//! `watch`.

use clap::Args;
use rookery_protocol::control::EventKind;

/// Which events to show.
#[derive(Debug, Args)]
pub struct WatchOptions {
    /// Only events of this kind, as user-went; may be given several times
    #[arg(long = "kind", value_name = "K")]
    pub kinds: Vec<EventKind>,
    /// Only events about this user, account, admin or ban target
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

//! `watch`.

use clap::Args;
use rookery_control_api::EventKind;

use super::one_of;

/// Which events to show.
#[derive(Debug, Args)]
pub struct WatchOptions {
    /// Only events of this kind, as user-disconnected; may be given several times
    #[arg(long = "kind", value_name = "K",
        value_parser = one_of::<EventKind>(EventKind::ALL.iter().map(|kind| kind.name())))]
    pub kinds: Vec<EventKind>,
    /// Only events about this user, account, admin or ban target
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

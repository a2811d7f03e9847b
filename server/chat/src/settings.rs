//! The settings of the core.

use rookery_protocol::{Capabilities, CapabilityValues, ChannelName};
use rookery_record::EmailAliases;

/// The part of the config that the core uses.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the config"
)]
pub struct Settings {
    pub server_name: String,
    pub network: String,
    pub lobby: Vec<ChannelName>,
    /// Whether a signed-in user may have a nick other than the name of its account.
    pub free_nicks: bool,
    pub motd: String,
    pub history: bool,
    /// Whether members of a channel may read what was sent before they joined.
    pub history_before_join: bool,
    /// Whether users stay while none of their sessions is connected, unless they have chosen
    /// otherwise.
    pub always_on: bool,
    /// The maximum number of missed messages that a session is sent for each channel and
    /// conversation; 0 for none.
    pub replay_lines: usize,
    /// 0 means no limit, here and below.
    pub history_page: usize,
    /// The size of a session's send queue.
    pub sendq_bytes: usize,
    /// For how many minutes users may redact their own messages.
    pub redaction_minutes: u32,
    pub channels_per_user: usize,
    /// The number of channels that one account may own.
    pub owned_channels: usize,
    pub channel_list_entries: usize,
    pub monitor_entries: usize,
    /// How bans compare email addresses.
    pub email_aliases: EmailAliases,
    /// The capabilities offered to clients.
    pub capabilities: Capabilities,
    /// The values of the capabilities.
    pub capability_values: CapabilityValues,
}

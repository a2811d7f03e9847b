//! The settings of the core.

use rookery_protocol::{Capabilities, CapabilityValues, ChannelName};
use rookery_record::EmailAliases;

/// The part of the configuration that the core uses.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch in the configuration"
)]
pub struct Settings {
    /// The server's name, the source of its lines.
    pub server_name: String,
    /// The network's name.
    pub network: String,
    /// The channels that everyone joins on sign-in.
    pub lobby: Vec<ChannelName>,
    /// Whether a signed-in user may have a nick other than the name of its account.
    pub free_nicks: bool,
    /// The message of the day; empty for none.
    pub motd: String,
    /// Whether messages are stored in the history.
    pub history: bool,
    /// Whether members of a channel may read what was sent before they joined.
    pub history_before_join: bool,
    /// Whether users stay while none of their sessions is connected, unless they have chosen
    /// otherwise.
    pub always_on: bool,
    /// The maximum number of missed messages that a session is sent for each channel and
    /// conversation; 0 for none.
    pub replay_lines: usize,
    /// The maximum number of messages in one page of history. Here and below, 0 means no limit.
    pub history_page: usize,
    /// The number of rows in a slice of a long reply: [`SLICE_ROWS`](crate::SLICE_ROWS), or fewer in
    /// simulations, but at least 2.
    pub slice_rows: usize,
    /// The maximum size of a session's send queue, in bytes.
    pub sendq_bytes: usize,
    /// The number of minutes for which users may redact their own messages.
    pub redaction_minutes: u32,
    /// The maximum number of channels that one user may be in.
    pub channels_per_user: usize,
    /// The maximum number of channels that one account may own.
    pub owned_channels: usize,
    /// The maximum number of bytes that the lists, access lists and metadata of all channels that
    /// one account owns may take. Each channel may hold a 16th of that in any case.
    pub owned_channel_bytes: usize,
    /// The maximum number of entries in each list of a channel.
    pub channel_list_entries: usize,
    /// The maximum number of sessions that one account may have.
    pub sessions_per_account: usize,
    /// The maximum number of bytes that one account, or one network of guests, may have stored in
    /// the history in a day.
    pub stored_bytes_per_day: u64,
    /// The maximum number of nicks that one session may monitor.
    pub monitor_entries: usize,
    /// The rules by which bans compare emails.
    pub email_aliases: EmailAliases,
    /// The capabilities offered to clients.
    pub capabilities: Capabilities,
    /// The values of the capabilities.
    pub capability_values: CapabilityValues,
}

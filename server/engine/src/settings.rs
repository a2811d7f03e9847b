//! Derives the core's settings from the configuration.

use rookery_base::config::Config;
use rookery_chat::event::Settings;

/// Returns the core's settings that result from `config`.
pub fn from_config(config: &Config) -> Settings {
    Settings {
        server_name: config.chat.server_name.clone(),
        network: config.chat.network.clone(),
        lobby: config.chat.lobby.clone(),
        free_nicks: config.accounts.free_nicks,
        motd: config.chat.motd.clone(),
        history: config.history.enabled,
        always_on: config.accounts.always_on,
        replay_lines: config.history.replay_lines,
        history_page: config.limits.history_page,
        sendq_bytes: config.limits.sendq_bytes,
        history_before_join: config.history.before_join,
        redaction_minutes: config.history.redaction_minutes,
        channels_per_user: config.limits.channels_per_user,
        owned_channels: config.limits.owned_channels,
        channel_list_entries: config.limits.channel_list_entries,
        monitor_entries: config.limits.monitor_entries,
        email_aliases: config.accounts.email_aliases(),
        capabilities: config.capabilities(),
        capability_values: config.capability_values(),
    }
}

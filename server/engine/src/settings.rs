//! Derives the core's settings from the configuration.

use rookery_base::config::{Accounts, Chat, Config, History, Limits, Tls, capability_values};
use rookery_chat::event::Settings;

/// Returns the core's settings that result from `config`.
pub fn from_config(config: &Config) -> Settings {
    from_sections(
        &config.chat,
        &config.accounts,
        &config.history,
        &config.limits,
        &config.tls,
    )
}

/// Returns the core's settings that result from the sections that affect them.
pub fn from_sections(
    chat: &Chat,
    accounts: &Accounts,
    history: &History,
    limits: &Limits,
    tls: &Tls,
) -> Settings {
    Settings {
        server_name: chat.server_name.clone(),
        network: chat.network.clone(),
        lobby: chat.lobby.clone(),
        free_nicks: accounts.free_nicks,
        motd: chat.motd.clone(),
        history: history.enabled,
        always_on: accounts.always_on,
        replay_lines: history.replay_lines,
        history_page: limits.history_page,
        slice_rows: rookery_chat::slice_rows(limits.sendq_bytes),
        sendq_bytes: limits.sendq_bytes,
        history_before_join: history.before_join,
        redaction_minutes: history.redaction_minutes,
        channels_per_user: limits.channels_per_user,
        owned_channels: limits.owned_channels,
        owned_channel_bytes: limits.owned_channel_bytes,
        channel_list_entries: limits.channel_list_entries,
        sessions_per_account: limits.sessions_per_account,
        stored_bytes_per_day: limits.stored_bytes_per_day,
        monitor_entries: limits.monitor_entries,
        email_aliases: accounts.email_aliases(),
        capabilities: history.capabilities(),
        capability_values: capability_values(accounts, tls),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_configuration_accepts_no_send_queue_that_is_too_small_for_a_slice() {
        let parse = |bytes: usize| {
            let text = format!("[limits]\nsendq_bytes = {bytes}");
            Config::parse(&text, Path::new("config.toml"))
        };
        assert!(parse(rookery_chat::MIN_SENDQ - 1).is_err());
        let config = parse(rookery_chat::MIN_SENDQ).expect("it is accepted");
        assert!(from_config(&config).slice_rows < rookery_chat::SLICE_ROWS);
    }
}

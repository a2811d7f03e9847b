//! `status`, `maintenance`, `reload` and `announce`: the server as a whole.

use clap::{Args, Subcommand};
use rookery_control_api::{
    AnnouncementReply, AnnouncementRequest, MaintenanceRequest, MaintenanceState, Rates,
    ReloadReply, Status,
};

use super::channels::with_mark;
use crate::client::{Client, Reply};
use crate::context::Context;
use crate::failure::Failure;
use crate::render::{Clock, bytes, count, facts, printable};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send an announcement to everyone, to a channel, or to one account
    Announce(AnnounceOptions),
    /// Show, start or end maintenance, during which nobody new can connect
    Maintenance {
        #[command(subcommand)]
        command: Option<MaintenanceCommand>,
    },
    /// Have the server reload its config, certificates and CSV files
    Reload,
    /// Show server status
    Status,
}

#[derive(Debug, Args)]
pub struct AnnounceOptions {
    /// One line; it need not be quoted
    #[arg(required = true)]
    text: Vec<String>,
    /// Only to those in this channel, with or without its #
    #[arg(long, value_name = "C", conflicts_with = "account")]
    channel: Option<String>,
    /// Only to this account
    #[arg(long, value_name = "A")]
    account: Option<String>,
}

/// Maintenance lasts until it is ended, across restarts too. Connected users are not affected.
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Refuse new connections
    On {
        /// Shown to those who are refused: one line; it need not be quoted
        message: Vec<String>,
    },
    /// Accept new connections again
    Off,
}

impl Command {
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        let client = context.client()?;
        match self {
            Self::Announce(options) => announce(&client, options, context),
            Self::Maintenance { command } => maintenance(&client, command, context),
            Self::Reload => {
                let reply: Reply<ReloadReply> = client.post_empty("/v1/reload")?;
                context.show(&reply, |_, _| {
                    "Reloaded the config, certificates and CSV files.".to_owned()
                })
            }
            Self::Status => {
                let reply: Reply<Status> = client.get("/v1/status")?;
                context.show(&reply, status_facts)
            }
        }
    }
}

fn announce(
    client: &Client,
    options: AnnounceOptions,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let AnnounceOptions {
        text,
        channel,
        account,
    } = options;
    let request = AnnouncementRequest {
        text: text.join(" "),
        channel: channel.map(|name| with_mark(&name)),
        account,
    };
    let reply: Reply<AnnouncementReply> = client.post("/v1/announcements", &request)?;
    context.show(&reply, |reply, _| {
        format!(
            "Announced to {}.",
            count(reply.sessions, "session", "sessions")
        )
    })
}

fn maintenance(
    client: &Client,
    command: Option<MaintenanceCommand>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let path = "/v1/maintenance";
    let reply: Reply<MaintenanceState> = match command {
        None => client.get(path)?,
        Some(MaintenanceCommand::On { message }) => {
            let message = (!message.is_empty()).then(|| message.join(" "));
            client.put(path, &MaintenanceRequest { on: true, message })?
        }
        Some(MaintenanceCommand::Off) => client.put(
            path,
            &MaintenanceRequest {
                on: false,
                message: None,
            },
        )?,
    };
    context.show(&reply, maintenance_text)
}

fn maintenance_text(state: &MaintenanceState, clock: &Clock) -> String {
    let MaintenanceState {
        on,
        message,
        by,
        since,
    } = state;
    if !on {
        return "Maintenance is off.".to_owned();
    }
    let since = since.map_or_else(String::new, |since| format!(" since {}", clock.time(since)));
    let by = by
        .as_ref()
        .map_or_else(String::new, |by| format!(", started by {by}"));
    let message = message.as_deref().unwrap_or_default();
    printable(&format!(
        "Maintenance is on{since}{by}. New connections are refused with: {message}"
    ))
}

fn status_facts(status: &Status, clock: &Clock) -> String {
    let users = count(status.users, "user", "users");
    let sessions = count(status.sessions, "session", "sessions");
    let connections = count(status.connections, "connection", "connections");
    let certificate = status.certificate_expires_at.map_or_else(
        || "expiry unknown".to_owned(),
        |end| format!("expires {}", clock.time(end)),
    );
    let queues = format!(
        "{} for the core, {} to commit, largest sendq {}",
        count(status.core_queue_events, "event", "events"),
        count(status.commit_queue_batches, "batch", "batches"),
        bytes(status.largest_sendq_bytes as u64)
    );
    let versions = format!(
        "rookeryd {}, admin-cli {}",
        status.version,
        env!("CARGO_PKG_VERSION")
    );
    let database = format!(
        "{}, {} on disk, {} free",
        status.store,
        bytes(status.store_bytes),
        bytes(status.disk_free_bytes)
    );
    let maintenance = status
        .maintenance
        .clone()
        .unwrap_or_else(|| "off".to_owned());
    facts([
        ("Server", status.server_name.clone()),
        ("Versions", versions),
        ("Started", clock.time(status.started_at)),
        ("Online", format!("{users}, {sessions}, {connections}")),
        ("Channels", status.channels.to_string()),
        ("Bans", status.bans.to_string()),
        ("Maintenance", maintenance),
        (
            "Messages",
            format!("{} stored since the start", status.messages_stored),
        ),
        ("Rates", rates_text(&status.rates)),
        ("Queues", queues),
        ("Database", database),
        ("Mail", status.mail.clone()),
        ("Clock", status.clock.clone()),
        ("Certificate", certificate),
    ])
}

fn rates_text(rates: &Rates) -> String {
    let Rates {
        messages_received,
        deliveries,
        delivered_bytes,
        connections_accepted,
        ..
    } = rates;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "shown in whole bytes"
    )]
    let size = bytes(*delivered_bytes as u64);
    format!(
        "per second: {messages_received} messages, {deliveries} deliveries ({size}), \
         {connections_accepted} connections, {} sign-ins, {} refused",
        rates.sign_ins, rates.sign_ins_refused
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{self, Arguments};
    use crate::commands;
    use crate::render::tests::{ago, clock};

    #[test]
    fn several_words_are_one_text() {
        let line = "admin-cli announce tea is ready --channel lobby";
        let cli::Command::Server(commands::Command::Server(Command::Announce(options))) =
            Arguments::try_parse_from(line.split(' ')).unwrap().command
        else {
            panic!("{line}");
        };
        assert_eq!(options.text, ["tea", "is", "ready"]);
        assert_eq!(options.channel.as_deref(), Some("lobby"));
        assert_eq!(
            Arguments::try_parse_from(["admin-cli", "announce"])
                .unwrap_err()
                .exit_code(),
            2
        );
    }

    #[test]
    fn rates_are_shown_on_one_line() {
        let rates = Rates {
            messages_received: 1.5,
            deliveries: 200.0,
            delivered_bytes: 20_480.4,
            connections_accepted: 0.25,
            ..Rates::default()
        };
        let expected = "per second: 1.5 messages, 200 deliveries (20.0 KiB), 0.25 connections, 0 \
                        sign-ins, 0 refused";
        assert_eq!(rates_text(&rates), expected);
    }

    #[test]
    fn maintenance_is_shown_with_its_message() {
        let off = MaintenanceState {
            on: false,
            message: None,
            by: None,
            since: None,
        };
        assert_eq!(maintenance_text(&off, &clock()), "Maintenance is off.");
        let on = MaintenanceState {
            on: true,
            message: Some("moving house".to_owned()),
            by: Some("root".to_owned()),
            since: Some(ago(60)),
        };
        assert_eq!(
            maintenance_text(&on, &clock()),
            "Maintenance is on since 2026-11-22 09:59:00 (1m ago), started by root. New \
             connections are refused with: moving house"
        );
    }
}

//! `status`, `maintenance`, `reload` and `announce`.

use rookery_control_api::{
    AnnouncementReply, AnnouncementRequest, MaintenanceRequest, MaintenanceState, ReloadReply,
    Status,
};

use super::Show;
use super::channels::with_mark;
use crate::cli::{AnnounceOptions, MaintenanceCommand};
use crate::client::{Client, Reply};
use crate::failure::Failure;
use crate::output::{self, Reader};

/// How the server fares.
pub fn status(client: &Client, show: &Show) -> Result<(), Failure> {
    let reply: Reply<Status> = client.get("/v1/status")?;
    show.result(&reply, |status| Reader::here().status(status))
}

/// Whether anyone new is let in.
pub fn maintenance(
    client: &Client,
    command: Option<MaintenanceCommand>,
    show: &Show,
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
    show.result(&reply, |state| Reader::here().maintenance(state))
}

/// Lets the server read its files anew.
pub fn reload(client: &Client, show: &Show) -> Result<(), Failure> {
    let reply: Reply<ReloadReply> = client.post_nothing("/v1/reload")?;
    show.result(&reply, |_| {
        "The config, certificates and CSV files are read anew.".to_owned()
    })
}

/// Says something to everyone, or to some.
pub fn announce(client: &Client, options: AnnounceOptions, show: &Show) -> Result<(), Failure> {
    let AnnounceOptions {
        text,
        channel,
        account,
    } = options;
    let channel = channel.map(|name| with_mark(&name));
    let request = AnnouncementRequest {
        text: text.join(" "),
        channel,
        account,
    };
    let reply: Reply<AnnouncementReply> = client.post("/v1/announcements", &request)?;
    show.result(&reply, output::announced)
}

//! Lists that the server returns in pages: one page, or all of them joined.

use clap::Args;
use rookery_control_api::{
    AdminList, AdminSessionList, BanList, ChannelList, ChannelReply, InvitationList,
    RegistrationList,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Client, Query, Reply};
use crate::failure::Failure;

/// The page size where the whole list is wanted.
const LARGEST_PAGE: u16 = 1000;

/// Which page of a list. Without options, the whole list is shown.
#[derive(Debug, Default, Args)]
pub struct PageOptions {
    /// Start after this entry; the previous page names it
    #[arg(long, value_name = "NEXT")]
    pub after: Option<String>,
    /// Show one page only, with up to this many entries
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: Option<u16>,
}

/// A page of a list.
pub trait Page: Serialize + DeserializeOwned {
    /// Returns where the next page starts, if there is one.
    fn next(&self) -> Option<String>;

    /// Appends the page that follows this one.
    fn append(&mut self, page: Self);
}

macro_rules! pages {
    ($($list:ident . $entries:ident),*) => {
        $(impl Page for $list {
            fn next(&self) -> Option<String> {
                self.next.as_ref().map(ToString::to_string)
            }

            fn append(&mut self, page: Self) {
                self.$entries.extend(page.$entries);
                self.next = page.next;
            }
        })*
    };
}

pages!(
    BanList.bans,
    ChannelList.channels,
    ChannelReply.members,
    AdminList.admins,
    AdminSessionList.sessions,
    InvitationList.invitations,
    RegistrationList.registrations
);

/// Fetches the page that was asked for; without a limit, that page and all that follow it.
pub fn get<T: Page>(client: &Client, path: &str, page: &PageOptions) -> Result<Reply<T>, Failure> {
    let fetch = |after: Option<&str>| -> Result<Reply<T>, Failure> {
        let limit = page.limit.unwrap_or(LARGEST_PAGE);
        client.get(Query::new(path).set("limit", limit).maybe("after", after))
    };
    let mut reply = fetch(page.after.as_deref())?;
    if page.limit.is_some() || reply.value.next().is_none() {
        return Ok(reply);
    }
    while let Some(next) = reply.value.next() {
        reply.value.append(fetch(Some(&next))?.value);
    }
    reply.raw =
        serde_json::to_string(&reply.value).map_err(|error| Failure::new(error.to_string()))?;
    Ok(reply)
}

/// Fetches the whole list.
pub fn get_all<T: Page>(client: &Client, path: &str) -> Result<Reply<T>, Failure> {
    get(client, path, &PageOptions::default())
}

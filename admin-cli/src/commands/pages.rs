//! Lists that come in pages: one of them, or all, one after the other.

use rookery_control_api::{
    AdminList, AdminSessionList, BanList, ChannelList, ChannelReply, InvitationList,
    RegistrationList,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::PageOptions;
use crate::client::{Client, Reply, segment};
use crate::failure::Failure;

/// Asked for at once where the whole list is wanted.
const WHOLE_PAGE: u16 = 1000;

/// One page of a list.
pub trait Paged: Serialize + DeserializeOwned {
    /// Where the next one begins.
    fn next(&self) -> Option<String>;

    /// Takes the page behind it in.
    fn append(&mut self, page: Self);
}

macro_rules! paged {
    ($($list:ident . $entries:ident),*) => {
        $(impl Paged for $list {
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

paged!(
    BanList.bans,
    ChannelList.channels,
    ChannelReply.members,
    AdminList.admins,
    AdminSessionList.sessions,
    InvitationList.invitations,
    RegistrationList.registrations
);

/// The page that was asked for; without a limit, that and all behind it.
pub fn get<T: Paged>(client: &Client, path: &str, page: &PageOptions) -> Result<Reply<T>, Failure> {
    let fetch = |after: Option<&str>| -> Result<Reply<T>, Failure> {
        let after = after
            .map(|after| format!("&after={}", segment(after)))
            .unwrap_or_default();
        client.get(&format!(
            "{path}?limit={}{after}",
            page.limit.unwrap_or(WHOLE_PAGE)
        ))
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

/// The whole list.
pub fn get_all<T: Paged>(client: &Client, path: &str) -> Result<Reply<T>, Failure> {
    get(client, path, &PageOptions::default())
}

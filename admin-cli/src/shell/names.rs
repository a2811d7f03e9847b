//! Names for completion, fetched from the server and cached for a few seconds.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use rookery_control_api::{
    AccountList, AdminList, AdminSessionList, BanList, ChannelList, InvitationList,
    RegistrationList, UserList,
};
use serde::de::DeserializeOwned;

use crate::client::{Client, Query};
use crate::context::Context;
use rookery_terminal::printable;

/// How long names are cached.
const CACHE_TIME: Duration = Duration::from_secs(5);
/// The largest page of each list; names on further pages are not completed.
const PAGE: u16 = 1000;

/// What a name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// A user who is online, by its nick.
    User,
    /// The account of a user who is online.
    OnlineAccount,
    Account,
    Channel,
    Ban,
    Admin,
    /// An operator's session, by its id.
    Session,
    /// An invitation, by its email.
    Invitation,
    /// A registration, by its name.
    Registration,
}

/// A source of names.
pub trait Names {
    /// Returns all names of a kind; none if they are unavailable.
    fn of(&self, kind: NameKind) -> Vec<String>;
}

/// The names that the server knows.
pub struct ServerNames<'a> {
    context: Context<'a>,
    cache: RefCell<HashMap<NameKind, (Instant, Vec<String>)>>,
}

impl<'a> ServerNames<'a> {
    pub fn new(context: Context<'a>) -> Self {
        Self {
            context,
            cache: RefCell::default(),
        }
    }

    /// Fetches the names of a kind. A failure only means that nothing is completed; the command
    /// itself will report it. It is not tried again, since the line cannot be edited meanwhile.
    fn fetch(&self, kind: NameKind) -> Option<Vec<String>> {
        let client = self.context.client().ok()?.without_retries();
        Some(match kind {
            NameKind::User => get::<UserList>(&client, "users")?
                .users
                .into_iter()
                .map(|it| it.nick)
                .collect(),
            NameKind::OnlineAccount => get::<UserList>(&client, "users")?
                .users
                .into_iter()
                .filter_map(|it| it.account)
                .collect(),
            NameKind::Account => get::<AccountList>(&client, "accounts")?
                .accounts
                .into_iter()
                .map(|it| it.name)
                .collect(),
            NameKind::Channel => get::<ChannelList>(&client, "channels")?
                .channels
                .into_iter()
                .map(|it| it.name)
                .collect(),
            NameKind::Ban => get::<BanList>(&client, "bans")?
                .bans
                .into_iter()
                .map(|it| it.target)
                .collect(),
            NameKind::Admin => get::<AdminList>(&client, "admins")?
                .admins
                .into_iter()
                .map(|it| it.name)
                .collect(),
            NameKind::Session => {
                let sessions = get::<AdminSessionList>(&client, "sessions")?.sessions;
                sessions
                    .into_iter()
                    .map(|it| it.id)
                    .chain(["all".to_owned()])
                    .collect()
            }
            NameKind::Invitation => {
                let invitations = get::<InvitationList>(&client, "invitations")?.invitations;
                invitations.into_iter().map(|it| it.email).collect()
            }
            NameKind::Registration => {
                let registrations =
                    get::<RegistrationList>(&client, "registrations")?.registrations;
                registrations.into_iter().map(|it| it.name).collect()
            }
        })
    }
}

fn get<T: DeserializeOwned>(client: &Client, list: &str) -> Option<T> {
    client
        .get(Query::new(&format!("/v1/{list}")).set("limit", PAGE))
        .ok()
        .map(|reply| reply.value)
}

impl Names for ServerNames<'_> {
    fn of(&self, kind: NameKind) -> Vec<String> {
        let mut cache = self.cache.borrow_mut();
        if let Some((at, names)) = cache.get(&kind)
            && at.elapsed() < CACHE_TIME
        {
            return names.clone();
        }
        let mut names = self.fetch(kind).unwrap_or_default();
        // Such a name cannot be typed either.
        names.retain(|name| *name == printable(name));
        cache.insert(kind, (Instant::now(), names.clone()));
        names
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::client::fake_server::{BUSY, FakeServer};
    use crate::endpoint::Endpoint;
    use crate::state_folder::StateFolder;
    use crate::token_store::{SavedToken, TokenStore};

    #[test]
    fn a_busy_server_is_asked_for_names_only_once() {
        let server = FakeServer::start(&[BUSY]);
        let folder = tempfile::tempdir().unwrap();
        let address = server.client.server().clone();
        let store = TokenStore::new(StateFolder::at(folder.path().to_owned()), &address);
        let token = SavedToken {
            token: "token".to_owned(),
            expires_at: jiff::Timestamp::MAX,
        };
        store.save(&token).unwrap();
        let endpoint = Endpoint {
            server: address,
            ca: None,
            ca_is_named: false,
            certificate: None,
            key: None,
            pin: None,
        };
        let names = ServerNames::new(Context {
            anonymous: &server.client,
            endpoint: &endpoint,
            store: &store,
            json: false,
        });
        assert!(names.of(NameKind::User).is_empty());
        server.requests(1);
    }
}

//! The names there are, asked from the server and kept for a few seconds, for whoever completes
//! them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use rookery_control_api::{
    AccountList, AdminList, AdminSessionList, BanList, ChannelList, InvitationList,
    RegistrationList, UserList,
};
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::commands::signed_in;
use crate::token_store::TokenStore;

/// How long names are taken as they were.
const FRESH: Duration = Duration::from_secs(5);
/// As many as one page holds.
const PAGE: &str = "limit=1000";

/// What a name is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    User,
    Account,
    Channel,
    Ban,
    Admin,
    /// An operator's sign-in.
    Session,
    /// By its email.
    Invitation,
    /// By its name.
    Registration,
}

/// Where names come from.
pub trait Source {
    /// All of a kind; none where they cannot be had.
    fn names(&self, kind: Named) -> Vec<String>;
}

/// The server.
pub struct Server<'a> {
    pub stranger: &'a Client,
    pub store: &'a TokenStore,
    pub known: RefCell<HashMap<Named, (Instant, Vec<String>)>>,
}

impl Server<'_> {
    /// Whatever fails shows when the command is given; here it is only that nothing is completed.
    fn ask(&self, kind: Named) -> Option<Vec<String>> {
        let client = signed_in(self.stranger, self.store).ok()?;
        Some(match kind {
            Named::User => get::<UserList>(&client, "users")?
                .users
                .into_iter()
                .map(|it| it.nick)
                .collect(),
            Named::Account => get::<AccountList>(&client, "accounts")?
                .accounts
                .into_iter()
                .map(|it| it.name)
                .collect(),
            Named::Channel => get::<ChannelList>(&client, "channels")?
                .channels
                .into_iter()
                .map(|it| it.name)
                .collect(),
            Named::Ban => get::<BanList>(&client, "bans")?
                .bans
                .into_iter()
                .map(|it| it.target)
                .collect(),
            Named::Admin => get::<AdminList>(&client, "admins")?
                .admins
                .into_iter()
                .map(|it| it.name)
                .collect(),
            Named::Session => {
                let sessions = get::<AdminSessionList>(&client, "sessions")?.sessions;
                sessions
                    .into_iter()
                    .map(|it| it.id)
                    .chain(["all".to_owned()])
                    .collect()
            }
            Named::Invitation => {
                let invitations = get::<InvitationList>(&client, "invitations")?.invitations;
                invitations.into_iter().map(|it| it.email).collect()
            }
            Named::Registration => {
                let registrations =
                    get::<RegistrationList>(&client, "registrations")?.registrations;
                registrations.into_iter().map(|it| it.name).collect()
            }
        })
    }
}

fn get<T: DeserializeOwned>(client: &Client, list: &str) -> Option<T> {
    client
        .get(&format!("/v1/{list}?{PAGE}"))
        .ok()
        .map(|reply| reply.value)
}

impl Source for Server<'_> {
    fn names(&self, kind: Named) -> Vec<String> {
        let mut known = self.known.borrow_mut();
        if let Some((at, names)) = known.get(&kind)
            && at.elapsed() < FRESH
        {
            return names.clone();
        }
        let names = self.ask(kind).unwrap_or_default();
        known.insert(kind, (Instant::now(), names.clone()));
        names
    }
}

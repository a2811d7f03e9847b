//! What every command works with: the server, the stored sign-in and the output format.

use crate::client::{Client, Reply};
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::render::{self, Clock};
use crate::token_store::TokenStore;

/// The surroundings of one command.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// A client of the server without a token.
    pub anonymous: &'a Client,
    /// How the server is reached, to be stored after a login.
    pub endpoint: &'a Endpoint,
    /// Where the token for this server is stored.
    pub store: &'a TokenStore,
    /// Whether to print the server's replies as JSON.
    pub json: bool,
}

impl Context<'_> {
    /// Returns a client that sends the stored token.
    ///
    /// # Errors
    ///
    /// [`Failure::NotSignedIn`] if there is no token.
    pub fn client(&self) -> Result<Client, Failure> {
        match self.store.load()? {
            Some(saved) => Ok(self.anonymous.with_token(saved.token)),
            None => Err(Failure::not_signed_in(format!(
                "Not signed in to {}.",
                self.anonymous.server()
            ))),
        }
    }

    /// Prints a reply: as JSON if that was asked for, otherwise as `render` puts it.
    pub fn show<T>(
        &self,
        reply: &Reply<T>,
        render: impl FnOnce(&T, &Clock) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            render::print_json(&reply.raw)
        } else {
            render::print(&render(&reply.value, &Clock::system()))
        }
    }
}

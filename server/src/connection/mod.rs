//! The chat port: TLS, framing, limits and the sendq's way out; bytes to messages and back.

mod entrance;
mod flood;
mod listener;
mod plaintext;
mod session;
mod socket;
mod stay;
mod web;
mod wire;

pub use listener::{ChatPort, Connections, Door};
pub use plaintext::{close_with, is_tls};

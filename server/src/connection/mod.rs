//! The chat port: TLS, framing, limits and the sendq's way out; bytes to messages and back.

mod entrance;
mod flood;
mod listener;
mod plaintext;
mod session;
mod stay;
mod wire;

pub use listener::{ChatPort, Connections};
pub use plaintext::{close_with, is_tls};

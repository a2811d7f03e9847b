//! The chat port: TLS, framing, limits and the sendq's way out; bytes to messages and back.
#![allow(missing_docs)]

pub mod entrance;
pub mod flood;
pub mod listener;
pub mod plaintext;
pub mod session;
pub mod socket;
pub mod stay;
pub mod web;
pub mod wire;

pub use listener::{ChatPort, Transport};

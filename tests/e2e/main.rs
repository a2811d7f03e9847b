//! The real programs together, over TLS, as people and scripts use them.
#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod admin;
mod audit;
mod bad_input;
mod bans;
mod chat;
mod devices;
mod doors;
mod durability;
mod full_disk;
mod history;
mod invitations;
mod kicks;
mod mail;
mod maintenance;
mod online;
mod operation;
mod redaction;
mod replay;
mod rook;
mod seeing;
mod sign_in;
mod tool;
mod watch;
mod windows;

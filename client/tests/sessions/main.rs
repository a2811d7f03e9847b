//! `rook` itself against a server that does as each test says: what people and scripts see of a
//! session's ways to begin and to end.

#![allow(clippy::unwrap_used)]

mod ends;
mod pipes;
mod send;
mod server;
mod sign_in;
mod tail;
mod trust;
mod usage;

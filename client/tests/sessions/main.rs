//! Runs `rook` against a scripted server: tests how sessions begin and end for users and scripts.

#![allow(clippy::unwrap_used)]

mod ends;
mod pipes;
mod send;
mod server;
mod sign_in;
mod tail;
mod trust;
mod usage;

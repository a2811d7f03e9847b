//! The core, by events in and outputs out.

#![allow(clippy::unwrap_used)]

mod admission;
mod play;

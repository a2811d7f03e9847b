//! Drives the core: the only way into it, the task that runs it, the committer that makes its
//! decisions durable before anyone sees them, the reader of history, and the send queue of each
//! session.
//!
//! The engine knows the core, the store and the ground works in `base`; it knows neither accounts
//! nor connections nor the control plane.
#![allow(missing_docs)]

pub mod committer;
pub mod handle;
pub mod history_reader;
mod pending;
pub mod probes;
pub mod quota;
pub mod retention;
pub mod sendq;
pub mod settings;

pub use pending::Awaited;

//! The foundation that the other parts of the server share: configuration, metrics, the event bus
//! for operators, recent refused sign-ins, rates, counts of attempts, fair queues, turns of work,
//! outgoing mail, TLS certificates, and helpers for files and network addresses.
//!
//! This crate owns `config.toml`, the certificates and the folder of mails. It must not know the
//! chat's core, accounts or the control plane, and it makes no decisions about users: its callers
//! decide what to send, count or publish.
//!
//! It may depend on the protocol crate, the control plane's types and the record.

pub mod attempt_counts;
pub mod certificates;
pub mod config;
pub mod events;
pub mod fair_queue;
pub mod files;
pub mod mail;
pub mod metrics;
pub mod net;
mod pem;
pub mod random;
pub mod rate_window;
pub mod rates;
pub mod recent_refusals;
pub mod secret;
pub mod turns;

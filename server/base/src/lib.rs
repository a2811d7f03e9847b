//! The ground that the parts of the server stand on: configuration, metrics, the event bus for
//! operators, recently refused sign-ins, mail, certificates and what concerns network addresses.
//!
//! Nothing here knows the chat's core, its accounts or the control plane. It may depend on the
//! protocol, the control plane's types, the record and the store's settings.
#![allow(missing_docs)]

pub mod certificates;
pub mod config;
pub mod events;
pub mod files;
pub mod mail;
pub mod metrics;
pub mod net;
pub mod random;
pub mod rate_window;
pub mod rates;
pub mod recent_refusals;

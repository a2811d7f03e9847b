//! The chat port: accepts connections and serves each from its TLS handshake until it closes.
//!
//! It owns sockets, framing, flood control and timeouts. A connection goes through `listener` (TCP,
//! TLS and, for browsers, WebSocket), becomes a `session`, passes the `handshake` and is then
//! `admitted`. What the client sends goes to the core through a
//! [`CoreHandle`](rookery_engine::handle::CoreHandle), or to the accounts; what is sent to the
//! client is read from its send queue.
//!
//! It makes no decisions about the chat or about identities. It may depend on `rookery-accounts`
//! and what is below that; it must not know the control plane, and cannot make an operator's
//! request.

mod admitted;
mod connect_rate;
mod flood;
#[cfg(feature = "test-support")]
pub mod fuzz;
mod handshake;
mod line_stream;
mod listener;
mod metered;
mod plaintext;
mod refusal_log;
mod session;
mod socket;
mod tls_stream;
mod websocket;

pub use listener::{ChatPort, Transport};
pub use session::ConnectionConfig;

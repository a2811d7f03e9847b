//! Tests with third-party programs: a real mail server, a real terminal, a clock that can be set,
//! schemathesis, and sslyze. `tests/run` installs them.
#![allow(clippy::unwrap_used, missing_docs)]

mod admin_cli;
mod clock;
mod rook;
mod schemathesis;
mod smtp;
mod tls;

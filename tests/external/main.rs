//! Rookery with programs that others made: a real mail server, a real terminal, a clock that is
//! set, schemathesis. `tests/run` installs them.
#![allow(clippy::unwrap_used, missing_docs)]

mod clock;
mod operator;
mod schemathesis;
mod screen;
mod smtp;

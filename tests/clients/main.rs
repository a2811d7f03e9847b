//! Tests with third-party IRC clients from Debian, configured as a person would, and judged by what
//! they display. `tests/run` installs them.
#![allow(clippy::unwrap_used, missing_docs)]

mod catgirl;
mod irssi;
mod scenario;
mod weechat;

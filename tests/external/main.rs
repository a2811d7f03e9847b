//! Rookery with programs that others made: a real mail server, a real IRC client, a real terminal. `tests/run` installs them.
#![allow(clippy::unwrap_used, missing_docs)]

mod screen;
mod smtp;
mod weechat;

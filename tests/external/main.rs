//! Rookery with programs that others made: a real mail server, a real IRC client. `tests/run` installs them.
#![allow(clippy::unwrap_used, missing_docs)]

mod smtp;
mod weechat;

//! IRC clients that others made, as Debian has them, set up as a person would, and judged by what
//! they show. `tests/run` installs them.
#![allow(clippy::unwrap_used, missing_docs)]

mod catgirl;
mod irssi;
mod life;
mod weechat;

//! What `rook` and `admin-cli` share as programs that run in a terminal.
//!
//! - [`Screen`] puts the terminal into full-screen mode and restores it, however the program ends.
//! - [`is_unsafe`] and [`printable`] keep what arrives over the network from controlling the
//!   terminal.
//! - [`wrap`] and [`cut`] fit text into columns.
//! - [`certificate_problem`] says in plain words why a server's certificate was rejected.
//!
//! The crate knows nothing of Rookery itself: it must not depend on the protocol, the control
//! plane's types, an async runtime or either program. It may depend on terminal and text crates,
//! and on rustls for the errors that it explains.

mod certificate;
mod joined;
mod layout;
mod sanitize;
mod screen;

pub use certificate::certificate_problem;
pub use layout::{cut, wrap};
pub use sanitize::{is_unsafe, printable};
pub use screen::{Capture, Screen};

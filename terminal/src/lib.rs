//! What Rookery's programs share when they write to a terminal.
//!
//! - `Screen` (with the feature `screen`) puts the terminal into full-screen mode and restores it,
//!   however the program ends. `fitted` has each grapheme drawn in as many columns as it may take.
//! - [`is_unsafe`], [`printable`], [`printable_lines`] and [`printable_json`] keep what arrives
//!   over the network from controlling the terminal, and [`is_mark_alone`] from being overlooked.
//! - [`quoted`] sets what users chose apart from the words of the program.
//! - [`wrap`] and [`cut`] fit text into the columns of the screen, [`wrap_line`] and [`cut_line`]
//!   into those of a line.
//! - [`hanging()`] and [`compact`] keep part of a line from looking like another line.
//! - [`wait_until_output_is_closed`] notices that nothing reads standard output any longer.
//!
//! The crate knows nothing of Rookery itself: it must not depend on the protocol, the control
//! plane's types, an async runtime or either program. It may depend on terminal and text crates.

#[cfg(feature = "screen")]
mod fitted;
mod hanging;
#[cfg(feature = "screen")]
mod joined;
mod layout;
mod output;
mod sanitize;
#[cfg(feature = "screen")]
mod screen;
mod width;

#[cfg(feature = "screen")]
pub use fitted::fitted;
pub use hanging::{compact, hanging, hanging_pieces, stderr_width, stdout_width};
pub use layout::{columns, cut, cut_line, line_columns, wrap, wrap_line};
pub use output::wait_until_output_is_closed;
pub use sanitize::{
    is_mark_alone, is_stray_selector, is_unsafe, printable, printable_json, printable_lines, quoted,
};
#[cfg(feature = "screen")]
pub use screen::{Capture, Screen};
pub use width::{NO_BASE, cells, is_joiner, room_for};

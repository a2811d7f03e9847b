//! `rook` on the full screen of a real terminal (tmux), as a person sees it.

mod messages;
mod sign_in;
mod terminal;

/// Settings that disable flood control.
const NO_FLOOD_LIMIT: &[&str] = &["limits.messages_per_second = 0", "limits.message_burst = 0"];

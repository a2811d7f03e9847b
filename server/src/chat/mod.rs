//! The core: sessions, users, channels, who may do what, who hears what. It knows no sockets, no clock and no store:
//! an event goes in with the time, outputs come out, and the same events always give the same outputs.

pub mod event;

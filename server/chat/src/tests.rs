//! Tests of the core from the outside: events go in, and outputs are compared.

#![allow(clippy::unwrap_used)]

mod admission;
mod always_on;
mod bans;
mod busy;
mod capabilities;
mod channel_quota;
mod channels;
mod control;
mod devices;
mod events;
mod events_to_many;
mod every_command;
mod former_names;
mod free_nicks;
mod history;
mod hostile_users;
mod isupport;
mod kicks;
mod labels;
mod lists;
mod long_replies;
mod markers;
mod messages;
mod metadata;
mod modes;
mod multiline;
mod names;
mod ownership;
mod persistent_channels;
mod playback;
mod presence;
mod random;
mod redaction;
mod reference;
mod replay;
mod server;
mod sessions;
mod silence;
mod slices;
mod who;

use crate::harness;

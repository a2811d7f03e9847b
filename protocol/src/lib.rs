//! IRC on the wire: what a client and a server send each other, and nothing else.
//!
//! This crate turns bytes into lines ([`framing`]), lines into messages and back ([`message`]), and
//! text into checked names, ban targets and codes ([`names`], [`ban`], [`code`]). It also holds the
//! tables that both sides share: numerics ([`numeric`]) and capabilities ([`capability`]).
//!
//! It performs no I/O, keeps no state beyond a half-read line, and has no notion of users, channels
//! or sessions. Rules about them belong to the server and the clients, which build on this crate.
//! It may depend on libraries for Unicode, encodings, serde and error types, never on tokio,
//! rustls, a database, or another crate of this workspace.

pub mod ban;
pub mod capability;
pub mod code;
pub mod credential;
pub mod device_name;
pub mod framing;
pub mod glob;
pub mod message;
pub mod names;
pub mod numeric;

pub use ban::{BanTarget, EmailPattern, Network};
pub use capability::{Capabilities, Capability, CapabilityValues};
pub use credential::DeviceCredential;
pub use device_name::{DeviceName, InvalidDeviceName};
pub use framing::{Line, LineFramer};
pub use message::{Message, Tags};
pub use names::{
    AccountName, ChannelName, Email, NameError, Nick, composed, skeleton, with_sorted_marks,
};

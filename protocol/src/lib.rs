//! The language Rookery speaks: IRC messages, names, numerics and capabilities on the chat port,
//! and the control plane's requests and replies. Nothing here reads or writes anything.

pub mod ban;
pub mod capability;
pub mod credential;
pub mod framing;
pub mod glob;
pub mod message;
pub mod names;
pub mod numeric;

pub use ban::{BanTarget, EmailPattern, Network};
pub use capability::{Capabilities, Capability, CapabilityValues};
pub use credential::DeviceCredential;
pub use framing::{Line, LineFramer};
pub use message::{Message, Tags};
pub use names::{AccountName, ChannelName, Email, NameError, Nick};

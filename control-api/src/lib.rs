//! The JSON types of the control plane: requests, replies and events under `/v1` on the control
//! port.
//!
//! The server and `admin-cli` share them, and their doc comments are the descriptions in the
//! OpenAPI document. The crate has only data types and the parsing of their values; it must not
//! depend on any other crate of Rookery.

mod accounts;
mod admins;
mod announcements;
mod audit;
mod bans;
mod channels;
mod count;
mod csv;
mod duration;
mod events;
mod idempotency;
mod invitations;
mod maintenance;
mod messages;
mod problem;
mod registrations;
mod sign_in;
mod status;
pub mod text;
mod time;
mod top;
mod totp;
mod users;

pub use accounts::*;
pub use admins::*;
pub use announcements::*;
pub use audit::*;
pub use bans::*;
pub use channels::*;
pub use count::*;
pub use csv::*;
pub use duration::*;
pub use events::*;
pub use idempotency::*;
pub use invitations::*;
pub use maintenance::*;
pub use messages::*;
pub use problem::*;
pub use registrations::*;
pub use sign_in::*;
pub use status::*;
pub use time::*;
pub use top::*;
pub use totp::*;
pub use users::*;

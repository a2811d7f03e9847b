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
mod csv;
mod duration;
mod events;
mod invitations;
mod maintenance;
mod messages;
mod problem;
mod registrations;
mod sign_in;
mod status;
mod top;
mod totp;
mod users;

pub use accounts::{
    AccountCredential, AccountEntry, AccountList, AccountReply, CredentialEntry, CredentialList,
    DisableRequest, RevokeRequest,
};
pub use admins::{
    AdminEntry, AdminList, AdminRequest, InitialPassword, InvalidRole, Role, RoleRequest,
};
pub use announcements::{AnnouncementReply, AnnouncementRequest, MAX_ANNOUNCEMENT};
pub use audit::{
    AuditDefect, AuditList, AuditOutcome, AuditRecord, AuditVerdict, ChainHead, InvalidChainHead,
};
pub use bans::{BanEntry, BanList, BanPreview, BanReply, BanRequest, UnbanReply};
pub use channels::{
    ChannelEntry, ChannelList, ChannelMember, ChannelReply, CloseReply, CloseRequest, PurgeReply,
    PurgeRequest,
};
pub use csv::{CSV_TYPE, ImportReply, RejectedRow};
pub use duration::{InvalidDuration, parse_duration};
pub use events::{
    Component, DisconnectReason, EventKind, ServerEvent, TimedEvent, UnknownEventKind,
};
pub use invitations::{
    InvitationEntry, InvitationList, InvitationReply, InvitationRequest, InvitationRevoked,
};
pub use maintenance::{MaintenanceRequest, MaintenanceState};
pub use messages::{
    MessageEntry, MessageList, RedactAuthorReply, RedactAuthorRequest, RedactReply, RedactRequest,
};
pub use problem::{PROBLEM_TYPE, Problem};
pub use registrations::{RegistrationEntry, RegistrationList, ResendReply};
pub use sign_in::{
    AdminSession, AdminSessionList, Factor, LoginReply, LoginRequest, LogoutReply, PasswordRequest,
    SessionsEnded, VerifyReply, VerifyRequest,
};
pub use status::{Health, ReloadReply, Status};
pub use top::{BusyChannel, BusyUser, Counters, Port, Rates, RefusedSignIn, Top, WaitingSendq};
pub use totp::{TotpCode, TotpConfirmed, TotpEnrolment, TotpRequirement, TotpStatus};
pub use users::{
    InvalidUserOrder, KickPreview, KickReply, KickRequest, MAX_REASON, MassKickReply,
    MassKickRequest, OnlineSession, OnlineUser, UserList, UserOrder, UserReply,
};

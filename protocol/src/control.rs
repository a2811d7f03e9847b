//! The control plane's requests and replies, as JSON under `/v1` on the admin port.

mod audit;

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use audit::{AuditFault, AuditList, AuditOutcome, AuditRecord, AuditVerdict, BadHead, ChainHead};

/// The media type of an error (RFC 9457).
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// The most bytes a reason takes: it has to fit into one IRC line beside all else.
pub const MAX_REASON: usize = 300;

/// The most bytes an announcement takes: it has to fit into one IRC line beside all else.
pub const MAX_ANNOUNCEMENT: usize = 350;

/// The longest ban that has an end: a hundred years.
const MAX_DURATION_SECONDS: i64 = 100 * 366 * 86_400;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDuration {
    /// Not a number and a unit.
    #[error("a duration is a whole number and a unit, as 90s, 15m, 12h, 7d or 2w")]
    Form,
    /// Nothing, or more than a hundred years.
    #[error("a duration is at least one second and at most a hundred years")]
    Range,
}

/// Reads a duration, as `90s`, `15m`, `12h`, `7d` or `2w`.
pub fn parse_duration(text: &str) -> Result<SignedDuration, BadDuration> {
    let unit = text.chars().next_back().ok_or(BadDuration::Form)?;
    let seconds_per_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(BadDuration::Form),
    };
    let number = &text[..text.len() - unit.len_utf8()];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadDuration::Form);
    }
    // Digits that do not fit the type are out of range as well.
    let number: i64 = number.parse().map_err(|_| BadDuration::Range)?;
    match number.checked_mul(seconds_per_unit) {
        Some(seconds @ 1..=MAX_DURATION_SECONDS) => Ok(SignedDuration::from_secs(seconds)),
        _ => Err(BadDuration::Range),
    }
}

/// What an admin may do on the control plane. Each role may do all that those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read only.
    Auditor,
    /// Kick, ban, announce.
    Moderator,
    /// Manage the admins.
    Owner,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Auditor, Self::Moderator, Self::Owner];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// A text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is owner, moderator or auditor")]
pub struct BadRole;

impl FromStr for Role {
    type Err = BadRole;

    fn from_str(text: &str) -> Result<Self, BadRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(BadRole)
    }
}

/// `POST /v1/login`: the first factor.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The admin's name.
    pub name: String,
    /// The admin's password.
    pub password: String,
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LoginRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a code may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Factor {
    /// A mail: six digits.
    Mail,
    /// An authenticator app: six digits.
    Totp,
    /// One of the recovery codes, as `abcd-efgh-ijkl-mnop-qrst-uvwx`.
    Recovery,
}

/// The password was right; a challenge waits for its code.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LoginReply {
    /// What to send along with the code.
    pub challenge: String,
    /// What the code may come from.
    pub factors: Vec<Factor>,
    /// Where the code went, shortened so that it tells little (`a…@e….org`); left out where none is mailed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_to: Option<String>,
    /// When the challenge dies.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// What to know while waiting: mail is late at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// `POST /v1/login/verify`: the second factor.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// From the login's reply.
    pub challenge: String,
    /// The six digits of the mail or the authenticator app, or a recovery code.
    pub code: String,
}

impl fmt::Debug for VerifyRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("VerifyRequest(…)")
    }
}

/// The admin is signed in.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct VerifyReply {
    /// For `Authorization: Bearer`.
    pub token: String,
    /// When the token dies.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl fmt::Debug for VerifyReply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("VerifyReply").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// `POST /v1/logout`: the token is good no more.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LogoutReply {
    /// The session that has ended, by the name the audit trail has for it.
    pub session: String,
}

/// `GET /v1/sessions`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminSessionList {
    /// The admin's own, oldest first; an owner sees everyone's.
    pub sessions: Vec<AdminSession>,
}

/// A sign-in of an admin that stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminSession {
    /// As the audit trail names it, and for `DELETE /v1/sessions/{id}`.
    pub id: String,
    /// Whose it is.
    pub admin: String,
    /// IP address and port it began from.
    pub from: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it was last used.
    #[schema(value_type = String, format = DateTime)]
    pub used_at: Timestamp,
    /// When it ends, unless it is idle for too long before.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Sign-ins have ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionsEnded {
    /// By the names that the audit trail has for them.
    pub sessions: Vec<String>,
}

/// `PUT /v1/password`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The present password.
    pub old: String,
    /// The one to come.
    pub new: String,
}

impl fmt::Debug for PasswordRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordRequest(…)")
    }
}

/// `GET /v1/totp`: the admin's own factors.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TotpStatus {
    /// When the authenticator app was enrolled; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub enrolled_at: Option<Timestamp>,
    /// Whether a mailed code no longer suffices.
    pub required: bool,
    /// Recovery codes that are still good.
    pub recovery_codes: u32,
}

/// `POST /v1/totp`: an authenticator app is to be enrolled. It counts once a code of it is confirmed.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct TotpEnrolment {
    /// For the app, as a link or a QR code.
    pub uri: String,
    /// For the app, typed by hand (Base32).
    pub secret: String,
    /// Until when a code can confirm it.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl fmt::Debug for TotpEnrolment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TotpEnrolment").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// `POST /v1/totp/confirm` and `POST /v1/totp/disable`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpCode {
    /// Six digits of the app. To disable, a recovery code does as well.
    pub code: String,
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TotpCode(…)")
    }
}

/// `POST /v1/totp/confirm`: the app counts from now on.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct TotpConfirmed {
    /// Each is good once, in place of the app. They are not shown again.
    pub recovery_codes: Vec<String>,
}

impl fmt::Debug for TotpConfirmed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TotpConfirmed(…)")
    }
}

/// `PUT /v1/totp/required`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpRequirement {
    /// Whether a mailed code no longer suffices.
    pub required: bool,
}

/// `GET /v1/admins`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminList {
    /// By name.
    pub admins: Vec<AdminEntry>,
}

/// An admin.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminEntry {
    /// For signing in.
    pub name: String,
    /// Where codes and notices go.
    pub email: String,
    /// What the admin may do.
    pub role: Role,
    /// Whether an authenticator app is enrolled.
    pub totp: bool,
    /// When the admin was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// `POST /v1/admins`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminRequest {
    /// For signing in; written like an account's name.
    pub name: String,
    /// Where codes and notices go.
    pub email: String,
    /// What the admin may do.
    pub role: Role,
}

/// `POST /v1/admins` is done.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct AdminAdded {
    /// The new admin.
    pub admin: AdminEntry,
    /// To be given to the admin by a way other than mail. It is not shown again, and opens nothing but the choice of
    /// another one.
    pub initial_password: String,
    /// Until when it is good.
    #[schema(value_type = String, format = DateTime)]
    pub initial_until: Timestamp,
}

impl fmt::Debug for AdminAdded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AdminAdded").field("admin", &self.admin).finish_non_exhaustive()
    }
}

/// `PUT /v1/admins/{name}/role`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleRequest {
    /// What the admin may do from now on.
    pub role: Role,
}

/// `GET /v1/users`: who is online.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    /// By nick.
    pub users: Vec<OnlineUser>,
}

/// A user with at least one session.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OnlineUser {
    /// The name shown.
    pub nick: String,
    /// The account; none for a guest.
    pub account: Option<String>,
    /// The account's email; none for a guest.
    pub email: Option<String>,
    /// When the first of its sessions was admitted.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it last said or did something.
    #[schema(value_type = String, format = DateTime)]
    pub active_at: Timestamp,
    /// The channels it is in.
    pub channels: Vec<String>,
    /// One for each device.
    pub sessions: Vec<OnlineSession>,
}

/// One TLS connection of a user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OnlineSession {
    /// Unlike any other since the server started.
    pub id: u64,
    /// IP address and port.
    pub address: String,
    /// Version and key exchange, as `TLSv1.3 X25519MLKEM768`.
    pub tls: String,
    /// When it was admitted.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// `POST /v1/users/{name}/kick`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KickRequest {
    /// Shown to the user; a general one when left out.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What a kick or ban did to those online.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KickReply {
    /// The users whose sessions were ended.
    pub users: Vec<String>,
    /// How many sessions that were.
    pub sessions: usize,
}

/// `GET /v1/accounts`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountList {
    /// By name.
    pub accounts: Vec<AccountEntry>,
    /// Where the next page begins, for `after`; none when this was the last.
    pub next: Option<String>,
}

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountEntry {
    /// Its name.
    pub name: String,
    /// Its verified email.
    pub email: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Whether a password opens it.
    pub has_password: bool,
    /// How many devices and client certificates open it.
    pub credentials: usize,
    /// Why an admin has disabled it; none for one that is open.
    pub disabled: Option<String>,
}

/// `POST /v1/accounts/{name}/disable`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisableRequest {
    /// Told to the owner; a general one when left out.
    #[serde(default)]
    pub reason: Option<String>,
}

/// `POST /v1/accounts/{name}/credentials/revoke`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Whether the password stays good.
    #[serde(default)]
    pub keep_password: bool,
}

/// What was done to an account is done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountReply {
    /// The account as it stands; for one that was deleted or whose credentials were revoked, as it was before.
    pub account: AccountEntry,
    /// Who was online and is gone.
    pub ended: KickReply,
}

/// `GET /v1/channels`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelList {
    /// By name.
    pub channels: Vec<ChannelEntry>,
}

/// A channel with at least one member.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelEntry {
    /// Its name, with its `#`.
    pub name: String,
    /// How many users are in it.
    pub members: usize,
    /// What it is about.
    pub topic: Option<String>,
    /// The letters of the modes that are on.
    pub modes: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// `GET /v1/channels/{name}`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelReply {
    /// The channel.
    pub channel: ChannelEntry,
    /// Who is in it, by nick.
    pub members: Vec<ChannelMember>,
}

/// A user in a channel.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChannelMember {
    /// The name shown.
    pub nick: String,
    /// Whether it is an operator of the channel.
    pub operator: bool,
    /// Whether it may speak where the channel is moderated.
    pub voice: bool,
}

/// `POST /v1/channels/{name}/close`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseRequest {
    /// Shown to everyone in the channel; a general one when left out.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The channel is gone.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CloseReply {
    /// Its name.
    pub channel: String,
    /// Who was in it.
    pub members: Vec<String>,
}

/// `POST /v1/announcements`. To everyone, or to one of `channel` and `account`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnouncementRequest {
    /// One line.
    pub text: String,
    /// Only to those in that channel.
    #[serde(default)]
    pub channel: Option<String>,
    /// Only to that account.
    #[serde(default)]
    pub account: Option<String>,
}

/// The announcement is on its way.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AnnouncementReply {
    /// To how many sessions.
    pub sessions: usize,
}

/// `POST /v1/reload`: the config, the certificates and the CSV files are read anew.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReloadReply {
    /// When that was done.
    #[schema(value_type = String, format = DateTime)]
    pub reloaded_at: Timestamp,
}

/// `POST /v1/bans`. At most one of `expires_at` and `duration`; neither is for ever.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BanRequest {
    /// An account's name, an email, a pattern of emails (`*@spam.example`), an IP address, or a network
    /// (`192.0.2.0/24`).
    pub target: String,
    /// Shown to whoever is refused.
    #[serde(default)]
    pub reason: Option<String>,
    /// When the ban ends.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// How long it holds, as `90s`, `15m`, `12h`, `7d` or `2w`.
    #[serde(default)]
    pub duration: Option<String>,
    /// Only tells who would be hit now.
    #[serde(default)]
    pub dry_run: bool,
    /// Makes the ban though it covers the world, or the admin who makes it.
    #[serde(default)]
    pub confirm: bool,
}

/// `POST /v1/bans` with `dry_run`: nothing was done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BanPreview {
    /// As it would stand on disk.
    pub target: String,
    /// Who is online and would be gone, with those of their sessions that would end; by nick.
    pub users: Vec<OnlineUser>,
    /// How many accounts would be refused, online or not; for a ban of addresses, none is known.
    pub accounts: usize,
}

/// `POST /v1/bans` is done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BanReply {
    /// As it stands on disk.
    pub ban: BanEntry,
    /// Who was online and is gone.
    pub ended: KickReply,
}

/// `GET /v1/bans`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BanList {
    /// Newest first; those that have expired are left out.
    pub bans: Vec<BanEntry>,
}

/// One ban.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BanEntry {
    /// For `DELETE /v1/bans/{id}`.
    pub id: i64,
    /// Who is refused: an account's name, an email, a pattern of emails, an IP address, or a network.
    pub target: String,
    /// Shown to whoever is refused.
    pub reason: String,
    /// The admin who made it, or `file` for a row added by hand.
    pub by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends; never when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// `DELETE /v1/bans/{id}` is done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UnbanReply {
    /// The ban that holds no more.
    pub ban: BanEntry,
}

/// `GET /v1/status`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// The server's name on the chat port.
    pub server_name: String,
    /// When it started.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// Users online.
    pub users: usize,
    /// Admitted sessions.
    pub sessions: usize,
    /// Connections, in whatever state.
    pub connections: usize,
    /// Channels with someone in them.
    pub channels: usize,
    /// Bans in force.
    pub bans: usize,
    /// Messages put into the history since the start.
    pub messages_stored: u64,
    /// Events that wait for the core.
    pub inlet_waiting: usize,
    /// Batches that wait to be committed.
    pub journal_waiting: usize,
    /// The bytes that wait for the session with the most to be sent.
    pub largest_sendq_bytes: usize,
    /// What the database takes on disk.
    pub store_bytes: u64,
    /// How the mail fares: `ok`, or what went wrong last.
    pub mail: String,
    /// When the server's certificate ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub certificate_expires_at: Option<Timestamp>,
}

/// `GET /healthz`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`; whoever is not well does not answer so.
    pub status: String,
}

/// An error (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of error, as a URI reference (`/problems/not-signed-in`).
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and what to do.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_in_every_unit() {
        for (text, seconds) in
            [("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)]
        {
            assert_eq!(parse_duration(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in ["", "7", "d", "7 d", "-7d", "+7d", "1.5h", "7D", "7días", "٧d", "1d12h", "7d "] {
            assert_eq!(parse_duration(text), Err(BadDuration::Form), "{text:?}");
        }
        for text in ["0s", "0w", "36601d", "9223372036854775807w", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), Err(BadDuration::Range), "{text:?}");
        }
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        let login = LoginRequest { name: "root".to_owned(), password: "hunter2".to_owned() };
        assert_eq!(format!("{login:?}"), r#"LoginRequest { name: "root", .. }"#);
        let verify = VerifyRequest { challenge: "c0ffee".to_owned(), code: "123456".to_owned() };
        assert_eq!(format!("{verify:?}"), "VerifyRequest(…)");
        let reply = VerifyReply { token: "sesame".to_owned(), expires_at: Timestamp::UNIX_EPOCH };
        assert!(!format!("{reply:?}").contains("sesame"));
    }
}

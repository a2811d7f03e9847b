//! The bounds on texts, in bytes, as `ISUPPORT` tells them. Whatever is within its bound fits one
//! line with the longest names there can be.

/// The part of a username that the client chooses.
pub const USERNAME: usize = 10;
/// A real name (`NAMELEN`).
pub const REALNAME: usize = 128;
/// A topic (`TOPICLEN`).
pub const TOPIC: usize = 307;
/// The reason of a kick from a channel (`KICKLEN`).
pub const KICK: usize = 255;
/// The reason of a redaction.
pub const REDACT: usize = 255;
/// The reason of leaving a channel.
pub const PART: usize = 255;
/// The reason of leaving for good.
pub const QUIT: usize = 255;
/// An away message (`AWAYLEN`).
pub const AWAY: usize = 255;
/// A channel's key (`KEYLEN`).
pub const KEY: usize = 23;
/// A key of metadata.
pub const METADATA_KEY: usize = 32;
/// A value of metadata (`max-value-bytes` of the capability).
pub const METADATA_VALUE: usize = 300;
/// The keys of one user or channel that have a value (`max-keys`). It is a count.
pub const METADATA_KEYS: usize = 20;
/// The keys that one session may subscribe to (`max-subs`). It is a count.
pub const METADATA_SUBSCRIPTIONS: usize = 50;
/// The value of a `label` tag, as the labeled-response specification has it.
pub const LABEL: usize = 64;
/// The bytes of a message of several lines, and how many lines those may be (`draft/multiline`).
pub const MULTILINE_BYTES: usize = 4096;
pub const MULTILINE_LINES: usize = 32;
/// The targets of one message (`TARGMAX`).
pub const TARGETS: usize = 4;
/// The changes with a parameter in one `MODE` (`MODES`): as many as a message has room for.
pub const MODES: usize = 13;
/// The users that one `WHO` with a mask finds.
pub const WHO: usize = 500;

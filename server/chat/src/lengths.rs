//! The maximum lengths of texts, in bytes unless noted, as `ISUPPORT` announces them. A text within
//! its limit fits into one line even with the longest possible names.

/// The part of a username that the client chooses.
pub const USERNAME: usize = 10;
/// A real name (`NAMELEN`).
pub const REALNAME: usize = 128;
/// A topic (`TOPICLEN`).
pub const TOPIC: usize = 307;
/// The reason of a `KICK` (`KICKLEN`).
pub const KICK: usize = 255;
/// The reason of a `REDACT`.
pub const REDACT: usize = 255;
/// The reason of a `PART`.
pub const PART: usize = 255;
/// The reason of a `QUIT`.
pub const QUIT: usize = 255;
/// An away message (`AWAYLEN`).
pub const AWAY: usize = 255;
/// A channel's key (`KEYLEN`).
pub const KEY: usize = 23;
/// A mask in a list of a channel, which the numerics of the list and `MODE` have to hold.
pub const MASK: usize = 160;
/// A metadata key.
pub const METADATA_KEY: usize = 32;
/// A metadata value (`max-value-bytes` of the capability).
pub const METADATA_VALUE: usize = 300;
/// The number of metadata keys of one user or channel (`max-keys`).
pub const METADATA_KEYS: usize = 20;
/// The number of metadata keys that one session may subscribe to (`max-subs`).
pub const METADATA_SUBSCRIPTIONS: usize = 50;
/// The value of a `label` tag (IRCv3 labeled-response).
pub const LABEL: usize = 64;
/// The client-only tags that are stored with a message.
pub const STORED_TAGS: usize = 512;
/// A multi-line message (IRCv3 `draft/multiline`).
pub const MULTILINE_BYTES: usize = 4096;
/// The number of lines of a multi-line message.
pub const MULTILINE_LINES: usize = 32;
/// The number of targets of one message (`TARGMAX`).
pub const TARGETS: usize = 4;
/// The number of masks of a user's `SILENCE` (`SILENCE`).
pub const SILENCES: usize = 32;
/// The number of changes with a parameter in one `MODE` (`MODES`): as many as fit one line.
pub const MODES: usize = 13;
/// The maximum number of users that a `WHO` with a mask returns.
pub const WHO: usize = 500;
/// How many bytes of tags a message may have before it counts as several in flood control. Each
/// line of a multi-line message has as many for clients without `draft/multiline`.
pub const TAGS_OF_MESSAGE: usize = 512;

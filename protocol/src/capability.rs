//! The IRCv3 capabilities, each one bit, so that a session's set is one word to compare.

use std::fmt;

macro_rules! capabilities {
    ($($variant:ident = $name:literal, $doc:literal;)+) => {
        /// One capability a client may ask for (IRCv3 capability negotiation).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Capability { $(#[doc = $doc] $variant,)+ }

        impl Capability {
            /// Every capability, in the order they are listed to clients.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

capabilities! {
    AccountNotify = "account-notify", "Tells when someone signs in or out.";
    AccountRegistration = "draft/account-registration", "`REGISTER` and `VERIFY`.";
    AccountTag = "account-tag", "The sender's account on each message.";
    AwayNotify = "away-notify", "Tells when someone goes away or returns.";
    Batch = "batch", "Groups of messages that belong together.";
    CapNotify = "cap-notify", "Tells of new and withdrawn capabilities.";
    ChannelRename = "draft/channel-rename", "`RENAME` tells of a channel's new name.";
    Chghost = "chghost", "Tells when someone is shown with another user name or host.";
    Chathistory = "draft/chathistory", "Reading back what was said.";
    EchoMessage = "echo-message", "One's own messages come back: the receipt that they are stored.";
    EventPlayback = "draft/event-playback", "What happened, among what was said.";
    ExtendedIsupport = "draft/extended-isupport", "`ISUPPORT` before admission, and as a batch.";
    ExtendedJoin = "extended-join", "Account and real name on each `JOIN`.";
    ExtendedMonitor = "extended-monitor", "More about monitored nicks than that they come and go.";
    InviteNotify = "invite-notify", "Tells a channel's operators of invitations.";
    LabeledResponse = "labeled-response", "Ties an answer to the command it answers.";
    MessageRedaction = "draft/message-redaction", "`REDACT` takes a message back.";
    MessageTags = "message-tags", "Tags in both directions, and `TAGMSG`.";
    Metadata = "draft/metadata-3", "What users and channels say of themselves, by keys.";
    MultiPrefix = "multi-prefix", "All of a member's prefixes, not only the highest.";
    Multiline = "draft/multiline", "Messages of several lines.";
    NoImplicitNames = "no-implicit-names", "No `NAMES` after each `JOIN`.";
    Playback = "znc.in/playback", "What was missed is asked for, by `PLAY` to `*playback`, and not shown unasked.";
    PreAway = "draft/pre-away", "`AWAY` before the session is admitted, and `AWAY *` of one that nobody sits at.";
    ReadMarker = "draft/read-marker", "`MARKREAD`: up to where one has read, told to one's other sessions.";
    Sasl = "sasl", "Signing in before the session is admitted.";
    ServerTime = "server-time", "The time on each message.";
    Setname = "setname", "Changes of the real name.";
    StandardReplies = "standard-replies", "`FAIL`, `WARN` and `NOTE`.";
    UserhostInNames = "userhost-in-names", "Whole masks in `NAMES`.";
    Visitor = "rookery/visitor", "Comes for one errand: is not put into the lobby, and may speak there all the same.";
}

impl Capability {
    /// The capability of that name. Names are case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|capability| capability.name() == name)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What the values of capabilities say, besides what never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilityValues {
    /// Whether one can register only with an email.
    pub email_required: bool,
    /// Whether one may register before one is admitted.
    pub register_before_connect: bool,
    /// For how long clients are to remember that this server is reached over TLS only; 0 says
    /// nothing of it.
    pub sts_seconds: u64,
}

impl CapabilityValues {
    /// `sts=…` (IRCv3 sts), which is told and cannot be asked for.
    pub fn sts(&self) -> Option<String> {
        (self.sts_seconds > 0).then(|| format!("sts=duration={}", self.sts_seconds))
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u64);

impl Capabilities {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// The set of `items`.
    pub const fn of(items: &[Capability]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < items.len() {
            bits |= 1 << items[index] as u8;
            index += 1;
        }
        Self(bits)
    }

    /// Whether `capability` is in it.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u8) != 0
    }

    /// Adds `capability`.
    pub fn insert(&mut self, capability: Capability) {
        self.0 |= 1 << capability as u8;
    }

    /// Takes `capability` out.
    pub fn remove(&mut self, capability: Capability) {
        self.0 &= !(1 << capability as u8);
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The members, in listing order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL
            .iter()
            .copied()
            .filter(move |capability| self.has(*capability))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_capability() {
        for &capability in Capability::ALL {
            assert_eq!(Capability::from_name(capability.name()), Some(capability));
        }
        assert_eq!(Capability::from_name("SASL"), None);
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set = Capabilities::of(&[Capability::Batch, Capability::Sasl]);
        assert!(set.has(Capability::Sasl));
        set.remove(Capability::Sasl);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Capability::Batch]);
    }
}

//! The state of a channel that we are in: its members, their ranks and its topic.

use std::collections::BTreeMap;

use rookery_protocol::Nick;

/// A channel that we are in.
#[derive(Debug, Default)]
pub struct Channel {
    /// The members.
    pub members: BTreeMap<Nick, Rank>,
    /// The topic; empty if there is none.
    pub topic: String,
    /// The nick of who set the topic; empty if that is not known.
    pub topic_by: String,
}

/// The rank of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// An operator of the channel, or a higher rank that other servers have.
    Operator,
    /// May speak while the channel is moderated.
    Voiced,
    /// Any other member.
    #[default]
    Ordinary,
}

impl Rank {
    /// Returns the rank of a nick in `NAMES`, which its prefix denotes. Ranks above operator, which
    /// other servers have, count as operator.
    pub fn of(name: &str) -> Self {
        match name.chars().next() {
            Some('~' | '&' | '@' | '%') => Self::Operator,
            Some('+') => Self::Voiced,
            _ => Self::Ordinary,
        }
    }

    /// Returns the prefix that is shown before a nick.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Operator => "@",
            Self::Voiced => "+",
            Self::Ordinary => "",
        }
    }
}

impl Channel {
    /// Applies the changes of ranks in a `MODE`.
    pub fn set_ranks(&mut self, modes: &[String]) {
        let [letters, parameters @ ..] = modes else {
            return;
        };
        let mut parameters = parameters.iter();
        let mut adding = true;
        for letter in letters.chars() {
            let rank = match letter {
                '+' | '-' => {
                    adding = letter == '+';
                    continue;
                }
                // A founder who hands the channel over still counts as an operator.
                'q' if !adding => {
                    parameters.next();
                    continue;
                }
                'q' | 'o' => Rank::Operator,
                'v' => Rank::Voiced,
                'b' | 'e' | 'I' | 'k' => {
                    parameters.next();
                    continue;
                }
                'l' if adding => {
                    parameters.next();
                    continue;
                }
                _ => continue,
            };
            let nick = parameters.next().and_then(|nick| Nick::parse(nick).ok());
            if let Some(current) = nick.and_then(|nick| self.members.get_mut(&nick)) {
                match (adding, *current == rank) {
                    (true, _) => *current = rank.min(*current),
                    (false, true) => *current = Rank::Ordinary,
                    (false, false) => {}
                }
            }
        }
    }
}

//! `WHO` with chosen fields (WHOX).

use rookery_protocol::numeric::RPL_WHOSPCRPL;

use crate::commands::who::Found;
use crate::line::Line;
use crate::turn::{Caller, Turn};

/// In the order in which they are answered.
const FIELDS: &str = "tcuihsnfdlaor";
/// The most characters of a token.
const TOKEN: usize = 3;
/// In the place of an address: where users really are is nobody's business.
const HIDDEN_ADDRESS: &str = "255.255.255.255";

/// What the caller wants to know of each user.
pub struct Fields<'m> {
    asked: &'m str,
    token: &'m str,
}

impl<'m> Fields<'m> {
    /// From what follows the `%`: `<fields>[,<token>]`.
    pub fn new(text: &'m str) -> Self {
        let (asked, token) = text.split_once(',').unwrap_or((text, "0"));
        let is_token =
            (1..=TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_digit());
        Self {
            asked,
            token: if is_token { token } else { "0" },
        }
    }

    /// The reply about one user.
    pub fn line(&self, turn: &Turn<'_>, caller: Caller, found: &Found<'_>) -> Line {
        let user = found.user;
        let idle = (turn.now().as_second() - user.active_at.as_second())
            .max(0)
            .to_string();
        let head = turn.numeric(caller, RPL_WHOSPCRPL);
        FIELDS
            .chars()
            .filter(|field| self.asked.contains(*field))
            .fold(head, |line, field| match field {
                't' => line.word(self.token),
                'c' => line.word(found.channel()),
                'u' => line.word(&user.username),
                'i' => line.word(HIDDEN_ADDRESS),
                'h' => line.word(&user.host),
                's' => line.word(&turn.settings.server_name),
                'n' => line.word(user.nick.as_str()),
                'f' => line.word(&found.flags(caller)),
                'd' => line.word("0"),
                'l' => line.word(&idle),
                'a' => line.word(user.account().unwrap_or("0")),
                'o' => line.word("n/a"),
                _ => line.text(&user.realname),
            })
    }
}

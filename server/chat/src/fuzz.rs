//! The fuzz targets of the core: each is a function that panics if an input breaks an invariant.
//! The crate in `fuzz/` runs them; its table lists all targets.

#![allow(clippy::unwrap_used)]

mod player;

use crate::multiline::{lines, wrap_lines};
use crate::state::mask::Mask;
use player::Player;

/// Masks in channel lists: the first line is the mask, and each other line the source of a user.
pub fn masks(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut texts = text.split('\n');
    let given = texts.next().unwrap_or_default();
    let Some(mask) = Mask::new(given) else {
        return;
    };
    let again = Mask::new(mask.as_str()).expect("a listed mask can be set again");
    assert!(mask.is_same(&again) && again.as_str() == mask.as_str());
    assert!(mask.as_str().len() <= given.len() + "*!*@*".len());
    for source in texts {
        let (source, account) = source.split_once(' ').unwrap_or((source, ""));
        let is_covered = mask.covers_text(source, account);
        assert_eq!(is_covered, again.covers_text(source, account));
    }
    mask.covers_host("user/alice");
}

/// Texts of several lines: the first byte is the room in a line, the rest the text.
pub fn wrapping(data: &[u8]) {
    let Some((&room, text)) = data.split_first() else {
        return;
    };
    let (room, text) = (usize::from(room), String::from_utf8_lossy(text));
    let joined = |text: &str| {
        let mut joined = String::new();
        for (number, line) in lines(text).enumerate() {
            if number > 0 && !line.continues {
                joined.push('\n');
            }
            joined.push_str(line.text);
        }
        joined
    };
    let wrapped = wrap_lines(&text, room);
    assert_eq!(joined(&wrapped), joined(&text), "nothing is lost");
    for line in lines(&wrapped) {
        assert!(line.text.len() <= room || line.text.chars().count() == 1);
    }
}

/// Batches of several lines (`draft/multiline`): each line of the input is one of a batch. A member
/// with the capability receives what was sent, and one without it every line that is not blank.
pub fn multiline(data: &[u8]) {
    wrapping(data);
    Player::new(0).send_batch(data);
}

/// Reading the history: each line is the parameters of `CHATHISTORY`, or another command that has a
/// point in time or a message id.
pub fn history(data: &[u8]) {
    let mut player = Player::with_history();
    for line in data.split(|&byte| byte == b'\n').take(8) {
        let line = String::from_utf8_lossy(line);
        let mut verbs = ["MARKREAD ", "REDACT ", "PRIVMSG *playback "].into_iter();
        if verbs.any(|verb| line.starts_with(verb)) {
            player.send(0, line.as_bytes());
        } else {
            player.send(0, format!("CHATHISTORY {line}").as_bytes());
        }
    }
    player.finish();
}

/// Several sessions in the real core: each line of the input is an act of one of them, or of an
/// operator. `Player::act` says what the first byte of a line means.
pub fn core(data: &[u8]) {
    let Some((&settings, data)) = data.split_first() else {
        return;
    };
    let mut player = Player::new(settings);
    for line in data.split(|&byte| byte == b'\n').take(200) {
        player.act(line);
    }
    player.finish();
}

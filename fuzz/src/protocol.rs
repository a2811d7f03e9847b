//! The targets of `rookery-protocol`.

use std::net::IpAddr;

use rookery_protocol::framing::{MAX_CLIENT_TAGS, MAX_LINE, is_line_end};
use rookery_protocol::glob::matches;
use rookery_protocol::message::{MAX_PARAMS, MAX_TAG_COUNT};
use rookery_protocol::names::{MAX_CHANNEL, MAX_EMAIL, MAX_NICK};
use rookery_protocol::{
    AccountName, BanTarget, ChannelName, Email, Line, LineFramer, Message, NameError, Nick,
};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// A line as the framer reports it.
#[derive(Debug, PartialEq)]
enum Framed {
    Text(String),
    TooLong,
    NotUtf8(String),
}

/// A stream of bytes. The first byte selects the maximum length of tags, and the second how many
/// bytes arrive at once. The lines do not depend on that, and are those of a slow reference.
pub fn framing(data: &[u8]) {
    let [limit, step, stream @ ..] = data else {
        return;
    };
    let max_tags = [0, 32, MAX_CLIENT_TAGS][usize::from(*limit) % 3];
    let expected = reference(stream, max_tags);
    assert_eq!(framed(max_tags, [stream].into_iter()), expected);
    let pieces = stream.chunks(usize::from(*step) + 1);
    assert_eq!(framed(max_tags, pieces), expected);
}

fn framed<'d>(max_tags: usize, pieces: impl Iterator<Item = &'d [u8]>) -> Vec<Framed> {
    let mut framer = LineFramer::new(max_tags);
    let mut lines = Vec::new();
    for piece in pieces {
        framer.push(piece, |line| {
            lines.push(match line {
                Line::Text(text) => Framed::Text(text.to_owned()),
                Line::TooLong(_) => Framed::TooLong,
                Line::NotUtf8(text) => Framed::NotUtf8(text),
            });
        });
    }
    lines
}

/// Returns the lines of a whole stream; its last line is incomplete.
fn reference(stream: &[u8], max_tags: usize) -> Vec<Framed> {
    let mut lines: Vec<&[u8]> = stream.split(|&byte| is_line_end(byte)).collect();
    let last = lines.pop().unwrap_or_default();
    let mut framed: Vec<Framed> = lines
        .into_iter()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let tags = match line.iter().position(|&byte| byte == b' ') {
                _ if line[0] != b'@' => 0,
                Some(space) => space + 1,
                None => line.len(),
            };
            if tags > max_tags || line.len() - tags > MAX_LINE - 2 {
                Framed::TooLong
            } else {
                String::from_utf8(line.to_vec()).map_or_else(
                    |_| Framed::NotUtf8(String::from_utf8_lossy(line).into_owned()),
                    Framed::Text,
                )
            }
        })
        .collect();
    if last.len() > max_tags + MAX_LINE {
        framed.push(Framed::TooLong);
    }
    framed
}

/// A line without its end. What is parsed is bounded, and is parsed again from its own text.
pub fn message(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(message) = Message::parse(&text) else {
        return;
    };
    assert!(message.params.len() <= MAX_PARAMS && message.tags.iter().count() <= MAX_TAG_COUNT);
    let written = message.to_string();
    // A colon may be added before the last parameter.
    assert!(written.len() <= text.len() + 1, "{written}");
    assert!(!written.contains(['\0', '\r', '\n']));
    assert_eq!(Message::parse(&written).as_ref(), Ok(&message), "{written}");
    for (key, value) in message.tags.iter() {
        assert_eq!(message.tags.get(key), Some(value));
    }
    let client_only = message.tags.client_only();
    assert!(client_only.iter().all(|(key, _)| key.starts_with('+')));
    let _ = (
        message.source_nick(),
        message.text(0),
        message.text(MAX_PARAMS),
    );
}

/// A pattern and, in the second line, a text. The result is that of a slow reference.
pub fn glob(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, text) = text.split_once('\n').unwrap_or((&text, ""));
    if text.len() > MAX_EMAIL {
        // Nothing longer is ever compared, and the time grows with the square of the length.
        return;
    }
    let result = matches(pattern, text);
    if pattern.len() * text.len() <= 1 << 12 {
        assert_eq!(result, reference_matches(pattern, text));
    }
}

/// Compares by a table of all beginnings of the pattern and of the text.
fn reference_matches(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Whether the pattern so far matches each beginning of the text.
    let mut row = vec![false; text.len() + 1];
    row[0] = true;
    for wanted in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        next[0] = wanted == '*' && row[0];
        for (at, &found) in text.iter().enumerate() {
            next[at + 1] = match wanted {
                '*' => row[at + 1] || next[at],
                '?' => row[at],
                wanted => row[at] && wanted == found,
            };
        }
        row = next;
    }
    row[text.len()]
}

/// Names of every kind.
pub fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let unsafe_in_names = [
        ' ', ',', '*', '?', '\0', '\r', '\n', '\u{7}', '\u{1b}', '\u{202e}',
    ];
    if let Ok(nick) = Nick::parse(&text) {
        for form in [nick.as_str(), nick.folded()] {
            assert!(!form.is_empty() && !form.contains(unsafe_in_names));
            assert!(!form.contains(['!', '@', '.', ':', '/', '#', '"', '<', '>']));
        }
        if let Ok(folded) = Nick::parse(nick.folded()) {
            assert_eq!(folded, nick, "folding twice is folding once");
            assert_eq!(folded.folded(), nick.folded());
            check_verdicts(&text, nick.check_new(), folded.check_new());
        }
        let spelled = |text: &str| Nick::parse(text).map(String::from);
        let is_new = nick.check_new().is_ok();
        check_spelling(&text, nick.as_str(), is_new.then_some(MAX_NICK), spelled);
        assert!(!nick.skeleton().is_empty());
        let account = AccountName::parse(&text);
        assert_eq!(account.as_ref(), Ok(&nick.to_account()));
        assert!(account.is_ok_and(|account| account.to_nick() == nick));
    }
    if let Ok(channel) = ChannelName::parse(&text) {
        for form in [channel.as_str(), channel.folded()] {
            assert!(form.starts_with('#') && form.len() > 1 && !form.contains(unsafe_in_names));
        }
        if let Ok(folded) = ChannelName::parse(channel.folded()) {
            assert_eq!(
                folded.folded(),
                channel.folded(),
                "folding twice is folding once"
            );
            check_verdicts(&text, channel.check_new(), folded.check_new());
        }
        let spelled = |text: &str| ChannelName::parse(text).map(String::from);
        let is_new = channel.check_new().is_ok();
        check_spelling(
            &text,
            channel.as_str(),
            is_new.then_some(MAX_CHANNEL),
            spelled,
        );
        assert!(Nick::parse(&text).is_err(), "no nick is a channel's name");
    }
    if let Ok(email) = Email::parse(&text) {
        assert!(
            !email
                .as_str()
                .contains([' ', ',', '\0', '\r', '\n', '"', '<', '>', ':'])
        );
        if let Ok(folded) = Email::parse(email.folded()) {
            assert_eq!(
                folded.folded(),
                email.folded(),
                "folding twice is folding once"
            );
        }
        let may_be_new = email.check_new().is_ok();
        let (local, _) = email.as_str().rsplit_once('@').unwrap_or_default();
        assert!(!may_be_new || !local.contains(['!', '%', '|', '\u{3164}', '\u{ffa0}']));
        assert!(Nick::parse(&text).is_err(), "no nick is an email");
    }
    if let Err(error) = Nick::parse(&text) {
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
    let code = rookery_protocol::code::without_separators(&text);
    assert!(!code.contains(char::is_whitespace) && code.len() <= text.len());
}

/// Checks the spelling of a name, which has a maximum length in bytes if something new may have it.
fn check_spelling(
    text: &str,
    spelling: &str,
    max_if_new: Option<usize>,
    spelled: impl Fn(&str) -> Result<String, NameError>,
) {
    let again = spelled(spelling);
    assert_eq!(again.as_deref(), Ok(spelling), "it is read as it is stored");
    if let Some(max) = max_if_new {
        assert!(is_nfc(spelling) && spelling.len() <= max, "{spelling}");
        let decomposed = spelled(&text.nfd().collect::<String>());
        assert_eq!(decomposed.as_deref(), Ok(spelling));
    }
}

/// Checks the verdicts on a new name and on its folded form.
fn check_verdicts(name: &str, of_name: Result<(), NameError>, of_folded: Result<(), NameError>) {
    assert!(of_name.is_ok() || !name.is_ascii());
    // `İ` is accepted, and folds to an `i` with a dot above, which is not.
    let may_differ = name.to_lowercase().contains('\u{307}');
    assert!(of_name == of_folded || may_differ, "{name}");
}

/// The target of a ban, and in the second line an email that it may cover. What is parsed is parsed
/// again from its own text, and two targets are equal if and only if their folded forms are.
pub fn ban(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (target, other) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(target) = BanTarget::parse(target) else {
        return;
    };
    let written = target.to_string();
    let again = BanTarget::parse(&written);
    assert_eq!(again.as_ref(), Ok(&target), "{written}");
    assert_eq!(
        again.map(|again| again.folded().into_owned()),
        Ok(target.folded().into_owned())
    );
    if let Ok(other) = BanTarget::parse(other) {
        assert_eq!(target == other, target.folded() == other.folded());
    }
    if let (BanTarget::EmailPattern(pattern), Ok(email)) = (&target, Email::parse(other)) {
        pattern.covers(email.folded());
    }
    let address: Result<IpAddr, _> = other.parse();
    if let Ok(address) = address {
        let own = BanTarget::parse(&format!(
            "{address}/{}",
            if address.is_ipv4() { 32 } else { 128 }
        ));
        assert!(own.is_ok_and(|own| own.covers_address(address)));
        target.covers_address(address);
    }
    target.is_sweeping();
}

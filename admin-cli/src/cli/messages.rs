//! `messages` and `redact`.

use clap::Args;
use jiff::Timestamp;

use super::audit::moment;

/// Which messages to show.
#[derive(Debug, Args)]
pub struct MessagesOptions {
    /// Only those with this in their text
    #[arg(long, value_name = "T")]
    pub text: Option<String>,
    /// Only those of this account, or of guests of this nick
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Only those in that channel, with or without its #
    #[arg(long, value_name = "C")]
    pub channel: Option<String>,
    /// Only from then on: 7d for the last seven days, or a time as 2026-11-22T10:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only before then, written in the same way
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Go on from there, as the page before says
    #[arg(long, value_name = "WHERE")]
    pub before: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,
}

/// What to redact.
#[derive(Debug, Args)]
pub struct RedactOptions {
    /// The message's id, as `messages` shows it
    #[arg(required_unless_present = "author", conflicts_with = "author")]
    pub msgid: Option<String>,
    /// All that this account, or guests of this nick, have said in the channels
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Only what they said in that channel, with or without its #
    #[arg(long, value_name = "C", requires = "author", conflicts_with = "msgid")]
    pub channel: Option<String>,
    /// Only from then on: 7d for the last seven days, or a time as 2026-11-22T10:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment, requires = "author", conflicts_with = "msgid")]
    pub since: Option<Timestamp>,
    /// Shown to those who heard it
    #[arg(long, value_name = "R")]
    pub reason: Option<String>,
    /// Only show how many messages it would be
    #[arg(long, requires = "author", conflicts_with = "msgid")]
    pub dry_run: bool,
    /// Do not ask again
    #[arg(long, requires = "author", conflicts_with = "msgid")]
    pub yes: bool,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Arguments;

    #[test]
    fn a_redaction_is_of_one_message_or_of_an_author() {
        let parse = |words: &str| Arguments::try_parse_from(words.split(' '));
        assert!(parse("admin-cli redact run-1").is_ok());
        assert!(parse("admin-cli redact --author bob --channel lobby --since 7d --yes").is_ok());
        for bad in [
            "redact",
            "redact run-1 --author bob",
            "redact run-1 --since 7d",
            "redact --channel lobby",
        ] {
            assert_eq!(
                parse(&format!("admin-cli {bad}")).unwrap_err().exit_code(),
                2,
                "{bad}"
            );
        }
    }
}

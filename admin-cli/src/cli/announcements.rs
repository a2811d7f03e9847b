//! `announce`.

use clap::Args;

/// What is said, and to whom.
#[derive(Debug, Args)]
pub struct AnnounceOptions {
    /// One line; quotation marks around it may be left out
    #[arg(required = true)]
    pub text: Vec<String>,
    /// Only those in that channel, with or without its #
    #[arg(long, value_name = "C", conflicts_with = "account")]
    pub channel: Option<String>,
    /// Only that account
    #[arg(long, value_name = "A")]
    pub account: Option<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;

    use crate::cli::{Act, Arguments, Command};

    #[test]
    fn several_words_are_one_text() {
        let line = "admin-cli announce tea is ready --channel lobby";
        let Command::Act(Act::Announce(options)) =
            Arguments::try_parse_from(line.split(' ')).unwrap().command
        else {
            panic!("{line}");
        };
        assert_eq!(options.text, ["tea", "is", "ready"]);
        assert_eq!(options.channel.as_deref(), Some("lobby"));
        assert_eq!(
            Arguments::try_parse_from(["admin-cli", "announce"])
                .unwrap_err()
                .exit_code(),
            2
        );
    }
}

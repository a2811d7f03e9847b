//! `ban` and `unban`.

use clap::Args;
use rookery_control_api::parse_duration;

/// Who is banned, why and for how long.
#[derive(Debug, Args)]
pub struct BanOptions {
    /// An account's name, an email, a pattern of emails (*@spam.example), an IP address, a network
    /// (192.0.2.0/24)
    pub target: String,
    /// Shown to whoever is refused
    #[arg(long, value_name = "R")]
    pub reason: Option<String>,
    /// How long, as 90s, 15m, 12h, 7d or 2w; for ever when left out
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<String>,
    /// Only show who would be hit now
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask again before a ban of the world, or of yourself
    #[arg(long)]
    pub yes: bool,
}

/// The server has the last word; a slip is caught before it is asked.
fn duration(text: &str) -> Result<String, String> {
    parse_duration(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Arguments;

    #[test]
    fn a_bad_duration_is_wrong_usage() {
        let parse =
            |text: &str| Arguments::try_parse_from(["admin-cli", "ban", "mallory", "--for", text]);
        assert!(parse("7d").is_ok());
        let error = parse("7 days").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("90s, 15m, 12h, 7d or 2w"),
            "{error}"
        );
    }
}

//! `audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use rookery_control_api::{ChainHead, parse_duration};

/// The newest entries, or what else is asked for.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditOptions {
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    #[command(flatten)]
    pub filters: AuditFilters,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
}

/// What else to do with the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Write the whole trail as JSON, one entry a line, hashes included
    ///
    /// `rookeryd audit verify FILE` verifies such a file on any machine.
    Export {
        /// A file that is not there yet; standard output when left out
        file: Option<PathBuf>,
    },
    /// Look whether every entry is as it was written, and none is missing
    ///
    /// Ends with exit code 1 and the first entry that is not in order.
    Verify {
        /// An entry that was noted before, from a mail or an earlier `audit verify`: it has to be
        /// there still
        #[arg(long, value_name = "ID:HASH")]
        head: Option<ChainHead>,
    },
}

/// Which entries of the audit trail to show. Texts are compared as a whole, letter case aside.
#[derive(Debug, Args)]
pub struct AuditFilters {
    /// Only what this admin did
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// Only this act, as `kick`
    #[arg(long, value_name = "ACT")]
    pub act: Option<String>,
    /// Only what was done to this user, ban or admin
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// Only what was let through, or only what was refused
    #[arg(long, value_name = "OUTCOME", value_parser = ["allowed", "refused"])]
    pub outcome: Option<String>,
    /// Only from then on: 7d for the last seven days, or a time as 2026-11-22T10:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only before then, written in the same way
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Only entries before the one of that number: the page that came before
    #[arg(long, value_name = "ID")]
    pub before: Option<i64>,
}

/// A time, or how long ago that was.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let ago = parse_duration(text)
        .ok()
        .and_then(|duration| Timestamp::now().checked_sub(duration).ok());
    let moment = ago.or_else(|| text.parse().ok());
    moment.ok_or_else(|| {
        "write 90s, 15m, 12h, 7d or 2w, or a time as 2026-11-22T10:00:00Z".to_owned()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago_that_was() {
        let hour = jiff::SignedDuration::from_hours(1);
        let expected = Timestamp::now() - hour;
        let read = moment("1h").unwrap();
        assert!(read >= expected && read < expected + hour, "{read}");
        assert_eq!(
            moment("1970-01-01T00:00:00Z").unwrap(),
            Timestamp::UNIX_EPOCH
        );
        assert!(moment("yesterday").unwrap_err().contains("7d"));
    }
}

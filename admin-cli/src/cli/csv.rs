//! `export` and `import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Table {
    /// The accounts: `name,email,created_at` (for owners)
    Users,
    /// The bans: `target,reason,by,created_at,expires_at`
    Bans,
}

/// What to write, and where.
#[derive(Debug, Args)]
pub struct ExportOptions {
    pub what: Table,
    /// A file that is not there yet; standard output when left out
    pub file: Option<PathBuf>,
}

/// What to read.
#[derive(Debug, Args)]
pub struct ImportOptions {
    pub what: Table,
    /// With the columns of an export, or the original's name,email
    pub file: PathBuf,
    /// Only show what would come of it
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask again before a ban of the world, or of yourself
    #[arg(long)]
    pub yes: bool,
}

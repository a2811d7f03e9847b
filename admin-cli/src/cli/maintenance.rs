//! `maintenance`.

use clap::Subcommand;

/// Whether anyone new is let in. It holds until it is turned off, also over a restart; those who
/// are in stay.
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Let nobody new in
    On {
        /// What whoever connects is told, in one line; quotation marks around it may be left out
        message: Vec<String>,
    },
    /// Let people in again
    Off,
}

//! `rookeryd admin`: the admins, managed where the data folder can be read and written.

use clap::Subcommand;

use crate::config::Config;

/// What to do with the admins.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Lists them.
    List,
}

/// Does it.
pub fn run(_config: &Config, _command: AdminCommand) -> anyhow::Result<()> {
    unimplemented!()
}

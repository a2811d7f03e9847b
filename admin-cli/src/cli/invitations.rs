//! `invitations` and `registrations`.

use clap::{Args, Subcommand};

/// The invitations that are good, or what else is asked for.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct InvitationsOptions {
    #[command(subcommand)]
    pub command: Option<InvitationsCommand>,
    #[command(flatten)]
    pub page: NumberedPage,
}

/// What else to do with invitations.
#[derive(Debug, Subcommand)]
pub enum InvitationsCommand {
    /// Take an invitation back
    Revoke {
        /// Who was invited, or the invitation's number
        #[arg(value_name = "EMAIL|ID")]
        invitation: String,
    },
}

/// The registrations that wait for their codes, or what else is asked for.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RegistrationsOptions {
    #[command(subcommand)]
    pub command: Option<RegistrationsCommand>,
    #[command(flatten)]
    pub page: NumberedPage,
}

/// What else to do with registrations.
#[derive(Debug, Subcommand)]
pub enum RegistrationsCommand {
    /// Mail another code, in the place of the one before
    Resend {
        /// The name that is to be registered, or the number in the list
        #[arg(value_name = "NAME|ID")]
        registration: String,
    },
}

/// A page of a list whose entries have numbers.
#[derive(Debug, Args)]
pub struct NumberedPage {
    /// Begin after this number, as the page before says
    #[arg(long, value_name = "ID")]
    pub after: Option<u64>,
    /// How many on a page
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
}

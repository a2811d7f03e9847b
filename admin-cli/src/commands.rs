//! The commands that do something on the server. Each family is one file: its arguments, its
//! requests and what it prints. This file lists the families and nothing else.

pub mod accounts;
pub mod admins;
pub mod audit;
pub mod bans;
pub mod channels;
pub mod csv;
pub mod invitations;
pub mod messages;
pub mod server;
pub mod sign_in;
pub mod totp;
pub mod users;
pub mod watch;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Failure;
use crate::render;
use crate::top;

/// A command of one of the families.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    SignIn(sign_in::Command),
    /// Manage your authenticator app
    #[command(subcommand)]
    Totp(totp::Command),
    /// Manage the admins (owners only)
    #[command(subcommand)]
    Admins(admins::Command),
    #[command(flatten)]
    Users(users::Command),
    #[command(flatten)]
    Bans(bans::Command),
    #[command(flatten)]
    Accounts(accounts::Command),
    #[command(flatten)]
    Invitations(invitations::Command),
    #[command(flatten)]
    Channels(channels::Command),
    #[command(flatten)]
    Messages(messages::Command),
    #[command(flatten)]
    Server(server::Command),
    #[command(flatten)]
    Csv(csv::Command),
    /// Show the newest entries of the audit trail, or export or verify it
    Audit(audit::Options),
    /// Show how busy the server is, live on the whole screen; kick and ban from there
    ///
    /// Shows rates, the busiest channels and users, the largest send queues and refused sign-ins.
    /// Tab moves between the lists and the arrow keys select a row; k kicks and b bans the selected
    /// user after asking for a reason; q quits. With --json, prints one object per line until
    /// Ctrl-C.
    Top(top::Options),
    /// Show events as they happen, until Ctrl-C
    ///
    /// Who connects and disconnects and why, refused sign-ins, new accounts, channels, bans, what
    /// admins do, and what fails; never what people say. With --json, prints one object per line.
    Watch(watch::Options),
}

impl Command {
    /// Runs the command.
    pub fn run(self, context: &Context<'_>) -> Result<(), Failure> {
        if self.runs_until_interrupted() {
            render::exit_once_unread();
        }
        match self {
            Self::SignIn(command) => command.run(context),
            Self::Totp(command) => command.run(context),
            Self::Admins(command) => command.run(context),
            Self::Users(command) => command.run(context),
            Self::Bans(command) => command.run(context),
            Self::Accounts(command) => command.run(context),
            Self::Invitations(command) => command.run(context),
            Self::Channels(command) => command.run(context),
            Self::Messages(command) => command.run(context),
            Self::Server(command) => command.run(context),
            Self::Csv(command) => command.run(context),
            Self::Audit(options) => options.run(context),
            Self::Top(options) => options.run(context),
            Self::Watch(options) => options.run(context),
        }
    }

    /// Returns whether the command runs until Ctrl-C.
    pub fn runs_until_interrupted(&self) -> bool {
        match self {
            Self::Watch(_) | Self::Top(_) => true,
            Self::Users(command) => command.runs_until_interrupted(),
            _ => false,
        }
    }
}

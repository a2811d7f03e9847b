//! `rookeryd`, the Rookery chat server: chat on one TLS port, the control plane on another.
//!
//! This crate parses the command line, starts the parts of the server in the order of their
//! dependencies, and connects them. It is the only one that holds both the handle of the chat's
//! core and that of the operators. It may depend on every crate of the server.

mod admin_command;
mod audit_command;
mod config_check;
mod data_folder;
mod metrics_port;
mod open_files;
mod runtimes;
mod sandbox;
mod server;
mod signals;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser, Subcommand};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tikv_jemallocator::Jemalloc;
use tracing_subscriber::EnvFilter;

use rookery_base::certificates;
use rookery_base::config::{Config, LogFormat};
use rookery_terminal::printable_lines;
use runtimes::Runtimes;

/// Returns the memory of closed connections to the system within seconds, which glibc's allocator
/// does not. The C libraries keep glibc's: in its place, jemalloc does not start with libfaketime.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// The Rookery chat server. Without a command, it runs the server.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The config file; relative paths in it are relative to its folder [default: config.toml, or
    /// the built-in defaults if it does not exist]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Check the config and the files that it names, and exit
    Check,
    /// Print the fingerprint of the server's certificate, for users to compare with what their
    /// client shows
    Fingerprint,
    /// Manage the admins of the control plane, on this machine; the server may be running
    #[command(subcommand)]
    Admin(admin_command::AdminCommand),
    /// Verify or archive the audit trail on this machine; the server may be running
    #[command(subcommand)]
    Audit(audit_command::AuditCommand),
    /// Write the man pages of rookeryd and its commands
    Man {
        /// The folder to write them to
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The message may quote a file.
            eprintln!("rookeryd: {}", printable_lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let load = || Config::load(arguments.config.as_deref());
    match arguments.command {
        Some(Command::Check) => config_check::run(&load()?),
        Some(Command::Fingerprint) => {
            println!("{}", certificates::fingerprint(&load()?.config.tls)?);
            Ok(())
        }
        Some(Command::Admin(command)) => admin_command::run(&load()?.config, command),
        Some(Command::Audit(command)) => audit_command::run(&load()?.config, command),
        Some(Command::Man { folder }) => std::fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(Arguments::command(), &folder))
            .with_context(|| format!("cannot write the man pages to {}", folder.display())),
        None => {
            let loaded = load()?;
            start_log(&loaded.config)?;
            // Passwords and keys in memory must not be written to the disk if the server crashes.
            set_dumpable_behavior(DumpableBehavior::NotDumpable)
                .context("cannot switch core dumps off")?;
            rustls::crypto::aws_lc_rs::default_provider()
                .install_default()
                .expect("no other provider is installed");
            // Threads that exist already would not be restricted.
            if loaded.config.process.sandbox {
                sandbox::enter(&loaded)?;
            }
            Runtimes::start()
                .context("cannot start the threads of the server")?
                .run(|chat| server::run(loaded, chat))
        }
    }
}

fn start_log(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log.level).context("log.level is not a filter")?;
    // If the log cannot be written (its reader has exited, the disk is full), reporting that on
    // standard error would panic in the task that logs.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    match config.log.format {
        LogFormat::Text => log
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

//! Tasks of the repository, run as `cargo xtask TASK`.
//!
//! Everything here works on the files of the repository, not on a running server. The tests
//! (`tests/run`) and the whole of continuous integration (`.ci/run`) are shell scripts, because
//! they install and start other programs.

mod files;
mod links;
mod style;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

use files::Finding;

const USAGE: &str = "\
Usage: cargo xtask TASK

Tasks:
  style      Check every tracked file against docs/style.md
  links      Check that the files which the documents name exist
  pictures   Redraw the pictures in docs/ from the running programs (needs tmux and python3)";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let root = root()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["style"] => report(&style::check(&root)?),
        ["links"] => report(&links::check(&root)?),
        ["pictures"] => {
            run_script(&root, "client/pictures")?;
            run_script(&root, "docs/pictures/make")?;
            Ok(ExitCode::SUCCESS)
        }
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

/// Prints every finding as `file:line: what is wrong`. Returns failure if there is one.
fn report(findings: &[Finding]) -> anyhow::Result<ExitCode> {
    for finding in findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    bail!("{} findings", findings.len());
}

/// Returns the folder of the workspace.
fn root() -> anyhow::Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = Path::new(&own).parent();
    Ok(root.context("xtask has no parent folder")?.to_owned())
}

/// Runs one of the repository's scripts and waits for it.
fn run_script(root: &Path, script: &str) -> anyhow::Result<()> {
    let status = Command::new(root.join(script))
        .current_dir(root)
        .status()
        .with_context(|| format!("cannot run {script}"))?;
    if !status.success() {
        bail!("{script} failed: {status}");
    }
    Ok(())
}

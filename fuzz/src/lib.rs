//! Fuzz targets of everything that is fed from outside: parsers, formats and state machines.
//!
//! A target is a function that receives any bytes and panics if they break an invariant. Targets of
//! what is public are in the modules here; those of what a crate keeps private are in that crate's
//! module `fuzz`, behind its feature `test-support`. [`TARGETS`] lists all of them.
//!
//! `tests/replay.rs` runs each target on its corpus in `corpus/`, and on some thousand inputs that
//! [`Mutator`] derives from it: always the same ones. `fuzz/run` runs libFuzzer, which follows the
//! coverage, for a minute each by default.

mod json;
mod mutator;
mod protocol;
mod settings;

use std::io;
use std::path::Path;

pub use mutator::Mutator;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name, which is also that of its folder in `corpus/`.
    pub name: &'static str,
    /// Runs the target on one input. Panics if the input breaks an invariant.
    pub run: fn(&[u8]),
}

/// Declares the table of targets.
macro_rules! targets {
    ($($name:literal => $run:path,)+) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[$(Target { name: $name, run: $run },)+];
    };
}

targets! {
    "framing" => protocol::framing,
    "message" => protocol::message,
    "glob" => protocol::glob,
    "names" => protocol::names,
    "ban" => protocol::ban,
    "masks" => rookery_chat::fuzz::masks,
    "multiline" => rookery_chat::fuzz::multiline,
    "history" => rookery_chat::fuzz::history,
    "core" => rookery_chat::fuzz::core,
    "sasl" => rookery_accounts::fuzz::sasl,
    "csv" => rookery_accounts::fuzz::csv,
    "websocket" => rookery_connection::fuzz::websocket,
    "config" => settings::config,
    "http" => json::bodies,
    "plain_lines" => rook::fuzz::plain_lines,
    "screen" => rook::fuzz::screen,
}

/// Whether two texts are equal, at compile time.
const fn is_equal(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([first, rest @ ..], [second, others @ ..]) = (one, other) {
        if *first != *second {
            return false;
        }
        (one, other) = (rest, others);
    }
    one.is_empty() && other.is_empty()
}

impl Target {
    /// Returns the target with this name. It can be called at compile time, so that a program has
    /// only the code of its target.
    ///
    /// # Panics
    /// If there is none.
    pub const fn named(name: &str) -> Self {
        let mut rest = TARGETS;
        while let [target, others @ ..] = rest {
            if is_equal(target.name.as_bytes(), name.as_bytes()) {
                return *target;
            }
            rest = others;
        }
        panic!("there is no target of this name");
    }

    /// Returns the inputs of its corpus, in the order of their names.
    pub fn corpus(&self) -> io::Result<Vec<Vec<u8>>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(self.name);
        let entries = folder.read_dir()?.collect::<io::Result<Vec<_>>>()?;
        let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        paths.into_iter().map(std::fs::read).collect()
    }
}

//! Runs one fuzz target with libFuzzer: the one that the environment variable `FUZZ_TARGET` names
//! when this program is built. `fuzz/run` builds and starts one for each target.
//!
//! A program with all targets would be slow: libFuzzer reads the counters of the whole program
//! after each input.

#![no_main]

mod stopwatch;

use std::sync::{Mutex, PoisonError};

use libfuzzer_sys::fuzz_target;
use rookery_fuzz::Target;

use stopwatch::Stopwatch;

const TARGET: Target = Target::named(env!("FUZZ_TARGET"));
static STOPWATCH: Mutex<Stopwatch> = Mutex::new(Stopwatch::new());

fuzz_target!(|data: &[u8]| {
    let mut stopwatch = STOPWATCH.lock().unwrap_or_else(PoisonError::into_inner);
    stopwatch.run(data.len(), || (TARGET.run)(data));
});

//! Runs one fuzz target with libFuzzer: the one that the environment variable `FUZZ_TARGET` names.
//! `fuzz/run` builds and starts this program.

#![no_main]

mod stopwatch;

use std::sync::{Mutex, OnceLock, PoisonError};

use libfuzzer_sys::fuzz_target;
use rookery_fuzz::Target;

use stopwatch::Stopwatch;

static TARGET: OnceLock<Target> = OnceLock::new();
static STOPWATCH: Mutex<Stopwatch> = Mutex::new(Stopwatch::new());

fn target() -> Target {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the target");
    Target::named(&name).unwrap_or_else(|| panic!("there is no target {name}"))
}

fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(target);
    let mut stopwatch = STOPWATCH.lock().unwrap_or_else(PoisonError::into_inner);
    stopwatch.run(data.len(), || (target.run)(data));
});

//! Finds inputs that take much longer than others of their size.

use rustix::time::{ClockId, clock_gettime};

/// How many inputs of a size are remembered.
const REMEMBERED: usize = 256;
/// How many times longer than the median an input may take.
const FACTOR: u64 = 10;
/// The time in nanoseconds that any input may take. Most inputs are refused at once, so the median
/// alone says little; and what libFuzzer observes makes a program ten to twenty times slower.
const FREE: u64 = 2_000_000;

/// Measures the processor time of each input.
pub struct Stopwatch {
    /// The times of the latest inputs in nanoseconds, by the logarithm of their size.
    times: [Vec<u64>; 24],
    runs: usize,
}

impl Stopwatch {
    /// Creates a stopwatch that has measured nothing.
    pub const fn new() -> Self {
        Self {
            times: [const { Vec::new() }; 24],
            runs: 0,
        }
    }

    /// Runs an input of this size.
    ///
    /// # Panics
    /// If it takes more than ten times the median of those of its size, even when it is repeated.
    pub fn run(&mut self, size: usize, input: impl Fn()) {
        let time = measure(&input);
        let class = usize::try_from((size + 1).ilog2()).unwrap_or(0).min(23);
        if time > FREE && self.times[class].len() == REMEMBERED {
            let mut sorted = self.times[class].clone();
            sorted.sort_unstable();
            let allowed = FREE.max(sorted[REMEMBERED / 2] * FACTOR);
            // Other programs and page faults slow a run down, never each of several.
            let fastest = (0..5).map(|_| measure(&input)).fold(time, u64::min);
            assert!(
                fastest <= allowed,
                "slow: {fastest} ns for {size} bytes; the median of this size is {} ns",
                sorted[REMEMBERED / 2]
            );
        }
        self.runs += 1;
        let times = &mut self.times[class];
        if times.len() < REMEMBERED {
            times.push(time);
        } else {
            times[self.runs % REMEMBERED] = time;
        }
    }
}

/// Returns how long the input takes, in nanoseconds of this thread's processor time.
fn measure(input: &impl Fn()) -> u64 {
    let start = now();
    input();
    now().saturating_sub(start)
}

fn now() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

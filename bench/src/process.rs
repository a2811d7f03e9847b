//! The memory and CPU time that a process uses, read from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A running process.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
}

impl Process {
    /// Refers to the process with this number.
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Returns its resident memory in bytes.
    pub fn resident_bytes(self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))
            .context("the process is not running")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS in /proc")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    /// Returns the CPU time used by the threads that still run.
    pub fn cpu(self) -> Result<Duration> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))
            .context("the process is not running")?
        {
            // A thread may have ended between the two reads.
            let Ok(stat) = fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            let nanoseconds: u64 = stat
                .split(' ')
                .next()
                .context("an empty schedstat")?
                .parse()?;
            total += nanoseconds;
        }
        Ok(Duration::from_nanos(total))
    }
}

//! Durations and what a process used.

use std::fs;
use std::time::Duration;

/// Clock ticks a second in `/proc`, fixed by Linux's ABI.
const TICKS: f64 = 100.0;

/// The duration below which a share of the durations lies, in seconds; 0 for none.
pub fn quantile(sorted: &[Duration], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    sorted.get(index).map_or(0.0, Duration::as_secs_f64)
}

/// CPU seconds a process has used, user and system; `None` when it is not there.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything: count from behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// A size in bytes that the kernel reports of a process, such as `VmRSS` or `VmHWM` (the peak).
pub fn memory_bytes(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_be_measured() {
        let pid = std::process::id();
        assert!(cpu_seconds(pid).is_some());
        assert!(memory_bytes(pid, "VmRSS").unwrap() <= memory_bytes(pid, "VmHWM").unwrap());
        assert_eq!(cpu_seconds(u32::MAX), None);
    }

    #[test]
    fn quantiles_of_few_and_none() {
        let seconds: Vec<Duration> = (1..=5).map(Duration::from_secs).collect();
        assert_eq!((quantile(&seconds, 0.5), quantile(&seconds, 1.0), quantile(&[], 0.5)), (3.0, 5.0, 0.0));
    }
}

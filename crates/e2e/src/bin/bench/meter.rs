//! What is measured: CPU time of a process from /proc, and rates.

use std::time::Duration;

use e2e::Outcome;

/// Clock ticks a second in /proc, on every Linux that we know of.
const TICKS: f64 = 100.0;

/// CPU time that a process has used, user and system, all threads.
pub(crate) fn cpu(pid: u32) -> Outcome<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|error| error.to_string())?;
    // The fields after the command's name, which may hold spaces; the 14th and 15th of all are user and system time.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    let (Some(user), Some(system)) = (ticks(11), ticks(12)) else {
        return Err("/proc/…/stat is not understood".into());
    };
    Ok(Duration::from_secs_f64((user + system) / TICKS))
}

/// `count` things in `took`, a second.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// CPU time of one of `count` things, in µs.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn micros(cpu: Duration, count: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / count as f64
}

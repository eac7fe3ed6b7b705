//! The `process_*` metrics that every Prometheus client library has, read from `/proc` at each scrape; on other
//! systems than Linux there are none.
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>

use prometheus_client::registry::Registry;

/// Registers them, under their standard names.
pub fn register_process_metrics(registry: &mut Registry) {
    #[cfg(target_os = "linux")]
    registry.register_collector(Box::new(linux::Process));
    #[cfg(not(target_os = "linux"))]
    let _ = registry;
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;

    use procfs::process::LimitValue;
    use procfs::{ProcResult, WithCurrentSystemInfo as _};
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
    use prometheus_client::metrics::counter::ConstCounter;
    use prometheus_client::metrics::gauge::ConstGauge;

    /// This process, as the kernel sees it.
    #[derive(Debug)]
    pub(super) struct Process;

    struct Figures {
        cpu_seconds: f64,
        start_seconds: f64,
        virtual_bytes: u64,
        resident_bytes: u64,
        open_fds: u64,
        /// Infinite where there is no limit.
        max_fds: f64,
    }

    impl Figures {
        fn read() -> ProcResult<Self> {
            let process = procfs::process::Process::myself()?;
            let stat = process.stat()?;
            let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
            Ok(Self {
                cpu_seconds: seconds(stat.utime + stat.stime),
                start_seconds: procfs::boot_time_secs()? as f64 + seconds(stat.starttime),
                virtual_bytes: stat.vsize,
                resident_bytes: stat.rss_bytes().get(),
                open_fds: process.fd_count()? as u64,
                max_fds: match process.limits()?.max_open_files.soft_limit {
                    LimitValue::Value(limit) => limit as f64,
                    LimitValue::Unlimited => f64::INFINITY,
                },
            })
        }
    }

    impl Collector for Process {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
            let figures = match Figures::read() {
                Ok(figures) => figures,
                Err(error) => {
                    tracing::debug!(%error, "cannot read the process's own figures");
                    return Ok(());
                }
            };
            let cpu = ConstCounter::new(figures.cpu_seconds);
            let help = "User and system CPU time spent, in seconds";
            cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)?;
            for (name, help, value) in [
                (
                    "start_time_seconds",
                    "When the process was started, in seconds since the Unix epoch",
                    figures.start_seconds,
                ),
                ("virtual_memory_bytes", "Virtual memory", figures.virtual_bytes as f64),
                ("resident_memory_bytes", "Resident memory", figures.resident_bytes as f64),
                ("open_fds", "File descriptors that are open", figures.open_fds as f64),
                ("max_fds", "File descriptors that may be open", figures.max_fds),
            ] {
                let gauge = ConstGauge::new(value);
                let name = format!("process_{name}");
                gauge.encode(encoder.encode_descriptor(&name, help, None, gauge.metric_type())?)?;
            }
            Ok(())
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn the_standard_metrics_have_the_values_of_this_process() {
        let mut registry = Registry::default();
        register_process_metrics(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("{name} is missing in\n{text}")).parse().unwrap()
        };
        assert!(value("process_cpu_seconds_total") < 3600.0);
        assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!((3.0..value("process_max_fds")).contains(&value("process_open_fds")));
        let now = latewood_base::Clock::system().now_ms() as f64 / 1000.0;
        assert!((0.0..3600.0).contains(&(now - value("process_start_time_seconds") + 2.0)));
    }
}

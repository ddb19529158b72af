//! Metrics for Prometheus: the numbers of a daemon in either text form.
//!
//! Every series is there from the start, so that a rate can be taken of the first event. None is
//! about a host: there may be any number of them.

mod callback_counts;
mod process;
mod series;

use std::fmt;
use std::sync::Arc;

use lobby_client::{LinkState, Status};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

pub use callback_counts::CallbackCounts;
pub use process::ProcessUsage;

use crate::wire::envelope::Refusal;
use series::Series;

/// A text form of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFormat {
    /// The text format 0.0.4, which every Prometheus reads.
    Classic,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl MetricsFormat {
    /// The form that a client asks for in `Accept`: OpenMetrics only if it is named there.
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Classic
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Classic => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The numbers of a daemon.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// How the daemon is doing.
    pub status: Status,
    /// Number of the last change of the list.
    pub revision: u64,
    /// Labels of this server that end.
    pub leases: usize,
    /// Runs of the callback.
    pub callback: Arc<CallbackCounts>,
    /// Log lines that were dropped because nobody read them.
    pub log_lines_dropped: u64,
    /// What the process uses; `None` if the system does not say.
    pub process: Option<ProcessUsage>,
}

impl Metrics {
    /// The metrics as text.
    ///
    /// # Errors
    /// None in practice: writing to a string cannot fail.
    pub fn text(self, format: MetricsFormat) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        let process = self.process.clone();
        registry.sub_registry_with_prefix("lobby").register_collector(Box::new(self));
        if let Some(process) = process {
            registry.sub_registry_with_prefix("process").register_collector(Box::new(process));
        }
        let mut text = String::new();
        match format {
            MetricsFormat::Classic => prometheus_text::encode(&mut text, &registry)?,
            MetricsFormat::OpenMetrics => text::encode(&mut text, &registry)?,
        }
        Ok(text)
    }

    fn about_the_list(&self, series: &mut Series<'_, '_>) -> fmt::Result {
        let status = &self.status;
        series.gauge("servers", "Living servers in the list, this one included", status.records)?;
        series.gauge(
            "warm",
            "1 if the daemon has listened long enough to have heard every server",
            u64::from(status.warm),
        )?;
        let is_alone = status.alone_since.is_some();
        series.gauge("alone", "1 while no other server is in the list", u64::from(is_alone))?;
        series.gauge(
            "duplicate_hostname",
            "1 if another daemon goes by the name of this one",
            u64::from(status.duplicate.is_some()),
        )?;
        series.gauge(
            "registry_revision",
            "Number of the last change of the list",
            self.revision,
        )?;
        series.gauge("leases", "Labels of this server that end by themselves", self.leases)
    }

    fn about_the_drivers(&self, series: &mut Series<'_, '_>) -> fmt::Result {
        let drivers = &self.status.drivers;
        let up = drivers.iter().map(|driver| {
            ([("driver", driver.name.as_str())], u64::from(driver.state == LinkState::Up))
        });
        series.gauges("driver_up", "1 while the link of the driver is up", up)?;
        for (name, help, count) in DRIVER_COUNTERS {
            let counts =
                drivers.iter().map(|driver| ([("driver", driver.name.as_str())], count(driver)));
            series.counters(name, help, counts)?;
        }
        let refused = drivers.iter().flat_map(|driver| {
            Refusal::REASONS.iter().map(|reason| {
                let count = driver.refused.get(*reason).copied().unwrap_or_default();
                ([("driver", driver.name.as_str()), ("reason", *reason)], count)
            })
        });
        series.counters("packets_refused", "Packets that changed nothing, by reason", refused)
    }

    fn about_the_rest(&self, series: &mut Series<'_, '_>) -> fmt::Result {
        let (succeeded, failed) = self.callback.results();
        let runs = [([("result", "success")], succeeded), ([("result", "failure")], failed)];
        series.counters(
            "callback_runs",
            "Runs of the callback that ended, by result",
            runs.into_iter(),
        )?;
        series.gauge(
            "callback_last_success_timestamp_seconds",
            "When the callback last succeeded, 0 before that",
            self.callback.last_success(),
        )?;
        series.gauge("http_streams", "Requests that wait or stream", self.status.streams)?;
        series.counter(
            "log_lines_dropped",
            "Log lines that were dropped because nobody read them in time",
            self.log_lines_dropped,
        )?;
        series.info("build", "Version of lobbyd", &[("version", self.status.version.as_str())])
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut series = Series(&mut encoder);
        self.about_the_list(&mut series)?;
        self.about_the_drivers(&mut series)?;
        self.about_the_rest(&mut series)
    }
}

/// A counter that each driver has: name, meaning and value.
type DriverCounter = (&'static str, &'static str, fn(&lobby_client::DriverStatus) -> u64);

const DRIVER_COUNTERS: [DriverCounter; 5] = [
    ("packets_received", "Packets that came in, refused ones included", |driver| driver.received),
    ("packets_sent", "Own packets that the channel took", |driver| driver.sent),
    ("packets_unsigned", "Packets that were accepted without a signature", |driver| {
        driver.unsigned
    }),
    ("packets_invalid_ttl", "Packets with a ttl that is not valid, taken as without", |driver| {
        driver.invalid_ttl
    }),
    ("packets_dropped", "Packets that came faster than they could be read", |driver| {
        driver.dropped
    }),
];

#[cfg(test)]
mod tests;

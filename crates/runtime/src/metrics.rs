//! The one table of metrics, and the one place that touches the metrics library.
//!
//! A new metric is a new row of `table!`: the constant, the name in Prometheus style (`naru_`, base units, `_total`
//! for counters), the labels and a help text. Label values are few and known: never an id, an address or a text.

use std::fmt::Write as _;
use std::sync::OnceLock;

use metrics::{Key, Label, Level, Metadata, SharedString, Unit, with_recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// A handle that counts up; cheap to keep, cheap to call.
pub use metrics::Counter as CounterHandle;
/// A handle of a value that goes up and down.
pub use metrics::Gauge as GaugeHandle;
/// A handle that records single values, such as durations.
pub use metrics::Histogram as HistogramHandle;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Many values, counted in buckets.
    Histogram,
}

impl Kind {
    /// The word that Prometheus and the documentation use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Full name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, for a person.
    pub help: &'static str,
    /// Upper bounds of the buckets of a histogram.
    pub buckets: &'static [f64],
}

/// A counter with `N` labels.
#[derive(Debug)]
pub struct Counter<const N: usize>(Row);

/// A gauge with `N` labels.
#[derive(Debug)]
pub struct Gauge<const N: usize>(Row);

/// A histogram with `N` labels.
#[derive(Debug)]
pub struct Histogram<const N: usize>(Row);

impl<const N: usize> Counter<N> {
    /// The counter of these label values, in the order of the table. Keep it where the path is hot.
    pub fn of<V: Into<SharedString>>(&self, values: [V; N]) -> CounterHandle {
        with_recorder(|r| r.register_counter(&key(&self.0, values), &METADATA))
    }

    /// Counts `n` more.
    pub fn add<V: Into<SharedString>>(&self, values: [V; N], n: u64) {
        self.of(values).increment(n);
    }
}

impl<const N: usize> Gauge<N> {
    /// The gauge of these label values, in the order of the table. Keep it where the path is hot.
    pub fn of<V: Into<SharedString>>(&self, values: [V; N]) -> GaugeHandle {
        with_recorder(|r| r.register_gauge(&key(&self.0, values), &METADATA))
    }

    /// Sets the value.
    pub fn set<V: Into<SharedString>>(&self, values: [V; N], value: f64) {
        self.of(values).set(value);
    }
}

impl<const N: usize> Histogram<N> {
    /// The histogram of these label values, in the order of the table. Keep it where the path is hot.
    pub fn of<V: Into<SharedString>>(&self, values: [V; N]) -> HistogramHandle {
        with_recorder(|r| r.register_histogram(&key(&self.0, values), &METADATA))
    }

    /// Records a value in the metric's base unit (seconds, bytes).
    pub fn record<V: Into<SharedString>>(&self, values: [V; N], value: f64) {
        self.of(values).record(value);
    }
}

/// The values of a metric without labels: `X.add(NONE, 1)`.
pub const NONE: [&str; 0] = [];

const METADATA: Metadata<'static> = Metadata::new("naru", Level::INFO, None);

fn key<V: Into<SharedString>, const N: usize>(row: &Row, values: [V; N]) -> Key {
    let labels = row.labels.iter().zip(values).map(|(name, value)| Label::new(*name, value));
    Key::from_parts(row.name, labels.collect::<Vec<_>>())
}

/// Upper bounds in seconds, from what one machine does to what a person waits for.
pub const SECONDS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0,
    60.0,
];
/// Upper bounds for counts of things handled together.
pub const COUNTS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 5_000.0, 20_000.0];

macro_rules! table {
    ($($id:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal $(in $buckets:ident)?;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help)]
            pub static $id: $kind<{ <[&str]>::len(&[$($label),*]) }> = $kind(Row {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
                buckets: table!(@buckets $($buckets)?),
            });
        )*

        /// Every metric, in the order of the table.
        pub static ALL: &[&Row] = &[$(&$id.0),*];
    };
    (@buckets) => { &[] };
    (@buckets $buckets:ident) => { $buckets };
}

table! {
    // Ingress.
    INGRESS_REQUESTS = Counter "naru_ingress_requests_total" ["source", "status"] "webhook requests answered, by HTTP status";
    INGRESS_REQUEST_SECONDS = Histogram "naru_ingress_request_seconds" ["source"] "from a request's head to its answer" in SECONDS;
    INGRESS_RECORDS = Counter "naru_ingress_records_total" ["source"] "raw records that are kept: acknowledged by the broker, or in the spool";
    INGRESS_DEAD_LETTERS = Counter "naru_ingress_dead_letters_total" ["source", "reason"] "dead letters that are kept: acknowledged by the broker, or in the spool";
    INGRESS_BODY_BYTES = Counter "naru_ingress_body_bytes_total" ["source"] "bytes of the bodies answered 200";
    INGRESS_APPEND_FAILURES = Counter "naru_ingress_append_failures_total" ["source", "cause"] "requests whose records were not all acknowledged in time; they go to the spool, or are answered 503";
    INGRESS_CONNECTIONS = Gauge "naru_ingress_connections" [] "connections open";
    INGRESS_CONNECTIONS_FULL = Counter "naru_ingress_connections_full_total" [] "times that a new connection had to wait for a place";
    INGRESS_CONNECTIONS_CUT = Counter "naru_ingress_connections_cut_total" ["cause"] "connections ended by us or by a fault, by cause";

    INGRESS_SPOOLED = Counter "naru_ingress_spooled_total" ["source"] "requests that went to the spool";
    INGRESS_SPOOL_REFUSED = Counter "naru_ingress_spool_refused_total" ["source", "cause"] "requests answered 503 because the spool did not take them: full, busy, failed";
    INGRESS_SPOOL_BYTES = Gauge "naru_ingress_spool_bytes" [] "bytes in the spool that the broker has not acknowledged";
    INGRESS_SPOOL_OLDEST = Gauge "naru_ingress_spool_oldest_seconds" [] "age of the oldest request in the spool; 0 while it is empty";
    INGRESS_SPOOL_DRAINED = Counter "naru_ingress_spool_drained_total" [] "records out of a spool that the broker has acknowledged";
    INGRESS_SPOOL_SYNCS = Counter "naru_ingress_spool_syncs_total" [] "times that the spool was written through to the disk";
    INGRESS_SPOOL_SET_ASIDE = Counter "naru_ingress_spool_set_aside_total" ["cause"] "what could not leave a spool and was put into a file beside it: refused, damaged, torn, unknown";

    // Processors and the worker.
    RECORDS = Counter "naru_records_total" ["source", "outcome"] "source records that have ended: released, duplicate, filtered, dead";
    FILTERED = Counter "naru_filtered_total" ["source", "reason"] "source records that carry no message, by reason";
    PROCESSOR_DEAD = Counter "naru_processor_dead_total" ["source", "reason"] "source records that cannot be processed, by reason";
    WRITTEN = Counter "naru_written_total" ["topic"] "committed records that came of source records, by the topic that they went to";
    LATE = Counter "naru_late_total" ["source"] "messages that came too late to stand in order and left at once";
    HOLD_CUT = Counter "naru_hold_cut_total" ["source"] "messages that left before their hold was over, since the buffers were full";
    HELD = Gauge "naru_held" ["source", "thread"] "messages in the reorder buffers";
    HELD_BYTES = Gauge "naru_held_bytes" ["thread"] "bytes in the reorder buffers";
    TASKS = Gauge "naru_tasks" ["thread"] "source partitions that a stream thread works on";
    UNREAD = Gauge "naru_unread" ["topic", "thread"] "records between a stream thread's positions and the ends of its partitions";
    COMMIT_SECONDS = Histogram "naru_commit_seconds" [] "time of a commit, from the last record to the broker's answer" in SECONDS;
    COMMIT_RECORDS = Histogram "naru_commit_records" [] "records that one commit ends" in COUNTS;
    RESTORE_SECONDS = Histogram "naru_restore_seconds" [] "time from the assignment of a partition to its first record" in SECONDS;
    THREAD_RESTARTS = Counter "naru_thread_restarts_total" [] "stream threads that dropped their tasks and began anew";
    TRANSACTIONS_ABORTED = Counter "naru_transactions_aborted_total" [] "transactions that were aborted, after which their tasks were restored in place";
    OFFSETS_LOST = Counter "naru_offsets_lost_total" ["topic"] "source records that were gone before they were read";
    STANDBY_RECORDS = Counter "naru_standby_records_total" [] "changelog records of other instances that were read along";
    MASKED = Counter "naru_masked_total" ["kind"] "finds of personal data that were masked, by kind; one in two messages counts twice";
    VAULT_KEPT = Counter "naru_vault_kept_total" ["kind"] "masked values written to the vault, by kind";
    VAULT_NOT_KEPT = Counter "naru_vault_not_kept_total" ["reason"] "masked values that could have been kept and were not, by reason";
    VAULT_EXPIRED = Counter "naru_vault_expired_total" [] "values removed from the vault because their time was over";
    TABLE_RECORDS = Counter "naru_table_records_total" ["topic"] "records that a table has read";

    // Egress.
    EGRESS_CALLS = Counter "naru_egress_calls_total" ["destination", "verdict"] "Calls that carry a message, by what came of them";
    EGRESS_DELIVERIES = Counter "naru_egress_deliveries_total" ["destination", "status"] "Messages finished, by how";
    EGRESS_DEAD_LETTERS = Counter "naru_egress_dead_letters_total" ["destination", "reason"] "Messages given up, by reason";
    EGRESS_DEAD_LETTERS_CUT = Counter "naru_egress_dead_letters_cut_total" ["destination"] "Dead letters without detail or value, because they were too large";
    EGRESS_OURS = Histogram "naru_egress_ours_seconds" ["destination"] "From receipt by ingress to the first call" in SECONDS;
    EGRESS_PLATFORM = Histogram "naru_egress_platform_seconds" ["destination"] "From a call to its answer" in SECONDS;
    EGRESS_LANES = Gauge "naru_egress_lanes" ["destination"] "Conversations with a message on its way";
    EGRESS_LANES_WAITING = Gauge "naru_egress_lanes_waiting" ["destination"] "Of these, how many wait for a retry";
    EGRESS_IN_FLIGHT = Gauge "naru_egress_in_flight" ["destination"] "Calls without an answer yet";
    EGRESS_WINDOW_USED = Gauge "naru_egress_window_used" ["destination"] "Messages in memory";
    EGRESS_LIMIT_WAITS = Counter "naru_egress_limit_waits_total" ["destination"] "Calls that had to wait for the platform's limit";
    EGRESS_RETRIES = Counter "naru_egress_retries_total" ["destination"] "Calls made again";
    EGRESS_DOUBTS = Counter "naru_egress_doubts_total" ["destination", "outcome"] "Unknown outcomes, by what asking the platform said";
    EGRESS_POSSIBLY_TWICE = Counter "naru_egress_possibly_twice_total" ["destination"] "Messages sent again though they may have arrived";
    EGRESS_ALREADY_SENT = Counter "naru_egress_already_sent_total" ["destination"] "Records that an earlier owner had finished, not sent again";
    EGRESS_TOKEN_REQUESTS = Counter "naru_egress_token_requests_total" ["client", "result"] "Requests for an access token";
    EGRESS_TOKEN_FAILING = Gauge "naru_egress_token_failing" ["client"] "1 while no new access token can be had";
    EGRESS_ACCOUNT_STOPPED = Gauge "naru_egress_account_stopped" ["account"] "1 while the platform refuses the account's token or signature";

    // Every service.
    BUILD_INFO = Gauge "naru_build_info" ["version", "service"] "1, labelled with what runs";
    READY = Gauge "naru_ready" [] "1 while every condition of readiness is met";
}

static PROMETHEUS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the exporter for this process and describes every metric of the table. Calling it again changes nothing.
///
/// # Panics
/// If the process has installed another recorder of the metrics library.
pub fn install() {
    PROMETHEUS.get_or_init(|| {
        let mut builder = PrometheusBuilder::new();
        for row in ALL.iter().filter(|row| row.kind == Kind::Histogram) {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(row.name.to_owned()), row.buckets)
                .expect("a test holds that every histogram has buckets");
        }
        let handle = builder.install_recorder().expect("nothing else installs a recorder");
        describe_all();
        handle
    });
}

/// Tells the exporter the help text of every metric.
fn describe_all() {
    with_recorder(|recorder| {
        for row in ALL {
            let unit = [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)]
                .into_iter()
                .find(|(suffix, _)| row.name.trim_end_matches("_total").ends_with(suffix));
            let (name, unit, help) = (row.name.into(), unit.map(|(_, unit)| unit), row.help.into());
            match row.kind {
                Kind::Counter => recorder.describe_counter(name, unit, help),
                Kind::Gauge => recorder.describe_gauge(name, unit, help),
                Kind::Histogram => recorder.describe_histogram(name, unit, help),
            }
        }
    });
}

/// All metrics in Prometheus's text format; empty before [`install`].
#[must_use]
pub fn render() -> String {
    PROMETHEUS.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Empties the exporter's buffers. To be called every few seconds where nobody scrapes, so that they do not grow.
pub fn upkeep() {
    if let Some(handle) = PROMETHEUS.get() {
        handle.run_upkeep();
    }
}

/// The table as Markdown, for the documentation.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| metric | kind | labels | what it says |\n|---|---|---|---|\n");
    for row in ALL {
        let (name, kind, labels) = (row.name, row.kind.word(), row.labels.join(", "));
        let _ = writeln!(text, "| `{name}` | {kind} | {labels} | {} |", row.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_prometheus() {
        let mut seen = BTreeSet::new();
        for row in ALL {
            let name = row.name;
            assert!(seen.insert(name), "{name} stands twice");
            assert!(name.starts_with("naru_"), "{name}");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
            assert_eq!(
                name.ends_with("_total"),
                row.kind == Kind::Counter,
                "{name}: `_total` is for counters"
            );
            assert!(!name.ends_with("_ms") && !name.contains("_ms_"), "{name}: base units");
            assert_eq!(row.buckets.is_empty(), row.kind != Kind::Histogram, "{name}: buckets");
            assert!(row.buckets.is_sorted(), "{name}: buckets rise");
            assert!(!row.help.is_empty() && !row.help.ends_with('.'), "{name}: help");
        }
    }

    #[test]
    fn what_is_counted_is_rendered_with_labels_and_help() {
        install();
        install();
        BUILD_INFO.set(["0", "test"], 1.0);
        upkeep();
        let text = render();
        assert!(text.contains("naru_build_info{version=\"0\",service=\"test\"} 1"), "{text}");
        assert!(text.contains("# HELP naru_build_info 1, labelled with what runs"), "{text}");
    }
}

//! The metrics of one destination, their handles kept.

use std::time::Duration;

use platforms::{Platform, Settled, Verdict};
use runtime::metrics::{self, CounterHandle, GaugeHandle, HistogramHandle};
use schemas::{Delivery, DeliveryStatus};

/// The handles.
pub(crate) struct Meters {
    destination: &'static str,
    overhead: HistogramHandle,
    platform: HistogramHandle,
    lanes: GaugeHandle,
    waiting: GaugeHandle,
    in_flight: GaugeHandle,
    window: GaugeHandle,
    limit_waits: CounterHandle,
    retries: CounterHandle,
    possible_duplicates: CounterHandle,
    already_sent: CounterHandle,
}

/// One more while it lives.
pub(crate) struct GaugeGuard(GaugeHandle);

impl GaugeGuard {
    fn new(gauge: &GaugeHandle) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Meters {
    /// The handles of a destination.
    #[must_use]
    pub(crate) fn new(destination: &Platform) -> Self {
        let name = destination.name;
        Self {
            destination: name,
            overhead: metrics::EGRESS_OURS.of([name]),
            platform: metrics::EGRESS_PLATFORM.of([name]),
            lanes: metrics::EGRESS_LANES.of([name]),
            waiting: metrics::EGRESS_LANES_WAITING.of([name]),
            in_flight: metrics::EGRESS_IN_FLIGHT.of([name]),
            window: metrics::EGRESS_WINDOW_USED.of([name]),
            limit_waits: metrics::EGRESS_LIMIT_WAITS.of([name]),
            retries: metrics::EGRESS_RETRIES.of([name]),
            possible_duplicates: metrics::EGRESS_POSSIBLY_TWICE.of([name]),
            already_sent: metrics::EGRESS_ALREADY_SENT.of([name]),
        }
    }

    pub(crate) fn lane(&self) -> GaugeGuard {
        GaugeGuard::new(&self.lanes)
    }

    pub(crate) fn waiting(&self) -> GaugeGuard {
        GaugeGuard::new(&self.waiting)
    }

    pub(crate) fn in_flight(&self) -> GaugeGuard {
        GaugeGuard::new(&self.in_flight)
    }

    pub(crate) fn window(&self, used: usize) {
        self.window.set(f64::from(u32::try_from(used).unwrap_or(u32::MAX)));
    }

    pub(crate) fn limit_waited(&self) {
        self.limit_waits.increment(1);
    }

    pub(crate) fn retried(&self) {
        self.retries.increment(1);
    }

    pub(crate) fn possible_duplicate(&self) {
        self.possible_duplicates.increment(1);
    }

    pub(crate) fn already_sent(&self) {
        self.already_sent.increment(1);
    }

    pub(crate) fn platform(&self, took: Duration) {
        self.platform.record(took.as_secs_f64());
    }

    pub(crate) fn verdict(&self, verdict: &Verdict) {
        metrics::EGRESS_CALLS.add([self.destination, verdict.label()], 1);
    }

    pub(crate) fn settled(&self, settled: &Settled) {
        metrics::EGRESS_DOUBTS.add([self.destination, settled.label()], 1);
    }

    /// A delivery record is acknowledged.
    pub(crate) fn recorded(&self, delivery: &Delivery) {
        let status = match delivery.status {
            DeliveryStatus::Started => return,
            DeliveryStatus::Delivered => "delivered",
            DeliveryStatus::Failed => "failed",
            DeliveryStatus::Refused => "refused",
            DeliveryStatus::InDoubt => "in_doubt",
        };
        metrics::EGRESS_DELIVERIES.add([self.destination, status], 1);
        if let Some(ms) = delivery.ours_ms.and_then(|ms| u64::try_from(ms).ok()) {
            self.overhead.record(Duration::from_millis(ms).as_secs_f64());
        }
    }
}

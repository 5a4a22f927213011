//! What became of a message, written: dead letters and delivery records, tried until they are acknowledged.

use std::time::Duration;

use runtime::metrics;
use schemas::{Delivery, DeliveryStatus, Reason};
use tokio::time::sleep;

use super::{Courier, Ended, Job};
use crate::seam::{Addresses, Record, Sink, SinkError};

/// How often an unwritten result is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

impl<S: Sink, A: Addresses> Courier<S, A> {
    /// Writes the record to the dead letters, then its final delivery record.
    pub(super) async fn dead_letter(
        &self,
        job: &Job,
        delivery: Delivery,
        reason: Reason,
        detail: &str,
    ) -> Result<(), Ended> {
        while let Err(error) = self.sink.dead_letter(&job.record, reason, detail).await {
            self.write_again(job, error).await?;
        }
        metrics::EGRESS_DEAD_LETTERS.add([self.destination.name, reason.code()], 1);
        let Record { partition, offset, .. } = job.record;
        tracing::warn!(
            destination = self.destination.name,
            partition,
            offset,
            reason = reason.code(),
            detail,
            platform = delivery.platform,
            account = delivery.account,
            correlation_id = delivery.correlation_id,
            "dead letter"
        );
        let status = match reason {
            Reason::Refused | Reason::Gone => DeliveryStatus::Refused,
            _ => DeliveryStatus::Failed,
        };
        self.record(job, Delivery { status, reason: Some(reason.code().into()), ..delivery }).await
    }

    /// Writes a delivery record.
    pub(super) async fn record(&self, job: &Job, delivery: Delivery) -> Result<(), Ended> {
        let delivery = Delivery { at: self.clock.now_ms(), ..delivery };
        let partition = job.record.partition;
        let offset = loop {
            match self.sink.delivery(partition, &delivery).await {
                Ok(offset) => break offset,
                Err(error) => self.write_again(job, error).await?,
            }
        };
        if let Some(offset) = offset {
            self.progress.wrote(partition, offset);
        }
        self.meters.recorded(&delivery);
        if let Some(observer) = &self.observer {
            observer(&delivery);
        }
        Ok(())
    }

    async fn write_again(&self, job: &Job, error: SinkError) -> Result<(), Ended> {
        match error {
            SinkError::Fatal(text) => Err(Ended::Fatal(text)),
            SinkError::Retry(text) => {
                let destination = self.destination.name;
                tracing::warn!(destination, error = text, "a result is not written yet");
                Ok(job.lease.wait(sleep(WRITE_AGAIN)).await?)
            }
        }
    }
}

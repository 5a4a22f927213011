//! Why a stream thread drops its tasks. Where its transaction was aborted it restores them in place, without a word to
//! its group. Every other cause ends with a new beginning, which is always safe: nothing uncommitted is applied, and
//! the next start of the same `transactional.id` ends the open transaction.

use rdkafka::error::KafkaError;
use streams::StoreFault;

/// What ended a stream thread's work, or its transaction.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The client or the broker failed while doing this.
    Kafka(&'static str, KafkaError),
    /// A record could not be written. The client goes on after that only with another producer.
    NotWritten(KafkaError),
    /// The transaction was aborted and the producer goes on: the tasks are restored where they are.
    Aborted(String),
    /// The broker did not answer in time: whether it did is not known.
    TimedOut(&'static str),
    /// The state store failed.
    Store(StoreFault),
    /// The topics are not as they must be; only a person can change that.
    Topics(String),
}

impl Fault {
    /// For `map_err`: a client error while doing `what`.
    pub(crate) fn kafka(what: &'static str) -> impl Fn(KafkaError) -> Fault {
        move |error| Fault::Kafka(what, error)
    }

    pub(crate) fn report(&self, thread: usize) {
        match self {
            Fault::Kafka(what, error) => {
                tracing::warn!(thread, what, %error, "stream thread begins anew: the broker or client failed");
            }
            Fault::NotWritten(error) => {
                tracing::warn!(thread, %error, "stream thread begins anew: a record was not written");
            }
            Fault::Aborted(why) => {
                tracing::warn!(thread, why, "stream thread begins anew: its transaction was aborted");
            }
            Fault::TimedOut(what) => {
                tracing::warn!(thread, what, "stream thread begins anew: no answer in time");
            }
            Fault::Store(error) => {
                tracing::error!(thread, %error, "stream thread begins anew: the state store failed");
            }
            Fault::Topics(what) => tracing::error!(thread, what, "stream thread cannot work"),
        }
    }
}

impl From<StoreFault> for Fault {
    fn from(error: StoreFault) -> Self {
        Fault::Store(error)
    }
}

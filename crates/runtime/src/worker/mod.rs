//! The Kafka worker: stream threads that drive the tasks of `streams` with records and time, and commit what they
//! say in transactions.
//!
//! A thread owns a consumer, a transactional producer and the tasks of its partitions (`thread`). Along a partition's
//! life: [`assignment`] (what the group gives and takes) → [`restore`] (barrier, changelog) → `thread` (records, time)
//! → [`transaction`] (effects, changelog, offsets). An error that cannot be tried again ends all of it: the tasks are
//! dropped, nothing is applied, and the thread begins anew.

mod assignment;
mod fault;
mod outage;
mod outputs;
mod preflight;
mod report;
mod restore;
mod standby;
mod status;
mod takeover;
mod thread;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::Duration;

use schemas::{Topic, TopicNames};
use streams::{Chain, Limits};

use outage::Outage;
pub use preflight::StartError;
use standby::{Followed, Standby};
pub use status::{SourceStatus, Status};

use crate::shutdown::Shutdown;
use crate::store::StateStore;
use crate::{Readiness, config};

/// How long a thread waits before it begins anew after an error.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// A source topic and what is done with its records.
pub struct Source<M> {
    /// The raw topic.
    pub topic: Topic,
    /// The changelog of its dedupe sets.
    pub changelog: Topic,
    /// Every topic that its chain writes, besides dead letters.
    pub outputs: Vec<Topic>,
    /// What metrics call it.
    pub label: &'static str,
    /// Makes the chain of a task.
    pub chain: Box<dyn Fn() -> Chain<M> + Send + Sync>,
    /// What its tasks remember, and for how long.
    pub limits: Limits,
}

/// What every stream thread of a process shares.
pub(crate) struct Shared<M> {
    pub(crate) kafka: config::Kafka,
    /// The vault's own cluster, where it has one.
    pub(crate) vault: Option<config::Kafka>,
    pub(crate) names: TopicNames,
    pub(crate) group: String,
    pub(crate) instance: String,
    /// Stream threads of this process.
    pub(crate) threads: usize,
    pub(crate) guarantee: config::Guarantee,
    pub(crate) commit_interval: Duration,
    pub(crate) hold_bytes: usize,
    pub(crate) sources: Vec<Source<M>>,
    pub(crate) standby: Standby,
    /// Bytes in the reorder buffers of all threads.
    pub(crate) held_bytes: AtomicUsize,
    pub(crate) status: Status,
    outage: Outage,
    pub(crate) shutdown: Shutdown,
}

impl<M> Shared<M> {
    /// The name under which a thread writes and is a member of the group.
    pub(crate) fn transactional_id(&self, index: usize) -> String {
        format!("{}-{}-{index}", self.group, self.instance)
    }
}

/// A stream thread that panics ends the process: half a service that looks alive is worse than none.
struct EndOnPanic(Shutdown);

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.trigger();
        }
    }
}

/// The running stream threads of a process.
pub struct Worker {
    threads: Vec<JoinHandle<()>>,
    standby_thread: JoinHandle<()>,
    end_standby: Box<dyn FnOnce() + Send>,
    status: Status,
}

/// Starts `processors.threads` stream threads, which end with `shutdown`. Blocks until the broker has answered once.
///
/// # Errors
/// If a topic is missing that a source reads or writes, or the system gives no thread.
pub fn start<M: Send + 'static>(
    config: &config::Config,
    sources: Vec<Source<M>>,
    store: Arc<StateStore>,
    shutdown: &Shutdown,
    readiness: &Readiness,
) -> Result<Worker, StartError> {
    preflight::check(config, &sources, shutdown)?;
    let processors = &config.processors;
    let status = Status::new(sources.iter().map(|source| source.label));
    let names = TopicNames::new(&config.kafka.topic_prefix);
    let followed = sources.iter().map(|source| Followed {
        topic: names.of(source.topic),
        changelog: names.of(source.changelog),
        retention: source.limits.dedupe_retention,
    });
    let (standby, standby_thread) = Standby::start(config.kafka.clone(), followed.collect(), store)?;
    let shared = Arc::new(Shared {
        kafka: config.kafka.clone(),
        vault: config.vault.kafka.clone(),
        names,
        group: processors.group.clone(),
        instance: config.instance.id.clone(),
        threads: processors.threads,
        guarantee: processors.guarantee,
        commit_interval: processors.commit_interval,
        hold_bytes: processors.hold_bytes,
        sources,
        standby,
        held_bytes: AtomicUsize::new(0),
        status: status.clone(),
        outage: Outage::default(),
        shutdown: shutdown.clone(),
    });
    let threads = (0..processors.threads)
        .map(|index| {
            let shared = Arc::clone(&shared);
            let ready = readiness.condition(&format!("stream thread {index} in its group"));
            std::thread::Builder::new().name(format!("stream-{index}")).spawn(move || {
                let _guard = EndOnPanic(shared.shutdown.clone());
                while !shared.shutdown.is_set() {
                    match thread::run(&shared, index, &ready) {
                        Ok(()) => break,
                        Err(fault) => fault.report(index),
                    }
                    ready.set(false);
                    crate::metrics::THREAD_RESTARTS.add(crate::metrics::NONE, 1);
                    std::thread::sleep(RESTART_PAUSE);
                }
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let end_standby = Box::new(move || shared.standby.end());
    Ok(Worker { threads, standby_thread, end_standby, status })
}

impl Worker {
    /// What the threads have done so far.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Waits for the threads to commit and end, after the shutdown signal.
    ///
    /// # Panics
    /// If a stream thread panicked.
    pub fn join(self) {
        let mut joined: Vec<_> = self.threads.into_iter().map(JoinHandle::join).collect();
        (self.end_standby)();
        joined.push(self.standby_thread.join());
        assert!(joined.iter().all(Result::is_ok), "a stream thread panicked");
    }
}

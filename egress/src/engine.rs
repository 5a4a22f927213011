//! The engine of a destination: records in, one lane per conversation, many at once.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::courier::{Courier, Ended, Job};
use crate::lanes::Lanes;
use crate::lease::Lease;
use crate::meters::GaugeGuard;
use crate::seam::{Addresses, Earlier, Input, Record, Sink};

/// Key of a lane: the record's key, the person's GUID.
type Lane = Vec<u8>;

/// A partition that is owned.
struct Owned {
    lease: Lease,
    lanes: Lanes<Lane, (Record, Option<Earlier>)>,
}

/// A message that is being delivered.
struct Running {
    partition: i32,
    offset: i64,
    lane: Lane,
    abort: AbortHandle,
    _gauge: GaugeGuard,
}

/// Partitions that are being given up: when nothing of them runs any more, `done` gets a signal.
struct Leaving {
    partitions: Vec<i32>,
    deadline: Instant,
    is_aborted: bool,
    done: oneshot::Sender<()>,
}

/// Runs until `inputs` closes and nothing runs any more.
///
/// # Errors
/// If results cannot be written any more: the process must end.
pub async fn run<S: Sink, A: Addresses>(
    courier: Arc<Courier<S, A>>,
    mut inputs: mpsc::UnboundedReceiver<Input>,
) -> Result<(), String> {
    let mut engine = Engine {
        courier,
        owned: HashMap::new(),
        running: HashMap::new(),
        tasks: JoinSet::new(),
        leaving: Vec::new(),
    };
    loop {
        let running_out = engine.leaving.iter().filter(|leaving| !leaving.is_aborted);
        let deadline = running_out.map(|leaving| leaving.deadline).min();
        tokio::select! {
            Some(ended) = engine.tasks.join_next_with_id() => engine.ended(ended)?,
            input = inputs.recv() => match input {
                Some(input) => engine.input(input),
                None => return Ok(()),
            },
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => engine.abort(),
        }
        engine.courier.meters().window(engine.courier.progress().used());
    }
}

struct Engine<S, A> {
    courier: Arc<Courier<S, A>>,
    owned: HashMap<i32, Owned>,
    running: HashMap<Id, Running>,
    tasks: JoinSet<Result<(), Ended>>,
    leaving: Vec<Leaving>,
}

impl<S: Sink, A: Addresses> Engine<S, A> {
    fn input(&mut self, input: Input) {
        match input {
            Input::Assigned { partition, lease, calls, conversations } => {
                self.courier.remember(&calls, &conversations);
                self.owned.insert(partition, Owned { lease, lanes: Lanes::new() });
            }
            Input::Record(record, Some(Earlier::Finished)) => {
                self.courier.meters().already_sent();
                self.courier.progress().finish(record.partition, record.offset);
            }
            Input::Record(record, earlier) => {
                // Records of a partition that is not owned belong to its next owner.
                let Some(owned) = self.owned.get_mut(&record.partition) else { return };
                let lane = record.key.clone().unwrap_or_default();
                if let Some((record, earlier)) = owned.lanes.push(lane.clone(), (record, earlier)) {
                    let lease = owned.lease.clone();
                    self.start(lane, Job { record, lease, earlier });
                }
            }
            Input::Revoked { partitions, done } => {
                for owned in partitions.iter().filter_map(|partition| self.owned.remove(partition)) {
                    owned.lease.close();
                }
                let deadline = Instant::now() + self.courier.settings().grace;
                self.leaving.push(Leaving { partitions, deadline, is_aborted: false, done });
                self.signal_who_waits();
            }
        }
    }

    fn start(&mut self, lane: Lane, job: Job) {
        let (partition, offset) = (job.record.partition, job.record.offset);
        let courier = self.courier.clone();
        let abort = self.tasks.spawn(async move { courier.deliver(&job).await });
        let gauge = self.courier.meters().lane();
        self.running.insert(abort.id(), Running { partition, offset, lane, abort, _gauge: gauge });
    }

    fn ended(&mut self, ended: Result<(Id, Result<(), Ended>), JoinError>) -> Result<(), String> {
        let (id, finished) = match ended {
            Ok((id, Ok(()))) => (id, true),
            Ok((id, Err(Ended::Revoked))) => (id, false),
            Ok((_, Err(Ended::Fatal(text)))) => return Err(text),
            // A panic must end the process, not a lane.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => (error.id(), false),
        };
        let Running { partition, offset, lane, .. } =
            self.running.remove(&id).expect("every task is entered at its start");
        if finished {
            self.courier.progress().finish(partition, offset);
            if let Some(owned) = self.owned.get_mut(&partition)
                && let Some((record, earlier)) = owned.lanes.next(&lane)
            {
                let lease = owned.lease.clone();
                self.start(lane, Job { record, lease, earlier });
            }
        }
        self.signal_who_waits();
        Ok(())
    }

    /// The time for running calls is over.
    fn abort(&mut self) {
        let now = Instant::now();
        for leaving in self.leaving.iter_mut().filter(|leaving| leaving.deadline <= now) {
            leaving.is_aborted = true;
            let late =
                self.running.values().filter(|running| leaving.partitions.contains(&running.partition));
            let count = late.map(|running| running.abort.abort()).count();
            tracing::warn!(calls = count, "running calls are aborted because their partitions are given up");
        }
    }

    fn signal_who_waits(&mut self) {
        let running = &self.running;
        let is_over = |leaving: &mut Leaving| {
            !running.values().any(|running| leaving.partitions.contains(&running.partition))
        };
        for leaving in self.leaving.extract_if(.., is_over) {
            // Who waits may have gone.
            let _ = leaving.done.send(());
        }
    }
}

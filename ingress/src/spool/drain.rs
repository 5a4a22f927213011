//! Out of the spool into the log, in order: each record is acknowledged, or set aside, before it is forgotten.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{io, path::Path};

use runtime::metrics;
use tokio::time::Instant;

use super::folder::{Folder, folders};
use super::store::Batch;
use super::{Ordering, Shared, Spool};
use crate::log::{AppendError, NewRecord, RawLog};

/// Records that are handed to the log at once. A batch is acknowledged in some ms, so that this is no bound on speed;
/// what a crash repeats is less than this.
const AT_ONCE: usize = 500;
/// Between reports of size and age.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The spool of a process that is gone, while it is drained.
type Adopted = Mutex<Option<std::sync::Arc<Shared>>>;

impl Spool {
    /// Drains this spool, and those that nobody holds, into `log`; for ever.
    pub async fn drain<L: RawLog>(&self, log: &L) {
        let adopted = Adopted::default();
        let own = async {
            let mut drain = Drain::new(self, log);
            loop {
                drain.empty().await;
                self.shared.filled.notified().await;
            }
        };
        let orphans = async {
            loop {
                self.drain_orphans(log, &adopted).await;
                tokio::time::sleep(self.settings.orphans_every).await;
            }
        };
        let report = async {
            loop {
                self.report(&adopted);
                tokio::time::sleep(REPORT_EVERY).await;
            }
        };
        tokio::join!(own, orphans, report);
    }

    async fn drain_orphans<L: RawLog>(&self, log: &L, adopted: &Adopted) {
        let paths = match folders(&self.settings.dir) {
            Ok(paths) => paths,
            Err(error) => {
                tracing::warn!(%error, "cannot look for spools of processes that are gone");
                return;
            }
        };
        for path in paths {
            match self.adopt(&path) {
                Ok(None) => {}
                Ok(Some(orphan)) => {
                    *locked(adopted) = Some(orphan.shared.clone());
                    Drain::new(&orphan, log).empty().await;
                    *locked(adopted) = None;
                    // Its end waits for a thread that has nothing more to do.
                    drop(orphan);
                }
                Err(error) => {
                    tracing::error!(%error, "the spool of a process that is gone cannot be drained");
                }
            }
        }
    }

    fn adopt(&self, path: &Path) -> io::Result<Option<Spool>> {
        let Some(folder) = Folder::orphan(path)? else { return Ok(None) };
        Spool::over(folder, self.settings.clone(), self.clock.clone()).map(Some)
    }

    fn report(&self, adopted: &Adopted) {
        let adopted = locked(adopted).clone();
        let all = [Some(&self.shared), adopted.as_ref()];
        let bytes: u64 = all.iter().flatten().map(|shared| shared.stored.load(Ordering::Relaxed)).sum();
        let oldest = all.iter().flatten().map(|shared| shared.oldest_ms.load(Ordering::Relaxed));
        let oldest = oldest.filter(|ms| *ms > 0).min();
        let age = oldest.map_or(0, |ms| self.clock.now_ms().saturating_sub(ms).max(0));
        metrics::INGRESS_SPOOL_BYTES.set(metrics::NONE, bytes as f64);
        metrics::INGRESS_SPOOL_OLDEST.set(metrics::NONE, age as f64 / 1_000.0);
    }
}

fn locked(adopted: &Adopted) -> std::sync::MutexGuard<'_, Option<std::sync::Arc<Shared>>> {
    adopted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One spool being drained.
struct Drain<'a, L> {
    spool: &'a Spool,
    log: &'a L,
    /// Since when the broker refuses records, without a batch that it took whole in between.
    refusing: Option<Instant>,
    /// Records that have left since the spool was last empty.
    drained: u64,
    waiting: bool,
}

impl<'a, L: RawLog> Drain<'a, L> {
    fn new(spool: &'a Spool, log: &'a L) -> Self {
        Self { spool, log, refusing: None, drained: 0, waiting: false }
    }

    /// Drains until nothing is left.
    async fn empty(&mut self) {
        loop {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%error, "the spool cannot be read, what is in it waits");
                    tokio::time::sleep(self.spool.settings.patience).await;
                }
            }
        }
        if self.drained > 0 {
            tracing::info!(records = self.drained, "the spool is drained");
        }
        *self = Self::new(self.spool, self.log);
    }

    /// Takes the next batch to its end. `false` where there is none.
    async fn step(&mut self) -> io::Result<bool> {
        let Some(Batch { entries, end, .. }) = self.spool.read().await? else { return Ok(false) };
        let mut records: Vec<NewRecord> = entries.into_iter().flat_map(|entry| entry.records).collect();
        records.iter_mut().for_each(NewRecord::mark_spooled);
        for records in records.chunks(AT_ONCE) {
            self.deliver(records).await?;
        }
        self.spool.done(end).await?;
        Ok(true)
    }

    /// Until each of the records is acknowledged, or set aside.
    async fn deliver(&mut self, records: &[NewRecord]) -> io::Result<()> {
        loop {
            match self.append(records).await {
                Ok(()) => {
                    self.refusing = None;
                    return Ok(());
                }
                Err(AppendError::Refused(_)) => {
                    let since = *self.refusing.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.spool.settings.patience {
                        return self.one_by_one(records).await;
                    }
                }
                Err(_) => {}
            }
            tokio::time::sleep(self.spool.settings.pause).await;
        }
    }

    /// The same, to find those that the broker refuses.
    async fn one_by_one(&mut self, records: &[NewRecord]) -> io::Result<()> {
        for record in records {
            loop {
                match self.append(std::slice::from_ref(record)).await {
                    Ok(()) => break,
                    Err(error @ AppendError::Refused(_)) => {
                        let file = self.spool.set_aside(record).await?;
                        tracing::error!(
                            %error, file = %file.display(), topic = record.topic.name(), bytes = record.value.len(),
                            "a spooled record is refused permanently, it is kept in a file beside the spool"
                        );
                        break;
                    }
                    Err(_) => tokio::time::sleep(self.spool.settings.pause).await,
                }
            }
        }
        Ok(())
    }

    /// One try; logs ups and downs once.
    async fn append(&mut self, records: &[NewRecord]) -> Result<(), AppendError> {
        let appended = self.log.append(records).await;
        match &appended {
            Ok(()) => {
                self.drained += records.len() as u64;
                metrics::INGRESS_SPOOL_DRAINED.add(metrics::NONE, records.len() as u64);
                if std::mem::take(&mut self.waiting) {
                    tracing::info!("broker acknowledges again, the spool is being drained");
                }
            }
            Err(error) if !self.waiting => {
                self.waiting = true;
                tracing::warn!(%error, "the spool waits for the broker");
            }
            Err(_) => {}
        }
        appended
    }
}

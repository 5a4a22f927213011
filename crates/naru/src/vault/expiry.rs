//! Removes from the vault what may not be revealed any more.

use std::time::Duration;

use runtime::config::Kafka;
use runtime::keyed::{Entry, Writer};
use runtime::table::Table;
use runtime::{Shutdown, clock, metrics};
use schemas::{Codec, Framing, VaultEntry};

/// Between two looks. The instances look at different times, since each begins an hour after its own start: what one has
/// removed the others do not see any more.
const PAUSE: Duration = Duration::from_secs(60 * 60);
/// Removals in one go.
const AT_ONCE: usize = 10_000;

/// Looks from time to time until the shutdown.
pub(crate) async fn run(table: Table, kafka: Kafka, topic: String, framing: Framing, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = shutdown.wait() => return,
        }
        let (table, kafka, topic, framing) = (table.clone(), kafka.clone(), topic.clone(), framing.clone());
        let removed = tokio::task::spawn_blocking(move || remove(&table, &kafka, &topic, &framing)).await;
        match removed {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => tracing::info!(count, "values removed from the vault, their time is over"),
            Ok(Err(error)) => tracing::warn!(error, "values whose time is over stay in the vault for now"),
            Err(error) => tracing::error!(%error, "the removal from the vault failed"),
        }
    }
}

fn remove(table: &Table, kafka: &Kafka, topic: &str, framing: &Framing) -> Result<usize, String> {
    let codec = Codec::<VaultEntry>::new(framing);
    let now = clock::now_ms();
    let mut over = Vec::new();
    let read = table.each(|key, value| {
        if let Some(entry) = codec.decode(value).ok().and_then(|entry| removal(key, &entry, now)) {
            over.push(entry);
        }
    });
    read.map_err(|error| error.to_string())?;
    if over.is_empty() {
        return Ok(0);
    }
    let writer = Writer::new(kafka, topic, None)?;
    for some in over.chunks(AT_ONCE) {
        writer.write(some)?;
        metrics::VAULT_EXPIRED.add(metrics::NONE, some.len() as u64);
    }
    Ok(over.len())
}

/// What removes an entry, where its time is over.
pub(super) fn removal(key: &[u8], entry: &VaultEntry, now: i64) -> Option<Entry> {
    let is_over = entry.value.as_ref().is_some_and(|value| value.until <= now);
    let key = String::from_utf8(key.to_vec()).ok()?;
    is_over.then(|| Entry { key, partition_by: entry.person.clone(), value: None })
}

#[cfg(test)]
mod tests {
    use schemas::{KeptValue, VaultKey};

    use super::*;

    #[test]
    fn what_is_over_is_removed_and_nothing_else() {
        let value = |until| KeptValue {
            token: "t".into(),
            kind: "phone".into(),
            data_key: "k".into(),
            sealed: Vec::new(),
            kept_at: 0,
            until,
        };
        let entry = |value| VaultEntry { person: "p".into(), data_key: None, value, forgotten_at: None };
        let key = VaultKey::Value("t").of("p");
        for (entry, is_over) in [
            (entry(Some(value(9))), true),
            (entry(Some(value(10))), true),
            (entry(Some(value(11))), false),
            (entry(None), false),
        ] {
            let removal = removal(key.as_bytes(), &entry, 10);
            assert_eq!(removal.is_some(), is_over);
            assert!(
                removal.is_none_or(|entry| entry.key == key
                    && entry.partition_by == "p"
                    && entry.value.is_none())
            );
        }
    }
}

//! Time for one message: the whole chain in a task, and the same for records that end early.

use std::collections::BTreeMap;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mask::{Find, Masker};
use platforms::{Account, Feeds, Platform, Setup};
use processors::{Entry, Incoming, People, Settings, Vault, chain, routes};
use schemas::{AccountRef, Framings};
use streams::{
    AppendTime, Chain, Counts, DedupeSet, Limits, MemoryBlocks, Offset, Output, Position, Record, Task,
};

const DAY: i64 = 24 * 60 * 60 * 1000;
const TIME: i64 = 1_790_000_000_000;
const INTEGRATION: &str = "a2171742-7359-41cf-aa68-ad5049250806";
const PERSON: &str = "6f4a0c1e-0000-8000-8000-000000000001";
/// Messages of one measurement.
const BATCH: usize = 1_000;

/// Everybody is in the table already.
struct Known;

impl People for Known {
    fn find(&self, _: &str) -> Entry {
        Entry::Person
    }
}

impl Vault for Known {
    fn found(&mut self, _: &str, _: Find, _: i64, _: &mut Vec<Output>) -> Option<String> {
        None
    }
}

fn settings(source: &'static Platform) -> Settings {
    let account = Account {
        account: AccountRef::new("line", "line-th"),
        feeds: Feeds { client: "main".into(), integration: INTEGRATION.into(), webhook_secrets: Vec::new() },
        attributes: Arc::new(BTreeMap::from([
            ("market".into(), "Thailand".into()),
            ("brand".into(), "Retail_Thai".into()),
        ])),
    };
    Settings {
        source,
        routes: routes(source, &Setup { accounts: vec![account], ..Setup::default() }),
        hold_ms: 0,
        together: false,
        hold_spooled_ms: 0,
        masker: Arc::new(Masker::built_in()),
        mask_agent_texts: false,
        keys: None,
        identity_key: b"a key for benches".to_vec(),
        framings: Framings::single_object(),
    }
}

fn line_event(mode: &str) -> String {
    format!(
        r#"{{"type":"message","message":{{"type":"text","id":"461230966842064897","quoteToken":"q3Plxr4AgKd8Kxe","text":"สวัสดีค่ะ ขอสอบถามเรื่องการจัดส่งสินค้า order 12345 หน่อยค่ะ 🙏"}},"webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR","deliveryContext":{{"isRedelivery":false}},"timestamp":{TIME},"source":{{"type":"user","userId":"U11111111111111111111111111111111"}},"replyToken":"0f3779fba3b349968c5d07db31eabf65","mode":"{mode}"}}"#
    )
}

fn genesys_message() -> String {
    format!(
        r#"{{"id":"36e4d8d92b071f15116d01d111bb8802","channel":{{"id":"{INTEGRATION}","platform":"Open","type":"Private","to":{{"id":"{PERSON}","idType":"Opaque"}},"from":{{"nickname":"LINE TH","id":"{INTEGRATION}","idType":"Opaque"}},"time":"2026-10-02T03:04:05.678Z","messageId":"36e4d8d92b071f15116d01d111bb8802"}},"type":"Text","text":"ยินดีค่ะ สินค้าจะถึงพรุ่งนี้ก่อนเที่ยงค่ะ","originatingEntity":"Human","direction":"Outbound"}}"#
    )
}

/// Ids of `BATCH` events: all different, or all the same.
fn ids(different: bool) -> Vec<String> {
    (0..BATCH).map(|i| format!("01FZ74A0TDDPYRVKNK77{:06}", if different { i } else { 0 })).collect()
}

fn task(chain: Chain<Box<Incoming>>) -> Task<Box<Incoming>, MemoryBlocks> {
    let limits = Limits {
        dedupe_retention: 30 * DAY,
        source_retention: 7 * DAY,
        too_old: "too_old",
        too_far_in_future: "too_far_in_future",
    };
    let (dedupe, _) = DedupeSet::open(MemoryBlocks::default()).expect("memory opens");
    Task::new(chain, limits, dedupe, Position(0), Counts::default())
}

fn run(
    mut task: Task<Box<Incoming>, MemoryBlocks>,
    key: &str,
    account: &str,
    value: &str,
    ids: &[String],
) -> usize {
    let (time, received) = (TIME.to_string(), (TIME + 100).to_string());
    for (offset, id) in (0i64..).zip(ids) {
        let headers = [
            ("naru-account", account.as_bytes()),
            ("naru-event-time", time.as_bytes()),
            ("naru-event-id", id.as_bytes()),
            ("naru-received", received.as_bytes()),
        ];
        let record = Record {
            offset: Offset(offset),
            append_time: AppendTime(TIME + 100),
            key: key.as_bytes(),
            value: value.as_bytes(),
            headers: &headers,
        };
        task.process(&record).expect("memory does not fail");
    }
    task.take_effects().outputs.len()
}

fn benches(c: &mut Criterion) {
    let (line_source, genesys_source) =
        (settings(&platforms::line::PLATFORM), settings(&platforms::genesys::PLATFORM));
    let key = "line-th:U11111111111111111111111111111111";
    let mut group = c.benchmark_group("thousand messages");
    let mut line = |name: &str, mode: &str, different: bool| {
        let (value, ids) = (line_event(mode), ids(different));
        group.bench_function(name, |b| {
            b.iter_batched(
                || task(chain(&line_source, Known, Known)),
                |task| run(task, key, "line-th", &value, &ids),
                BatchSize::LargeInput,
            );
        });
    };
    line("line, mapped", "active", true);
    line("line, duplicates", "active", false);
    line("line, filtered after parsing", "standby", true);
    let (value, ids) = (genesys_message(), ids(true));
    group.bench_function("genesys, mapped", |b| {
        b.iter_batched(
            || task(chain(&genesys_source, Known, Known)),
            |task| run(task, PERSON, INTEGRATION, &value, &ids),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

#[allow(missing_docs, reason = "criterion's macro makes a public function")]
mod group {
    use super::{benches, criterion_group};
    criterion_group!(all, benches);
}

criterion_main!(group::all);

//! Timelines of a task. A line `T > id@event …` lets records arrive at append time T (`id@event/c` in conversation
//! c, `id@event<R` received at R, others when they are appended; an id that starts with `f` is filtered, with `x`
//! unreadable; `~` before it: the record took a detour). A line `T | … cN` moves time to T and tells what has left since
//! the last such line (`!id` late, `†id` dead) and the position that would be committed.

use super::*;
use crate::{ChainBuilder, MemoryBlocks, Output, Placed, ReceiptTime};

#[path = "together_tests.rs"]
mod together;

const HOLD: Millis = 2_000;
const DETOUR_HOLD: Millis = 15_000;

#[derive(Clone)]
struct Message {
    id: String,
    conversation: u128,
    event: i64,
    received: i64,
}

fn hash(text: &str) -> u128 {
    text.bytes().fold(7, |hash, byte| hash * 131 + u128::from(byte))
}

fn parse(record: &Record<'_>) -> Result<Message, (&'static str, String)> {
    let text = std::str::from_utf8(record.value).unwrap().trim_start_matches('~');
    let (id, rest) = text.split_once('@').unwrap();
    let (rest, received) = rest.split_once('<').unwrap_or((rest, ""));
    let (event, conversation) = rest.split_once('/').unwrap_or((rest, "a"));
    if id.starts_with('x') {
        return Err(("not_json", "unreadable".into()));
    }
    Ok(Message {
        id: id.into(),
        conversation: hash(conversation),
        event: event.parse().unwrap(),
        received: received.parse().unwrap_or(record.append_time.0),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is what a chain ends with")]
fn map(released: Released<Message>, out: &mut Vec<Output>) {
    let mark = if released.late_by > 0 { "!" } else { "" };
    let value = format!("{mark}{}", released.message.id).into_bytes();
    out.push(Output { topic: "out", key: Vec::new(), partition_by: None, headers: Vec::new(), value });
}

fn ordered() -> ChainBuilder<Message> {
    Chain::parse(parse)
        .filter(|message: &Message| message.id.starts_with('f').then_some("event_type"))
        .dedupe(|message| hash(&message.id))
        .reorder(HOLD, |message| Placed {
            conversation: message.conversation,
            event_time: EventTime(message.event),
            received: ReceiptTime(message.received),
            sequence: 0,
            bytes: 100,
        })
}

fn chain() -> Chain<Message> {
    detoured(ordered()).map(map)
}

fn detoured(chain: ChainBuilder<Message>) -> ChainBuilder<Message> {
    chain.detour(DETOUR_HOLD, |record| record.header("detour") == Some("true"))
}

const LIMITS: Limits = Limits {
    dedupe_retention: 30 * DAY,
    source_retention: 7 * DAY,
    too_old: "too_old",
    too_far_in_future: "too_far_in_future",
};

type TestTask = Task<Message, MemoryBlocks>;

fn new_task() -> TestTask {
    resume(MemoryBlocks::default(), Position(0), Counts::default())
}

fn resume(blocks: MemoryBlocks, position: Position, counts: Counts) -> TestTask {
    resume_with(chain(), blocks, position, counts)
}

fn resume_with(chain: Chain<Message>, blocks: MemoryBlocks, position: Position, counts: Counts) -> TestTask {
    let (set, _) = DedupeSet::open(blocks).unwrap();
    Task::new(chain, LIMITS, set, position, counts)
}

fn read(task: &mut TestTask, offset: i64, append: i64, text: &str) {
    let detour: &[(&str, &[u8])] = &[("detour", b"true")];
    let record = Record {
        offset: Offset(offset),
        append_time: AppendTime(append),
        key: b"",
        value: text.as_bytes(),
        headers: if text.starts_with('~') { detour } else { &[] },
    };
    task.process(&record).unwrap();
}

fn left(task: &mut TestTask) -> String {
    let effects = task.take_effects();
    let mut ids: Vec<String> =
        effects.outputs.iter().map(|output| String::from_utf8(output.value.clone()).unwrap()).collect();
    ids.extend(effects.dead.iter().map(|dead| {
        let text = String::from_utf8(dead.record.value.clone()).unwrap();
        format!("†{}", text.split('@').next().unwrap())
    }));
    ids.join(" ")
}

/// Runs a timeline from offset 0 and checks every `|` line.
fn check(timeline: &str) -> TestTask {
    check_with(new_task(), timeline)
}

fn check_with(mut task: TestTask, timeline: &str) -> TestTask {
    let mut offset = 0;
    for line in timeline.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (time, rest) = line.split_once(' ').unwrap();
        let time: i64 = time.parse().unwrap();
        match rest.trim().split_at(1) {
            (">", records) => {
                for text in records.split_whitespace() {
                    read(&mut task, offset, time, text);
                    offset += 1;
                }
            }
            ("|", expected) => {
                task.advance(TaskTime(time));
                let mut got = left(&mut task);
                got.push_str(&format!(" c{}", task.commit().position.0));
                assert_eq!(got.trim(), expected.trim(), "at {time}");
            }
            other => panic!("not a timeline line: {other:?}"),
        }
    }
    task
}

#[test]
fn a_conversation_leaves_in_event_order_after_the_hold() {
    check(
        "0    > a@300 b@100
         1999 | c0
         2000 | b a c0
         3999 | c0
         4000 | c2",
    );
}

#[test]
fn what_comes_after_its_successor_left_is_late_and_leaves_at_once() {
    let task = check(
        "0    > a@300
         2000 | a c0
         2100 > b@50
         2100 | !b c0
         9000 | c2",
    );
    assert_eq!((task.counts().released, task.counts().late), (2, 1));
}

#[test]
fn a_due_record_takes_along_what_sorts_before_it() {
    check(
        "0    > a@500
         1900 > b@400 c@600
         2000 | b a c0
         3900 | c c0
         5900 | c3",
    );
}

#[test]
fn conversations_do_not_wait_for_each_other() {
    check(
        "0    > a@100/one
         500  > b@50/two
         2000 | a c0
         2500 | b c0",
    );
}

#[test]
fn one_event_from_the_future_does_not_make_all_others_late() {
    let task = check(
        "0    > z@80000000
         2000 | z c0
         2100 > a@2050
         2200 > b@2150
         4100 | a c1
         4200 | b c1",
    );
    assert_eq!(task.counts().late, 0);
}

#[test]
fn a_record_moves_time_before_it_enters() {
    check(
        "0    > a@300
         5000 > b@100
         5000 | a !b c0
         7000 | c2",
    );
}

#[test]
fn equal_times_leave_in_order_of_offsets() {
    check(
        "0    > a@100 b@100 c@100
         2000 | a b c c0",
    );
}

#[test]
fn a_duplicate_has_no_effect_whether_the_first_is_held_released_or_committed() {
    let mut task = check(
        "0    > a@100
         10   > a@100
         2000 | a c0
         2010 > a@100
         2010 | c0",
    );
    task.committed().unwrap();
    read(&mut task, 3, 2_020, "a@100");
    task.advance(TaskTime(9_000));
    assert_eq!(left(&mut task), "");
    assert_eq!((task.counts().released, task.counts().duplicate), (1, 3));
}

#[test]
fn filtered_and_unreadable_records_end_at_once() {
    let task = check(
        "0    > f@1 x@1
         0    | †x c2",
    );
    assert_eq!((task.counts().filtered, task.counts().dead), (1, 1));
}

#[test]
fn too_old_and_too_far_ahead_is_judged_by_append_time() {
    let append = 100 * DAY;
    let old = append - 22 * DAY;
    let future = append + DAY;
    let task = check(&format!(
        "{append} > a@{old} b@{} c@{future} d@{}
         {append} | †b †d c0",
        old - 1,
        future + 1
    ));
    assert_eq!(task.counts().dead, 2);
}

#[test]
fn at_the_hold_bound_the_oldest_leave_and_are_counted() {
    let mut task = new_task();
    read(&mut task, 0, 0, "a@100");
    read(&mut task, 1, 500, "b@200");
    assert_eq!((task.held(), task.held_bytes()), (2, 200));
    assert!(task.cut_hold());
    assert_eq!(left(&mut task), "a");
    assert_eq!((task.held(), task.held_bytes(), task.counts().hold_cut), (1, 100, 1));
    assert!(task.cut_hold());
    assert!(!task.cut_hold());
    assert_eq!(task.counts().hold_cut, 2);
}

#[test]
fn a_restart_repeats_nothing_and_loses_nothing() {
    let records = [
        (0, "a@100"),
        (10, "f@1"),
        (20, "x@1"),
        (30, "a@100"),
        (1_500, "b@1400"),
        (2_200, "c@2100"),
        (2_300, "d@90"),
    ];
    let mut task = new_task();
    for (offset, (append, text)) in (0..).zip(records) {
        read(&mut task, offset, append, text);
    }
    // `a` has left at 2,000; `d` is late; `b` and `c` are held.
    assert_eq!(left(&mut task), "a !d †x");
    let commit = task.commit();
    assert_eq!(commit.position, Position(0), "`a` left less than one hold ago");
    let (position, counts) = (commit.position, commit.counts);
    task.committed().unwrap();
    task.dedupe().write_back(Some(1)).unwrap();

    // The crash: only what was committed survives.
    let mut task = resume(task.into_dedupe().into_blocks(), position, counts);
    for (offset, (append, text)) in (0..).zip(records) {
        read(&mut task, offset, append, text);
    }
    assert_eq!(left(&mut task), "");
    assert_eq!(*task.counts(), counts, "nothing is counted twice");
    read(&mut task, 7, 2_400, "e@80");
    assert_eq!(left(&mut task), "!e", "what has left is remembered across the restart");
    task.advance(TaskTime(9_000));
    assert_eq!(left(&mut task), "b c");
    task.advance(TaskTime(11_000));
    assert_eq!(task.commit().position, Position(8));
    let counts = task.counts();
    assert_eq!(counts.finished(), 8);
}

#[test]
fn an_effect_that_was_not_committed_is_repeated_after_a_restart() {
    let mut task = new_task();
    read(&mut task, 0, 0, "a@100");
    task.advance(TaskTime(2_000));
    assert_eq!(left(&mut task), "a");
    assert!(!task.commit().entries.is_empty());
    // The transaction fails: `committed` is never called.
    let mut task = resume(task.into_dedupe().into_blocks(), Position(0), Counts::default());
    read(&mut task, 0, 0, "a@100");
    task.advance(TaskTime(2_000));
    assert_eq!(left(&mut task), "a");
}

#[test]
fn a_replay_releases_in_the_order_of_the_live_run() {
    // Live: time moves in small steps between records. Replay: records only.
    let records: Vec<(i64, String)> = (0..900)
        .map(|i| {
            let detour = if (200..220).contains(&i) { "~" } else { "" };
            (i * 37, format!("{detour}m{i}@{}/{}", i * 37 - (i * 7919) % 1400, i % 5))
        })
        .collect();
    let run = |idle: bool| {
        let mut task = new_task();
        let mut now = 0;
        for (offset, (append, text)) in (0..).zip(&records) {
            while idle && now + 10 < *append {
                now += 10;
                task.advance(TaskTime(now));
            }
            read(&mut task, offset, *append, text);
        }
        task.advance(TaskTime(100_000));
        left(&mut task)
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn how_long_it_counts_what_has_left_is_told_by_append_times_alone() {
    // `b` is appended 10 minutes after `a` was due, or a moment later. Live, `a` left at 2,000; in a replay it leaves
    // when the next record is read.
    for (append, mark) in [(602_000, "!"), (602_001, "")] {
        let records = [
            (0, "a@300/one".to_owned()),
            (500_000, "y@499900/two".to_owned()),
            (601_900, "z@601800/two".to_owned()),
            (append, "b@200/one".to_owned()),
        ];
        for idle in [true, false] {
            let mut task = new_task();
            for (offset, (append, text)) in (0..).zip(&records) {
                if idle {
                    task.advance(TaskTime(append - 1));
                }
                read(&mut task, offset, *append, text);
            }
            task.advance(TaskTime(700_000));
            let left = left(&mut task);
            assert!(left.split(' ').any(|id| id == format!("{mark}b")), "{append}, idle {idle}: {left}");
        }
    }
}

#[test]
fn after_a_long_silence_a_replay_judges_lateness_as_the_live_run_did() {
    let records = [(0, "a@300/one"), (15_000_000, "z@14999900/two"), (15_000_100, "b@200/one")];
    for idle in [true, false] {
        let mut task = new_task();
        for (offset, (append, text)) in (0..).zip(records) {
            if idle {
                task.advance(TaskTime(append - 1));
            }
            read(&mut task, offset, append, text);
        }
        task.advance(TaskTime(15_010_000));
        assert_eq!(task.counts().late, 0, "idle {idle}");
    }
}

#[test]
fn after_what_left_before_has_ceased_to_count_the_next_to_leave_counts() {
    let task = check(
        "0      > a@300
         602001 > b@200
         604001 | a b c1
         604100 > c@100
         604100 | !c c1",
    );
    assert_eq!(task.counts().late, 1);
}

#[test]
fn time_never_moves_back() {
    check(
        "5000 > a@4000
         5100 | c0
         4000 > b@3900
         6000 | b c0
         7000 | a c0",
    );
}

#[test]
fn a_record_below_the_position_is_ignored() {
    let mut task = resume(MemoryBlocks::default(), Position(5), Counts::default());
    read(&mut task, 4, 0, "a@0");
    task.advance(TaskTime(9_000));
    assert_eq!(left(&mut task), "");
    assert_eq!(task.position(), Position(5));
}

#[test]
fn a_record_that_took_a_detour_is_held_longer_and_kept_as_long_as_it_makes_others_wait() {
    check(
        "0     > ~a@300
         14999 | c0
         15000 | a c0
         30999 | c0
         31000 | c1",
    );
}

#[test]
fn detours_that_end_at_different_times_come_out_in_order() {
    let task = check(
        "0     > ~b@2000 ~c@3000
         9000  > ~a@1000
         15000 | a b c c0",
    );
    assert_eq!(task.counts().late, 0);
}

#[test]
fn while_records_come_by_a_detour_all_others_of_the_partition_are_held_as_long() {
    check(
        "0     > ~a@100/one
         500   > ~b@200/one
         15500 > c@15400/two
         15501 > d@15401/three
         17500 | a b c0
         17501 | d c0
         30500 | c c0",
    );
}

#[test]
fn what_came_by_a_detour_makes_others_wait_whatever_became_of_it() {
    for first in ["~f@1", "~x@1"] {
        let mut task = check(&format!("0 > {first}\n 1000 > a@900"));
        left(&mut task);
        task.advance(TaskTime(15_999));
        assert_eq!(left(&mut task), "", "{first}");
        task.advance(TaskTime(16_000));
        assert_eq!(left(&mut task), "a", "{first}");
    }
}

#[test]
fn a_restart_holds_as_long_as_the_run_before_it() {
    let records = [(0, "~a@0/one"), (14_000, "b@13900/two"), (20_000, "c@19900/three")];
    let mut task = new_task();
    for (offset, (append, text)) in (0..).zip(records) {
        read(&mut task, offset, append, text);
    }
    task.advance(TaskTime(22_000));
    assert_eq!(left(&mut task), "a c");
    let (position, counts) = (task.commit().position, task.commit().counts);
    assert_eq!(position, Position(0), "`a` left long ago, and still tells how long `b` is held");
    task.committed().unwrap();
    task.dedupe().write_back(Some(1)).unwrap();

    let mut task = resume(task.into_dedupe().into_blocks(), position, counts);
    for (offset, (append, text)) in (0..).zip(records) {
        read(&mut task, offset, append, text);
    }
    task.advance(TaskTime(28_999));
    assert_eq!(left(&mut task), "");
    task.advance(TaskTime(29_000));
    assert_eq!(left(&mut task), "b");
}

#[test]
fn what_was_received_before_another_was_due_is_not_late_however_long_its_way_was() {
    let task = check(
        "0    > a@300
         1500 | c0
         4000 > b@100<1400
         4000 | b a c0
         4100 > c@150<2100
         4100 | !c c0",
    );
    assert_eq!(task.counts().late, 1);
}

#[test]
fn a_receipt_time_after_the_append_time_moves_nothing() {
    check(
        "0    > a@300
         1000 > b@200<9000
         1999 | c0
         2000 | b a c0",
    );
}

#[test]
fn what_is_held_waits_for_the_first_that_took_a_detour_and_for_those_after_it() {
    // The broker is away from 1,000 to 20,000: time stands.
    let task = check(
        "0     > a@300/one b@400/two
         1000  | c0
         20000 > ~z@1100/three<1100
         25000 > ~y@100/one<1200
         26000 > ~w@50/two<1300
         34999 | c0
         35000 | y a w b z c0",
    );
    assert_eq!(task.counts().late, 0);
}

#[test]
fn only_the_first_that_took_a_detour_makes_those_wait_that_are_held() {
    check(
        "0     > a@300
         1000  > ~b@900<950
         10000 > ~c@9000<9900
         15999 | c0
         16000 | a b c0",
    );
}

#[test]
fn a_restart_makes_those_wait_that_the_run_before_it_made_wait() {
    let records = [(0, "a@300/one"), (20_000, "~z@1100/two"), (25_000, "~y@100/one")];
    let mut task = new_task();
    read(&mut task, 0, records[0].0, records[0].1);
    read(&mut task, 1, records[1].0, records[1].1);
    assert_eq!(left(&mut task), "");
    let position = task.commit().position;
    assert_eq!(position, Position(0));
    let mut task = resume(task.into_dedupe().into_blocks(), position, Counts::default());
    for (offset, (append, text)) in (0..).zip(records) {
        read(&mut task, offset, append, text);
    }
    task.advance(TaskTime(35_000));
    assert_eq!(left(&mut task), "y a z");
}

#[test]
fn a_message_that_leaves_sees_what_comes_behind_it_of_its_conversation() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = seen.clone();
    let chain = ordered()
        .prepare(move |message, append, behind| {
            let behind: Vec<&str> = behind.map(|message| message.id.as_str()).collect();
            told.lock().unwrap().push(format!("{} {}: {}", append.0, message.id, behind.join(" ")));
        })
        .map(map);
    let (set, _) = DedupeSet::open(MemoryBlocks::default()).unwrap();
    let mut task = Task::new(chain, LIMITS, set, Position(0), Counts::default());
    for (offset, (append, text)) in
        (0..).zip([(0, "b@200"), (100, "a@100"), (500, "y2@50/other"), (1_500, "c@300"), (2_100, "d@20")])
    {
        read(&mut task, offset, append, text);
    }
    task.advance(TaskTime(9_000));
    let expected = ["100 a: b c", "0 b: c", "2100 d: c", "500 y2: ", "1500 c: "];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn however_many_records_take_a_detour_what_is_kept_of_them_is_little() {
    let mut window = Window::default();
    for offset in 0..100_000 {
        window.keep(Offset(offset), offset / 10);
    }
    assert_eq!(window.committable(Position(100_000)), Position(0));
    window.slide(TaskTime(3_500), 0);
    assert_eq!(
        window.committable(Position(100_000)),
        Position(30_000),
        "those to be kept until 3,000 to 3,999"
    );
    assert!(window.places() <= 11);
}

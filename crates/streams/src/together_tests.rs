//! Timelines of a task whose bursts leave in one go, and random ones against the rule, written down plainly. The
//! notation is that of the other timelines.

use std::collections::BTreeMap;

use super::*;

fn together() -> Chain<Message> {
    detoured(ordered().together(true)).map(map)
}

fn together_from(blocks: MemoryBlocks, position: Position, counts: Counts) -> TestTask {
    resume_with(together(), blocks, position, counts)
}

fn new_together() -> TestTask {
    together_from(MemoryBlocks::default(), Position(0), Counts::default())
}

fn check_together(timeline: &str) -> TestTask {
    check_with(new_together(), timeline)
}

#[test]
fn a_burst_leaves_in_one_go_when_the_newest_of_it_is_due() {
    let task = check_together(
        "0    > b@200
         1500 > a@100
         1900 > c@1800
         3899 | c0
         3900 | a b c c0
         7899 | c0
         7900 | c3",
    );
    assert_eq!((task.counts().released, task.counts().late, task.counts().hold_cut), (3, 0, 0));
}

#[test]
fn a_single_record_waits_no_longer_than_its_hold() {
    check_together(
        "0    > a@100
         1999 | c0
         2000 | a c0",
    );
}

#[test]
fn what_comes_when_a_burst_has_left_is_the_next_burst() {
    check_together(
        "0    > b@200
         1000 > a@100
         3000 > d@2900
         3000 | a b c0
         4500 > c@2800
         6499 | c0
         6500 | c d c0
         7000 | c2",
    );
}

#[test]
fn nothing_waits_longer_than_twice_its_hold() {
    // A message every 0.5 s: at the bound of the oldest leaves what is due, and the rest begins the next burst.
    check_together(
        "0    > a@0
         500  > b@500
         1000 > c@1000
         1500 > d@1500
         2000 > e@2000
         2500 > g@2400
         3000 > h@3000
         3500 > i@3500
         3999 | c0
         4000 > j@4000
         4000 | a b c d e c0
         4500 > k@4500
         5000 > l@5000
         5500 > m@5500
         6000 > n@6000
         6499 | c0
         6500 | g h i j k c0
         8000 | l m n c5",
    );
}

#[test]
fn what_is_due_at_the_bound_takes_along_what_sorts_before_it() {
    check_together(
        "0    > a@0
         1000 > b@900
         2000 > d@1950
         2500 > c@1900
         3500 > e@3400
         3999 | c0
         4000 | a b c d c0
         5500 | e c0",
    );
}

#[test]
fn what_is_due_at_the_time_of_the_bound_leaves_with_it_and_what_comes_then_does_not() {
    check_together(
        "0    > a@0
         1000 > b@1000
         2000 > c@2000
         3000 > d@3000
         4000 > e@3999
         4000 | a b c c0
         6000 | d e c0",
    );
}

#[test]
fn a_burst_holds_nothing_of_another_conversation() {
    check_together(
        "0    > a@0/one
         500  > b@500/two
         1500 > c@1500/one
         2500 | b c0
         3500 | a c c0",
    );
}

#[test]
fn a_late_record_leaves_at_once_and_makes_nothing_wait() {
    let task = check_together(
        "0    > a@300
         2000 | a c0
         2500 > b@2400
         3500 > c@200
         3500 | !c c0
         4500 | b c0",
    );
    assert_eq!(task.counts().late, 1);
}

#[test]
fn what_comes_while_a_burst_waits_is_not_late() {
    let task = check_together(
        "0    > b@200
         1500 > c@1400
         3400 > a@100
         3999 | c0
         4000 | a b c c0",
    );
    assert_eq!(task.counts().late, 0);
}

#[test]
fn filtered_unreadable_and_duplicate_records_make_nothing_wait() {
    check_together(
        "0    > a@0
         1500 > f@1500 x@1500 a@0
         2000 | a †x c0",
    );
}

#[test]
fn what_came_by_a_detour_waits_for_its_burst_and_twice_its_longer_hold_at_most() {
    check_together(
        "0     > ~a@0
         10000 > ~b@100
         24999 | c0
         25000 | a b c0
         45999 | c0
         46000 | c1
         56000 | c2",
    );
    check_together(
        "0     > ~a@0
         14000 > ~b@14000
         28000 > ~c@28000
         29999 | c0
         30000 | a b c0
         43000 | c c0",
    );
}

#[test]
fn what_is_due_when_the_first_comes_that_took_a_detour_waits_no_longer_for_it() {
    // `a` is due at 2,000 and waits until 4,000 at most. `b` is not due when the first comes out of a spool.
    check_together(
        "0     > a@300
         1000  > b@900
         2400  | c0
         2500  > ~c@200<2400
         3999  | c0
         4000  | c a c0
         17500 | b c1",
    );
    // Held for long, it waits for others as long again.
    check_together(
        "0     > b@300
         2500  > ~c@200<1900
         17400 > d@17300
         31000 > e@30900
         32499 | c0
         32500 | c b d c0
         33000 | e c0",
    );
}

#[test]
fn a_shorter_hold_has_the_nearer_bound() {
    check_together(
        "0     > ~a@0
         14900 > b@14800
         15100 > c@15000
         16800 > d@16700
         18700 > e@18600
         19099 | c0
         19100 | a b c d c0
         20700 | e c0",
    );
}

#[test]
fn at_the_hold_bound_the_next_burst_leaves_early_and_is_counted() {
    let mut task = new_together();
    read(&mut task, 0, 0, "a@0/one");
    read(&mut task, 1, 500, "c@400/two");
    read(&mut task, 2, 1_000, "b@50/two");
    read(&mut task, 3, 1_500, "d@1400/one");
    assert!(task.cut_hold());
    assert_eq!(left(&mut task), "b c");
    assert_eq!((task.held_bytes(), task.counts().hold_cut, task.time()), (200, 2, Some(TaskTime(3_000))));
    assert!(task.cut_hold());
    assert_eq!(left(&mut task), "a d");
    assert!(!task.cut_hold());
    assert_eq!((task.held(), task.counts().hold_cut, task.time()), (0, 4, Some(TaskTime(3_500))));
}

#[test]
fn at_the_hold_bound_what_reaches_its_bound_first_leaves_and_the_rest_stays() {
    let mut task = new_together();
    for (offset, (append, text)) in
        (0..).zip([(0, "a@0"), (1_500, "b@1400"), (3_000, "c@2900"), (3_900, "d@3800")])
    {
        read(&mut task, offset, append, text);
    }
    assert!(task.cut_hold());
    assert_eq!(left(&mut task), "a b");
    assert_eq!((task.counts().hold_cut, task.time()), (2, Some(TaskTime(4_000))));
    assert!(task.cut_hold());
    assert_eq!(left(&mut task), "c d");
    assert_eq!((task.counts().hold_cut, task.time()), (4, Some(TaskTime(5_900))));
    assert!(!task.cut_hold());
}

#[test]
fn a_message_that_leaves_in_a_burst_sees_what_leaves_behind_it() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = seen.clone();
    let chain = ordered()
        .together(true)
        .prepare(move |message, _, behind| {
            let behind: Vec<&str> = behind.map(|message| message.id.as_str()).collect();
            noted.lock().unwrap().push(format!("{}: {}", message.id, behind.join(" ")));
        })
        .map(map);
    let mut task = resume_with(chain, MemoryBlocks::default(), Position(0), Counts::default());
    for (offset, (append, text)) in
        (0..).zip([(0, "b@200"), (1_000, "a@100"), (2_500, "c@2400"), (4_600, "d@4500")])
    {
        read(&mut task, offset, append, text);
    }
    task.advance(TaskTime(9_000));
    assert_eq!(*seen.lock().unwrap(), ["a: b c", "b: c", "c: ", "d: "]);
}

#[test]
fn a_restart_ends_a_burst_where_the_run_before_it_would_have() {
    // At 4,000 `a` and `b` leave, `c` and `d` stay: their burst ends at 6,500, the bound of `c`.
    let records = [(0, "a@0"), (1_900, "b@1800"), (2_500, "c@2400"), (4_000, "d@3900"), (5_500, "e@5400")];
    let mut task = new_together();
    for (offset, (append, text)) in (0..).zip(records).take(4) {
        read(&mut task, offset, append, text);
    }
    assert_eq!(left(&mut task), "a b");
    let (position, counts) = (task.commit().position, task.commit().counts);
    assert_eq!(position, Position(0));
    task.committed().unwrap();
    task.dedupe().write_back(Some(1)).unwrap();

    let mut task = together_from(task.into_dedupe().into_blocks(), position, counts);
    for (offset, (append, text)) in (0..).zip(records) {
        read(&mut task, offset, append, text);
    }
    task.advance(TaskTime(6_499));
    assert_eq!(left(&mut task), "");
    task.advance(TaskTime(6_500));
    assert_eq!(left(&mut task), "c d");
    task.advance(TaskTime(7_500));
    assert_eq!(left(&mut task), "e");
}

#[test]
fn until_the_latest_time_at_which_it_may_leave_a_record_that_left_is_known_after_a_restart() {
    // `c` leaves with `a` and `d` at 4,000. By itself it might wait until 6,500: so long what sorts before it is late.
    let records = [(0, "a@0"), (1_900, "d@1850"), (2_500, "c@1800"), (6_400, "b@1700")];
    let mut task = new_together();
    for (offset, (append, text)) in (0..).zip(records).take(3) {
        read(&mut task, offset, append, text);
    }
    task.advance(TaskTime(4_000));
    assert_eq!(left(&mut task), "a c d");
    task.advance(TaskTime(6_399));
    let (position, counts) = (task.commit().position, task.commit().counts);
    task.committed().unwrap();
    task.dedupe().write_back(Some(1)).unwrap();
    let mut task = together_from(task.into_dedupe().into_blocks(), position, counts);
    for (offset, (append, text)) in (0..).zip(records).skip(usize::try_from(position.0).unwrap()) {
        read(&mut task, offset, append, text);
    }
    assert_eq!(left(&mut task), "!b");
}

#[test]
fn a_restart_holds_a_burst_as_long_as_the_run_before_it() {
    // `a` makes `b` wait until 29,000 and sort by that; with `c` and `d` it leaves at 32,000.
    let records =
        [(0, "~a@0/one"), (14_000, "b@90000/two"), (28_500, "c@28400/two"), (30_000, "d@29001/two")];
    let mut task = new_together();
    for (offset, (append, text)) in (0..).zip(records) {
        task.advance(TaskTime(append - 1));
        read(&mut task, offset, append, text);
    }
    task.advance(TaskTime(31_000));
    assert_eq!(left(&mut task), "a");
    let (position, counts) = (task.commit().position, task.commit().counts);
    assert_eq!(position, Position(0));
    task.committed().unwrap();
    task.dedupe().write_back(Some(1)).unwrap();

    let mut task = together_from(task.into_dedupe().into_blocks(), position, counts);
    for (offset, (append, text)) in (0..).zip(records) {
        read(&mut task, offset, append, text);
    }
    task.advance(TaskTime(31_999));
    assert_eq!(left(&mut task), "");
    task.advance(TaskTime(32_000));
    assert_eq!(left(&mut task), "c b d");
}

/// Numbers that a seed decides.
struct Random(u64);

impl Random {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % end
    }
}

/// Records of a seed: append time and text. No event is older than a record that left is known after a restart.
fn records_of(random: &mut Random) -> Vec<(i64, String)> {
    let (conversations, detours) = (1 + random.below(3), random.below(3) == 0);
    let mut at = 0;
    (0..80)
        .map(|id| {
            at += match random.below(10) {
                0 => random.below(6_000),
                1 => 0,
                // On a grid, so that several things happen at the same time.
                2..5 => 250 * random.below(6),
                _ => random.below(900),
            };
            let event = if random.below(20) == 0 { at + 90_000 } else { at - random.below(3_900) };
            let detour = if detours && random.below(12) == 0 { "~" } else { "" };
            (at, format!("{detour}m{id}@{event}/c{}", random.below(conversations)))
        })
        .collect()
}

/// What a conversation releases, in order, each with the time at which it leaves.
type Releases = BTreeMap<u128, Vec<(String, i64)>>;

struct Waiting {
    id: String,
    sort: (i64, i64),
    due: i64,
    hold: Millis,
}

#[derive(Default)]
struct Conversation {
    held: Vec<Waiting>,
    left: Vec<(String, i64)>,
    last: Option<(i64, i64)>,
}

impl Conversation {
    /// A burst leaves when the newest of it is due, or at the first bound.
    fn release(&mut self, now: i64) {
        let Self { held, left, last } = self;
        while let Some(newest) = held.iter().map(|record| record.due).max()
            && let Some(bound) = held.iter().map(|record| record.due + record.hold).min()
            && newest.min(bound) <= now
        {
            let at = newest.min(bound);
            *last = held.iter().filter(|record| record.due <= at).map(|record| record.sort).max();
            held.sort_by_key(|record| record.sort);
            let stay = held.iter().position(|record| Some(record.sort) > *last).unwrap_or(held.len());
            left.extend(held.drain(..stay).map(|record| (record.id, at)));
        }
    }
}

/// By the rule, in a run whose clock comes to just before each record, or in a replay.
fn by_rule(records: &[(i64, String)], live: bool) -> Releases {
    let mut conversations: BTreeMap<u128, Conversation> = BTreeMap::new();
    let (mut detour_until, mut now) = (i64::MIN, i64::MIN);
    for (offset, (append, text)) in (0..).zip(records) {
        let append = *append;
        if live {
            now = now.max(append - 1);
            conversations.values_mut().for_each(|conversation| conversation.release(now));
        }
        if text.starts_with('~') {
            let until = append + DETOUR_HOLD;
            let held = conversations.values_mut().flat_map(|conversation| &mut conversation.held);
            for record in
                held.filter(|record| detour_until < append && now < record.due && record.due < until)
            {
                (record.due, record.hold) = (until, DETOUR_HOLD);
            }
            detour_until = until;
        }
        now = append;
        conversations.values_mut().for_each(|conversation| conversation.release(now));
        let (value, append_time) = (text.as_bytes(), AppendTime(append));
        let record = Record { offset: Offset(0), append_time, key: b"", value, headers: &[] };
        let Message { id, conversation, event, .. } = parse(&record).unwrap();
        let hold = if append <= detour_until { DETOUR_HOLD } else { HOLD };
        let Conversation { held, left, last } = conversations.entry(conversation).or_default();
        let sort = (event.min(append + hold), offset);
        if Some(sort) < *last {
            left.push((format!("!{id}"), append));
        } else {
            held.push(Waiting { id, sort, due: append + hold, hold });
        }
    }
    let all = conversations.into_iter().map(|(conversation, mut state)| {
        state.release(i64::MAX);
        (conversation, state.left)
    });
    all.collect()
}

/// What has left since the last look, by conversation.
fn note(task: &mut TestTask, records: &[(i64, String)], at: i64, into: &mut Releases) {
    for id in left(task).split_whitespace() {
        let number: usize = id.trim_start_matches(['!', 'm']).parse().unwrap();
        let (_, conversation) = records[number].1.split_once('/').unwrap();
        into.entry(hash(conversation)).or_default().push((id.to_owned(), at));
    }
}

fn order(releases: &Releases) -> BTreeMap<u128, Vec<&str>> {
    let ids = releases
        .iter()
        .map(|(conversation, left)| (*conversation, left.iter().map(|(id, _)| &**id).collect()));
    ids.collect()
}

#[test]
fn a_replay_and_a_live_run_release_by_the_rule() {
    const STEP: i64 = 50;
    const END: i64 = 1_000_000;
    for seed in 0..300 {
        let random = &mut Random(seed);
        let records = records_of(random);
        let (mut task, mut replay) = (new_together(), Releases::new());
        for (offset, (append, text)) in (0..).zip(&records) {
            read(&mut task, offset, *append, text);
        }
        task.advance(TaskTime(END));
        note(&mut task, &records, END, &mut replay);
        assert_eq!(order(&replay), order(&by_rule(&records, false)), "seed {seed}");

        let (mut task, mut live, mut now) = (new_together(), Releases::new(), 0);
        for (offset, (append, text)) in (0..).zip(&records).chain([(0, &(END, String::new()))]) {
            while now < append - 1 {
                now = (append - 1).min(now + 1 + random.below(STEP));
                task.advance(TaskTime(now));
                note(&mut task, &records, now, &mut live);
            }
            now = *append;
            if !text.is_empty() {
                read(&mut task, offset, now, text);
                note(&mut task, &records, now, &mut live);
            }
        }
        let rule = by_rule(&records, true);
        assert_eq!(order(&live), order(&rule), "seed {seed}, live");
        for ((id, left), (_, at)) in live.values().flatten().zip(rule.values().flatten()) {
            assert!(
                (0..STEP).contains(&(left - at)),
                "seed {seed}: {id} left at {left}, by the rule at {at}"
            );
        }
    }
}

#[test]
fn a_crash_at_any_moment_changes_nothing_of_what_is_released() {
    for seed in 0..500 {
        let random = &mut Random(seed);
        let records = records_of(random);
        let detours = records.iter().any(|(_, text)| text.starts_with('~'));
        let (mut task, mut position, mut counts) = (new_together(), Position(0), Counts::default());
        let (mut committed, mut written) = (Vec::new(), Vec::new());
        while usize::try_from(position.0).unwrap() < records.len() {
            let offset = task.position().0;
            let next = records.get(usize::try_from(offset).unwrap());
            match random.below(30) {
                0 => {
                    task = together_from(task.into_dedupe().into_blocks(), position, counts);
                    written.clear();
                }
                1..=6 => {
                    committed.append(&mut written);
                    (position, counts) = (task.commit().position, task.commit().counts);
                    task.committed().unwrap();
                    task.dedupe().write_back(Some(1)).unwrap();
                }
                // The clock of a live run. With it, what is held when the first comes out of a spool is not what it is in
                // a replay.
                step => match (next, task.time()) {
                    (Some((append, text)), _) if step < 22 => read(&mut task, offset, *append, text),
                    (Some(_), _) if detours => {}
                    (Some((append, _)), Some(TaskTime(now))) => {
                        task.advance(TaskTime((append - 1).min(now + random.below(500))));
                    }
                    (None, Some(TaskTime(now))) => task.advance(TaskTime(now + random.below(10_000))),
                    (_, None) => {}
                },
            }
            written.extend(left(&mut task).split_whitespace().map(str::to_owned));
        }
        let mut releases = Releases::new();
        for id in committed {
            let number: usize = id.trim_start_matches(['!', 'm']).parse().unwrap();
            let (_, conversation) = records[number].1.split_once('/').unwrap();
            releases.entry(hash(conversation)).or_default().push((id, 0));
        }
        assert_eq!(order(&releases), order(&by_rule(&records, false)), "seed {seed}");
        assert_eq!((counts.finished(), counts.hold_cut), (80, 0), "seed {seed}");
    }
}

#[test]
fn what_says_how_long_others_are_held_is_known_as_long_as_they_are() {
    // `a` makes `b` wait until 29,000, and `z` until 43,000: without `a` it would leave when `c` is read.
    let records = [
        (0, "~a@0/one"),
        (14_000, "b@13900/two"),
        (20_000, "c@19900/three"),
        (28_000, "~z@27000/three"),
        (42_000, "~y@13800/two<21000"),
    ];
    let mut task = new_task();
    for (offset, (append, text)) in (0..).zip(records).take(4) {
        read(&mut task, offset, append, text);
        task.advance(TaskTime(append + 3_000));
    }
    task.advance(TaskTime(40_000));
    assert_eq!(left(&mut task), "a c");
    let (position, counts) = (task.commit().position, task.commit().counts);
    assert_eq!(position, Position(0));
    task.committed().unwrap();
    task.dedupe().write_back(Some(1)).unwrap();

    let mut task = resume(task.into_dedupe().into_blocks(), position, counts);
    for (offset, (append, text)) in (0..).zip(records) {
        read(&mut task, offset, append, text);
    }
    task.advance(TaskTime(60_000));
    assert_eq!(left(&mut task), "y b z");
}

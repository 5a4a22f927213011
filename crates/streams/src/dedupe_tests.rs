//! The dedupe set against a plain map, and its edges.

use super::*;

fn entry(minute: u32, key: u128, offset: i64) -> Entry {
    Entry { minute: Minute(minute), key, offset: Offset(offset) }
}

fn open(blocks: MemoryBlocks) -> DedupeSet<MemoryBlocks> {
    DedupeSet::open(blocks).unwrap().0
}

#[test]
fn what_was_entered_is_found_under_its_first_offset() {
    let mut set = open(MemoryBlocks::default());
    set.insert(entry(5, 42, 7)).unwrap();
    set.insert(entry(5, 42, 9)).unwrap();
    assert_eq!(set.get(Minute(5), 42), Ok(Some(Offset(7))));
    assert_eq!(set.get(Minute(5), 43), Ok(None));
    assert_eq!(set.get(Minute(6), 42), Ok(None));
}

#[test]
fn far_more_minutes_than_open_buckets_agree_with_a_plain_map() {
    let mut set = open(MemoryBlocks::default());
    let mut plain = HashMap::new();
    let mut state = 1_u64;
    for offset in 0..20_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let minute = u32::try_from(state >> 33).unwrap() % 300;
        let key = u128::from(state >> 20) % 4_000;
        let found = set.get(Minute(minute), key).unwrap();
        assert_eq!(found, plain.get(&(minute, key)).copied());
        plain.entry((minute, key)).or_insert(Offset(offset));
        set.insert(entry(minute, key, offset)).unwrap();
    }
    assert!(set.open.len() <= OPEN_BUCKETS);
    assert_eq!(set.entries().unwrap().len(), plain.len());

    // The same after a clean end, from the store alone.
    set.write_back(Some(99)).unwrap();
    let (mut reopened, position) = DedupeSet::open(set.into_blocks()).unwrap();
    assert_eq!(position, Some(99));
    for ((minute, key), offset) in plain {
        assert_eq!(reopened.get(Minute(minute), key), Ok(Some(offset)));
    }
}

#[test]
fn expiry_takes_whole_minutes_from_the_front() {
    let mut set = open(MemoryBlocks::default());
    for minute in 0..10 {
        set.insert(entry(minute, 1, i64::from(minute))).unwrap();
    }
    set.write_back(None).unwrap();
    set.insert(entry(3, 2, 100)).unwrap();
    set.expire(Minute(4)).unwrap();
    assert_eq!(set.get(Minute(3), 1), Ok(None));
    assert_eq!(set.get(Minute(3), 2), Ok(None));
    assert_eq!(set.get(Minute(4), 1), Ok(Some(Offset(4))));
    assert_eq!(open(set.into_blocks()).entries().unwrap().len(), 6, "the store has forgotten them too");
}

#[test]
fn places_do_not_meet_hashes_or_each_other() {
    assert_ne!(position_key(Offset(1)), position_key(Offset(2)));
    assert_eq!(position_key(Offset(1)) >> 64, u128::from(u64::MAX));
}

#[test]
fn a_failing_store_is_an_error_not_a_miss() {
    struct Broken;
    impl Blocks for Broken {
        fn read(&self, _: Minute, _: &mut dyn FnMut(&[u8])) -> Result<(), StoreFault> {
            Err(StoreFault("disk".into()))
        }
        fn write(&mut self, _: Batch) -> Result<(), StoreFault> {
            Err(StoreFault("disk".into()))
        }
        fn open(&self) -> Result<(Vec<Minute>, Option<i64>), StoreFault> {
            Ok((vec![Minute(1)], None))
        }
    }
    let (mut set, _) = DedupeSet::open(Broken).unwrap();
    assert!(set.get(Minute(1), 1).is_err());
    set.open.insert(Minute(2), Bucket { changed: true, ..Bucket::default() });
    assert!(set.write_back(None).is_err());
}

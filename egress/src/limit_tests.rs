//! The sliding log against its definition, and the order of those who wait.

use proptest::prelude::*;

use super::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn a_slot_frees_one_window_after_the_answer() {
    let mut log = SlidingLog::new(2, ms(1_000));
    assert_eq!(log.take(ms(0)), Slot::Granted);
    assert_eq!(log.take(ms(0)), Slot::Granted);
    assert_eq!(log.take(ms(5_000)), Slot::WhenAnswered, "unanswered calls may arrive at any time");
    log.answered(ms(5_000));
    assert_eq!(log.take(ms(5_500)), Slot::At(ms(6_001)));
    log.answered(ms(5_600));
    assert_eq!(log.take(ms(6_000)), Slot::At(ms(6_001)));
    assert_eq!(log.take(ms(6_001)), Slot::Granted);
    assert_eq!(log.take(ms(6_001)), Slot::At(ms(6_601)));
}

#[test]
fn a_rest_stops_everything_and_is_never_shortened() {
    let mut log = SlidingLog::new(10, ms(1_000));
    log.rest(ms(300));
    log.rest(ms(100));
    assert_eq!(log.take(ms(299)), Slot::At(ms(300)));
    assert_eq!(log.take(ms(300)), Slot::Granted);
}

#[test]
fn calls_of_an_earlier_owner_count() {
    let mut log = SlidingLog::new(1, ms(1_000));
    log.remember(ms(0), ms(400));
    log.remember(ms(0), ms(9_000));
    assert_eq!(log.take(ms(0)), Slot::At(ms(601)));
    assert_eq!(log.take(ms(601)), Slot::Granted);
}

proptest! {
    /// Arrivals at the receiver, each anywhere between grant and answer: no window holds more than N.
    #[test]
    fn no_window_of_the_receiver_holds_more(
        calls in 1_u32..6,
        offers in prop::collection::vec((0_u64..400, 0_u64..900, 0.0_f64..1.0), 1..80),
    ) {
        let mut log = SlidingLog::new(calls, ms(1_000));
        let mut answers: Vec<u64> = Vec::new();
        let mut arrivals: Vec<u64> = Vec::new();
        let mut now = 0;
        for (gap, takes, share) in offers {
            now += gap;
            // Waits, as the wrapper does, until a slot is granted.
            loop {
                answers.sort_unstable();
                while answers.first().is_some_and(|answer| *answer <= now) {
                    let at = answers.remove(0);
                    log.answered(ms(at));
                }
                match log.take(ms(now)) {
                    Slot::Granted => break,
                    Slot::At(at) => now = u64::try_from(at.as_micros().div_ceil(1_000)).unwrap(),
                    Slot::WhenAnswered => now = answers[0],
                }
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of at most 900 ms")]
            arrivals.push(now + (takes as f64 * share) as u64);
            answers.push(now + takes);
        }
        arrivals.sort_unstable();
        for (at, first) in arrivals.iter().enumerate() {
            let inside = arrivals[at..].iter().filter(|arrival| **arrival < first + 1_000).count();
            prop_assert!(inside <= usize::try_from(calls).unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_order_of_arrival() {
    let limit = Limit::new(1, ms(1_000));
    let (first, waited) = limit.acquire().await;
    assert!(!waited);
    let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
    for name in ["b", "c"] {
        let (limit, sender) = (limit.clone(), sender.clone());
        tokio::spawn(async move {
            let (_slot, waited) = limit.acquire().await;
            sender.send((name, waited, limit.origin.elapsed())).unwrap();
        });
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(ms(500)).await;
    drop(first);
    let (name, waited, at) = served.recv().await.unwrap();
    assert_eq!((name, waited), ("b", true));
    assert!(at >= ms(1_501), "{at:?}");
    let (name, _, at) = served.recv().await.unwrap();
    assert_eq!(name, "c");
    assert!(at >= ms(2_502), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rest_holds_those_who_wait() {
    let limit = Limit::new(1, ms(1_000));
    drop(limit.acquire().await);
    limit.rest(ms(7_000));
    let _second = limit.acquire().await;
    assert!(limit.origin.elapsed() >= ms(7_000));
}

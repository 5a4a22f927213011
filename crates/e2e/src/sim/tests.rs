//! The simulator in small: seeds hold, defects are found, and a seed says everything.

use runtime::config::Guarantee;

use super::{Defect, Report, Setting, run, trace};

#[test]
fn seeds_hold() {
    let mut report = Report::default();
    for seed in 0..300 {
        let failure = run(seed, Setting::default(), &mut report);
        assert!(failure.is_none(), "{failure:?}");
    }
    assert!(report.crashes > 100 && report.restarts > 100 && report.put_out > 100, "{report:?}");
    assert!(report.at_least_once == 100 && report.together == 150 && report.repeats > 100, "{report:?}");
}

#[test]
fn nothing_is_repeated_in_a_transaction() {
    let setting = Setting { guarantee: Some(Guarantee::ExactlyOnce), ..Setting::default() };
    let mut report = Report::default();
    for seed in 0..50 {
        run(seed, setting, &mut report);
    }
    assert_eq!((report.seeds, report.at_least_once, report.repeats), (50, 0, 0));
}

#[test]
fn every_deliberate_defect_is_found() {
    for defect in Defect::ALL {
        let mut report = Report::default();
        let found = (0..2_000).find_map(|seed| run(seed, Setting::wrong(defect), &mut report));
        assert!(found.is_some(), "not found: {}", defect.name());
    }
}

#[test]
fn a_seed_decides_everything() {
    assert_eq!(trace(7, Setting::default()), trace(7, Setting::default()));
    assert_ne!(trace(7, Setting::default()), trace(8, Setting::default()));
}

//! The simulator in small: seeds hold, defects are found, and a seed says everything.

use super::{Defect, Report, run, trace};

#[test]
fn seeds_hold() {
    let mut report = Report::default();
    for seed in 0..300 {
        let failure = run(seed, None, &mut report);
        assert!(failure.is_none(), "{failure:?}");
    }
    assert!(report.crashes > 100 && report.restarts > 100 && report.put_out > 100, "{report:?}");
}

#[test]
fn every_deliberate_defect_is_found() {
    for defect in Defect::ALL {
        let mut report = Report::default();
        let found = (0..2_000).find_map(|seed| run(seed, Some(defect), &mut report));
        assert!(found.is_some(), "not found: {}", defect.name());
    }
}

#[test]
fn a_seed_decides_everything() {
    assert_eq!(trace(7, None), trace(7, None));
    assert_ne!(trace(7, None), trace(8, None));
}

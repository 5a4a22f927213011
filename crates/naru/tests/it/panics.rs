//! A panic in any thread ends the process, and its text, which may hold a value, is nowhere.

use std::process::Command;
use std::time::{Duration, Instant};

/// Makes this test the process that panics.
const CHILD: &str = "NARU_TEST_PANICS";
const SECRET: &str = "a value that nobody may read";
/// Far longer than a panic takes, far shorter than the child would hang.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn a_panic_ends_the_process_instead_of_hanging_it_and_shows_no_value() {
    if std::env::var_os(CHILD).is_some() {
        child();
    }
    let begin = Instant::now();
    let output = Command::new(std::env::current_exe().expect("this test's own file"))
        .args([
            "--exact",
            "panics::a_panic_ends_the_process_instead_of_hanging_it_and_shows_no_value",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .expect("the child runs");
    assert!(begin.elapsed() < ENDS_WITHIN, "it hung for {:?}", begin.elapsed());
    assert_eq!(output.status.code(), None, "it was ended by a signal of its own");
    let said = format!("{}{}", crate::text(&output.stdout), crate::text(&output.stderr));
    assert!(said.contains("panic, ending the process") && said.contains("panics.rs"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
}

/// What every long-running command sets up, and then a thread that panics beside one that works on.
fn child() -> ! {
    runtime::logging::init(None).expect("nothing else logs here");
    runtime::logging::end_on_panic();
    std::thread::spawn(|| panic!("{SECRET}"));
    std::thread::sleep(3 * ENDS_WITHIN);
    std::process::exit(0);
}

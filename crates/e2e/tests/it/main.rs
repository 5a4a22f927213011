//! End to end: the product's processes on a real Kafka.

use std::process::ExitCode;

use e2e::harness::{self, Needs, Test};

fn main() -> ExitCode {
    harness::run(
        env!("CARGO_BIN_EXE_naru-under-test"),
        vec![Test {
            name: "smoke",
            needs: Needs::KafkaToBreak,
            run: |stage| {
                let b = stage.broker()?;
                b.kill9()?;
                b.restart()?;
                b.stop()?;
                b.restart()
            },
        }],
    )
}

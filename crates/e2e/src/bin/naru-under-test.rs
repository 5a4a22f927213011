//! The product's binary, built beside the tests so that they can start and kill it.

use std::process::ExitCode;

fn main() -> ExitCode {
    naru::main()
}

//! The `naru` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    naru::main()
}

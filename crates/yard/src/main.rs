//! Operators' command line of Switchyard.

use std::process::ExitCode;

fn main() -> ExitCode {
    yard::main()
}

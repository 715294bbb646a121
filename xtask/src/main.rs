//! `cargo xtask`: everything a developer does with Switchyard. See the library.

fn main() -> std::process::ExitCode {
    xtask::main()
}

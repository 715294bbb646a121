//! `yard-bench`: see the library.

fn main() -> anyhow::Result<()> {
    yard_bench::main()
}

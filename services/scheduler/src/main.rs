//! Starts the service; see the library.

yard_runtime::main!(scheduler);

//! Starts the service; see the library.

yard_runtime::main!(device_ingest);

//! Starts the service; see the library.

yard_runtime::main!(comms_websocket);

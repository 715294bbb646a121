//! See the library.

yard_runtime::main!(api_gateway);

//! API tokens: a person's rights, or some of them, in the hands of a program.

mod exchange;
pub(crate) mod format;
pub(crate) mod grpc;
mod store;

pub(crate) use exchange::TokenExchange;

/// Whether a credential is meant to be an API token.
pub(crate) fn is_api_token(text: &str) -> bool {
    text.starts_with(format::API_TOKEN)
}

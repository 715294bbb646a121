use std::sync::Arc;

use yard_authn::Caller;
use yard_fault::{Code, Fault};

use crate::app::{App, AppId, Apps, Unavailable};

/// Longest beginning of a channel's name that can be asked for, bytes.
const LONGEST_PREFIX: usize = 200;

/// The app of that number, if it is the caller's tenant's. Whether another tenant has it is not told.
pub(super) async fn app(apps: &Apps, caller: &Caller, id: &str) -> Result<Arc<App>, Fault> {
    let tenant = caller.tenant()?;
    let id = AppId::parse(id).ok_or(Code::ResourceNotFound)?;
    let found = apps.by_id(id).await.map_err(|Unavailable| Code::ServiceUnavailable)?;
    let own = found.filter(|app| app.tenant() == Some(tenant));
    Ok(own.ok_or(Code::ResourceNotFound)?)
}

/// The beginning of a name, if it can be one.
pub(super) fn prefix<'t>(text: &'t str, pointer: &str) -> Result<&'t str, Fault> {
    if text.len() > LONGEST_PREFIX || text.contains(char::is_control) {
        let fault = Fault::invalid("the beginning of a channel's name has at most 200 bytes");
        return Err(fault.with_pointer(pointer));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_taken_up_to_its_limit() {
        assert!(prefix("", "/prefix").is_ok() && prefix(&"x".repeat(200), "/prefix").is_ok());
        for text in ["x".repeat(201), "a\nb".to_owned()] {
            assert_eq!(prefix(&text, "/prefix").unwrap_err().pointer(), Some("/prefix"));
        }
    }
}

//! Keyset pages of this service's lists: one row more than asked for tells whether there is a next
//! page.

use time::OffsetDateTime;
use uuid::Uuid;
use yard_fault::{Code, Fault};
use yard_pg::page;

/// Cuts off the row too many; the token of the last row that stays, or empty on the last page.
pub(crate) fn cut<T>(rows: &mut Vec<T>, size: i64, token: impl Fn(&T) -> String) -> String {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if rows.len() <= size {
        return String::new();
    }
    rows.truncate(size);
    rows.last().map(token).unwrap_or_default()
}

/// A key of a moment and an id.
pub(crate) fn moment_token(at: OffsetDateTime, id: Uuid) -> String {
    page::token(&[&at.unix_timestamp_nanos().to_string(), &id.as_hyphenated().to_string()])
}

/// Reads [`moment_token`]; `None` for the first page.
pub(crate) fn moment_key(token: &str) -> Result<Option<(OffsetDateTime, Uuid)>, Fault> {
    let wrong = || Fault::new(Code::PageTokenInvalid);
    let Some([at, id]) = page::parts::<2>(token)? else {
        return Ok(None);
    };
    let nanos: i128 = at.parse().map_err(|_unreadable| wrong())?;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_unreadable| wrong())?;
    Ok(Some((at, Uuid::try_parse(&id).map_err(|_unreadable| wrong())?)))
}

/// A key of a name and an id.
pub(crate) fn name_key(token: &str) -> Result<Option<(String, Uuid)>, Fault> {
    let Some([name, id]) = page::parts::<2>(token)? else {
        return Ok(None);
    };
    let id = Uuid::try_parse(&id).map_err(|_unreadable| Fault::new(Code::PageTokenInvalid))?;
    Ok(Some((name, id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_cut_and_its_key_read_back() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let mut rows = vec![Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];
        let token = cut(&mut rows, 2, |last| moment_token(at, *last));
        assert_eq!(rows.len(), 2);
        assert_eq!(moment_key(&token).unwrap(), Some((at, Uuid::from_u128(2))));
        assert_eq!(cut(&mut rows, 2, |last| moment_token(at, *last)), "");
        for foreign in ["zz", "00", &page::token(&["1", "x"]), &page::token(&["x", "y"])] {
            assert_eq!(moment_key(foreign).unwrap_err().code(), Code::PageTokenInvalid);
        }
    }
}

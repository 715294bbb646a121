use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// RFC 3339, or a date and time of day without offset.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    let local = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let offset = OffsetDateTime::parse(text, &Rfc3339).ok();
    offset.or_else(|| PrimitiveDateTime::parse(text, local).ok().map(PrimitiveDateTime::assume_utc))
}

use http::HeaderMap;
use yard_fault::{CODE_METADATA, Class, Code, Fault};

/// Outcome of a call that did what it was asked.
const OK: &str = "ok";

/// The outcome that an answer's headers tell; `None` while it is still to come in the trailers.
pub(crate) fn of_headers(headers: &HeaderMap) -> Option<&'static str> {
    let status = headers.get("grpc-status")?;
    let code = status.to_str().ok().and_then(|text| text.parse::<i32>().ok());
    let code = tonic::Code::from_i32(code.unwrap_or(2));
    if code == tonic::Code::Ok {
        return Some(OK);
    }
    let ours = headers.get(CODE_METADATA).and_then(|text| text.to_str().ok());
    let ours = ours.and_then(Code::from_text);
    Some(ours.map_or_else(|| of_class(code), Code::as_str))
}

/// The outcome of an answer that has ended; without trailers it was broken off.
pub(crate) fn of_trailers(trailers: Option<&HeaderMap>) -> &'static str {
    trailers.and_then(of_headers).unwrap_or("unknown")
}

fn of_class(code: tonic::Code) -> &'static str {
    debug_assert_ne!(Class::from_grpc(code).http_status(), 200, "an error is no success");
    Fault::from_status(&tonic::Status::new(code, "")).code().as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn outcome_is_our_code_else_the_class_of_the_status() {
        assert_eq!(of_headers(&headers(&[])), None);
        assert_eq!(of_headers(&headers(&[("grpc-status", "0")])), Some("ok"));
        let ours = headers(&[("grpc-status", "7"), ("yard-code", "tenant.suspended")]);
        assert_eq!(of_headers(&ours), Some("tenant.suspended"));
        assert_eq!(of_headers(&headers(&[("grpc-status", "5")])), Some("resource.not_found"));
        assert_eq!(of_headers(&headers(&[("grpc-status", "odd")])), Some("internal"));
        assert_eq!(of_trailers(None), "unknown");
    }
}

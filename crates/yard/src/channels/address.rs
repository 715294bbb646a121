use reqwest::Url;

/// Path and query of what is asked of an app; parts and values are written as addresses need it.
pub(super) fn address(app: u64, parts: &[&str], query: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://yard/api/v1/realtime-apps").expect("this is an address");
    if let Ok(mut path) = url.path_segments_mut() {
        path.push(&app.to_string()).extend(parts);
    }
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        url.query_pairs_mut().append_pair(name, value);
    }
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_addresses_need_it() {
        let base = "/api/v1/realtime-apps/7";
        assert_eq!(address(7, &["activity"], &[("prefix", "")]), format!("{base}/activity"));
        assert_eq!(
            address(7, &["channels", "#server-to-user-a/b"], &[]),
            format!("{base}/channels/%23server-to-user-a%2Fb")
        );
        assert_eq!(
            address(7, &["trace"], &[("event", "a b"), ("kinds", "X"), ("kinds", "Y")]),
            format!("{base}/trace?event=a+b&kinds=X&kinds=Y")
        );
    }
}

//! How calls are signed: HMAC-SHA256 with the app's secret over method, path and query; the query
//! holds the MD5 of the body, so that the body is signed with it.

use aws_lc_rs::constant_time;
use md5::{Digest as _, Md5};

use super::problem::Problem;
use crate::app::{App, to_hex};

/// A call may be so much older or newer than this clock, seconds.
const WINDOW: u64 = 600;
const VERSION: &str = "1.0";
const SIGNATURE: &str = "auth_signature";

/// A query, its keys in lower case and sorted, its values as they are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Refuses what could be read in two ways: a key that comes twice, and values that would look
    /// like further parameters in the text that is signed. No value of this API does.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes())
            .map(|(key, value)| (key.to_lowercase(), value.into_owned()))
            .collect();
        pairs.sort();
        let twice = pairs.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
        let parts = pairs.iter().flat_map(|(key, value)| [key, value]);
        if twice || parts.into_iter().any(|text| text.contains(['&', '\n'])) {
            return Err(Problem::malformed("the query can be read in two ways"));
        }
        Ok(Self(pairs))
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    fn signed_text(&self, method: &str, path: &str) -> String {
        let mut text = format!("{method}\n{path}\n");
        for (number, (key, value)) in self.0.iter().filter(|(key, _)| key != SIGNATURE).enumerate()
        {
            if number > 0 {
                text.push('&');
            }
            text.push_str(key);
            text.push('=');
            text.push_str(value);
        }
        text
    }
}

/// Whether `app` has signed for this call; of the body nothing is known yet. `decoded` is the path
/// as it is meant: some libraries sign it so and then escape it.
pub(super) fn check_head(
    app: &App,
    now: i64,
    method: &str,
    (path, decoded): (&str, &str),
    query: &Query,
) -> Result<(), Problem> {
    if query.get("auth_key") != Some(app.key()) {
        return Err(Problem::unsigned("auth_key is not the key of this app"));
    }
    if query.get("auth_version") != Some(VERSION) {
        return Err(Problem::unsigned("auth_version has to be 1.0"));
    }
    let signed_at = query.get("auth_timestamp").and_then(|text| text.parse::<i64>().ok());
    if signed_at.is_none_or(|at| at.abs_diff(now) > WINDOW) {
        let problem = "auth_timestamp has to be within 600 seconds of the time here";
        return Err(Problem::unsigned(problem));
    }
    let signature = query.get(SIGNATURE).unwrap_or_default();
    let signed = |path| app.verify_signature(signature, &query.signed_text(method, path));
    if signed(path) || (decoded != path && signed(decoded)) {
        Ok(())
    } else {
        Err(Problem::unsigned("auth_signature is not what the app's secret gives for this call"))
    }
}

/// Whether the body is the one that was signed for.
pub(super) fn check_body(query: &Query, body: &[u8]) -> Result<(), Problem> {
    match query.get("body_md5") {
        None if body.is_empty() => Ok(()),
        None => Err(Problem::unsigned("body_md5 is missing")),
        Some(told) => {
            let found = to_hex(&Md5::digest(body));
            constant_time::verify_slices_are_equal(told.as_bytes(), found.as_bytes())
                .map_err(|_differs| Problem::unsigned("body_md5 is not the MD5 of the body"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::app::{AppId, AppSettings, Secrets};

    const NOW: i64 = 1_353_088_179;
    const PATH: &str = "/apps/3/events";
    const BODY: &[u8] = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
    /// The worked example of Pusher's documents.
    const SIGNED: &str = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0\
        &body_md5=ec365a775a4cd0599faeb73354201b6f\
        &auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";

    fn app() -> App {
        let secrets = Secrets::new([b"7ad3773142a6692b25b8".as_slice()]);
        let settings = AppSettings::default();
        App::new(AppId::new(3), "278d425bdf160c739803", None, secrets, settings)
    }

    fn check(now: i64, method: &str, path: &str, query: &str) -> Result<(), Problem> {
        check_head(&app(), now, method, (path, path), &Query::parse(query)?)
    }

    /// A query with its signature.
    fn signed(method: &str, path: &str, query: &str) -> String {
        let text = Query::parse(query).unwrap().signed_text(method, path);
        let auth = app().sign(&text);
        format!("{query}&auth_signature={}", auth.split_once(':').unwrap().1)
    }

    #[test]
    fn documented_example_is_taken() {
        check(NOW, "POST", PATH, SIGNED).unwrap();
        check_body(&Query::parse(SIGNED).unwrap(), BODY).unwrap();
    }

    #[test]
    fn documented_example_changed_anywhere_is_refused() {
        for (from, to) in [
            ("auth_key=278d", "auth_key=278e"),
            ("1353088179", "1353088178"),
            ("1353088179", "+1353088179"),
            ("auth_version=1.0", "auth_version=1.1"),
            ("ec365a77", "ec365a78"),
            ("da454824", "da454825"),
            ("da454824", "DA454824"),
            ("&auth_signature=", "&auth_signature=x"),
            ("&auth_signature=", "&a="),
            ("&auth_version=1.0", ""),
            ("&body_md5=ec365a775a4cd0599faeb73354201b6f", ""),
            ("&body_md5", "&info=user_count&body_md5"),
        ] {
            let query = SIGNED.replacen(from, to, 1);
            assert_ne!(query, SIGNED);
            assert_eq!(check(NOW, "POST", PATH, &query).unwrap_err().status, 401, "{query}");
        }
        assert!(check(NOW, "GET", PATH, SIGNED).is_err());
        assert!(check(NOW, "POST", "/apps/4/events", SIGNED).is_err());
    }

    #[test]
    fn time_is_held_to_the_second_in_both_directions() {
        for (now, taken) in
            [(NOW + 600, true), (NOW - 600, true), (NOW + 601, false), (NOW - 601, false)]
        {
            assert_eq!(check(now, "POST", PATH, SIGNED).is_ok(), taken, "{now}");
        }
        for text in ["", "-1", "9223372036854775807", "-9223372036854775808", "1e9", "NaN"] {
            let query =
                format!("auth_key=278d425bdf160c739803&auth_timestamp={text}&auth_version=1.0");
            assert!(check(NOW, "POST", PATH, &signed("POST", PATH, &query)).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_signed_in_lower_case_and_sorted_and_values_as_they_are_meant() {
        let text = Query::parse("b=2%2C3&A=x%20y&auth_signature=z&c").unwrap();
        assert_eq!(text.signed_text("GET", "/p"), "GET\n/p\na=x y&b=2,3&c=");
        assert_eq!(Query::parse("").unwrap().signed_text("GET", "/p"), "GET\n/p\n");
    }

    #[test]
    fn query_that_can_be_read_in_two_ways_is_refused() {
        for text in ["a=1&a=1", "a=1&A=2", "a=1%26b=2", "a%26b=1", "a=1%0A"] {
            assert_eq!(Query::parse(text).unwrap_err().status, 400, "{text}");
        }
    }

    #[test]
    fn escaped_path_is_taken_as_it_came_and_as_it_is_meant() {
        let common = format!("auth_key=278d425bdf160c739803&auth_timestamp={NOW}&auth_version=1.0");
        let paths = ("/apps/3/users/a%20b/x", "/apps/3/users/a b/x");
        for path in [paths.0, paths.1] {
            let query = Query::parse(&signed("GET", path, &common)).unwrap();
            check_head(&app(), NOW, "GET", paths, &query).unwrap();
        }
    }

    #[test]
    fn body_is_held_against_its_md5_and_an_empty_one_needs_none() {
        let md5 = |text: &str| Query::parse(&format!("body_md5={text}")).unwrap();
        let empty = "d41d8cd98f00b204e9800998ecf8427e";
        assert!(check_body(&md5(empty), b"").is_ok());
        assert!(check_body(&Query::parse("").unwrap(), b"").is_ok());
        assert!(check_body(&Query::parse("").unwrap(), b"x").is_err());
        assert!(check_body(&md5(empty), b"x").is_err());
        assert!(check_body(&md5(&empty.to_uppercase()), b"").is_err());
        assert!(check_body(&md5(""), b"").is_err());
    }

    /// Fuzz target: no damage to a signed query leaves it signed and changes what it says.
    #[test]
    fn fuzz_damaged_signed_queries_are_refused_unless_they_say_the_same() {
        let escaped = SIGNED.replace("1.0", "1%2E0").replace("auth_key", "AUTH_KEY");
        let good = vec![SIGNED.as_bytes().to_vec(), escaped.into_bytes()];
        let meant = Query::parse(SIGNED).unwrap();
        let mut taken = 0;
        yard_testkit::hammer(&good, 30_000, |input| {
            let Ok(query) = std::str::from_utf8(input) else { return };
            if check(NOW, "POST", PATH, query).is_ok() {
                assert_eq!(Query::parse(query).unwrap(), meant, "{query}");
                taken += 1;
            }
        });
        assert!(taken >= 2, "the good ones are taken");
    }

    proptest! {
        #[test]
        fn any_query_is_refused_and_never_panics(query in ".{0,200}", path in "/.{0,60}") {
            prop_assert!(check(NOW, "POST", &path, &query).is_err());
        }

        #[test]
        fn query_nearly_signed_is_refused(at in 0..SIGNED.len(), byte in 0x20_u8..0x7f) {
            let mut bytes = SIGNED.as_bytes().to_vec();
            let same = bytes[at].eq_ignore_ascii_case(&byte);
            bytes[at] = byte;
            let query = String::from_utf8(bytes).unwrap();
            prop_assume!(!same);
            prop_assert!(check(NOW, "POST", PATH, &query).is_err());
        }
    }
}

use serde_json::{Map, Value};

/// Reads `key=value`. A value that is JSON is taken as such (`position=40`, `on=true`), anything
/// else as text.
pub(super) fn parse(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("an argument is key=value")?;
    if key.is_empty() {
        return Err("an argument is key=value".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_text| Value::String(value.to_owned()));
    Ok((key.to_owned(), value))
}

/// The arguments as one object; of a key given twice the last counts.
pub(super) fn object(pairs: &[(String, Value)]) -> Map<String, Value> {
    pairs.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_json_where_they_can_be() {
        let pairs: Vec<_> = ["position=40", "on=true", "name=north gate", "s=\"7\"", "x=a=b", "e="]
            .iter()
            .map(|text| parse(text).unwrap())
            .collect();
        let expected =
            json!({"position":40,"on":true,"name":"north gate","s":"7","x":"a=b","e":""});
        assert_eq!(Value::Object(object(&pairs)), expected);
        assert!(parse("position").is_err());
        assert!(parse("=4").is_err());
    }
}

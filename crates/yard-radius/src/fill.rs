/// Puts values into a template, where their names stand between `@`. A value is never read again.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('@') {
        text.push_str(before);
        let named = after.split_once('@').and_then(|(name, behind)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((*value, behind))
        });
        if let Some((value, behind)) = named {
            text.push_str(value);
            rest = behind;
        } else {
            text.push('@');
            rest = after;
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn values_stand_where_their_names_did_and_are_not_read_again() {
        assert_eq!(fill("a @b@ c @d@", &[("b", "@d@"), ("d", "x")]), "a @d@ c x");
        assert_eq!(fill("ann@example @@ @e@", &[("b", "x")]), "ann@example @@ @e@");
    }
}

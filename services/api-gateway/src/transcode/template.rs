//! Path templates of routes: literals and `{field}` or `{field.nested}`, one segment each.

use super::RouteError;

/// A parsed path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// Path of the field that the segment is bound to.
    Field(String),
}

impl Template {
    /// Parses `/api/v1/devices/{device_id}`.
    ///
    /// # Errors
    /// When the text is no template or uses wildcards or verbs, which our contract does not.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        let refuse = |problem| RouteError::Template { template: text.to_owned(), problem };
        let path = text.strip_prefix('/').ok_or_else(|| refuse("does not begin with a slash"))?;
        let segments = path
            .split('/')
            .map(Segment::parse)
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| refuse("has a segment that is neither a literal nor one field"))?;
        Ok(Self { text: text.to_owned(), segments })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many segments a path needs in order to match.
    #[must_use]
    pub fn length(&self) -> usize {
        self.segments.len()
    }

    /// The bound field paths, in the order of [`Template::capture`].
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Field(path) => Some(path.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// The still encoded texts bound to the fields, or `None` if the path is another one.
    #[must_use]
    pub fn capture<'p>(&self, path: &[&'p str]) -> Option<Vec<&'p str>> {
        if path.len() != self.segments.len() {
            return None;
        }
        let mut bound = Vec::new();
        for (segment, text) in self.segments.iter().zip(path) {
            match segment {
                Segment::Literal(literal) if literal == text => {}
                Segment::Field(_) if !text.is_empty() => bound.push(*text),
                Segment::Literal(_) | Segment::Field(_) => return None,
            }
        }
        Some(bound)
    }

    /// The template with its fields replaced in order.
    #[must_use]
    pub fn fill<'v>(&self, mut values: impl Iterator<Item = &'v str>) -> String {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            path.push_str(match segment {
                Segment::Literal(literal) => literal,
                Segment::Field(_) => values.next().unwrap_or_default(),
            });
        }
        path
    }

    /// The template without field names: two routes of one shape cannot be told apart.
    #[must_use]
    pub fn shape(&self) -> String {
        self.fill(std::iter::repeat("{}"))
    }

    /// Sorts literals before fields, so that the more particular route is tried first.
    pub(super) fn rank(&self) -> Vec<bool> {
        self.segments.iter().map(|segment| matches!(segment, Segment::Field(_))).collect()
    }
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let Some(inner) = text.strip_prefix('{') else {
            let literal = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
            let usable = !text.is_empty() && text.bytes().all(literal);
            return usable.then(|| Self::Literal(text.to_owned()));
        };
        let path = inner.strip_suffix('}')?;
        let name = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        path.split('.').all(name).then(|| Self::Field(path.to_owned()))
    }
}

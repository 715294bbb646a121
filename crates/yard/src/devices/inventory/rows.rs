use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::csv;

/// With one request.
const MOST_ROWS: usize = 1_000;
/// Members and elements of one request, and bytes: the gateway takes 10,000 and 1 MiB.
const MOST_MEMBERS: usize = 9_000;
const MOST_BYTES: usize = 700 * 1024;
const LABEL: &str = "label.";

/// A device of an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// Where it stands in the file.
    #[serde(skip)]
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) external_id: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FileError {
    #[error("there are no devices in it")]
    Empty,
    #[error(
        "the first line has to name the columns name and external_id, and label.KEY for labels"
    )]
    Header,
    #[error("line {0}: quotes out of order")]
    Quotes(usize),
    #[error("line {0}: as many cells as the first line has names are expected")]
    Width(usize),
    #[error("line {0}: no JSON object with name, external_id and labels")]
    Json(usize),
    #[error("line {1}: the external id is that of line {0} already")]
    ExternalId(usize, usize),
    #[error("line {1}: the name is that of line {0} already")]
    Name(usize, usize),
    #[error("line {0}: larger than a request may be")]
    Large(usize),
}

pub(super) fn of_json_lines(text: &str) -> Result<Vec<Row>, FileError> {
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let filled = lines.filter(|(_, line)| !line.trim().is_empty());
    filled
        .map(|(index, line)| {
            let row: Row =
                serde_json::from_str(line).map_err(|_unreadable| FileError::Json(index + 1))?;
            Ok(Row { line: index + 1, ..row })
        })
        .collect()
}

pub(super) fn of_csv(text: &str) -> Result<Vec<Row>, FileError> {
    let mut records = csv::read(text).map_err(FileError::Quotes)?.into_iter();
    let (_, titles) = records.next().ok_or(FileError::Empty)?;
    let titles: Vec<_> = titles.iter().map(|title| title.trim().to_owned()).collect();
    let known = |title: &String| {
        matches!(title.as_str(), "name" | "external_id")
            || title.strip_prefix(LABEL).is_some_and(|key| !key.is_empty())
    };
    let once = |title: &String| titles.iter().filter(|other| *other == title).count() == 1;
    let whole = ["name", "external_id"].iter().all(|title| titles.iter().any(|t| t == title));
    if !whole || !titles.iter().all(|title| known(title) && once(title)) {
        return Err(FileError::Header);
    }
    records
        .map(|(line, cells)| {
            if cells.len() != titles.len() {
                return Err(FileError::Width(line));
            }
            let mut row = Row {
                line,
                name: String::new(),
                external_id: String::new(),
                labels: BTreeMap::new(),
            };
            for (title, cell) in titles.iter().zip(cells) {
                match title.strip_prefix(LABEL) {
                    // An empty cell is no label, not an empty one.
                    Some(_) if cell.is_empty() => {}
                    Some(key) => drop(row.labels.insert(key.to_owned(), cell)),
                    None if title == "name" => row.name = cell,
                    None => row.external_id = cell,
                }
            }
            Ok(row)
        })
        .collect()
}

/// Each name and external id once: over several requests the platform would notice too late.
pub(super) fn without_doubles(rows: Vec<Row>) -> Result<Vec<Row>, FileError> {
    if rows.is_empty() {
        return Err(FileError::Empty);
    }
    let (mut ids, mut names) = (HashMap::new(), HashMap::new());
    for row in &rows {
        if let Some(first) = ids.insert(row.external_id.trim(), row.line) {
            return Err(FileError::ExternalId(first, row.line));
        }
        if let Some(first) = names.insert(row.name.trim(), row.line) {
            return Err(FileError::Name(first, row.line));
        }
        if weight(row).1 > MOST_BYTES {
            return Err(FileError::Large(row.line));
        }
    }
    Ok(rows)
}

/// The rows in parts that one request each may hold.
pub(super) fn parts(rows: &[Row]) -> Vec<&[Row]> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut members, mut bytes) = (0, 0);
    for (index, row) in rows.iter().enumerate() {
        let (of_row, size) = weight(row);
        let full = index - begin == MOST_ROWS
            || members + of_row > MOST_MEMBERS
            || bytes + size > MOST_BYTES;
        if full && index > begin {
            parts.extend(rows.get(begin..index));
            (begin, members, bytes) = (index, 0, 0);
        }
        (members, bytes) = (members + of_row, bytes + size);
    }
    parts.extend(rows.get(begin..).filter(|rest| !rest.is_empty()));
    parts
}

/// Members of a row's JSON, itself included, and at most so many bytes.
fn weight(row: &Row) -> (usize, usize) {
    // A letter may become six bytes: \u0000.
    let labels = row.labels.iter().map(|(key, value)| 6 * (key.len() + value.len()) + 6);
    let bytes = 6 * (row.name.len() + row.external_id.len()) + labels.sum::<usize>() + 64;
    (4 + row.labels.len(), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: usize, name: &str, external_id: &str) -> Row {
        let (name, external_id) = (name.to_owned(), external_id.to_owned());
        Row { line, name, external_id, labels: BTreeMap::new() }
    }

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let csv = "external_id,label.site,name\nSN-1,north,one\nSN-2,,\"=two, 2\"\n";
        let lines = "{\"name\":\"one\",\"external_id\":\"SN-1\",\"labels\":{\"site\":\"north\"}}\n\n\
                     {\"name\":\"=two, 2\",\"external_id\":\"SN-2\"}";
        let mut one = row(2, "one", "SN-1");
        one.labels.insert("site".to_owned(), "north".to_owned());
        assert_eq!(of_csv(csv).unwrap(), [one.clone(), row(3, "=two, 2", "SN-2")]);
        let expected = [Row { line: 1, ..one }, row(3, "=two, 2", "SN-2")];
        assert_eq!(of_json_lines(lines).unwrap(), expected);
    }

    #[test]
    fn files_that_say_too_little_or_too_much_are_refused_with_their_line() {
        for header in
            ["name", "name,external_id,site", "name,external_id,name", "name,external_id,label."]
        {
            assert_eq!(of_csv(header), Err(FileError::Header), "{header}");
        }
        assert_eq!(of_csv("name,external_id\none\n"), Err(FileError::Width(2)));
        assert_eq!(of_csv("name,external_id\n\"one\n"), Err(FileError::Quotes(2)));
        assert_eq!(of_csv(""), Err(FileError::Empty));
        for line in
            ["[]", "{", "{\"name\":\"a\"}", "{\"name\":\"a\",\"external_id\":\"b\",\"c\":1}"]
        {
            assert_eq!(of_json_lines(&format!("\n{line}")), Err(FileError::Json(2)), "{line}");
        }
        let twice = vec![row(2, "a", "1"), row(3, "b", " 1 ")];
        assert_eq!(without_doubles(twice), Err(FileError::ExternalId(2, 3)));
        let twice = vec![row(2, "a", "1"), row(5, "a ", "2")];
        assert_eq!(without_doubles(twice), Err(FileError::Name(2, 5)));
        let large = vec![row(2, &"x".repeat(1_000_000), "1")];
        assert_eq!(without_doubles(large), Err(FileError::Large(2)));
        assert_eq!(without_doubles(Vec::new()), Err(FileError::Empty));
    }

    #[test]
    fn parts_hold_all_rows_in_order_and_fit_into_requests() {
        let mut rows: Vec<_> = (0..2_500).map(|n| row(n, &n.to_string(), "SN")).collect();
        assert_eq!(
            parts(&rows).iter().map(|part| part.len()).collect::<Vec<_>>(),
            [1000, 1000, 500]
        );
        for row in &mut rows {
            row.labels = (0..32).map(|n| (format!("k{n}"), "\u{1}".repeat(200))).collect();
        }
        let parts = parts(&rows);
        for part in &parts {
            assert!(part.iter().map(|row| weight(row).0).sum::<usize>() <= MOST_MEMBERS);
            assert!(serde_json::to_vec(part).unwrap().len() <= MOST_BYTES);
        }
        assert_eq!(parts.concat(), rows);
        assert!(super::parts(&[]).is_empty());
    }
}

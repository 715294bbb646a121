//! The plain CSV that measuring instruments write: no quotes inside cells, a header line.

use super::timestamp;
use super::{Recording, Row};

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CsvError {
    #[error("the file has no rows")]
    Empty,
    #[error("the first line names no value beside the time")]
    Header,
    #[error("line {0}: {1:?} is no time")]
    Time(usize, String),
    #[error("line {0}: {1:?} is no number")]
    Number(usize, String),
    #[error("line {0}: as many cells as the first line has names are expected")]
    Width(usize),
}

pub(super) fn parse(text: &str) -> Result<Recording, CsvError> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let (_, header) = lines.next().ok_or(CsvError::Empty)?;
    let columns: Vec<_> = header.split(',').skip(1).map(column_key).collect();
    if columns.is_empty() || columns.iter().any(String::is_empty) {
        return Err(CsvError::Header);
    }
    let filled = lines.filter(|(_, line)| !line.trim().is_empty());
    let rows: Vec<_> = filled
        .map(|(index, line)| row(index + 1, line, columns.len()))
        .collect::<Result<_, _>>()?;
    if rows.is_empty() {
        return Err(CsvError::Empty);
    }
    Ok(Recording { columns, rows: rows.into() })
}

fn row(number: usize, line: &str, width: usize) -> Result<Row, CsvError> {
    let mut cells = line.split(',').map(str::trim);
    let time = cells.next().unwrap_or_default();
    let at = timestamp::parse(time).ok_or_else(|| CsvError::Time(number, time.to_owned()))?;
    let values = cells
        .map(|cell| match cell {
            "" => Ok(None),
            cell => match cell.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Some(value)),
                _ => Err(CsvError::Number(number, cell.to_owned())),
            },
        })
        .collect::<Result<Vec<_>, _>>()?;
    if values.len() == width { Ok(Row { at, values }) } else { Err(CsvError::Width(number)) }
}

/// The key of a column: lower-case words joined by underscores, the unit in brackets spelled so
/// that it may stand in a key ("Water flow [l/s]" is `flow_lps`).
fn column_key(name: &str) -> String {
    let name = name.trim().to_lowercase();
    let (words, unit) = match name.split_once('[') {
        Some((words, unit)) => (words.to_owned(), unit.trim_end_matches(']').replace('/', "p")),
        None => (name, String::new()),
    };
    // What flows through a water meter need not be said twice.
    let words = words.trim().strip_prefix("water ").unwrap_or_else(|| words.trim()).to_owned();
    let joined = format!("{words} {unit}");
    let parts = joined.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("_")
}

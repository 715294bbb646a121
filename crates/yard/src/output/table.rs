//! Columns as wide as their widest cell.

/// Rows of text under headings.
pub struct Table {
    rows: Vec<Vec<String>>,
}

const GAP: usize = 2;

impl Table {
    /// A table with headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|h| (*h).to_owned()).collect()] }
    }

    /// Two columns without headings: a label and its value.
    #[must_use]
    pub fn facts(facts: &[(&str, String)]) -> Self {
        let row = |(label, value): &(&str, String)| vec![(*label).to_owned(), value.clone()];
        Self { rows: facts.iter().map(row).collect() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The lines, without trailing spaces.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.rows.iter().map(|row| line(row, &widths)).collect()
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in row.iter().zip(widths) {
        text.push_str(cell);
        let pad = width + GAP - cell.chars().count();
        text.extend(std::iter::repeat_n(' ', pad));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_columns_align_by_characters_not_bytes() {
        let mut table = Table::new(&["name", "unit"]);
        table.row(vec!["Wärme".to_owned(), "°C".to_owned()]);
        assert_eq!(table.lines(), ["name   unit", "Wärme  °C"]);
    }
}

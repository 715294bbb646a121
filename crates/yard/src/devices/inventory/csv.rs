//! Comma-separated values as RFC 4180 has them: cells in quotes may hold commas, quotes and line
//! ends.

/// A line's cells, and on which line of the file it begins.
pub(super) type Record = (usize, Vec<String>);

/// Reads a file; the number is that of a line whose quotes are not in order.
pub(super) fn read(text: &str) -> Result<Vec<Record>, usize> {
    let mut reader = Reader::default();
    let mut letters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if reader.quoted && letters.peek() == Some(&'"') => {
                letters.next();
                reader.cell.push('"');
            }
            '"' if reader.quoted => {
                reader.quoted = false;
                if !matches!(letters.peek(), None | Some(',' | '\r' | '\n')) {
                    return Err(reader.line());
                }
            }
            '"' if reader.cell.is_empty() => (reader.quoted, reader.was_quoted) = (true, true),
            '"' => return Err(reader.line()),
            ',' if !reader.quoted => reader.end_cell(),
            '\r' if !reader.quoted && letters.peek() == Some(&'\n') => {}
            '\n' => reader.end_line(),
            letter => reader.cell.push(letter),
        }
    }
    if reader.quoted {
        return Err(reader.line());
    }
    reader.end_line();
    Ok(reader.records)
}

#[derive(Default)]
struct Reader {
    records: Vec<Record>,
    /// Of the line that is being read.
    cells: Vec<String>,
    cell: String,
    quoted: bool,
    was_quoted: bool,
    /// Ends of lines so far.
    ended: usize,
    begun_at: usize,
}

impl Reader {
    const fn line(&self) -> usize {
        self.begun_at + 1
    }

    fn end_cell(&mut self) {
        self.cells.push(std::mem::take(&mut self.cell));
    }

    fn end_line(&mut self) {
        self.ended += 1;
        if self.quoted {
            self.cell.push('\n');
            return;
        }
        let empty = self.cells.is_empty() && self.cell.trim().is_empty() && !self.was_quoted;
        if empty {
            self.cell.clear();
        } else {
            self.end_cell();
            let record = (self.line(), std::mem::take(&mut self.cells));
            self.records.push(record);
        }
        (self.was_quoted, self.begun_at) = (false, self.ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(usize, Vec<&str>)> {
        let records = read(text).unwrap();
        let leak = |cell: String| &*Box::leak(cell.into_boxed_str());
        records.into_iter().map(|(line, all)| (line, all.into_iter().map(leak).collect())).collect()
    }

    #[test]
    fn cells_in_quotes_hold_commas_quotes_and_line_ends() {
        let text = "\u{feff}a,b\r\n\"x, \"\"y\"\"\",\"two\nlines\"\r\n\n  \n,\n\"\"\n=1+1,-2";
        let expected = [
            (1, vec!["a", "b"]),
            (2, vec!["x, \"y\"", "two\nlines"]),
            (6, vec!["", ""]),
            (7, vec![""]),
            (8, vec!["=1+1", "-2"]),
        ];
        assert_eq!(cells(text), expected);
        assert_eq!(cells(""), []);
    }

    #[test]
    fn quotes_out_of_order_are_told_with_their_line() {
        for (text, line) in
            [("a\nb\"c\"", 2), ("a\n\"b\"c\n", 2), ("a\n\n\"b\nc", 3), ("\"", 1), ("\"\"\"", 1)]
        {
            assert_eq!(read(text), Err(line), "{text:?}");
        }
    }
}

//! Rows as columns for people, or as JSON for programs.

use serde::Serialize;

use super::args::Output;

/// A row of a listing.
pub trait Row: Serialize {
    /// The names of its columns.
    const COLUMNS: &'static [&'static str];

    /// The text of each column.
    fn cells(&self) -> Vec<String>;
}

/// The rows as text, each line ended.
///
/// # Errors
/// Only when serialisation itself fails.
pub fn render<R: Row>(rows: &[R], output: Output) -> anyhow::Result<String> {
    match output {
        Output::Table => Ok(aligned(R::COLUMNS, rows.iter().map(Row::cells).collect())),
        Output::Json => {
            let mut text = String::new();
            for row in rows {
                text.push_str(&serde_json::to_string(row)?);
                text.push('\n');
            }
            Ok(text)
        }
    }
}

fn aligned(columns: &[&str], cells: Vec<Vec<String>>) -> String {
    let mut lines = vec![columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()];
    lines.extend(cells);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Pair(&'static str, u32);

    impl Row for Pair {
        const COLUMNS: &'static [&'static str] = &["NAME", "COUNT"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_string()]
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_json_is_a_line_each() {
        let rows = [Pair("a", 1), Pair("longer", 22)];
        assert_eq!(render(&rows, Output::Table).unwrap(), "NAME    COUNT\na       1\nlonger  22\n");
        assert_eq!(render(&rows, Output::Json).unwrap(), "[\"a\",1]\n[\"longer\",22]\n");
    }
}

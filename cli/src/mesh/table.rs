//! Tables as kubectl prints them.

use std::io::{self, Write};

/// Prints rows below a heading; `none` on standard error if there are none.
pub(super) fn print<const N: usize>(heading: [&str; N], rows: &[[String; N]], none: &str) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(io::stderr(), "{none}");
    }
    write!(io::stdout().lock(), "{}", text(heading, rows))
}

fn text<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(str::to_owned);
    let all = || std::iter::once(&heading).chain(rows);
    let mut widths = [0; N];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("   ").trim_end().to_owned() + "\n"
    };
    all().map(line).collect()
}

/// What stands where nothing is known.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["LineB".to_owned(), "Paired".to_owned()], ["Ä".to_owned(), or_dash(None::<String>)]];
        assert_eq!(text(["NAME", "TRUST"], &rows), "NAME    TRUST\nLineB   Paired\nÄ       -\n");
    }
}

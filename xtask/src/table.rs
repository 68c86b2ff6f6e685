//! Plain-text tables with aligned columns.

/// How a column's cells sit in it.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Lays out `rows` under `head`, each column as wide as its widest cell.
pub(crate) fn render(head: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(i, (title, _))| {
            let cells = rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count());
            cells.chain([title.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    let titles: Vec<String> = head.iter().map(|(title, _)| (*title).to_owned()).collect();
    push_row(&mut out, &titles, head, &widths);
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    push_row(&mut out, &rule, head, &widths);
    for row in rows {
        push_row(&mut out, row, head, &widths);
    }
    out
}

fn push_row(out: &mut String, cells: &[String], head: &[(&str, Align)], widths: &[usize]) {
    let mut line = String::new();
    for ((cell, (_, align)), width) in cells.iter().zip(head).zip(widths) {
        if !line.is_empty() {
            line.push_str("  ");
        }
        match align {
            Align::Left => line.push_str(&format!("{cell:<width$}")),
            Align::Right => line.push_str(&format!("{cell:>width$}")),
        }
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

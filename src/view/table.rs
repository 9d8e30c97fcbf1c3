//! Tables for people: columns aligned by the width that a terminal gives each
//! character, cut to its width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::view::clean::clean;

/// Between two columns.
const GAP: &str = "  ";
/// What a column that may shrink keeps at least.
const LEAST: usize = 8;

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text that may be cut where the table is too wide.
    Text,
    /// Text that is kept whole.
    Name,
    /// Numbers: to the right, kept whole.
    Number,
}

/// Rows under headings.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// No rows yet.
    #[must_use]
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, a cell a column. Whatever is unsafe in it is made visible.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|c| clean(&c).into_owned()).collect());
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Appends the table, at most `width` columns wide where there is a width.
    pub fn write(&self, out: &mut String, width: Option<usize>) {
        let widths = self.widths(width);
        let heads: Vec<&str> = self.columns.iter().map(|(h, _)| *h).collect();
        self.line(out, &heads, &widths, width);
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            self.line(out, &cells, &widths, width);
        }
    }

    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|(h, _)| h.width()).collect();
        for row in &self.rows {
            for (w, cell) in widths.iter_mut().zip(row) {
                *w = (*w).max(cell.width());
            }
        }
        let Some(limit) = width else { return widths };
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(limit);
        while over > 0 {
            // The widest gives first.
            let widest = (0..widths.len())
                .filter(|i| self.columns.get(*i).is_some_and(|(_, a)| *a == Align::Text))
                .filter(|i| widths.get(*i).is_some_and(|w| *w > LEAST))
                .max_by_key(|i| widths.get(*i).copied());
            let Some(w) = widest.and_then(|i| widths.get_mut(i)) else { break };
            *w -= 1;
            over -= 1;
        }
        widths
    }

    fn line(&self, out: &mut String, cells: &[&str], widths: &[usize], limit: Option<usize>) {
        let mut line = String::new();
        let last = cells.len().saturating_sub(1);
        for (i, ((cell, width), (_, align))) in
            cells.iter().zip(widths).zip(&self.columns).enumerate()
        {
            if i > 0 {
                line.push_str(GAP);
            }
            let cell = cut(cell, *width);
            let pad = width.saturating_sub(cell.width());
            if *align == Align::Number {
                line.extend(std::iter::repeat_n(' ', pad));
            }
            line.push_str(&cell);
            if *align != Align::Number && i < last {
                line.extend(std::iter::repeat_n(' ', pad));
            }
        }
        out.push_str(cut(line.trim_end(), limit.unwrap_or(usize::MAX)).as_ref());
        out.push('\n');
    }
}

/// The text in at most `width` columns; `…` stands for what is left out.
#[must_use]
pub fn cut(text: &str, width: usize) -> std::borrow::Cow<'_, str> {
    if text.width() <= width {
        return text.into();
    }
    let mut used = 0;
    let mut kept = String::new();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept.into()
}

/// A number with a comma between thousands: `1,234,567`.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 packet`, `2,000 packets`.
#[must_use]
pub fn counted(n: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut t = Table::new(&[("name", Align::Text), ("n", Align::Number), ("b", Align::Name)]);
        t.row(["日本語の道/very/long/path".into(), "7".into(), "x".into()]);
        t.row(["a\x1b[2Jb".into(), "1,000".into(), "yy".into()]);
        t
    }

    #[test]
    fn columns_stand_below_one_another() {
        let mut out = String::new();
        table().write(&mut out, None);
        assert_eq!(
            out,
            "name                           n  b\n\
             日本語の道/very/long/path      7  x\n\
             a\\x1b[2Jb                  1,000  yy\n"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [1, 5, 10, 20, 30, 40] {
            let mut out = String::new();
            table().write(&mut out, Some(width));
            assert!(out.lines().all(|l| l.width() <= width), "{width}: {out}");
        }
        let mut out = String::new();
        table().write(&mut out, Some(24));
        assert!(out.contains("1,000  yy"), "numbers are kept: {out}");
        assert!(out.contains("日本語の道/v…  "), "{out}");
    }

    #[test]
    fn wide_characters_are_not_halved() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("ab", 0), "");
    }

    #[test]
    fn thousands_have_commas() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(n), text);
        }
        assert_eq!(counted(1, "packet"), "1 packet");
        assert_eq!(counted(0, "packet"), "0 packets");
    }
}

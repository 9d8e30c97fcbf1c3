//! What is wrong with a filter, and where.

use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The bytes of the text that are at fault; empty at its end.
    pub at: Range<usize>,
    /// What is wrong and what would be right, in one line.
    pub what: String,
}

impl Mistake {
    pub(super) fn new(at: Range<usize>, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }

    /// The column of the first character at fault, counted from 1.
    #[must_use]
    pub fn column(&self, text: &str) -> usize {
        text.char_indices().take_while(|(i, _)| *i < self.at.start).count() + 1
    }

    /// The text with the place marked below it, then what is wrong: three lines.
    #[must_use]
    pub fn picture(&self, text: &str) -> String {
        let (mut line, mut before, mut marked) = (String::new(), 0, 0);
        for (i, c) in text.char_indices() {
            // What does not take one line of its own width would move the mark.
            let c = if c.is_control() || c.width().is_none() { '\u{fffd}' } else { c };
            let width = c.width().unwrap_or(1);
            line.push(c);
            if i < self.at.start {
                before += width;
            } else if i < self.at.end {
                marked += width;
            }
        }
        format!("{line}\n{}{}\n{}", " ".repeat(before), "^".repeat(marked.max(1)), self.what)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Mistake {}

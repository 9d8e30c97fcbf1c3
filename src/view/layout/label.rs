//! Labels and values of fields, in so many columns.

use unicode_width::UnicodeWidthStr;

use crate::field::{Node, Value};

/// Lines of a label at most.
const LABEL_LINES: usize = 3;

/// The label as it is known in the terminal and the picture: ASCII.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}

/// A label of one column's width, written downwards: `FIN`, `RSV1`, `MF`.
#[must_use]
pub fn short(label: &str) -> String {
    let label = ascii(label);
    if label.starts_with("Reserved") || label.starts_with("Unused") {
        return "R".to_owned();
    }
    let words: Vec<&str> =
        label.split([' ', '-', ',']).filter(|w| !w.is_empty() && !w.starts_with('(')).collect();
    match words.as_slice() {
        [] => "?".to_owned(),
        [one] if one.len() <= 4 => one.to_uppercase(),
        [one] => one.chars().take(3).collect::<String>().to_uppercase(),
        many => many.iter().filter_map(|w| w.chars().next()).collect::<String>().to_uppercase(),
    }
}

/// The label without what it says in brackets at its end: `(64 bits)` can be seen.
pub(super) fn label_of(node: &Node) -> String {
    let label = ascii(node.name.as_deref().unwrap_or(node.spec.label));
    match label.strip_suffix(')').and_then(|l| l.rsplit_once(" (")) {
        Some((before, _)) if !before.is_empty() => before.to_owned(),
        _ => label,
    }
}

/// Label and value in so many columns.
pub(super) fn label_lines(
    node: &Node,
    inside: usize,
    value: &dyn Fn(&Node) -> Vec<String>,
) -> Vec<String> {
    let label = label_of(node);
    if inside < 3 {
        return short(&label).chars().map(String::from).collect();
    }
    let values: Vec<String> = match node.value {
        Value::Bool(_) => Vec::new(),
        _ => value(node).into_iter().map(|v| ascii(&v)).filter(|v| !v.is_empty()).collect(),
    };
    // A full wording on a line of its own before a short one beside the label.
    let beside = |v: &&String| label.width() + 3 + v.width() <= inside;
    let wordings: &[String] = match values.first() {
        Some(full) if label.width() <= inside && full.width() <= inside => {
            values.get(..1).unwrap_or_default()
        }
        _ => &values,
    };
    if let Some(v) = wordings.iter().find(beside) {
        return vec![format!("{label} = {v}")];
    }
    let mut lines = wrap(&label, inside);
    lines.extend(values.into_iter().find(|v| v.width() <= inside));
    lines
}

pub(super) fn continued(node: &Node, inside: usize) -> Vec<String> {
    let label = label_of(node);
    [format!("{label} (continued)"), "(continued)".to_owned(), "(cont.)".to_owned()]
        .into_iter()
        .find(|t| t.width() <= inside)
        .into_iter()
        .collect()
}

/// The label in lines of so many columns, shortened where it must be.
fn wrap(label: &str, inside: usize) -> Vec<String> {
    if label.split(' ').any(|w| w.width() > inside) {
        let word = if label.starts_with("Reserved") && inside >= 4 {
            "Rsvd".to_owned()
        } else {
            let first = label.split(' ').next().unwrap_or_default();
            match first.get(..inside) {
                Some(cut) if inside >= 5 => cut.to_owned(),
                _ => short(label),
            }
        };
        return vec![word.chars().take(inside).collect()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in label.split(' ') {
        match lines.last_mut() {
            Some(l) if l.width() + 1 + word.width() <= inside => {
                l.push(' ');
                l.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.truncate(LABEL_LINES);
    lines
}

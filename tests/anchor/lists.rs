//! The two lists: values that differ, and names that only one side has. Lines are
//! cells between ` | `; `#` begins a remark.

use std::path::Path;

/// How much of a long value stands on the list and in a message.
const SHOWN: usize = 90;

/// A value, cut so that it fits a line.
pub(crate) fn short(value: &str) -> String {
    let value = value.replace(['\n', '|'], " ");
    if value.chars().count() <= SHOWN {
        return value;
    }
    let head: String = value.chars().take(SHOWN).collect();
    format!("{head}…")
}

fn lines(path: &Path, cells: usize) -> Vec<Vec<String>> {
    std::fs::read_to_string(path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        .lines()
        .filter(|l| !l.trim().is_empty() && !l.starts_with('#'))
        .map(|l| {
            let cells_of: Vec<String> = l.split(" | ").map(|c| c.trim().to_owned()).collect();
            assert_eq!(cells_of.len(), cells, "{}: `{l}` has not {cells} cells", path.display());
            assert!(!cells_of[cells - 1].is_empty(), "{}: `{l}` has no reason", path.display());
            cells_of
        })
        .collect()
}

/// `*` is anything, `abc*` what begins so.
fn fits(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |p| text.starts_with(p))
}

/// Values that differ: fixture, field, ours, theirs, why.
pub(crate) struct Differences(Vec<(Vec<String>, bool)>);

impl Differences {
    pub(crate) fn read(path: &Path) -> Self {
        Self(lines(path, 5).into_iter().map(|l| (l, false)).collect())
    }

    pub(crate) fn allows(&mut self, fixture: &str, field: &str, ours: &str, theirs: &str) -> bool {
        let (ours, theirs) = (short(ours), short(theirs));
        let found = [fixture, field, &ours, &theirs];
        let entry = self.0.iter_mut().find(|(l, _)| l.iter().zip(found).all(|(p, t)| fits(p, t)));
        entry.is_some_and(|(_, used)| {
            *used = true;
            true
        })
    }

    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|(_, used)| !used);
        unused.map(|(l, _)| format!("no longer so: {}", l.join(" | "))).collect()
    }
}

/// Names that one side has alone: whose, name, why.
pub(crate) struct OneSided(Vec<(Vec<String>, bool)>);

impl OneSided {
    pub(crate) fn read(path: &Path) -> Self {
        Self(lines(path, 3).into_iter().map(|l| (l, false)).collect())
    }

    pub(crate) fn allows(&mut self, whose: &str, name: &str) -> bool {
        let entry = self.0.iter_mut().find(|(l, _)| l[0] == whose && fits(&l[1], name));
        entry.is_some_and(|(_, used)| {
            *used = true;
            true
        })
    }

    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|(_, used)| !used);
        unused.map(|(l, _)| format!("one-sided.txt: no longer so: {}", l.join(" | "))).collect()
    }
}

//! `live -D`: the interfaces that there are.

use std::fmt::Write as _;

use crate::capture::live::interfaces::Interface;
use crate::capture::live::{ANY, LOOPBACK};
use crate::view::clean::clean;

/// One line an interface, in that order, and one for all of them where they can be had at
/// once.
pub(super) fn text(all: &[Interface], any: bool) -> String {
    let width = all.iter().map(|i| i.name.chars().count()).max().unwrap_or(0).max(ANY.len());
    let mut out = String::new();
    for i in all {
        let mut state = vec![if i.up { "up" } else { "down" }];
        if i.up && !i.running {
            state.push("no carrier");
        }
        if i.loopback {
            state.push("loopback");
        }
        let mut line = format!("{:>3}  {:width$}  {}", i.index, clean(&i.name), state.join(", "));
        for (n, a) in i.addresses.iter().enumerate() {
            let _ = write!(line, "{}{a}", if n == 0 { "  " } else { " " });
        }
        if i.name == LOOPBACK {
            line.push_str("  (unless told otherwise)");
        }
        out.push_str(&line);
        out.push('\n');
    }
    if any {
        let _ = writeln!(out, "{:>3}  {ANY:width$}  all of them, each packet once", 0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_line_and_any_is_the_last() {
        let lo = Interface {
            index: 1,
            name: "lo".into(),
            hardware: 772,
            addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            up: true,
            running: true,
            loopback: true,
        };
        let eth = Interface {
            index: 12,
            name: "eth\u{1b}0".into(),
            addresses: Vec::new(),
            running: false,
            loopback: false,
            ..lo.clone()
        };
        assert!(!text(std::slice::from_ref(&lo), false).contains("any"));
        let text = text(&[lo, eth], true);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("  1  lo"), "{text}");
        assert!(lines[0].contains("up, loopback  127.0.0.1 ::1"), "{text}");
        assert!(lines[1].contains("up, no carrier") && !text.contains('\u{1b}'), "{text}");
        assert!(lines[2].contains("any") && lines.len() == 3, "{text}");
    }
}

//! `framescope man`: manual pages, one a command, from the clap definition.
//!
//! What stands behind the options of `--help` is cut into sections by its headings
//! (`Examples:`), and kept line by line: examples are columns.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use clap_mangen::Man;

use crate::cli::Failure;

const HELP: &str = "\
Examples:
  framescope man | man -l -                    read the page of framescope
  framescope man print | man -l -              that of a command
  framescope man --out ~/.local/share/man/man1
                                               all of them, where man finds them";

/// `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// The command whose page is written; without one it is that of framescope.
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    command: Option<String>,
    /// Write all pages into this folder: framescope.1, framescope-print.1, and so on. It is
    /// made where there is none.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Exit status where `--help` says nothing of it.
const STATUS: &str = "\
  0    done, also after Ctrl-C where a pipe is read, and when the reader of the output has gone
  2    the command line or the input is at fault, or the output cannot be written
  130  Ctrl-C before the end of a file: what is shown is of the packets until then";

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut top = crate::cli::command().disable_help_subcommand(true);
    top.build();
    if let Some(dir) = &args.out {
        return all(&top, dir);
    }
    let Some(name) = &args.command else {
        return Ok(std::io::stdout().write_all(&page(&top, &top)?)?);
    };
    let Some(command) = top.find_subcommand(name) else {
        let all: Vec<&str> = top.get_subcommands().map(Command::get_name).collect();
        return Err(Failure::Input(format!(
            "there is no command `{name}`; there are {}",
            all.join(", ")
        )));
    };
    Ok(std::io::stdout().write_all(&page(command, &top)?)?)
}

/// Writes all pages.
fn all(top: &Command, dir: &Path) -> Result<(), Failure> {
    let wrong = |path: &Path, e: &std::io::Error| {
        Failure::Input(format!("--out {}: cannot be written: {e}", path.display()))
    };
    std::fs::create_dir_all(dir).map_err(|e| wrong(dir, &e))?;
    let mut names = Vec::new();
    for command in std::iter::once(top).chain(top.get_subcommands()) {
        let file = dir.join(format!("{}.1", title(command)));
        std::fs::write(&file, page(command, top)?).map_err(|e| wrong(&file, &e))?;
        names.push(file.display().to_string());
    }
    let mut out = std::io::stdout().lock();
    for n in names {
        writeln!(out, "{}", crate::view::clean::clean(&n))?;
    }
    Ok(())
}

/// `framescope-print`.
fn title(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// One page in roff.
fn page(command: &Command, top: &Command) -> Result<Vec<u8>, Failure> {
    let name = title(command).to_owned();
    let help = command.get_after_long_help().or_else(|| command.get_after_help());
    let sections = sections(&help.map(ToString::to_string).unwrap_or_default());
    let man = Man::new(command.clone().display_name(&name))
        .title(&name)
        .source(format!("framescope {}", env!("CARGO_PKG_VERSION")))
        .manual("framescope manual");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    synopsis(&mut out, command)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut out)?;
    }
    let is = |s: &&Section, names: &[&str]| names.contains(&s.heading.as_str());
    let last = ["EXIT STATUS", "EXAMPLES"];
    for s in sections.iter().filter(|s| !is(s, &last)) {
        section(&mut out, &s.heading, &s.lines)?;
    }
    match sections.iter().find(|s| is(s, &["EXIT STATUS"])) {
        Some(s) => section(&mut out, &s.heading, &s.lines)?,
        None => {
            let lines: Vec<String> = STATUS.lines().map(str::to_owned).collect();
            section(&mut out, "EXIT STATUS", &lines)?;
        }
    }
    for s in sections.iter().filter(|s| is(s, &["EXAMPLES"])) {
        section(&mut out, &s.heading, &s.lines)?;
    }
    let mut also: Vec<String> = std::iter::once(top)
        .chain(top.get_subcommands())
        .map(|c| title(c).to_owned())
        .filter(|n| *n != name)
        .map(|n| format!("{n}(1)"))
        .collect();
    also.extend(["tcpdump(1)", "tshark(1)", "pcap-filter(7)"].map(str::to_owned));
    writeln!(out, ".SH \"SEE ALSO\"\n{}", escaped(&also.join(", ")))?;
    Ok(out)
}

/// The synopsis, each option with its value.
fn synopsis(out: &mut Vec<u8>, command: &Command) -> std::io::Result<()> {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut text = format!("\\fB{}\\fR", escaped(name));
    let values = |a: &Arg| {
        let names = a.get_value_names().unwrap_or_default();
        let names: Vec<_> = names.iter().map(|n| format!("\\fI{}\\fR", escaped(n))).collect();
        names.join(" ")
    };
    for a in command.get_arguments().filter(|a| !a.is_positional() && !a.is_hide_set()) {
        let short = a.get_short().map(|c| format!("\\fB\\-{c}\\fR"));
        let long = a.get_long().map(|l| format!("\\fB\\-\\-{}\\fR", escaped(l)));
        let mut one: String = short.into_iter().chain(long).collect::<Vec<_>>().join("|");
        if a.get_action().takes_values() {
            one = format!("{one} {}", values(a));
        }
        text.push_str(&if a.is_required_set() { format!(" {one}") } else { format!(" [{one}]") });
    }
    for a in command.get_positionals().filter(|a| !a.is_hide_set()) {
        let more = if matches!(a.get_action(), ArgAction::Append) { " ..." } else { "" };
        text.push_str(&match a.is_required_set() {
            true => format!(" {}{more}", values(a)),
            false => format!(" [{}{more}]", values(a)),
        });
    }
    writeln!(out, ".SH SYNOPSIS\n{text}")?;
    if command.has_subcommands() {
        writeln!(out, ".PP\n\\fB{}\\fR \\fIcommand\\fR ...", escaped(name))?;
    }
    Ok(())
}

/// A part of the help with its heading, in capitals.
#[derive(Debug, PartialEq)]
struct Section {
    heading: String,
    lines: Vec<String>,
}

/// Cuts the help behind the options at its headings: a line that ends in a colon with
/// indented lines below it, or `Exit status: …`.
fn sections(help: &str) -> Vec<Section> {
    let mut all: Vec<Section> = Vec::new();
    let mut blank = true;
    for line in help.lines() {
        let begins = blank && !line.starts_with(' ');
        blank = line.trim().is_empty();
        if begins && let Some((heading, rest)) = line.split_once(':').filter(|(h, _)| is_heading(h))
        {
            let heading = heading.to_uppercase();
            let lines = Some(rest.trim().to_owned()).filter(|r| !r.is_empty());
            all.push(Section { heading, lines: lines.into_iter().collect() });
            continue;
        }
        // What follows a block of examples in no heading's name is of no example.
        let stray = begins && !blank && all.last().is_some_and(|s| s.heading == "EXAMPLES");
        if all.is_empty() && !blank || stray {
            all.push(Section { heading: "NOTES".into(), lines: Vec::new() });
        }
        if let Some(s) = all.last_mut() {
            s.lines.push(line.to_owned());
        }
    }
    all
}

/// A short one in letters.
fn is_heading(text: &str) -> bool {
    text.len() < 60
        && text.starts_with(char::is_uppercase)
        && text.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | ','))
}

/// Writes a section line by line.
fn section(out: &mut Vec<u8>, heading: &str, lines: &[String]) -> std::io::Result<()> {
    writeln!(out, ".SH \"{}\"\n.nf", escaped(heading))?;
    let end = lines.iter().rposition(|l| !l.trim().is_empty()).map_or(0, |n| n + 1);
    for line in lines.iter().take(end) {
        writeln!(out, "{}", escaped(line))?;
    }
    writeln!(out, ".fi")
}

/// A line of roff that shows this text.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let text = text.replace('`', "\\(ga").replace('"', "\\(dq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_cut_at_its_headings() {
        let found = sections(
            "Words, first:\n  a\n\nMore of it.\n\nExamples:\n  x\n\nAfter.\n\nExit status: 0 done;\n2 not.",
        );
        let shown: Vec<_> = found.iter().map(|s| (s.heading.as_str(), s.lines.join("|"))).collect();
        assert_eq!(
            shown,
            [
                ("WORDS, FIRST", "  a||More of it.|".into()),
                ("EXAMPLES", "  x|".into()),
                ("NOTES", "After.|".into()),
                ("EXIT STATUS", "0 done;|2 not.".to_owned()),
            ]
        );
        assert!(sections("").is_empty());
    }

    #[test]
    fn roff_shows_what_was_written() {
        assert_eq!(escaped(".a 'b' -c \\"), "\\&.a \\(aqb\\(aq \\-c \\e");
    }
}

//! What to say to somebody who has lost the way: an option of another command, a command
//! that is mistyped.

use std::path::{Path, PathBuf};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use crate::index::filter::names::near;

/// Words that somebody uses who looks for colours.
const COLOURS: [&str; 5] = ["--color", "--colour", "--colors", "--no-color", "--no-colour"];

/// Puts a better tip into an error of the command line `words`, where there is one: whose an
/// option is that this command does not have.
pub(super) fn advise(error: &mut clap::Error, top: &Command, words: &[String]) {
    if error.kind() != ErrorKind::UnknownArgument {
        return;
    }
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return };
    let option = option.split('=').next().unwrap_or(option).to_owned();
    let here = words.get(1).and_then(|w| top.find_subcommand(w)).map(Command::get_name);
    let Some(tip) = tip(&option, top, here) else { return };
    // The likes of "to pass '-Y' as a value, use '-- -Y'".
    error.remove(ContextKind::SuggestedArg);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
}

fn tip(option: &str, top: &Command, here: Option<&str>) -> Option<String> {
    if COLOURS.contains(&option) {
        return Some("colours are for a terminal alone; NO_COLOR=1 leaves them out".to_owned());
    }
    let owners: Vec<&str> = top
        .get_subcommands()
        .filter(|c| Some(c.get_name()) != here && c.get_arguments().any(|a| is(a, option)))
        .map(Command::get_name)
        .collect();
    let (first, all) = match owners.as_slice() {
        [] => return None,
        [one] => (one, (*one).to_owned()),
        [first, rest @ .., last] => (first, format!("{}{} and {last}", first, list(rest))),
    };
    Some(format!("'{option}' belongs to {all}: framescope {first} {option} …"))
}

fn list(names: &[&str]) -> String {
    names.iter().map(|n| format!(", {n}")).collect()
}

/// Whether it is written so: `-Y`, `--filter`.
fn is(arg: &Arg, option: &str) -> bool {
    match option.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => {
            let mut letters = option.trim_start_matches('-').chars();
            let letter = letters.next();
            letter.is_some() && arg.get_short() == letter && letters.next().is_none()
        }
    }
}

/// What to say where the first capture is no file but looks like a command: `prnt`.
pub(super) fn no_such_command(paths: &[PathBuf], top: &Command) -> Option<String> {
    let path = paths.first()?;
    let word = path.to_str()?;
    // Captures have an ending, or lie in a folder.
    if word.contains(['.', '/']) || word == "-" || Path::new(word).exists() {
        return None;
    }
    let names = top.get_subcommands().map(Command::get_name).chain(["help"]);
    let found = near(word, names);
    Some(match found.as_slice() {
        [] => format!("{word}: there is no such file or command; `framescope help` lists these"),
        some => {
            format!("{word}: there is no such file or command; did you mean {}?", some.join(" or "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_led_to_their_commands() {
        let top = crate::cli::command();
        let tip = |option, here| tip(option, &top, here).unwrap_or_default();
        assert!(tip("-Y", None).starts_with("'-Y' belongs to print, slice"), "{}", tip("-Y", None));
        assert!(tip("--calls", Some("print")).ends_with("stats: framescope stats --calls …"));
        assert!(tip("-w", Some("print")).starts_with("'-w' belongs to slice"));
        assert!(tip("--colour", Some("print")).contains("NO_COLOR"));
        assert_eq!(tip("--nonsense", None), "");
        assert_eq!(tip("--calls", Some("stats")), "");
    }

    #[test]
    fn commands_that_are_mistyped() {
        let top = crate::cli::command();
        let say = |word: &str| no_such_command(&[PathBuf::from(word)], &top).unwrap_or_default();
        assert!(say("prnt").ends_with("did you mean print?"), "{}", say("prnt"));
        assert!(say("slcie").ends_with("did you mean slice?"));
        assert!(say("frobnicate").contains("no such file or command; `framescope help`"));
        for file in ["a.pcap", "captures/today", "-", "src"] {
            assert_eq!(say(file), "", "{file}");
        }
    }
}

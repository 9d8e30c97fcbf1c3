//! What of the events is shown: the filter (`-Y`) and the columns (`-e`), checked
//! before anything is read.

use crate::cli::Failure;
use crate::cli::args::{Format, Print, Time};
use crate::event::Level;
use crate::index::filter::Filter;
use crate::view::columns::{Columns, Form, USUAL};

/// Reads a filter; a mistake is shown with its place.
pub(super) fn filter(text: Option<&str>) -> Result<Option<Filter>, Failure> {
    let Some(text) = text else { return Ok(None) };
    Filter::parse(text)
        .map(Some)
        .map_err(|m| Failure::Argument("the filter (-Y) cannot be read", m.picture(text)))
}

/// The columns, where the format has some.
pub(super) fn columns(args: &Print) -> Result<Option<Columns>, Failure> {
    let refuse = |what: &str| Err(Failure::Input(what.into()));
    let form = match args.format {
        Format::Csv => Form::Csv,
        Format::Tsv => Form::Tsv,
        Format::Text if !args.chosen.fields.is_empty() => Form::Tsv,
        Format::Json if !args.chosen.fields.is_empty() => {
            return refuse("-e chooses columns of tsv and csv; JSON has all fields");
        }
        Format::Text | Format::Json if args.chosen.no_header => {
            return refuse("--no-header is for tsv and csv; text and JSON have no header");
        }
        Format::Text => return Ok(None),
        Format::Json if args.chosen.bytes => {
            return refuse("-x shows bytes under lines of text; JSON has them in `payload`");
        }
        Format::Json => return Ok(None),
    };
    if args.chosen.bytes {
        return refuse("-x shows bytes under lines of text, which columns are not");
    }
    let time = match args.time {
        Time::Absolute => "time",
        Time::Relative => "time_relative",
        Time::Delta => "time_delta",
    };
    let usual = std::iter::once(time).chain(USUAL.into_iter().filter(|n| match *n {
        // Packets have no other number; a finding has no kind.
        "event" => args.level() != Level::Packet,
        "kind" => args.level() != Level::Finding,
        _ => true,
    }));
    let names: Vec<&str> = if args.chosen.fields.is_empty() {
        let found = args.level() == Level::Finding;
        usual.chain(["finding", "severity"].into_iter().filter(|_| found)).collect()
    } else {
        args.chosen.fields.iter().map(|f| f.trim()).collect()
    };
    match Columns::new(form, names) {
        Ok(c) => Ok(Some(c)),
        Err((text, m)) => {
            Err(Failure::Argument("the columns (-e) cannot be read", m.picture(text)))
        }
    }
}

//! The reference pages `docs/FIELDS.md` and `docs/FINDINGS.md`, from the static
//! tables: what the program can say is listed from where it says it.

use std::fmt::Write;

use crate::field::{FieldSpec, Kind};
use crate::finding::FindingSpec;
use crate::index::filter::names::COMMON;
use crate::proto::REGISTRY;
use crate::{capture, engine, flow, link};

/// Fields that several protocols state, with the same meaning in each.
pub const SHARED: [&str; 1] = ["duration_ns"];

/// A part of the program with the tables that it states.
pub struct Section {
    /// The name that events give: `websocket`; of layers, their module's.
    pub name: &'static str,
    /// For people: `WebSocket`.
    pub label: &'static str,
    /// Its fields, in the order of the tables.
    pub fields: Vec<&'static FieldSpec>,
    /// Its findings, in the order of the tables.
    pub findings: Vec<&'static FindingSpec>,
}

/// All parts, from the capture file up.
#[must_use]
pub fn sections() -> Vec<Section> {
    let part = |name, label, fields: &[&'static FieldSpec], findings: &[&'static FindingSpec]| {
        Section { name, label, fields: fields.to_vec(), findings: findings.to_vec() }
    };
    let mut all = vec![
        part("capture", "Capture files", &[], capture::findings::FINDINGS),
        part(
            "link",
            "Link layers, IP, and the heads of TCP and UDP",
            link::fields::FIELDS,
            link::findings::FINDINGS,
        ),
        part("flow", "TCP streams", flow::fields::FIELDS, flow::findings::FINDINGS),
        part("engine", "Conversations", engine::fields::FIELDS, engine::findings::FINDINGS),
    ];
    all.extend(REGISTRY.iter().map(|p| Section {
        name: p.name,
        label: p.label,
        fields: p.fields.concat(),
        findings: p.findings.to_vec(),
    }));
    all
}

/// `docs/FIELDS.md`.
#[must_use]
pub fn fields() -> String {
    let mut out = String::from(
        "# Fields\n\n\
         Generated from the tables in the sources by `tests/docs.rs`; do not edit.\n\n\
         These are the names in the field tree and in `fields` of the JSON ([JSON.md](JSON.md)).\n\
         A name is Wireshark's where Wireshark has the field. *Bits* is the width on the wire\n\
         where it is fixed. *In JSON* is the type there: `number` of an enumerated field, and\n\
         `hex` for bytes in lower-case hexadecimal; `[]` marks a field that may come several\n\
         times in one event and is always an array. Any other is an array only where it comes\n\
         again all the same: the headers of a tunnel, a header field sent twice. A group has no\n\
         value of its own and is in the tree alone; data is the event's `payload`. `duration_ns`\n\
         is stated by everything that has exchanges; every other name stands once.\n",
    );
    for s in sections().iter().filter(|s| !s.fields.is_empty()) {
        let _ = write!(
            out,
            "\n## {}\n\n| field | bits | in JSON | meaning | source |\n| --- | --: | --- | --- | --- |\n",
            s.label
        );
        for f in &s.fields {
            let bits = if f.bits == 0 { String::new() } else { f.bits.to_string() };
            let _ = writeln!(
                out,
                "| `{}` | {bits} | {}{} | **{}.** {} | {} |",
                f.name,
                if f.header { "string" } else { in_json(f.kind) },
                if f.repeated { " []" } else { "" },
                cell(f.label),
                cell(f.meaning),
                cell(f.section),
            );
        }
    }
    out.push_str(
        "\n## Every event\n\n\
         Filters and columns ([FILTERS.md](FILTERS.md)) know these besides; JSON has most of them as keys\n\
         of the event.\n\n| name | meaning |\n| --- | --- |\n",
    );
    for c in COMMON {
        let _ = writeln!(out, "| `{}` | {} |", c.name, cell(c.meaning));
    }
    out
}

/// `docs/FINDINGS.md`.
#[must_use]
pub fn findings() -> String {
    let mut out = String::from(
        "# Findings\n\n\
         Generated from the tables in the sources by `tests/docs.rs`; do not edit.\n\n\
         A finding says that something is wrong, odd or cut off. Codes are stable: a code is\n\
         never given another meaning. `framescope print --level finding` shows each with its\n\
         packets; events carry the codes of theirs.\n\n\
         A source of `framescope` is none but this program: its limits, and what it cannot do.\n\n\
         *note*: worth knowing, nothing is wrong. *warning*: unusual, or risky. *error*: against\n\
         the specification, or lost.\n",
    );
    for s in sections().iter().filter(|s| !s.findings.is_empty()) {
        let _ = write!(
            out,
            "\n## {}\n\n| code | severity | meaning | source |\n| --- | --- | --- | --- |\n",
            s.label
        );
        for f in &s.findings {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} |",
                f.code,
                f.severity,
                cell(f.meaning),
                cell(f.reference)
            );
        }
    }
    out
}

/// The type of a field's value in JSON.
const fn in_json(kind: Kind) -> &'static str {
    match kind {
        Kind::Flag => "boolean",
        Kind::Unsigned | Kind::Signed | Kind::Float | Kind::Enumerated => "number",
        Kind::Bytes => "hex",
        Kind::Text | Kind::Address => "string",
        Kind::Duration => "number (ns)",
        Kind::Group => "(group)",
        Kind::Data => "(data)",
    }
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A sentence, or several: begins with a capital or what cannot have one,
    /// ends with a full stop, stands on one line.
    fn is_sentence(text: &str) -> bool {
        text.ends_with('.') && !text.contains('\n') && !text.contains("  ")
    }

    /// What is stated more than once, and where.
    fn twice<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
        let mut seen: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, section) in all {
            seen.entry(name).or_default().push(section);
        }
        assert!(seen.len() > 100, "only {} were found", seen.len());
        seen.into_iter().filter(|(_, s)| s.len() > 1).map(|(n, s)| format!("{n}: {s:?}")).collect()
    }

    #[test]
    fn every_finding_has_one_code_a_reference_and_a_sentence() {
        let all = sections();
        let codes = all.iter().flat_map(|s| s.findings.iter().map(|f| (f.code, s.name)));
        assert_eq!(twice(codes), Vec::<String>::new(), "codes that are stated twice");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        let bad: Vec<_> = all
            .iter()
            .flat_map(|s| &s.findings)
            .filter(|f| {
                !(f.code.contains('.')
                    && f.code.chars().all(plain)
                    && !["", "-"].contains(&f.reference)
                    && is_sentence(f.meaning))
            })
            .collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }

    #[test]
    fn every_field_has_one_name_a_section_and_a_sentence() {
        let all = sections();
        let names = all.iter().flat_map(|s| s.fields.iter().map(|f| (f.name, s.name)));
        let shared = SHARED.map(|n| format!("{n}: "));
        let others: Vec<_> =
            twice(names).into_iter().filter(|t| !shared.iter().any(|s| t.starts_with(s))).collect();
        assert_eq!(others, Vec::<String>::new(), "names that are stated twice");
        let bad: Vec<_> = all
            .iter()
            .flat_map(|s| &s.fields)
            .filter(|f| {
                ["", "-"].contains(&f.section) || f.label.is_empty() || !is_sentence(f.meaning)
            })
            .map(|f| (f.name, f.section, f.label, f.meaning))
            .collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

//! Findings: what is wrong, odd or cut off, with its proof and its source.
//!
//! Codes are stable: `websocket.client-unmasked`. Each is a static
//! [`FindingSpec`] beside the code that raises it; `docs/FINDINGS.md` is
//! generated from them.

use std::fmt;

use crate::base::{PacketId, Span};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Unusual, or risky.
    Warning,
    /// Against the specification, or lost.
    Error,
}

impl Severity {
    /// As printed, and as `--fail-on` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a finding is, in general.
#[derive(Debug)]
pub struct FindingSpec {
    /// The stable code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The section that it stands on: `RFC 6455 §5.1`; `framescope` where that is
    /// this program itself.
    pub reference: &'static str,
    /// One sentence: what it means.
    pub meaning: &'static str,
}

impl FindingSpec {
    /// A note.
    #[must_use]
    pub const fn note(code: &'static str, reference: &'static str, meaning: &'static str) -> Self {
        Self { code, severity: Severity::Note, reference, meaning }
    }

    /// A warning.
    #[must_use]
    pub const fn warning(
        code: &'static str,
        reference: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { code, severity: Severity::Warning, reference, meaning }
    }

    /// An error.
    #[must_use]
    pub const fn error(code: &'static str, reference: &'static str, meaning: &'static str) -> Self {
        Self { code, severity: Severity::Error, reference, meaning }
    }
}

/// A finding in a capture.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it is.
    pub spec: &'static FindingSpec,
    /// What is particular to this one: the numbers.
    pub detail: Option<Box<str>>,
    /// Where it shows, in the buffers of its event.
    pub span: Option<Span>,
    /// The packets that prove it, in the order of what they prove; empty where they
    /// are those of its event.
    pub proof: Vec<PacketId>,
}

impl Finding {
    /// A finding with nothing particular to say.
    #[must_use]
    pub const fn new(spec: &'static FindingSpec) -> Self {
        Self { spec, detail: None, span: None, proof: Vec::new() }
    }

    /// The same, with particulars.
    #[must_use]
    pub fn with(self, detail: impl Into<Box<str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The same, with its place.
    #[must_use]
    pub fn at(self, span: Span) -> Self {
        Self { span: Some(span), ..self }
    }

    /// The same, with the packets that prove it.
    #[must_use]
    pub fn proved_by(self, proof: impl Into<Vec<PacketId>>) -> Self {
        Self { proof: proof.into(), ..self }
    }
}

/// The packets that prove it are no part of what it says.
impl PartialEq for Finding {
    fn eq(&self, other: &Self) -> bool {
        self.spec.code == other.spec.code && self.detail == other.detail && self.span == other.span
    }
}

impl From<&'static FindingSpec> for Finding {
    fn from(spec: &'static FindingSpec) -> Self {
        Self::new(spec)
    }
}

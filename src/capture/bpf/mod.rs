//! Capture filters: the language of `tcpdump` and pcap-filter(7), compiled here and
//! evaluated on captured bytes.
//!
//! [`compile`] reads an expression; [`Filter::matches`] says whether a packet
//! passes; [`Filtered`] lets only those packets of a source through that do.
//!
//! What is tested is what libpcap's own code would test of the same link type, in
//! the same order: a few fields at fixed places, so that `tcp port 80` finds no
//! later fragment, nothing in tunnels, and no TCP behind IPv6 extension headers.
//! `tcp[0] + 1 = 5` asks first whether the packet is TCP, `1 + tcp[0] = 5` does not.
//! What is not known here is an error that names the word and its column.
//!
//! Known: `and or not` with their signs and parentheses; `host net port portrange
//! src dst` and `proto` behind `ether ip ip6 arp rarp tcp udp sctp`; the protocols
//! alone, with `icmp icmp6 igmp pim ah esp`; `vlan`, `broadcast`, `multicast`,
//! `less`, `greater`; comparisons of `len`, of bytes such as `tcp[13]` or
//! `ip[6:2]`, and of sums of them.
//!
//! What is not known is left to libpcap ([`compile_all`]), where that is installed.
//!
//! Differences from libpcap, on purpose:
//! - Host names are not looked up, and services are those of a table of ours.
//! - `ip broadcast` is an error, since a file does not say the network's mask.
//! - `%` and `^` are errors: libpcap takes them without a rank among the operators.
//! - More parentheses are allowed round values: `port 80 or ((443 or 22) and 25)`.
//! - BSD loopback: the family is taken in either byte order.
//! - Nothing is optimised, as under `tcpdump -O`: a packet that ends before what is
//!   asked of it never matches. libpcap's optimiser leaves out what cannot change the
//!   outcome of a packet that is long enough, and so lets some short ones through.

mod ast;
#[cfg(all(feature = "live", unix))]
mod foreign;
mod generate;
#[cfg(all(feature = "live", unix))]
pub(in crate::capture) mod libpcap;
mod names;
mod parse;
mod program;
mod source;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;
use std::sync::Arc;

use crate::base::limits::MAX_FILTER_BYTES;
use ast::Expr;
use generate::{Fault, LINK_TYPES, generate};
use program::{Check, Packet};

pub use source::Filtered;

/// Why an expression is no filter. Shown with the expression and a caret under the
/// column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpfError {
    /// What is wrong, in one line.
    pub message: String,
    /// Column of the character where it is, from 1.
    pub column: usize,
    expression: String,
}

impl BpfError {
    fn new(expression: &str, column: usize, message: String) -> Self {
        // Shown on a terminal: one line, nothing that moves the cursor.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        Self { message, column, expression: expression.chars().map(plain).collect() }
    }
}

impl fmt::Display for BpfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.column;
        writeln!(f, "column {at}: {}", self.message)?;
        writeln!(f, "  {}", self.expression)?;
        write!(f, "  {:>at$}", "^")
    }
}

impl std::error::Error for BpfError {}

/// A compiled capture filter.
#[derive(Clone)]
pub struct Filter {
    inner: Arc<Inner>,
}

struct Inner {
    text: String,
    expr: Expr,
    /// For each of [`LINK_TYPES`].
    programs: Vec<(u16, Result<Check, BpfError>)>,
    /// Where libpcap has compiled it.
    #[cfg(all(feature = "live", unix))]
    foreign: Vec<(u16, foreign::Foreign)>,
}

/// Compiles an expression. An empty one lets every packet through.
///
/// # Errors
/// Where the expression is not of the language, or of a part of it that is not
/// known here.
///
/// # Examples
/// ```
/// use framescope::capture::bpf;
///
/// let filter = bpf::compile("tcp port 80 or 443").unwrap();
/// assert_eq!(filter.to_string(), "tcp port 80 or tcp port 443");
/// let error = bpf::compile("tcp and hsot 10.0.0.1").unwrap_err();
/// assert_eq!(error.column, 9);
/// ```
pub fn compile(expression: &str) -> Result<Filter, BpfError> {
    if expression.len() > MAX_FILTER_BYTES {
        let what = format!("longer than {MAX_FILTER_BYTES} bytes");
        return Err(BpfError::new("", 1, what));
    }
    let expr = parse::parse(expression)?;
    let mut programs = Vec::new();
    for link in LINK_TYPES {
        let program = generate(&expr, link)
            .map_err(|Fault { column, what }| BpfError::new(expression, column, what));
        // Ethernet has everything: what is an error there is one everywhere.
        if link == 1 {
            programs.push((link, Ok(program?)));
        } else {
            programs.push((link, program));
        }
    }
    let inner = Inner {
        text: expression.to_owned(),
        expr,
        programs,
        #[cfg(all(feature = "live", unix))]
        foreign: Vec::new(),
    };
    Ok(Filter { inner: Arc::new(inner) })
}

/// Compiles an expression as [`compile`]; what is not known here is compiled by libpcap,
/// where that is installed.
///
/// # Errors
/// Where neither can.
pub fn compile_all(expression: &str) -> Result<Filter, BpfError> {
    let own = compile(expression);
    #[cfg(all(feature = "live", unix))]
    if let Err(mut e) = own {
        if expression.len() > MAX_FILTER_BYTES {
            return Err(e);
        }
        return match libpcap::compile(expression) {
            Ok(foreign) => {
                let (text, expr) = (expression.to_owned(), Expr::All);
                let inner = Inner { text, expr, programs: Vec::new(), foreign };
                Ok(Filter { inner: Arc::new(inner) })
            }
            Err(libpcap::Refused::NotInstalled) => {
                e.message += "; libpcap, which may know it, is not installed";
                Err(e)
            }
            // It does not know better, and cannot say where.
            Err(libpcap::Refused::NoFilter) => Err(e),
        };
    }
    own
}

impl Filter {
    /// Whether a packet passes: `data` is what was captured of it, `original_len`
    /// its length on the wire. None passes of a link type to which the filter
    /// cannot be applied ([`Filter::check`]).
    #[must_use]
    pub fn matches(&self, link_type: u16, data: &[u8], original_len: u32) -> bool {
        #[cfg(all(feature = "live", unix))]
        if !self.inner.foreign.is_empty() {
            let program = self.inner.foreign.iter().find(|p| p.0 == link_type);
            return program.is_some_and(|p| p.1.passes(data, original_len));
        }
        match self.program(link_type) {
            Some(Ok(check)) => check.run(Packet { data, original_len }).unwrap_or(false),
            _ => self.inner.expr == Expr::All,
        }
    }

    /// Whether it can be applied to packets of a link type.
    ///
    /// # Errors
    /// Where the filter asks for what they do not have (`vlan` of raw IP), or the
    /// link type is not known.
    pub fn check(&self, link_type: u16) -> Result<(), BpfError> {
        #[cfg(all(feature = "live", unix))]
        if !self.inner.foreign.is_empty() {
            return match self.inner.foreign.iter().any(|p| p.0 == link_type) {
                true => Ok(()),
                false => {
                    let what = format!("libpcap has no such filter for link type {link_type}");
                    Err(BpfError::new(&self.inner.text, 1, what))
                }
            };
        }
        match self.program(link_type) {
            Some(Ok(_)) => Ok(()),
            Some(Err(e)) => Err(e.clone()),
            None if self.inner.expr == Expr::All => Ok(()),
            None => {
                let what = format!("no filter can be applied to packets of link type {link_type}");
                Err(BpfError::new(&self.inner.text, 1, what))
            }
        }
    }

    /// The expression as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    fn program(&self, link_type: u16) -> Option<&Result<Check, BpfError>> {
        self.inner.programs.iter().find(|p| p.0 == link_type).map(|p| &p.1)
    }
}

impl fmt::Display for Filter {
    /// With all qualifiers and parentheses written out, unless libpcap has compiled it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(all(feature = "live", unix))]
        if !self.inner.foreign.is_empty() {
            return f.write_str(&self.inner.text);
        }
        self.inner.expr.fmt(f)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.inner.expr).finish()
    }
}

impl PartialEq for Filter {
    /// Equal where they say the same, however it was written.
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl std::str::FromStr for Filter {
    type Err = BpfError;

    fn from_str(s: &str) -> Result<Self, BpfError> {
        compile(s)
    }
}

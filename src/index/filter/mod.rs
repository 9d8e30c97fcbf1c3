//! The filter language: `grpc.status_code == NOT_FOUND and duration_ns > 100ms`.
//!
//! The names are those of the field tables, and what every event has
//! ([`names::COMMON`]); signs, precedence and what several values of one field
//! mean are Wireshark's (`docs/FILTERS.md`). A filter is parsed once, checked
//! against the types of its fields, and then asked of events.

mod eval;
mod lex;
mod literal;
mod mistake;
pub mod names;
mod parse;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;

use crate::base::{CaptureTime, EventId, Moment, PacketId};
use crate::engine::{ConversationInfo, FindingEvent};
use crate::event::{Draft, Event};
use crate::index::{Index, RowId};

pub use mistake::Mistake;
pub use names::Name;
pub use value::{Scene, Val};

use names::Ask;
use parse::Expr;

/// A filter, ready to be asked.
///
/// It displays as a filter that means the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    expr: Expr,
    first: CaptureTime,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Where it is none: [`Mistake::picture`] shows where and why.
    ///
    /// # Examples
    /// ```
    /// use framescope::index::filter::Filter;
    ///
    /// assert!(Filter::parse("websocket.opcode == text && length > 100").is_ok());
    /// let text = "grpc.status_cod == 5";
    /// let wrong = Filter::parse(text).unwrap_err();
    /// assert!(wrong.picture(text).ends_with("did you mean grpc.status_code?"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        Ok(Self { expr: parse::parse(text)?, first: CaptureTime::default() })
    }

    /// Says when the capture began, for `time_relative`.
    pub const fn begin(&mut self, first: CaptureTime) {
        self.first = first;
    }

    /// Whether an event passes. Fields, summary and payload are those of its
    /// detail: without one they are not there.
    #[must_use]
    pub fn matches(&self, event: &Event, conversation: Option<&ConversationInfo>) -> bool {
        let event = Some(event);
        self.asks(&Scene { event, conversation, first: self.first, ..Scene::default() })
    }

    /// Whether a finding passes; fields and payload are those of its event.
    #[must_use]
    pub fn matches_finding(
        &self,
        finding: &FindingEvent,
        event: Option<&Event>,
        conversation: Option<&ConversationInfo>,
    ) -> bool {
        let finding = Some(finding);
        self.asks(&Scene { event, finding, conversation, first: self.first, before: None })
    }

    fn asks(&self, scene: &Scene<'_>) -> bool {
        eval::check(&self.expr, scene, &|_| true).unwrap_or(false)
    }

    /// What can be told from the row alone, without opening the event: `None`
    /// where that depends on its detail.
    #[must_use]
    pub fn of_row(&self, index: &Index, id: RowId) -> Option<bool> {
        let row = index.row(id)?;
        let (protocol, kind) = index.kind(row);
        let moment = |p: u32| Moment { packet: PacketId(u64::from(p)), time: index.time_of(p) };
        let mut draft = Draft::new(
            row.level(),
            protocol,
            kind,
            moment(row.first_packet),
            moment(row.last_packet),
        );
        draft.sender = row.sender();
        draft.stream = row.stream().map(u64::from);
        draft.length = u64::from(row.length);
        draft.complete = row.is_complete();
        draft.inferred = row.is_inferred();
        let conversation = index.conversations().get(row.conversation as usize).map(|c| &c.info);
        let event = Event {
            id: EventId(u64::from(id.0) + 1),
            conversation: conversation.map(|c| c.id),
            draft,
        };
        let faultless = row.severity().is_none();
        let sure = |name: &Name| match name {
            Name::Kind(..) => true,
            Name::Common(c) => match c.ask {
                Ask::Packet | Ask::Summary | Ask::Payload => false,
                Ask::Finding | Ask::Severity => faultless,
                Ask::Length => row.length < u32::MAX,
                _ => true,
            },
            Name::Field(_) | Name::Protocol(_) | Name::Below(_) => false,
        };
        let event = Some(&event);
        let first = index.times().map_or(self.first, |t| t.0);
        let scene = Scene { event, conversation, first, ..Scene::default() };
        eval::check(&self.expr, &scene, &sure)
    }

    /// Whether it compares a value, or asks for something that is no plain word:
    /// tells a filter from a word to be searched for.
    #[must_use]
    pub const fn is_plain_word(&self) -> bool {
        matches!(self.expr, Expr::Has(_))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}

impl std::str::FromStr for Filter {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        Self::parse(text)
    }
}

//! framescope reads what was on the wire and shows what it meant, byte for byte.
//!
//! # The path of one byte
//!
//! A [`capture`] source hands out batches of packets. [`link`] finds the TCP
//! segment or UDP datagram in a packet, [`flow`] puts segments in order and
//! tells what is missing, and the [`engine`] keeps for each conversation a stack
//! of [`proto`] machines, each of which turns a stream into [`event`]s and into
//! child streams for the next. Sinks take the events: [`view`] makes text and
//! JSON of them, [`index`] keeps rows for the terminal.
//!
//! Every value knows its bytes ([`base::Origins`]), and every byte is accounted
//! for.
//!
//! # As a library
//!
//! ```
//! use framescope::capture::{OpenOptions, Polled, open};
//! use framescope::engine::{ConversationInfo, Engine, EventSink, FindingEvent, Options};
//! use framescope::event::{Event, Level};
//! # use std::path::Path;
//!
//! /// Prints a line an exchange.
//! struct Lines;
//!
//! impl EventSink for Lines {
//!     fn event(&mut self, event: &mut Event, _: Option<&ConversationInfo>) {
//!         if let Some(detail) = &event.draft.detail {
//!             println!("{} {}", event.draft.end.time, detail.summary);
//!         }
//!     }
//!     fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}
//! }
//!
//! let path = Path::new("fixtures/grpc-tonic/capture.pcap");
//! let mut source = open(path, OpenOptions::default())?;
//! let mut engine = Engine::new(Options::default().wanting(&[Level::Exchange]));
//! loop {
//!     match source.poll()? {
//!         Polled::Batch(batch) => engine.batch(&batch, &mut Lines),
//!         Polled::NothingYet => std::thread::yield_now(), // a pipe that is quiet
//!         Polled::End => break,
//!     }
//! }
//! engine.finish(&mut Lines);
//! # Ok::<(), framescope::capture::CaptureError>(())
//! ```

pub mod base;
pub mod capture;
#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
pub mod event;
pub mod facts;
pub mod field;
pub mod finding;
pub mod flow;
pub mod index;
pub mod link;
pub mod proto;
pub mod schema;
#[cfg(feature = "tui")]
pub mod tui;
pub mod view;

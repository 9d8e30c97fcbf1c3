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

pub mod base;
pub mod capture;
#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
pub mod event;
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

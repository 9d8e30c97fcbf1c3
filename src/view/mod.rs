//! Views: events as strings. No terminal types: the terminal interface and the
//! command line decide where the strings go.

pub mod bytes;
pub mod calls;
pub mod check;
pub mod clean;
pub mod columns;
pub mod explain;
pub mod hex;
pub mod how;
pub mod json;
pub mod layout;
pub mod reference;
pub mod stats;
pub mod table;
pub mod text;
pub mod transports;

//! Views: events as strings. No terminal types: the terminal interface and the
//! command line decide where the strings go.

pub mod check;
pub mod clean;
pub mod json;
pub mod reference;
pub mod stats;
pub mod table;
pub mod text;

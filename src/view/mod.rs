//! Views: events as strings. No terminal types: the terminal interface and the
//! command line decide where the strings go.

pub mod clean;
pub mod explain;
pub mod how;
pub mod json;
pub mod layout;
pub mod reference;
pub mod text;

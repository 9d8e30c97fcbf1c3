//! The command `framescope`.

fn main() {}

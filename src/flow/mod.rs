//! TCP streams and UDP flows.

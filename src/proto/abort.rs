//! How the end of a stream came about that its sender did not mean.

/// How what [`Input::Reset`](super::Input::Reset) tells of came about, or an
/// [`Input::End`](super::Input::End) that the stream itself does not have: see
/// [`Out::abort`](super::Out::abort).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Abort {
    /// The stream alone was aborted, or ended.
    #[default]
    Stream,
    /// Its peer has said that it will not act on it (RFC 9113 §6.8): safe to be sent again.
    Goaway {
        /// The last stream that it may have acted on.
        last: u32,
        /// Why, as an HTTP/2 error code.
        error: u32,
    },
    /// The connection below was aborted with it, or ended.
    Connection,
}

/// The name of an HTTP/2 error code (RFC 9113 §7).
#[must_use]
pub const fn error_name(code: u32) -> Option<&'static str> {
    Some(match code {
        0 => "NO_ERROR",
        1 => "PROTOCOL_ERROR",
        2 => "INTERNAL_ERROR",
        3 => "FLOW_CONTROL_ERROR",
        4 => "SETTINGS_TIMEOUT",
        5 => "STREAM_CLOSED",
        6 => "FRAME_SIZE_ERROR",
        7 => "REFUSED_STREAM",
        8 => "CANCEL",
        9 => "COMPRESSION_ERROR",
        10 => "CONNECT_ERROR",
        11 => "ENHANCE_YOUR_CALM",
        12 => "INADEQUATE_SECURITY",
        13 => "HTTP_1_1_REQUIRED",
        _ => return None,
    })
}

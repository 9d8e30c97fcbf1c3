//! The words of summaries.

/// `1 byte`, `123 bytes`.
pub(super) fn bytes(n: u64) -> String {
    if n == 1 { "1 byte".into() } else { format!("{n} bytes") }
}

/// `HTTP/1.1`, `HTTP/2`.
pub(super) const fn version(v: u8) -> &'static str {
    match v {
        10 => "HTTP/1.0",
        11 => "HTTP/1.1",
        20 => "HTTP/2",
        30 => "HTTP/3",
        _ => "HTTP/1",
    }
}

/// Text from the wire, cut where nobody reads on.
pub(super) fn short(s: &str) -> String {
    const MOST: usize = 240;
    match s.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", s.get(..at).unwrap_or(s)),
        None => s.to_owned(),
    }
}

/// Characters of a body that a line shows.
const PREVIEW: usize = 120;

/// Whether a body of this media type (in lower case) is text that people read.
pub(super) fn is_text(media_type: &str) -> bool {
    let (family, kind) = media_type.split_once('/').unwrap_or((media_type, ""));
    let plain = ["json", "xml", "javascript", "x-www-form-urlencoded", "x-ndjson", "graphql"];
    family == "text"
        || family == "application" && plain.contains(&kind)
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

/// The beginning of a text body in one line, where it reads as text; `total` bytes are all
/// of it.
pub(super) fn preview(body: &[u8], total: u64) -> Option<String> {
    // Four bytes a character at most, and as much again for indentation that is left out.
    let head = body.get(..PREVIEW * 8).unwrap_or(body);
    let text = match std::str::from_utf8(head) {
        Ok(t) => t,
        // The cut went through a character.
        Err(e) if e.error_len().is_none() && (head.len() as u64) < total => {
            std::str::from_utf8(head.get(..e.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let long = line.char_indices().nth(PREVIEW).map(|(at, _)| at);
    line.truncate(long.unwrap_or(line.len()));
    let odd = |c: char| c.is_control() || c == '\u{feff}';
    if line.is_empty() || line.chars().any(odd) {
        return None;
    }
    if long.is_some() || (head.len() as u64) < total {
        line.truncate(line.trim_end().len());
        line.push('…');
    }
    Some(line)
}

/// The registered reason phrase of a status code (RFC 9110 §15 and its
/// registry), for versions that send none.
pub(super) const fn reason(code: u16) -> &'static str {
    match code {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_body_in_a_line() {
        let all = |t: &str| preview(t.as_bytes(), t.len() as u64);
        assert_eq!(
            all("{\n  \"a\": 1,\r\n\t\"b\": \"x  y\"\n}\n").unwrap(),
            "{ \"a\": 1, \"b\": \"x y\" }"
        );
        assert_eq!(all("plain").as_deref(), Some("plain"));
        assert_eq!(preview(b"plain", 9).as_deref(), Some("plain…"));
        let long = all(&"€".repeat(500)).unwrap();
        assert_eq!(long.chars().count(), PREVIEW + 1);
        assert!(long.ends_with("€…"));
        // Cut within a character, and something that is no text.
        assert_eq!(preview("gr\u{fc}n".as_bytes().get(..3).unwrap(), 5).as_deref(), Some("gr…"));
        for no in [&b""[..], b" \n", b"a\0b", b"\xff\xfe", b"a\x1b[2Jb"] {
            assert_eq!(preview(no, no.len() as u64), None, "{no:?}");
        }
        for yes in ["text/plain", "application/json", "application/problem+json", "image/svg+xml"] {
            assert!(is_text(yes), "{yes}");
        }
        for no in ["", "image/png", "application/octet-stream", "application/grpc", "json"] {
            assert!(!is_text(no), "{no}");
        }
    }
}

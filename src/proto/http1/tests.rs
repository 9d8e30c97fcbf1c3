//! Bytes in, exactly what children are told out.

use crate::base::Side::{Client, Server};
use crate::proto::EndCause::{self, Finished};
use crate::proto::harness::{Recorder, Told};
use crate::proto::http1::Http1;

const SIZES: [usize; 5] = [1, 2, 3, 7, 1460];

fn head(told: &Told) -> Vec<(&str, &str)> {
    match told {
        Told::Head(_, h, _) | Told::Trailers(_, h) => {
            h.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()
        }
        other => panic!("no head: {other:?}"),
    }
}

#[test]
fn a_request_and_its_response_in_any_chunks() {
    for size in SIZES {
        let mut r = Recorder::new();
        let mut m = Http1::new();
        r.bytes(
            &mut m,
            Client,
            b"POST /a?b=1 HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\nabc",
            size,
        );
        r.bytes(
            &mut m,
            Server,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
            size,
        );
        let told = &r.children[&1].2;
        assert_eq!(
            head(&told[0]),
            [
                (":method", "POST"),
                (":path", "/a?b=1"),
                (":authority", "h:1"),
                ("Host", "h:1"),
                ("Content-Length", "3")
            ]
        );
        assert_eq!(told[1], Told::Bytes(Client, b"abc".into()));
        assert_eq!(told[2], Told::End(Client, Finished));
        assert_eq!(
            head(&told[3]),
            [(":status", "200"), ("Content-Type", "text/plain"), ("Content-Length", "5")]
        );
        assert_eq!(told[4], Told::Bytes(Server, b"hello".into()));
        assert_eq!(told[5..], [Told::End(Server, Finished), Told::Closed]);
        assert_eq!(r.codes(), [""; 0]);
        assert_eq!(r.refused, [0, 0]);
    }
    let _ = EndCause::CaptureEnded;
}

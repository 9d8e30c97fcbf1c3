//! A connection of the real `h2` crate with itself, header for header.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::*;

/// Writes through, and keeps what was written.
struct Tap(DuplexStream, Arc<Mutex<Vec<u8>>>);

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let r = Pin::new(&mut self.0).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = r {
            self.1.lock().unwrap().extend(&buf[..n]);
        }
        r
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

const CALLS: usize = 6;

/// Headers that repeat (the dynamic table), change, and in one call fill more
/// than one frame.
fn extra(call: usize) -> Vec<(String, String)> {
    let mut v = pairs(&[("content-type", "application/grpc"), ("te", "trailers")]);
    v.push(("x-call".to_owned(), format!("number {call}")));
    if call == 3 {
        for i in 0..400 {
            v.push((format!("x-many-{i}"), format!("value {} ~{i}~", "é|\\".repeat(i % 40))));
        }
    }
    v
}

async fn talk() -> (Vec<u8>, Vec<u8>) {
    let (a, b) = tokio::io::duplex(1 << 20);
    let (client_bytes, server_bytes) = (Arc::default(), Arc::default());
    let (a, b) = (Tap(a, Arc::clone(&client_bytes)), Tap(b, Arc::clone(&server_bytes)));
    let server = tokio::spawn(async move {
        let mut c = h2::server::Builder::new()
            .max_header_list_size(1 << 20)
            .handshake::<_, Bytes>(b)
            .await
            .unwrap();
        let mut call = 0;
        while let Some(Ok((mut request, mut respond))) = c.accept().await {
            tokio::spawn(async move {
                while let Some(Ok(d)) = request.body_mut().data().await {
                    let _ = request.body_mut().flow_control().release_capacity(d.len());
                }
                let mut response = http::Response::builder().status(200);
                for (n, v) in extra(call) {
                    response =
                        response.header(n, http::HeaderValue::from_bytes(v.as_bytes()).unwrap());
                }
                let mut s = respond.send_response(response.body(()).unwrap(), false).unwrap();
                s.send_data(Bytes::from(vec![b'r'; 100 * call]), false).unwrap();
                let mut t = http::HeaderMap::new();
                t.insert("grpc-status", "0".parse().unwrap());
                s.send_trailers(t).unwrap();
            });
            call += 1;
        }
    });
    let (mut send, connection) = h2::client::Builder::new()
        .max_header_list_size(1 << 20)
        .handshake::<_, Bytes>(a)
        .await
        .unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    for call in 0..CALLS {
        let mut request =
            http::Request::post(format!("http://example.com/user.UserService/Get{}", call % 2));
        for (n, v) in extra(call) {
            request = request.header(n, http::HeaderValue::from_bytes(v.as_bytes()).unwrap());
        }
        send = send.ready().await.unwrap();
        let (response, mut body) = send.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(Bytes::from(vec![b'q'; 5000]), true).unwrap();
        let mut body = response.await.unwrap().into_body();
        while let Some(d) = body.data().await {
            let _ = body.flow_control().release_capacity(d.unwrap().len());
        }
        body.trailers().await.unwrap();
    }
    drop(send);
    let _ = server.await;
    let take = |m: Arc<Mutex<Vec<u8>>>| m.lock().unwrap().clone();
    (take(client_bytes), take(server_bytes))
}

#[test]
fn what_a_real_peer_sends_is_what_is_shown() {
    let rt =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (client, server) = rt.block_on(talk());
    // All of the client's bytes come first here, so its streams are never idle,
    // and are open when it says goodbye.
    let r = all_sizes(&client, &server);
    let bad: Vec<_> = r.codes();
    let usual = ["http2.stream-cancelled", "http2.goaway"];
    assert!(bad.iter().all(|c| usual.contains(c)), "{bad:?}");
    assert!(r.kinds(Level::Frame).contains(&"continuation"));
    let streams: BTreeMap<_, _> = r.children.iter().collect();
    assert_eq!(streams.len(), CALLS);
    for (call, (_, (_, _, told))) in streams.into_iter().enumerate() {
        let mut request =
            pairs(&[(":method", "POST"), (":scheme", "http"), (":authority", "example.com")]);
        request.push((":path".to_owned(), format!("/user.UserService/Get{}", call % 2)));
        request.extend(extra(call));
        let mut response = pairs(&[(":status", "200")]);
        response.extend(extra(call));
        let mut seen = 0;
        for t in told {
            match t {
                Told::Head(side, h, false) => {
                    let mut want =
                        if *side == Side::Client { request.clone() } else { response.clone() };
                    let mut got = h.clone();
                    want.sort();
                    got.sort();
                    assert_eq!(got, want);
                    seen += 1;
                }
                Told::Bytes(Side::Client, b) => assert_eq!(*b, vec![b'q'; 5000]),
                Told::Bytes(Side::Server, b) => assert_eq!(*b, vec![b'r'; 100 * call]),
                Told::Trailers(Side::Server, t) => {
                    assert_eq!(*t, pairs(&[("grpc-status", "0")]));
                    seen += 1;
                }
                Told::End(_, EndCause::Finished) | Told::Closed => seen += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen, 6, "two heads, trailers, two ends, closed");
    }
}

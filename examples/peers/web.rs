//! gRPC-Web with hyper: `user.UserService` of `fixtures/proto/user.proto`, in both forms
//! and over both versions of HTTP. Messages and frames are written by hand.
//!
//! The server answers in the form that it is asked in; in the text form each frame is
//! encoded by itself and sent in halves, so that padding stands in the middle of the body
//! and chunks end within groups of four.

use std::convert::Infallible;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use crate::Result;

type Body = BoxBody<Bytes, Infallible>;

#[derive(Clone, PartialEq, prost::Message)]
struct Id {
    #[prost(int32, tag = "1")]
    id: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct User {
    #[prost(int32, tag = "1")]
    id: i32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    email: String,
    #[prost(int32, tag = "4")]
    age: i32,
}

/// The flag of a frame of trailers.
const TRAILERS: u8 = 0x80;

fn frame(flag: u8, data: &[u8]) -> Vec<u8> {
    let mut v = vec![flag];
    v.extend((data.len() as u32).to_be_bytes());
    v.extend_from_slice(data);
    v
}

fn user(id: i32, name: &str) -> Vec<u8> {
    let email = format!("{}@example.com", name.to_lowercase());
    frame(0, &User { id, name: name.into(), email, age: 20 + id % 50 }.encode_to_vec())
}

/// The frames of a whole body, whatever its form.
fn undo(body: &[u8], text: bool) -> Vec<u8> {
    if !text {
        return body.to_vec();
    }
    body.chunks(4).flat_map(|group| STANDARD.decode(group).unwrap_or_default()).collect()
}

/// What the service says to a message: frames, and how it ends.
fn answer(path: &str, message: &[u8]) -> Vec<Vec<u8>> {
    let asked = Id::decode(message).unwrap_or_default();
    let mut frames: Vec<Vec<u8>> = match path {
        "/user.UserService/GetUser" if asked.id == 42 => vec![user(42, "Alice")],
        "/user.UserService/GetUser" => Vec::new(),
        _ => (1..=asked.id).map(|n| user(n, &format!("User{n}"))).collect(),
    };
    let last: &[u8] = if path.ends_with("/GetUser") && asked.id != 42 {
        b"grpc-status:5\r\ngrpc-message:no%20such%20user\r\nretry-after:30\r\n"
    } else {
        b"grpc-status:0\r\nx-took:3 ms\r\n"
    };
    frames.push(frame(TRAILERS, last));
    frames
}

async fn serve(request: Request<Incoming>) -> std::result::Result<Response<Body>, Infallible> {
    let allow = |r: http::response::Builder| {
        r.header("access-control-allow-origin", "http://localhost:8080")
    };
    if request.method() == Method::OPTIONS {
        let response = allow(Response::builder().status(204))
            .header("access-control-allow-methods", "POST")
            .header("access-control-allow-headers", "content-type,x-grpc-web,x-user-agent")
            .header("access-control-max-age", "600");
        return Ok(response.body(Full::default().boxed()).unwrap_or_default());
    }
    let kind = request.headers().get("content-type").cloned();
    let text =
        kind.as_ref().is_some_and(|k| k.as_bytes().starts_with(b"application/grpc-web-text"));
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let frames = answer(&path, undo(&body, text).get(5..).unwrap_or_default());
    let (to, from) = mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        for f in frames {
            let f = if text { STANDARD.encode(f).into_bytes() } else { f };
            // In halves that end within a group, each in a write of its own.
            let (a, b) = f.split_at(f.len() / 2 - 1);
            for part in [a, b] {
                if to.send(Bytes::copy_from_slice(part)).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
    });
    let stream = ReceiverStream::new(from).map(|b| Ok::<_, Infallible>(Frame::data(b)));
    let mut response = allow(Response::builder());
    if let Some(kind) = kind {
        response = response.header("content-type", kind);
    }
    Ok(response.body(BodyExt::boxed(StreamBody::new(stream))).unwrap_or_default())
}

/// What one connection asks.
fn requests(port: u16, text: bool) -> Vec<Request<Full<Bytes>>> {
    let kind = if text { "application/grpc-web-text" } else { "application/grpc-web+proto" };
    let origin = format!("http://127.0.0.1:{port}");
    let call = |method: &str, id: i32| {
        let f = frame(0, &Id { id }.encode_to_vec());
        let body = if text { STANDARD.encode(f).into_bytes() } else { f };
        Request::post(format!("{origin}/user.UserService/{method}"))
            .header("content-type", kind)
            .header("accept", kind)
            .header("x-grpc-web", "1")
            .header("x-user-agent", "framescope-peers")
            .header("grpc-timeout", "5S")
            .header("host", format!("127.0.0.1:{port}"))
            .header("origin", "http://localhost:8080")
            .body(Full::from(body))
    };
    let preflight = Request::options(format!("{origin}/user.UserService/GetUser"))
        .header("host", format!("127.0.0.1:{port}"))
        .header("origin", "http://localhost:8080")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-grpc-web,x-user-agent")
        .body(Full::default());
    let all = [preflight, call("GetUser", 42), call("ListUsers", 3), call("GetUser", 1)];
    all.into_iter().flatten().collect()
}

/// Four connections: both forms over both versions, one after the other.
pub(crate) async fn tour() -> Result {
    for (port, h2, text) in
        [(8871, false, false), (8872, false, true), (8873, true, false), (8874, true, true)]
    {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let server = tokio::spawn(async move {
            let Ok((socket, _)) = listener.accept().await else { return };
            let io = TokioIo::new(socket);
            // A client that goes is how it ends.
            let _ = if h2 {
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service_fn(serve))
                    .await
            } else {
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service_fn(serve))
                    .await
            };
        });
        let io = TokioIo::new(TcpStream::connect(("127.0.0.1", port)).await?);
        if h2 {
            let (mut send, conn) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
            let conn = tokio::spawn(conn);
            for mut request in requests(port, text) {
                // `:authority` says it.
                request.headers_mut().remove("host");
                send.send_request(request).await?.into_body().collect().await?;
            }
            drop(send);
            conn.await??;
        } else {
            let (mut send, conn) = hyper::client::conn::http1::handshake(io).await?;
            let conn = tokio::spawn(conn);
            for mut request in requests(port, text) {
                let path = request.uri().path().to_owned();
                *request.uri_mut() = path.parse()?;
                send.ready().await?;
                send.send_request(request).await?.into_body().collect().await?;
            }
            drop(send);
            conn.await??;
        }
        server.await?;
    }
    Ok(())
}

//! A WebSocket pair of tokio-tungstenite and a gRPC pair of tonic, who talk as
//! fast as they can.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};
use tonic::body::Body;
use tonic::client::Grpc as Client;
use tonic::server::{Grpc as Server, NamedService};
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::tls::Way;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What is said. Now and then it is long, so that it takes more than a segment.
pub(crate) fn text(who: &str, way: &str, n: usize) -> String {
    let padding = if n % 5_000 == 499 { 100_000 } else { n % 7 };
    format!("{who} {way} {n}{}", ".".repeat(padding))
}

/// Both pairs at once; gives the ports of the servers.
pub(crate) async fn talk(rounds: usize, way: Way) -> Result<[u16; 2]> {
    let ws = tokio::spawn(websocket(rounds, way.clone()));
    let (ws, grpc) = tokio::join!(ws, tokio::spawn(grpc(rounds, way)));
    Ok([ws??, grpc??])
}

async fn websocket(rounds: usize, way: Way) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let at_server = way.clone();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let stream = at_server.accept(stream).await?;
        let (mut out, mut messages) = accept_async(stream).await?.split();
        let mut n = 0;
        while let Some(message) = messages.next().await {
            if message?.is_text() {
                out.send(Message::text(text("websocket", "answers", n))).await?;
                n += 1;
            }
        }
        Result::Ok(())
    });
    let stream = way.connect(TcpStream::connect(address).await?).await?;
    let (ws, _) = client_async(format!("{}://{address}/live", way.scheme("ws")), stream).await?;
    let (mut out, mut messages) = ws.split();
    // Asks without waiting for answers.
    let asker = tokio::spawn(async move {
        for n in 0..rounds {
            out.send(Message::text(text("websocket", "asks", n))).await?;
        }
        Result::Ok(out)
    });
    for _ in 0..rounds {
        messages.next().await.ok_or("the server is gone")??;
    }
    let mut out = asker.await??;
    out.send(Message::Close(None)).await?;
    while messages.next().await.is_some() {}
    server.await??;
    Ok(address.port())
}

#[derive(Clone, PartialEq, prost::Message)]
struct ChatMessage {
    #[prost(string, tag = "1")]
    user: String,
    #[prost(string, tag = "2")]
    text: String,
    #[prost(int64, tag = "3")]
    timestamp: i64,
}

type Answers =
    Pin<Box<dyn tokio_stream::Stream<Item = std::result::Result<ChatMessage, Status>> + Send>>;

async fn chat(
    request: Request<Streaming<ChatMessage>>,
) -> std::result::Result<Response<Answers>, Status> {
    let answers = request.into_inner().enumerate().map(|(n, m)| {
        m.map(|m| ChatMessage { text: text("grpc", "answers", n), user: "server".into(), ..m })
    });
    Ok(Response::new(Box::pin(answers)))
}

/// The service as tonic's generated code would have it.
#[derive(Clone, Copy)]
struct UserService;

impl NamedService for UserService {
    const NAME: &'static str = "user.UserService";
}

impl tower::Service<http::Request<Body>> for UserService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future =
        Pin<Box<dyn Future<Output = std::result::Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = ProstCodec::<ChatMessage, ChatMessage>::default();
            Ok(Server::new(codec).streaming(service_fn(chat), request).await)
        })
    }
}

async fn grpc(rounds: usize, way: Way) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let at_server = way.clone();
    let incoming = TcpListenerStream::new(listener).then(move |stream| {
        let way = at_server.clone();
        async move { way.accept(stream?).await }
    });
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(UserService)
            .serve_with_incoming(Box::pin(incoming)),
    );
    let connect = service_fn(move |_: http::Uri| {
        let way = way.clone();
        async move { Result::Ok(TokioIo::new(way.connect(TcpStream::connect(address).await?).await?)) }
    });
    let channel =
        Channel::from_shared(format!("http://{address}"))?.connect_with_connector(connect).await?;
    let mut client = Client::new(channel);
    client.ready().await?;
    let (out, asked) = tokio::sync::mpsc::channel(16);
    let asker = tokio::spawn(async move {
        for n in 0..rounds {
            let text = text("grpc", "asks", n);
            let message = ChatMessage { user: "client".into(), text, timestamp: n as i64 };
            if out.send(message).await.is_err() {
                break;
            }
        }
    });
    let path = http::uri::PathAndQuery::from_static("/user.UserService/Chat");
    let codec = ProstCodec::<ChatMessage, ChatMessage>::default();
    let mut answers =
        client.streaming(Request::new(ReceiverStream::new(asked)), path, codec).await?.into_inner();
    let mut n = 0;
    while answers.message().await?.is_some() {
        n += 1;
    }
    asker.await?;
    if n == rounds { Ok(address.port()) } else { Err(format!("{n} answers").into()) }
}

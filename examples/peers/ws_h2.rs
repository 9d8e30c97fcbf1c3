//! WebSocket over HTTP/2 (RFC 8441): the `h2` crate carries, tungstenite speaks.
//!
//! tungstenite compresses nothing, so the compressed session's frames are made
//! here, with flate2's DEFLATE.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use futures_util::{SinkExt, StreamExt};
use h2::client::SendRequest;
use h2::ext::Protocol as Token;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request, Response, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, frame::coding::CloseCode};

use crate::Result;

const ADDRESS: &str = "127.0.0.1:9441";

/// A stream of HTTP/2 as bytes.
struct Carrier {
    send: SendStream<Bytes>,
    receive: RecvStream,
    left: Bytes,
}

impl Carrier {
    fn new(send: SendStream<Bytes>, receive: RecvStream) -> Self {
        Self { send, receive, left: Bytes::new() }
    }
}

impl AsyncRead for Carrier {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.left.is_empty() {
            match self.receive.poll_data(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(Err(e))) => return Poll::Ready(Err(io::Error::other(e))),
                Poll::Ready(Some(Ok(data))) => {
                    let _ = self.receive.flow_control().release_capacity(data.len());
                    self.left = data;
                }
            }
        }
        let n = self.left.len().min(buf.remaining());
        buf.put_slice(&self.left.split_to(n));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.send.reserve_capacity(buf.len());
        while self.send.capacity() == 0 {
            match self.send.poll_capacity(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let n = buf.len().min(self.send.capacity());
        let sent = self.send.send_data(Bytes::copy_from_slice(&buf[..n]), false);
        Poll::Ready(sent.map(|()| n).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = self.send.send_data(Bytes::new(), true);
        Poll::Ready(Ok(()))
    }
}

/// Sends every message back; ends as the client does.
async fn echo(carrier: Carrier) -> Result {
    let mut ws = WebSocketStream::from_raw_socket(carrier, Role::Server, None).await;
    while let Some(Ok(m)) = ws.next().await {
        if m.is_text() || m.is_binary() {
            ws.send(m).await?;
        }
    }
    let carrier = ws.get_mut();
    let _ = carrier.shutdown().await;
    let _ = carrier.read_to_end(&mut Vec::new()).await;
    Ok(())
}

/// Sends the frames of the client back without their masks: what is compressed for
/// one side is so for the other.
async fn echo_frames(mut c: Carrier) -> Result {
    loop {
        let mut head = [0; 6];
        if c.read_exact(&mut head).await.is_err() {
            break;
        }
        let mut payload = vec![0; usize::from(head[1] & 0x7f)];
        c.read_exact(&mut payload).await?;
        payload.iter_mut().zip(head[2..].iter().cycle()).for_each(|(b, k)| *b ^= k);
        let frame = [&[head[0], head[1] & 0x7f][..], &payload].concat();
        c.write_all(&frame).await?;
        if head[0] & 0xf == 8 {
            break;
        }
    }
    c.shutdown().await?;
    let _ = c.read_to_end(&mut Vec::new()).await;
    Ok(())
}

/// Another protocol in an ordinary CONNECT: one request of HTTP/1.
async fn answer_http1(mut c: Carrier) -> Result {
    let mut request = [0; 512];
    let _ = c.read(&mut request).await?;
    c.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ninside").await?;
    c.shutdown().await?;
    Ok(())
}

async fn serve(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result {
    let mut answer = Response::new(());
    let carries = request.extensions().get::<Token>().is_some();
    let (connect, path) = (request.method() == Method::CONNECT, request.uri().path().to_owned());
    let headers = answer.headers_mut();
    match path.as_str() {
        "/refused" => *answer.status_mut() = http::StatusCode::FORBIDDEN,
        "/chat" => drop(headers.insert("sec-websocket-protocol", "chat".parse()?)),
        "/deflate" => {
            drop(headers.insert("sec-websocket-extensions", "permessage-deflate".parse()?));
        }
        _ => {}
    }
    let mut body = request.into_body();
    let refused = answer.status() == http::StatusCode::FORBIDDEN;
    let mut send = respond.send_response(answer, refused)?;
    if refused {
        while body.data().await.is_some() {}
        return Ok(());
    }
    if !connect {
        send.send_data("an ordinary answer".into(), true)?;
        return Ok(());
    }
    let carrier = Carrier::new(send, body);
    match (carries, path.as_str()) {
        (true, "/deflate") => echo_frames(carrier).await,
        (true, _) => echo(carrier).await,
        (false, _) => answer_http1(carrier).await,
    }
}

/// A connection: client's half.
async fn connect() -> Result<SendRequest<Bytes>> {
    let listener = TcpListener::bind(ADDRESS).await?;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut connection =
            h2::server::Builder::new().enable_connect_protocol().handshake(stream).await?;
        while let Some(next) = connection.accept().await {
            let (request, respond) = next?;
            tokio::spawn(serve(request, respond));
        }
        Result::Ok(())
    });
    let stream = TcpStream::connect(ADDRESS).await?;
    stream.set_nodelay(true)?;
    let (client, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    let client = client.ready().await?;
    while !client.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Ok(client)
}

/// Extended CONNECT; `None` where it is refused.
async fn open(
    client: &mut SendRequest<Bytes>,
    path: &str,
    header: (&str, &str),
) -> Result<Option<Carrier>> {
    let request = Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri(format!("http://{ADDRESS}{path}"))
        .extension(Token::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("origin", format!("http://{ADDRESS}"))
        .header(header.0, header.1)
        .body(())?;
    let (answer, mut send) = client.send_request(request, false)?;
    let answer = answer.await?;
    let agreed = answer.status().is_success();
    if !agreed {
        let _ = send.send_data(Bytes::new(), true);
    }
    Ok(agreed.then(|| Carrier::new(send, answer.into_body())))
}

const CHAT: (&str, &str) = ("sec-websocket-protocol", "chat");
const DEFLATE: (&str, &str) = ("sec-websocket-extensions", "permessage-deflate");

async fn say(ws: &mut WebSocketStream<Carrier>, texts: &[&str]) -> Result {
    for t in texts {
        ws.send(Message::text(*t)).await?;
        ws.next().await;
    }
    Ok(())
}

static NEXT_KEY: AtomicU32 = AtomicU32::new(0x37fa_213d);

/// A frame as a client sends it; `first` is its first byte.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    // Another one for each frame, as RFC 6455 §5.3 wants it.
    let key = NEXT_KEY.fetch_add(0x9e37_79b9, Ordering::Relaxed).to_be_bytes();
    let mut v = vec![first, 0x80 | payload.len() as u8];
    v.extend(key);
    v.extend(payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
    v
}

/// A message compressed as RFC 7692 §7.2.1 says, with the context of those before.
fn deflated(compress: &mut Compress, text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(512);
    compress.compress_vec(text.as_bytes(), &mut out, FlushCompress::Sync)?;
    out.truncate(out.len() - 4);
    Ok(masked(0xc1, &out))
}

/// The conversation of the fixture `ws-h2`.
pub(crate) async fn sessions() -> Result {
    let mut client = connect().await?;
    let chat = open(&mut client, "/chat", CHAT).await?.ok_or("refused")?;
    let mut small = open(&mut client, "/deflate", DEFLATE).await?.ok_or("refused")?;
    let mut chat = WebSocketStream::from_raw_socket(chat, Role::Client, None).await;
    let mut compress = Compress::new(Compression::default(), false);
    say(&mut chat, &["Hello over HTTP/2", "Grüße"]).await?;
    for n in 0..4 {
        let line = format!(r#"{{"type":"message","room":"general","text":"number {n}"}}"#);
        let frame = deflated(&mut compress, &line)?;
        small.write_all(&frame).await?;
        let mut back = vec![0; frame.len() - 4];
        small.read_exact(&mut back).await?;
        say(&mut chat, &[&format!("and {n}")]).await?;
    }
    // A request beside them.
    let get = Request::get(format!("http://{ADDRESS}/page")).body(())?;
    let (answer, _) = client.send_request(get, true)?;
    let mut body = answer.await?.into_body();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
    }
    // More than one DATA frame, and than one flow control window.
    chat.send(Message::binary(vec![0x5a; 20_000])).await?;
    chat.next().await;
    chat.send(Message::Ping("there?".into())).await?;
    chat.next().await;
    small.write_all(&masked(0x88, &1000_u16.to_be_bytes())).await?;
    let mut rest = Vec::new();
    small.read_to_end(&mut rest).await?;
    small.shutdown().await?;
    chat.close(Some(CloseFrame { code: CloseCode::Normal, reason: "bye".into() })).await?;
    while let Some(Ok(_)) = chat.next().await {}
    let _ = chat.get_mut().shutdown().await;
    let _ = chat.get_mut().read_to_end(&mut Vec::new()).await;
    drop((chat, small, client));
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    Ok(())
}

/// The conversation of the fixture `ws-h2-ends`.
pub(crate) async fn ends() -> Result {
    let mut client = connect().await?;
    let mut one = open(&mut client, "/chat", CHAT).await?.ok_or("refused")?;
    one.write_all(&masked(0x81, b"no close follows")).await?;
    let mut back = [0; 18];
    one.read_exact(&mut back).await?;
    one.shutdown().await?;
    let _ = one.read_to_end(&mut Vec::new()).await;

    let mut two = open(&mut client, "/chat", CHAT).await?.ok_or("refused")?;
    two.write_all(&masked(0x81, b"cancelled next")).await?;
    let mut back = [0; 16];
    two.read_exact(&mut back).await?;
    two.send.send_reset(Reason::CANCEL);

    assert!(open(&mut client, "/refused", CHAT).await?.is_none());

    let tunnel = Request::builder().method(Method::CONNECT).uri("inside.example:80").body(())?;
    let (answer, send) = client.send_request(tunnel, false)?;
    let mut tunnel = Carrier::new(send, answer.await?.into_body());
    tunnel.write_all(b"GET /inside HTTP/1.1\r\nHost: inside.example\r\n\r\n").await?;
    tunnel.shutdown().await?;
    let _ = tunnel.read_to_end(&mut Vec::new()).await;
    drop((one, two, tunnel, client));
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    Ok(())
}

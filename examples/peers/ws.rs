//! WebSocket with tokio-tungstenite: no extension, every form of frame.

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use crate::Result;

type Ws = WebSocketStream<TcpStream>;

const ADDRESS: &str = "127.0.0.1:9001";

/// The frame of a fragmented text message: its first, or a later one.
fn fragment(first: bool, last: bool, text: &'static str) -> Message {
    let opcode = OpCode::Data(if first { Data::Text } else { Data::Continue });
    Message::Frame(Frame::message(text, opcode, last))
}

/// "Hello ", "World", "!", with a ping between the first two.
async fn hello_world(ws: &mut Ws) -> Result {
    ws.send(fragment(true, false, "Hello ")).await?;
    ws.send(Message::Ping("between fragments".into())).await?;
    ws.send(fragment(false, false, "World")).await?;
    ws.send(fragment(false, true, "!")).await?;
    Ok(())
}

/// Echoes small messages, answers large ones with their length, and does on
/// request what a client cannot.
async fn serve(mut ws: Ws) -> Result {
    while let Some(message) = ws.next().await {
        match message? {
            Message::Text(t) if t == "ping me" => {
                ws.send(Message::Ping("heartbeat".into())).await?;
            }
            Message::Text(t) if t == "in fragments" => hello_world(&mut ws).await?,
            Message::Text(t) if t == "64 KiB" => {
                ws.send(Message::text("0123456789abcdef".repeat(4096))).await?;
            }
            Message::Binary(b) if b.len() > 1000 => {
                ws.send(Message::text(format!("{} bytes", b.len()))).await?;
            }
            m @ (Message::Text(_) | Message::Binary(_)) => ws.send(m).await?,
            _ => {}
        }
    }
    Ok(())
}

/// Sends, and reads until the answer is a message.
async fn ask(ws: &mut Ws, message: Message) -> Result {
    ws.send(message).await?;
    answer(ws).await
}

async fn answer(ws: &mut Ws) -> Result {
    while let Some(m) = ws.next().await {
        if matches!(m?, Message::Text(_) | Message::Binary(_)) {
            break;
        }
    }
    Ok(())
}

/// Reads one frame, whatever it is; replies to pings go out by reading.
async fn one(ws: &mut Ws) -> Result {
    if let Some(m) = ws.next().await {
        m?;
    }
    ws.flush().await?;
    Ok(())
}

/// The conversation of the fixture `ws-tungstenite`.
pub(crate) async fn tour() -> Result {
    let listener = TcpListener::bind(ADDRESS).await?;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        serve(accept_async(stream).await?).await
    });

    let stream = TcpStream::connect(ADDRESS).await?;
    stream.set_nodelay(true)?;
    let (mut ws, _) = client_async(format!("ws://{ADDRESS}/tour"), stream).await?;

    ask(&mut ws, Message::text("Hello, server")).await?;
    ask(&mut ws, Message::text("")).await?;
    ask(&mut ws, Message::text("Grüße, 世界 🌍")).await?;
    ask(&mut ws, Message::text(r#"{"op":"add","left":2,"right":40}"#)).await?;
    ask(&mut ws, Message::binary((0..=255).collect::<Vec<u8>>())).await?;
    // The edges of the 7-bit length and of the 16-bit length.
    ask(&mut ws, Message::text("a".repeat(125))).await?;
    ask(&mut ws, Message::text("b".repeat(126))).await?;
    ws.send(Message::Ping("are you there".into())).await?;
    one(&mut ws).await?;
    ws.send(Message::Pong("unasked".into())).await?;
    ws.send(Message::text("ping me")).await?;
    one(&mut ws).await?;
    hello_world(&mut ws).await?;
    answer(&mut ws).await?;
    ask(&mut ws, Message::text("in fragments")).await?;
    ask(&mut ws, Message::binary(noise(70_000))).await?;
    ask(&mut ws, Message::text("64 KiB")).await?;
    ws.close(Some(CloseFrame { code: CloseCode::Normal, reason: "that is all".into() })).await?;
    while let Some(m) = ws.next().await {
        m?;
    }
    drop(ws);
    server.await?
}

/// Bytes that look like nothing: a linear congruential sequence.
fn noise(len: usize) -> Vec<u8> {
    let mut x = 1_u32;
    (0..len)
        .map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            x.to_be_bytes()[0]
        })
        .collect()
}

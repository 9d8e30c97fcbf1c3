//! WebSocket with tokio-tungstenite at both ends: frames with heads of their own, which the
//! library sends as they are, and what it makes of them where they arrive.

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};
use tokio_tungstenite::{accept_async_with_config, client_async};

use crate::Result;

const ADDRESS: &str = "127.0.0.1:9002";

fn frame(opcode: OpCode, payload: &[u8], change: impl Fn(&mut FrameHeader)) -> Message {
    let mut header = FrameHeader { opcode, ..FrameHeader::default() };
    change(&mut header);
    Message::Frame(Frame::from_payload(header, payload.to_vec().into()))
}

/// By path: what the client sends behind its handshake.
fn faults() -> Vec<(&'static str, Vec<Message>)> {
    let text = OpCode::Data(Data::Text);
    let ping = OpCode::Control(Control::Ping);
    let close = |code: u16| frame(OpCode::Control(Control::Close), &code.to_be_bytes(), |_| {});
    let part = |h: &mut FrameHeader| h.is_final = false;
    vec![
        ("rsv2", vec![frame(text, b"hello", |h| h.rsv2 = true)]),
        ("opcode-3", vec![frame(OpCode::Data(Data::Reserved(3)), b"hello", |_| {})]),
        ("opcode-11", vec![frame(OpCode::Control(Control::Reserved(11)), b"hello", |_| {})]),
        ("fragmented-ping", vec![frame(ping, b"hello", part)]),
        ("long-ping", vec![frame(ping, &[b'x'; 126], |_| {})]),
        ("orphan", vec![frame(OpCode::Data(Data::Continue), b"hello", |_| {})]),
        ("interleaved", vec![frame(text, b"one", part), frame(text, b"two", |_| {})]),
        ("utf8", vec![frame(text, b"caf\xe9", |_| {})]),
        ("close-1016", vec![close(1016)]),
        ("close-1006", vec![close(1006)]),
        ("too-big", vec![frame(OpCode::Data(Data::Binary), &[7; 5000], |_| {})]),
    ]
}

/// The conversations of the fixture `ws-tungstenite-faults`.
pub(crate) async fn tour() -> Result {
    let listener = TcpListener::bind(ADDRESS).await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let limit = WebSocketConfig::default().max_message_size(Some(4096));
            let Ok(mut ws) = accept_async_with_config(stream, Some(limit)).await else { continue };
            // A masked frame of the server, for who asks for it.
            while let Some(Ok(message)) = ws.next().await {
                if message.is_text() {
                    let masked = |h: &mut FrameHeader| h.mask = Some([1, 2, 3, 4]);
                    let _ = ws.send(frame(OpCode::Data(Data::Text), b"hello", masked)).await;
                }
            }
        }
    });
    let mut all = faults();
    all.push(("masked", vec![Message::text("please")]));
    for (path, messages) in all {
        let stream = TcpStream::connect(ADDRESS).await?;
        stream.set_nodelay(true)?;
        let (mut ws, _) = client_async(format!("ws://{ADDRESS}/{path}"), stream).await?;
        for m in messages {
            ws.send(m).await?;
        }
        let over = async { while let Some(Ok(_)) = ws.next().await {} };
        let _ = tokio::time::timeout(std::time::Duration::from_millis(400), over).await;
        drop(ws);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(())
}

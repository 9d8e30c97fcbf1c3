//! The Rust peers that fixtures are recorded from.
//!
//! `cargo run --example peers CONVERSATION`: server and client of one
//! conversation, on the loopback, on fixed ports; `fixtures/record/record.sh`
//! runs them in a network namespace of their own and captures.

mod grpc;
mod stalled;
mod web;
mod ws;
mod ws_faults;
mod ws_h2;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result {
    match std::env::args().nth(1).as_deref() {
        Some("ws-tungstenite") => ws::tour().await,
        Some("ws-tungstenite-faults") => ws_faults::tour().await,
        Some("ws-h2") => ws_h2::sessions().await,
        Some("ws-h2-ends") => ws_h2::ends().await,
        Some("grpc-tonic") => grpc::tour().await,
        Some("grpc-gzip-tonic") => grpc::gzip().await,
        Some("grpc-trailers-only") => grpc::trailers_only().await,
        Some("grpc-large") => grpc::large().await,
        Some("grpc-many") => grpc::many().await,
        Some("grpc-flow-control") => stalled::tour().await,
        Some("grpc-web-hyper") => web::tour().await,
        other => Err(format!("no such conversation: {other:?}").into()),
    }
}

//! gRPC with tonic whose data stands still: one end does not read, and so does not open the
//! window (RFC 9113 §5.2). Calls end by their deadline, are cancelled, or end late.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::client::Grpc as Client;
use tonic::server::NamedService;
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::Result;
use crate::grpc::{
    Boxed, CHAT, ChatMessage, GET, GetUserRequest, LIST, ListUsersRequest, User, path, server, user,
};

const PORT: u16 = 50060;
/// The smaller window of a stream: of the server's, and of all clients but one.
const SMALL: u32 = 4 << 10;

async fn get_user(request: Request<GetUserRequest>) -> std::result::Result<Response<User>, Status> {
    Ok(Response::new(user(request.into_inner().id)))
}

/// Sends as fast as it may: 1,000 bytes a user.
async fn list_users(
    request: Request<ListUsersRequest>,
) -> std::result::Result<Response<Boxed<User>>, Status> {
    let n = request.into_inner().page_size;
    let users = (1..=n).map(|id| Ok(User { email: "x".repeat(960), ..user(id) }));
    Ok(Response::new(Box::pin(tokio_stream::iter(users))))
}

/// Listens to nobody.
async fn chat(
    request: Request<Streaming<ChatMessage>>,
) -> std::result::Result<Response<Boxed<ChatMessage>>, Status> {
    // Kept, and not read.
    let never = NeverRead(request.into_inner());
    Ok(Response::new(Box::pin(never)))
}

struct NeverRead(
    #[allow(dead_code, reason = "dropping it would end the call")] Streaming<ChatMessage>,
);

impl Stream for NeverRead {
    type Item = std::result::Result<ChatMessage, Status>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

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
            Ok(match request.uri().path() {
                GET => server(false).unary(service_fn(get_user), request).await,
                LIST => server(false).server_streaming(service_fn(list_users), request).await,
                _ => server(false).streaming(service_fn(chat), request).await,
            })
        })
    }
}

async fn connect(window: u32) -> Result<Client<Channel>> {
    let channel = Channel::from_shared(format!("http://127.0.0.1:{PORT}"))?
        .user_agent("framescope-peers")?
        .initial_stream_window_size(window)
        .initial_connection_window_size(65_535)
        .connect()
        .await?;
    let mut client = Client::new(channel);
    client.ready().await?;
    Ok(client)
}

/// A list that nobody has begun to read.
async fn list(
    client: &mut Client<Channel>,
    page_size: i32,
    timeout: Option<Duration>,
) -> Result<Streaming<User>> {
    let mut request = Request::new(ListUsersRequest { page_size, page_token: String::new() });
    if let Some(t) = timeout {
        request.set_timeout(t);
    }
    let codec = ProstCodec::<ListUsersRequest, User>::default();
    client.ready().await?;
    Ok(client.server_streaming(request, path(LIST), codec).await?.into_inner())
}

async fn drain(mut users: Streaming<User>) -> Result<usize> {
    let mut n = 0;
    while users.next().await.transpose()?.is_some() {
        n += 1;
    }
    Ok(n)
}

/// Six calls on three connections.
pub(crate) async fn tour() -> Result {
    let incoming = TcpIncoming::from(TcpListener::bind(format!("127.0.0.1:{PORT}")).await?);
    tokio::spawn(
        tonic::transport::Server::builder()
            .initial_stream_window_size(SMALL)
            .add_service(UserService)
            .serve_with_incoming(incoming.with_nodelay(Some(true))),
    );
    let ms = Duration::from_millis;

    let mut client = connect(SMALL).await?;
    // A reader that reads nothing until its deadline has passed, and gives up.
    let users = list(&mut client, 8, Some(ms(400))).await?;
    sleep(ms(401)).await;
    drop(users);
    // One without a deadline that cancels.
    let users = list(&mut client, 8, None).await?;
    sleep(ms(250)).await;
    drop(users);
    sleep(ms(20)).await;
    // One that reads late, and is given OK when its deadline has passed.
    let users = list(&mut client, 6, Some(ms(150))).await?;
    sleep(ms(200)).await;
    assert_eq!(drain(users).await?, 6);
    // One that reads late, in time.
    let users = list(&mut client, 6, Some(ms(2000))).await?;
    sleep(ms(150)).await;
    assert_eq!(drain(users).await?, 6);

    // A server that does not read; what the client has left to send outlives its interest in the
    // answer, and ends with the connection.
    let (tx, rx) = mpsc::channel(1);
    tokio::spawn(async move {
        let text = "x".repeat(3000);
        while tx
            .send(ChatMessage { user: "alice".into(), text: text.clone(), timestamp: 1 })
            .await
            .is_ok()
        {}
    });
    let mut request = Request::new(ReceiverStream::new(rx));
    request.set_timeout(ms(300));
    let codec = ProstCodec::<ChatMessage, ChatMessage>::default();
    client.ready().await?;
    let answers = client.streaming(request, path(CHAT), codec).await?;
    sleep(ms(301)).await;
    drop(answers);
    drop(client);
    sleep(ms(20)).await;

    // A list that nobody reads uses up the window of the connection, and a call beside it
    // waits for that.
    let mut client = connect(1 << 20).await?;
    let users = list(&mut client, 100, None).await?;
    sleep(ms(50)).await;
    let mut request = Request::new(GetUserRequest { id: 42 });
    request.set_timeout(ms(200));
    let codec = ProstCodec::<GetUserRequest, User>::default();
    let mut other = client.clone();
    other.ready().await?;
    // A timer of tonic's own would notice, but not abort the stream before it is dropped.
    let call = tokio::time::timeout(ms(201), other.unary(request, path(GET), codec)).await;
    assert!(!matches!(call, Ok(Ok(_))), "no window, no answer");
    sleep(ms(20)).await;
    drop(users);
    drop((client, other));
    sleep(ms(100)).await;
    Ok(())
}

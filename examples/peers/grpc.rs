//! gRPC with tonic, `user.UserService` of `fixtures/proto/user.proto`. Messages
//! are written by hand, so that no protoc is needed.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::join_all;
use http::uri::PathAndQuery;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::client::Grpc as Client;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::MetadataValue;
use tonic::server::{Grpc as Server, NamedService};
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::Result;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetUserRequest {
    #[prost(int32, tag = "1")]
    pub(crate) id: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CreateUserRequest {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    email: String,
    #[prost(int32, tag = "3")]
    age: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct User {
    #[prost(int32, tag = "1")]
    pub(crate) id: i32,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(string, tag = "3")]
    pub(crate) email: String,
    #[prost(int32, tag = "4")]
    pub(crate) age: i32,
    #[prost(string, repeated, tag = "5")]
    pub(crate) roles: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListUsersRequest {
    #[prost(int32, tag = "1")]
    pub(crate) page_size: i32,
    #[prost(string, tag = "2")]
    pub(crate) page_token: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ChatMessage {
    #[prost(string, tag = "1")]
    pub(crate) user: String,
    #[prost(string, tag = "2")]
    pub(crate) text: String,
    #[prost(int64, tag = "3")]
    pub(crate) timestamp: i64,
}

pub(crate) type Boxed<T> = Pin<Box<dyn Stream<Item = std::result::Result<T, Status>> + Send>>;

pub(crate) fn user(id: i32) -> User {
    let name = ["Alice", "Bob", "Carol", "Dave", "Erin"][id.unsigned_abs() as usize % 5];
    User {
        id,
        name: name.into(),
        email: format!("{}@example.com", name.to_lowercase()),
        age: 30 + id % 7,
        roles: vec!["reader".into(), "writer".into()],
    }
}

async fn get_user(request: Request<GetUserRequest>) -> std::result::Result<Response<User>, Status> {
    let id = request.get_ref().id;
    match id {
        42 => {
            let mut response = Response::new(User {
                id,
                name: "Alice".into(),
                email: "alice@example.com".into(),
                age: 30,
                roles: vec!["admin".into(), "writer".into()],
            });
            if let Some(id) = request.metadata().get("x-request-id") {
                response.metadata_mut().insert("x-request-id", id.clone());
            }
            Ok(response)
        }
        // A large one: about 100 KB, in roles.
        100_000 => Ok(Response::new(User {
            roles: (0..5000).map(|n| format!("role number {n:05}")).collect(),
            ..user(id)
        })),
        403 => Err(Status::permission_denied("not yours")),
        // All of what is percent-encoded: space is not, the rest is.
        _ => Err(Status::with_details(
            Code::NotFound,
            format!("no user with id {id}: 100% “niemand” größer als\n42"),
            prost::bytes::Bytes::from_static(b"\x08\x05\x12\x07details"),
        )),
    }
}

async fn create_user(
    request: Request<CreateUserRequest>,
) -> std::result::Result<Response<User>, Status> {
    let r = request.into_inner();
    if r.email.is_empty() {
        return Err(Status::invalid_argument("email is missing"));
    }
    Ok(Response::new(User { id: 43, name: r.name, email: r.email, age: r.age, roles: Vec::new() }))
}

async fn list_users(
    request: Request<ListUsersRequest>,
) -> std::result::Result<Response<Boxed<User>>, Status> {
    let r = request.into_inner();
    let (tx, rx) = mpsc::channel(1);
    tokio::spawn(async move {
        for id in 1..=r.page_size {
            if tx.send(Ok(user(id))).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        if r.page_token == "stale" {
            let _ = tx.send(Err(Status::aborted("the list changed"))).await;
        }
    });
    Ok(Response::new(Box::pin(ReceiverStream::new(rx))))
}

async fn chat(
    request: Request<Streaming<ChatMessage>>,
) -> std::result::Result<Response<Boxed<ChatMessage>>, Status> {
    let answers = request.into_inner().map(|m| {
        m.map(|m| ChatMessage {
            user: "server".into(),
            text: format!("{} said: {}", m.user, m.text),
            timestamp: m.timestamp + 1,
        })
    });
    Ok(Response::new(Box::pin(answers)))
}

/// The service as tonic's generated code would have it.
#[derive(Clone, Copy)]
struct UserService {
    gzip: bool,
}

impl NamedService for UserService {
    const NAME: &'static str = "user.UserService";
}

pub(crate) fn server<Q, A>(gzip: bool) -> Server<ProstCodec<A, Q>>
where
    Q: prost::Message + Default + 'static,
    A: prost::Message + Default + 'static,
{
    let server = Server::new(ProstCodec::default());
    if gzip { server.accept_compressed(Gzip).send_compressed(Gzip) } else { server }
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
        let gzip = self.gzip;
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/user.UserService/GetUser" => {
                    server(gzip).unary(service_fn(get_user), request).await
                }
                "/user.UserService/CreateUser" => {
                    server(gzip).unary(service_fn(create_user), request).await
                }
                "/user.UserService/ListUsers" => {
                    server(gzip).server_streaming(service_fn(list_users), request).await
                }
                "/user.UserService/Chat" => server(gzip).streaming(service_fn(chat), request).await,
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

pub(crate) fn path(method: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(method)
}

pub(crate) const GET: &str = "/user.UserService/GetUser";
const CREATE: &str = "/user.UserService/CreateUser";
pub(crate) const LIST: &str = "/user.UserService/ListUsers";
pub(crate) const CHAT: &str = "/user.UserService/Chat";

/// The port of [`many`].
const MANY: u16 = 50055;

/// A server on `port`, and a client that is connected to it.
async fn connect(port: u16, gzip: bool) -> Result<Client<Channel>> {
    let address = format!("127.0.0.1:{port}");
    // Nagle's algorithm joins what eight calls send at once; elsewhere it would
    // only show the 40 ms of a delayed acknowledgement.
    let incoming =
        TcpIncoming::from(TcpListener::bind(&address).await?).with_nodelay(Some(port != MANY));
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(UserService { gzip })
            .serve_with_incoming(incoming),
    );
    let channel = Channel::from_shared(format!("http://{address}"))?
        .user_agent("framescope-peers")?
        .connect()
        .await?;
    let client = Client::new(channel);
    Ok(if gzip { client.accept_compressed(Gzip).send_compressed(Gzip) } else { client })
}

async fn unary<Q, A>(
    client: &mut Client<Channel>,
    method: &'static str,
    request: Request<Q>,
) -> Result<std::result::Result<Response<A>, Status>>
where
    Q: prost::Message + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    client.ready().await?;
    Ok(client.unary(request, path(method), ProstCodec::<Q, A>::default()).await)
}

/// Reads a list to its end; how many came, and how it ended.
async fn list(
    client: &mut Client<Channel>,
    request: Request<ListUsersRequest>,
) -> Result<(usize, Option<Status>)> {
    client.ready().await?;
    let codec = ProstCodec::<ListUsersRequest, User>::default();
    let mut users = client.server_streaming(request, path(LIST), codec).await?.into_inner();
    let mut n = 0;
    loop {
        match users.message().await {
            Ok(Some(_)) => n += 1,
            Ok(None) => return Ok((n, None)),
            Err(status) => return Ok((n, Some(status))),
        }
    }
}

/// The three lines of the tutorial's chat, each after the answer to the last.
async fn talk(client: &mut Client<Channel>) -> Result {
    client.ready().await?;
    let (tx, rx) = mpsc::channel(1);
    let codec = ProstCodec::<ChatMessage, ChatMessage>::default();
    let mut answers = client
        .streaming(Request::new(ReceiverStream::new(rx)), path(CHAT), codec)
        .await?
        .into_inner();
    for (n, text) in ["hello", "how are you", "bye"].into_iter().enumerate() {
        tx.send(ChatMessage {
            user: "alice".into(),
            text: text.into(),
            timestamp: 1_732_000_000 + i64::try_from(n)?,
        })
        .await?;
        answers.message().await?;
    }
    drop(tx);
    while answers.message().await?.is_some() {}
    Ok(())
}

/// The four patterns but client streaming; metadata, errors, a deadline kept.
pub(crate) async fn tour() -> Result {
    let mut client = connect(50051, false).await?;

    let mut request = Request::new(GetUserRequest { id: 42 });
    request.metadata_mut().insert("x-request-id", MetadataValue::from_static("7f3a"));
    request
        .metadata_mut()
        .insert_bin("trace-bin", MetadataValue::from_bytes(&[0x00, 0x01, 0x02, 0xfd, 0xfe, 0xff]));
    request.set_timeout(Duration::from_secs(2));
    let _: Response<User> = unary(&mut client, GET, request).await??;

    let missing = unary::<_, User>(&mut client, GET, Request::new(GetUserRequest { id: 404 }));
    assert_eq!(missing.await?.unwrap_err().code(), Code::NotFound);

    let request =
        CreateUserRequest {
            name: "Zoë Ångström".into(), email: "zoe@example.com".into(), age: 27
        };
    let _: Response<User> = unary(&mut client, CREATE, Request::new(request)).await??;

    let page = |page_size, token: &str| {
        Request::new(ListUsersRequest { page_size, page_token: token.into() })
    };
    assert_eq!(list(&mut client, page(5, "")).await?.0, 5);
    // Two messages, then an error in the trailers.
    let (n, status) = list(&mut client, page(2, "stale")).await?;
    assert_eq!((n, status.map(|s| s.code())), (2, Some(Code::Aborted)), "an error after messages");
    // Nothing at all: trailers without a message.
    assert_eq!(list(&mut client, page(0, "")).await?.0, 0);
    talk(&mut client).await?;
    drop(client);
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}

/// Messages compressed with gzip, both ways.
pub(crate) async fn gzip() -> Result {
    let mut client = connect(50052, true).await?;
    let get = |id| Request::new(GetUserRequest { id });
    let _: Response<User> = unary(&mut client, GET, get(42)).await??;
    let _: Response<User> = unary(&mut client, GET, get(100_000)).await??;
    let page = ListUsersRequest { page_size: 3, page_token: "next".into() };
    list(&mut client, Request::new(page)).await?;
    talk(&mut client).await
}

/// Responses that are one HEADERS frame.
pub(crate) async fn trailers_only() -> Result {
    let mut client = connect(50053, false).await?;
    for (method, id) in [(GET, 403), (GET, 404), ("/user.UserService/Nothing", 1)] {
        let request = Request::new(GetUserRequest { id });
        let status = unary::<_, User>(&mut client, method, request).await?;
        assert!(status.is_err(), "{method} {id}");
    }
    // A service that is not there: the router answers.
    let request = Request::new(GetUserRequest { id: 1 });
    let status = unary::<_, User>(&mut client, "/no.Such/Method", request).await?;
    assert_eq!(status.unwrap_err().code(), Code::Unimplemented);
    Ok(())
}

/// About 100 KB in one message: many DATA frames, flow control.
pub(crate) async fn large() -> Result {
    let mut client = connect(50054, false).await?;
    let request = Request::new(GetUserRequest { id: 100_000 });
    let answer: Response<User> = unary(&mut client, GET, request).await??;
    assert_eq!(answer.get_ref().roles.len(), 5000);
    Ok(())
}

/// Eight calls at once on one connection.
pub(crate) async fn many() -> Result {
    let client = connect(MANY, false).await?;
    let calls = (1..=8).map(|n| {
        let mut client = client.clone();
        async move {
            let page = ListUsersRequest { page_size: n, page_token: format!("call {n}") };
            list(&mut client, Request::new(page)).await
        }
    });
    for (n, outcome) in join_all(calls).await.into_iter().enumerate() {
        assert_eq!(outcome?.0, n + 1);
    }
    Ok(())
}

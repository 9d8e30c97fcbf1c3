//! Every limit of the program, with its reason. Reaching one is a finding,
//! never silence.

/// Bytes of packets in one batch. Large enough that per-batch costs vanish,
/// small enough that a live reader is not kept waiting.
pub const BATCH_BYTES: usize = 1 << 20;

/// Largest packet that is believed, in bytes. Offloaded segments on a loopback
/// reach 64 KiB, big-TCP ones a few hundred; libpcap's own bound is 256 KiB, and
/// a file whose length field says more is lying.
pub const MAX_PACKET_BYTES: usize = 1 << 20;

/// Largest pcapng block that is believed: a secrets block with many keys.
pub const MAX_BLOCK_BYTES: usize = 16 << 20;

/// Bytes of packets that wait in the kernel while capturing, unless told otherwise
/// (`--buffer`): a program that stands still for two seconds on a busy loopback (some
/// 200,000 small packets a second, each with a head of 96 bytes) loses nothing.
pub const LIVE_RING_BYTES: usize = 128 << 20;

/// Ends of connections whose processes are remembered while capturing: some 200 bytes each.
pub const MAX_SOCKETS: usize = 1 << 15;

/// Bytes before the packets of a file that is written while capturing, for secrets that come
/// later: some three hundred sessions of TLS 1.3. As much again is put in whenever half of it is
/// full: only what has gone on for so many others has its secrets behind its first packets, where
/// Wireshark does not look for them in time.
pub const LIVE_SECRETS_BYTES: usize = 256 << 10;

/// Bytes of packets that wait in memory for whoever reads them while capturing: a reader
/// that stands still, or a pipe that nobody empties, loses nothing before this. What comes
/// then waits in the kernel, and what that drops is counted.
pub const LIVE_QUEUE_BYTES: usize = 512 << 20;

/// Interfaces kept of one pcapng section: obsolete packet blocks number them in
/// 16 bits, and `any` on the largest hosts sees some thousands.
pub const MAX_INTERFACES: usize = 1 << 16;

/// Findings of one capture file about single packets and blocks: enough to see
/// what is wrong with it, where every block of a gigabyte may be.
pub const MAX_CAPTURE_FINDINGS: u32 = 1000;

/// Window that a zstd frame may ask for. `zstd --ultra -22 --long=27` asks for 128 MiB.
pub const MAX_ZSTD_WINDOW: u64 = 128 << 20;

/// Pieces in the map of one buffer of an event: 16 MiB of map, 1 GiB of a message
/// in segments of 1,460 bytes comes to more.
pub const MAX_EVENT_PIECES: usize = 1 << 19;

/// Fragmented IP datagrams under reassembly at a time, and their bytes together.
pub const MAX_DEFRAG_DATAGRAMS: usize = 1024;
/// Bytes of all fragments that wait (see [`MAX_DEFRAG_DATAGRAMS`]).
pub const MAX_DEFRAG_BYTES: usize = 16 << 20;
/// Nanoseconds of capture time that fragments wait (RFC 8200 §4.5 says 60 s).
pub const DEFRAG_TIMEOUT_NS: u64 = 60_000_000_000;

/// IP in IP, GRE and VXLAN looked through at most so deep: real stacks have two or three.
pub const MAX_TUNNEL_DEPTH: usize = 8;

/// Bytes of out-of-order segments that one direction of a connection may keep.
/// A receive window beyond 16 MiB is rare; a gap is declared on this bound.
pub const MAX_REORDER_BYTES: usize = 16 << 20;
/// Packets of a flow after which an acknowledged hole is a gap.
pub const GAP_PACKETS: u64 = 64;
/// Nanoseconds of capture time after which an acknowledged hole is a gap:
/// captures record acknowledgements before the data at times.
pub const GAP_NS: u64 = 200_000_000;

/// Bytes beyond what was seen or acknowledged that a segment or an acknowledgement
/// is believed to reach: the largest window (RFC 7323 §2.3).
pub const MAX_SEQUENCE_AHEAD: u64 = 1 << 30;
/// Packets of a flow for which the first segment waits where the capture begins
/// in the middle of the connection: reordering rarely reaches further.
pub const START_PACKETS: u64 = 4;
/// Nanoseconds of capture time for the same.
pub const START_NS: u64 = 10_000_000;
/// Bytes held for the same.
pub const START_BYTES: usize = 256 << 10;
/// Nanoseconds within which the same packet again is the recorder's doing.
pub const DUPLICATE_NS: u64 = 200_000;
/// Nanoseconds within which a segment that fills a hole was overtaken, rather
/// than lost and sent again; a timeout is never that short.
pub const REORDER_NS: u64 = 3_000_000;
/// Nanoseconds of silence after which a SYN on the ends of an open connection
/// opens another one: TIME-WAIT as systems have it (RFC 9293 §3.4.1 says 4 min).
pub const REUSE_IDLE_NS: u64 = 60_000_000_000;
/// Nanoseconds that a closed connection keeps its state for what is under way.
pub const LINGER_NS: u64 = 1_000_000_000;
/// Parts of the flow table, by the ends of a conversation: what is bounded by number is
/// bounded in each, so that threads which share the parts come to the same. Some times as many
/// as threads, so that few conversations are shared out evenly too.
pub const FLOW_PARTS: usize = 64;
/// Closed connections that keep their state at a time, in all parts together.
pub const MAX_LINGERING: usize = 4096;
/// Connections that are gone but remembered, so that late segments make no new ones; in all
/// parts together.
pub const MAX_TOMBSTONES: usize = 1 << 16;

/// Bytes of one direction that a machine may leave unconsumed while it waits
/// for more: the largest head that is looked at in one piece (an HTTP/1 header
/// section, an HTTP/2 frame of the default size with its head, a gRPC prefix).
pub const MAX_PENDING_BYTES: usize = 1 << 20;
/// Bytes that one direction waits for the other (`Want::Peer`).
pub const MAX_PEER_WAIT_BYTES: usize = 1 << 20;
/// Nanoseconds of capture time that one direction waits for the other.
pub const MAX_PEER_WAIT_NS: u64 = 10_000_000_000;

/// Nanoseconds of capture time that a connection waits for secrets while packets are
/// captured: programs log their keys when they have them, in the handshake, but what brings
/// the log here may be slow. Until then its events are held back.
pub const MAX_SECRET_WAIT_NS: u64 = 10_000_000_000;
/// Bytes of packets that all connections which wait for secrets may keep together. Beyond
/// it those wait no longer that have most.
pub const MAX_SECRET_WAIT_BYTES: usize = 128 << 20;
/// Nanoseconds of capture time between two looks for their secrets.
pub const SECRET_LOOK_NS: u64 = 20_000_000;

/// Bytes after which probing gives up and calls a stream opaque: two HTTP/2
/// frames of the default size, of which the second proves the first.
pub const MAX_PROBE_BYTES: usize = 40 << 10;
/// The same of a connection whose beginning was not captured: a dozen of them. An upload
/// of large messages says nothing of who is the client, and its first answer does.
pub const MAX_JOINED_PROBE_BYTES: usize = 208 << 10;

/// Machines stacked on one connection: TLS, HTTP/2, CONNECT, WebSocket and what
/// it carries is five.
pub const MAX_STACK_DEPTH: usize = 8;
/// Streams derived from one machine that are open at a time.
pub const MAX_CHILDREN: usize = 16_384;

/// Bytes of one message that are kept for showing it, unless `--full`.
pub const PAYLOAD_BYTES: usize = 1 << 20;
/// Bytes kept of a message under `--full`: beyond it even that is cut.
pub const FULL_PAYLOAD_BYTES: usize = 256 << 20;

/// Header section of a request or response, in bytes after decoding.
pub const MAX_HEADER_BYTES: usize = 256 << 10;
/// Header fields of one section.
pub const MAX_HEADER_FIELDS: usize = 4096;
/// Requests of one HTTP/1 connection that wait for their responses: clients that
/// pipeline at all send a few; beyond it a capture has one direction only.
pub const MAX_HTTP1_REQUESTS: usize = 1024;
/// First line of a chunk: a size and extensions, which hardly anybody sends.
pub const MAX_CHUNK_LINE_BYTES: usize = 16 << 10;
/// Bytes behind a hole that are held until a chunk's end proves its beginning: servers
/// write chunks of up to 64 KiB.
pub const MAX_CHUNK_PROOF_BYTES: usize = 72 << 10;
/// Nanoseconds of capture time by which a response may have been captured before
/// its request. Captures of several queues swap neighbours by micro- to
/// milliseconds; what is earlier answered a request that was not captured.
pub const MAX_EARLY_RESPONSE_NS: u64 = 20_000_000;
/// HPACK dynamic table: what a peer may set it to at most here. Browsers and
/// servers use 4 KiB to 64 KiB.
pub const MAX_HPACK_TABLE: usize = 1 << 20;

/// Output of one inflated message; a bomb is named, not run.
pub const MAX_INFLATED_BYTES: usize = 64 << 20;
/// Content codings of one body, one upon the other: two are rare.
pub const MAX_CONTENT_CODINGS: usize = 4;
/// Bytes that come out of one compressed byte in the long run, beyond
/// [`MAX_INFLATED_BYTES`]: DEFLATE cannot give more than 1032 (RFC 1951), and what gives
/// more is a bomb.
pub const MAX_INFLATE_RATIO: u64 = 1032;
/// The same of a body that is read for what is wrong with it, and not as a stream without
/// an end: what is text comes to twenty times its bytes, a bomb to a thousand times.
pub const MAX_BODY_RATIO: u64 = 32;
/// Window of a zstd body (RFC 9659 §3).
pub const MAX_HTTP_ZSTD_WINDOW: u64 = 8 << 20;
/// Compressed bytes of a zstd body that are held: its decoder gives nothing back before
/// its window is full or the body ends.
pub const MAX_HTTP_ZSTD_BYTES: usize = 16 << 20;
/// Parts of a multipart body, or pairs of a form, that are listed.
pub const MAX_BODY_PARTS: usize = 1000;
/// Multipart within multipart.
pub const MAX_MULTIPART_DEPTH: usize = 4;
/// Hops of a request that are listed: a request of more is going round in circles.
pub const MAX_HOPS: usize = 64;
/// Final DEFLATE blocks in one WebSocket message: senders that flush with them
/// write one a flush, and each costs a copy of the 32 KiB window here.
pub const MAX_FINAL_BLOCKS: u32 = 1024;

/// Messages of a session whose hashes are kept: by so many two legs of a proxied
/// session are known as one.
pub const MAX_SESSION_DIGESTS: usize = 32;
/// Text and binary messages that a client sends in one second before it is said: a
/// game at 60 frames a second, and a mouse that is followed, send fewer.
pub const CLIENT_MESSAGES_A_SECOND: u32 = 100;
/// And a server: quotes of a stock exchange come in hundreds.
pub const SERVER_MESSAGES_A_SECOND: u32 = 1000;
/// WebSocket sessions that one address may open to one server within a minute
/// before it is said: a browser opens one for each tab, and few pages more.
pub const CONNECTIONS_A_MINUTE: usize = 30;
/// And that may be open at a time: browsers allow some 200 for all servers.
pub const CONNECTIONS_AT_A_TIME: usize = 100;
/// Pairs of address and server whose sessions are counted, and sessions of each
/// that are remembered.
pub const MAX_COUNTED_ADDRESSES: usize = 4096;
/// See [`MAX_COUNTED_ADDRESSES`].
pub const MAX_COUNTED_SESSIONS: usize = 1024;

/// gRPC calls that are kept, so that those are found which were made for others: at about
/// 1 KiB each, 8 MiB. Beyond it the older half is settled.
pub const MAX_LINKED_CALLS: usize = 8192;
/// gRPC calls that are open at a time and may be what another one is part of: each call
/// is compared with all of them.
pub const MAX_WAITING_CALLS: usize = 256;
/// gRPC calls that `stats --calls` shows: some 1 KiB each.
pub const MAX_SHOWN_CALLS: usize = 20_000;
/// Rows of `stats --by`: windows of time times peers, methods and so on.
pub const MAX_SPREAD_ROWS: usize = 50_000;
/// Sessions that have ended and may have another leg: at about 2 KiB each, 8 MiB.
pub const MAX_LEGS: usize = 4096;
/// Sessions of one address whose first masking keys are remembered: a client that uses
/// them again does so on each connection.
pub const MAX_MASKED_SESSIONS: usize = 64;
/// PROXY headers that are remembered for the sessions behind them.
pub const MAX_ORIGINS: usize = 4096;
/// Nanoseconds that a proxy may hold a message back: what is buffered longer is
/// taken for another session's.
pub const MAX_LEG_DELAY_NS: u64 = 5_000_000_000;
/// Nanoseconds of capture time that a session waits, once it has ended, for one that
/// fits it better than those which do.
pub const LEG_WAIT_NS: u64 = 2_000_000_000;

/// Bytes of one word that is kept for looking across exchanges: a method, a host, a
/// media type, an event's id.
pub const MAX_FACT_BYTES: usize = 256;
/// Bytes of a request target that are kept for the same: servers refuse longer ones
/// than 8 KiB, and what tells two apart stands in front.
pub const MAX_FACT_TARGET_BYTES: usize = 2048;

/// Bytes of a line of an event stream that are waited for before it is taken in pieces:
/// most events come in one segment, and are read in place.
pub const SSE_LINE_BYTES: usize = 16 << 10;
/// Bytes of an event's id, type or reconnection time: ids are numbers, UUIDs, or what a
/// header can hold.
pub const MAX_SSE_VALUE_BYTES: usize = 1024;
/// Bytes of one event that are kept while it comes, even under `--full`: models send a
/// few hundred, and images in base64 some MiB.
pub const MAX_SSE_EVENT_BYTES: usize = 16 << 20;
/// Ids of the last events of a stream that are remembered for those that resume it from an
/// earlier one: what a client misses that is offline for a while.
pub const MAX_STREAM_IDS: usize = 128;
/// Streams that are remembered for those that resume them, or come back without a word.
pub const MAX_RESUMABLE_STREAMS: usize = 4096;
/// Streams of one client to one origin whose times are compared.
pub const MAX_COMPARED_STREAMS: usize = 64;
/// Pairs of a client and an origin whose streams are counted.
pub const MAX_STREAM_ORIGINS: usize = 4096;

/// Requests that may be part of a poll and are kept one by one, in all: some 200 bytes
/// each with what is known of their connections.
pub const MAX_POLL_REQUESTS: usize = 32 << 10;
/// Requests of one target that are kept before they are put into series.
pub const MAX_POLL_WINDOW: usize = 256;
/// Targets of clients that are watched for polling: those that were asked longest ago
/// make room.
pub const MAX_POLL_TARGETS: usize = 4096;
/// Series that are open, of all targets: some 4 KiB each, 32 MiB. Targets that were asked
/// longest ago make room.
pub const MAX_POLL_OPEN: usize = 8192;
/// Series of one target at a time: so many clients behind one address.
pub const MAX_POLL_SERIES: usize = 64;
/// Times of one series that are kept for their median; of more, every second one.
pub const MAX_POLL_TIMES: usize = 128;
/// Connections of one series that are told apart.
pub const MAX_POLL_CONNECTIONS: usize = 16 << 10;
/// Parameters of a query that are looked at.
pub const MAX_POLL_PARAMETERS: usize = 32;

/// Nodes in the field tree of one event.
pub const MAX_TREE_NODES: usize = 1 << 17;
/// Bytes of one gRPC message, as sent, that are held until it is whole: libraries
/// refuse more than 4 MiB unless told otherwise. A larger one is counted, not decoded.
pub const MAX_GRPC_MESSAGE_BYTES: usize = 16 << 20;
/// Bytes of the frame of trailers of a gRPC-Web response, which is waited for whole:
/// browsers and servers refuse header sections far below this.
pub const MAX_WEB_TRAILERS_BYTES: usize = 64 << 10;
/// Findings of one protobuf message: hostile bytes could give one per byte.
pub const MAX_PROTOBUF_FINDINGS: usize = 32;
/// Values in all readings of one protobuf message without a schema: readings nest,
/// and each level reads the same bytes again.
pub const MAX_READING_NODES: usize = 1 << 16;
/// Bytes copied into all readings of one protobuf message, for the same reason.
pub const MAX_READING_BYTES: usize = 16 << 20;
/// Depth of nested messages in protobuf (its own libraries stop at 100).
pub const MAX_PROTOBUF_DEPTH: usize = 100;
/// Depth of nested messages whose fields are told apart for a schema that is inferred:
/// people nest a few.
pub const MAX_INFERRED_DEPTH: usize = 16;
/// Fields that are told apart for all schemas that are inferred from a capture: some
/// 300 bytes each. Those beyond are left out, which the schema says.
pub const MAX_INFERRED_FIELDS: usize = 1 << 16;
/// Methods for which a schema is inferred; paths with ids in them would have no end.
pub const MAX_INFERRED_METHODS: usize = 1000;
/// Bytes of a descriptor set that was compressed: images of all of a large company's
/// schemas stay below.
pub const MAX_SCHEMA_BYTES: u64 = 1 << 30;
/// Bytes of schema files that are taken from reflection: the largest of public services
/// have some 2 MiB.
pub const MAX_LEARNT_BYTES: usize = 64 << 20;
/// And their number.
pub const MAX_LEARNT_FILES: usize = 10_000;

/// Depth of lists and maps in JSON and MessagePack: serde_json stops at 128, and one
/// level takes a stack frame here.
pub const MAX_JSON_DEPTH: usize = 128;
/// Values of one JSON or MessagePack payload: a member takes four nodes of the tree.
pub const MAX_JSON_PARTS: usize = MAX_TREE_NODES / 4;
/// Bytes of a STOMP frame that are held until a later message brings the rest: clients
/// cut up large frames, into pieces of some KiB. A larger one is not read.
pub const MAX_HELD_FRAME: usize = 1 << 20;
/// Bytes of an MQTT packet that are held until a later message brings the rest: what
/// libraries cut up are small packets. Of a larger one the content is not read.
pub const MAX_HELD_PACKET: usize = 64 << 10;
/// Messages of each direction at the beginning of a session that are looked at for
/// what they are, whether somebody looks or not: handshakes come first.
pub const SNIFFED_MESSAGES: u8 = 2;
/// Bytes of such a message: a handshake is short.
pub const SNIFFED_BYTES: usize = 16 << 10;

/// Default of `--mem`: state of open conversations, in bytes.
pub const DEFAULT_STATE_BYTES: usize = 256 << 20;
/// Conversations with state at a time, whatever their size.
pub const MAX_CONVERSATIONS: usize = 1 << 20;

/// Events and findings of one packet that are kept to be put in order. A packet
/// that fills a hole may bring 16 MiB of frames of two bytes; beyond this many
/// they are handed out as the segments come.
pub const MAX_EVENTS_AT_ONCE: usize = 1024;

/// Events and findings that all shards together may bring of one part of a batch, where they
/// wait to be put in order: some 16 MiB where all are calls, and four parts are under way. One
/// engine alone, which keeps none of them, reads what brings more.
pub const MAX_BROUGHT: usize = 1 << 15;

/// Stream bytes and inflated bytes between two checkpoints of a conversation:
/// opening an event reads and inflates at most this and the event itself.
pub const CHECKPOINT_BYTES: u64 = 256 << 10;

/// Bytes of one run of an unknown protocol that make one event.
pub const OPAQUE_RUN_BYTES: u64 = 1 << 20;

/// Memory that an index may spend on checkpoints. Beyond it every second one is
/// dropped: opening an event then costs up to twice [`CHECKPOINT_BYTES`], and so on.
pub const CHECKPOINT_MEMORY_BYTES: usize = 512 << 20;

/// Lanes of the timeline: conversations and streams. More than anybody scrolls
/// through; they are put in order while the screen waits. Rows of further streams are
/// on the lane of their conversation.
pub const MAX_LANES: usize = 1 << 16;
/// Findings of one code that an index lists, so that a flood of one does not hide
/// the others. All are counted, and rows are marked all the same.
pub const MAX_LISTED_FINDINGS_OF_A_CODE: u32 = 20_000;
/// Findings that an index lists in all: some 40 MiB.
pub const MAX_LISTED_FINDINGS: usize = 200_000;

/// Conversations that `stats` lists one by one: some 200 bytes each, and more
/// than anybody reads. The sums are of all.
pub const MAX_STATS_CONVERSATIONS: usize = 100_000;
/// Methods that `stats` tells apart; paths with ids in them would have no end.
/// Further ones are counted together.
pub const MAX_STATS_METHODS: usize = 1000;
/// Spans of streams, sessions and calls that `stats --transports` compares to say how
/// many were open together: 1 MiB a way.
pub const MAX_COMPARED_SPANS: usize = 1 << 16;
/// Streams of an HTTP/2 connection of which `stats --transports` knows the bytes of packets:
/// peers have 100 open at a time as a rule, and 48 bytes are kept of each.
pub const MAX_CARRIED_STREAMS: usize = 4096;
/// Bytes of a method's name that `stats` keeps: a path may have 256 KiB.
pub const MAX_STATS_NAME: usize = 1024;
/// Durations of one method that are kept one by one, so that percentiles are exact.
pub const MAX_EXACT_DURATIONS: usize = 100_000;
/// And those of all methods together: 16 MiB.
pub const MAX_EXACT_DURATIONS_IN_ALL: usize = 1 << 21;
/// Bytes of a capture filter: some three thousand addresses, and nothing that
/// anybody types.
pub const MAX_FILTER_BYTES: usize = 64 << 10;
/// Parentheses, `not`s and operators that are open at a place of a capture filter:
/// reading and applying one takes a stack frame for each.
pub const MAX_FILTER_DEPTH: usize = 64;
/// Bytes of packets that `print -x` keeps so that it can show where an event's
/// bytes lie: what spans more is rare, and a pass must not grow with its file.
pub const RECENT_BYTES: usize = 64 << 20;

/// Secrets of a key log that are kept: a browser writes some hundred thousand in a year,
/// and a million take about 200 MiB.
pub const MAX_KEYLOG_SECRETS: usize = 1 << 20;
/// Bytes of one secret that are believed: TLS has at most 48, and other protocols 64.
pub const MAX_SECRET_BYTES: usize = 256;

/// Bytes of one TLS handshake message that are put together: chains of certificates have
/// some tens of KiB, and libraries refuse more than 64 KiB to 256 KiB.
pub const MAX_HANDSHAKE_BYTES: usize = 1 << 20;
/// Sequence numbers that are tried for a TLS record behind a hole, or in a capture that
/// began in the middle: 16,384 full records are 256 MiB.
pub const MAX_SEQUENCE_TRIALS: u64 = 1 << 14;
/// Updates of keys (RFC 8446 §4.6.3) that are gone through for a TLS record in a capture that
/// began in the middle: libraries update after some millions of records, and few on demand.
pub const MAX_KEY_UPDATE_TRIALS: u32 = 4;
/// Bytes that such trials may go over, in all for one hole: some tenths of a second.
pub const MAX_TRIAL_BYTES: u64 = 256 << 20;
/// Bytes that trials may go over for one connection whose hellos were not captured: there
/// may be many such, and each secret of a key log is tried.
pub const MAX_ORPHAN_TRIAL_BYTES: u64 = 64 << 20;
/// Bytes that such trials may go over for all connections of a run together: some seconds. A
/// capture may be full of connections whose hellos are missing, and none of them in the key log.
pub const MAX_ORPHAN_TRIALS_BYTES: u64 = 4 << 30;
/// Sessions of a key log that are tried for a connection whose hello was not captured: the
/// latest, which are the likeliest.
pub const MAX_TRIAL_SESSIONS: usize = 256;

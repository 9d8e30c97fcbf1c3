//! What both directions of a connection have in common: the hellos, what they came to,
//! and the secrets that fit.

use super::crypto::Keys;
use super::names;
use super::suites::{self, Suite};
use super::wire::{Context, Hello};
use crate::base::Side;
use crate::proto::secrets::{ClientRandom, Fit, Label, Secret};
use crate::proto::{Out, Secrets};

/// From one change of keys to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Epoch {
    /// Keys of what a client sends before it has heard the server.
    Early,
    /// Keys of the handshake of TLS 1.3.
    Handshake,
    /// Keys of application data of TLS 1.3, after so many updates.
    Traffic(u32),
    /// Keys of the master secret of TLS 1.2 and before.
    Master,
}

impl Epoch {
    /// As it is shown.
    pub(super) fn name(self) -> String {
        match self {
            Self::Early => "early data".to_owned(),
            Self::Handshake => "handshake".to_owned(),
            Self::Traffic(0) => "application data".to_owned(),
            Self::Traffic(n) => format!("application data, update {n}"),
            Self::Master => "master secret".to_owned(),
        }
    }

    /// Which secret it has, of what `side` sends.
    pub(super) const fn label(self, side: Side) -> Label {
        match (self, side) {
            (Self::Early, _) => Label::ClientEarly,
            (Self::Handshake, Side::Client) => Label::ClientHandshake,
            (Self::Handshake, Side::Server) => Label::ServerHandshake,
            (Self::Traffic(_), Side::Client) => Label::ClientTraffic,
            (Self::Traffic(_), Side::Server) => Label::ServerTraffic,
            (Self::Master, _) => Label::Master,
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// The latest of each.
    pub(super) client: Option<Box<Hello>>,
    pub(super) server: Option<Box<Hello>>,
    /// The client's random of the latest handshake.
    pub(super) random: Option<ClientRandom>,
    /// What the server chose; 0 until it has.
    pub(super) version: u16,
    pub(super) suite: u16,
    /// The application protocol that the server chose.
    pub(super) alpn: Option<String>,
    /// The group of the key exchange.
    pub(super) group: Option<u16>,
    pub(super) resumed: bool,
    /// The client asked again after a retry request.
    pub(super) retried: bool,
    /// Whether the server took the client's early data, once that is known.
    pub(super) early_taken: Option<bool>,
    /// Handshakes that a server's hello has answered.
    pub(super) handshakes: u32,
    /// The client's hello was not captured: the session was found by trial.
    pub(super) orphan: bool,
    /// Its secrets prove that client and server are the other way round.
    turned: bool,
    /// The first application data was captured, for all that is known.
    pub(super) from_start: bool,
}

impl Session {
    /// A client's hello.
    pub(super) fn client_hello(&mut self, h: &Hello) {
        self.random = Some(h.random);
        // A retry leaves the server's choice; a new handshake does not.
        self.client = Some(Box::new(h.clone()));
    }

    /// The session of a connection without hellos has been found; `turned` where the sides
    /// have been called the wrong way round.
    pub(super) fn adopt(&mut self, fit: Fit, turned: bool) {
        (self.random, self.suite) = (Some(fit.random), fit.suite);
        (self.orphan, self.turned) = (true, turned);
    }

    /// What `side` really is.
    pub(super) const fn role(&self, side: Side) -> Side {
        if self.turned { side.peer() } else { side }
    }

    /// Whether client and server have been called the wrong way round.
    pub(super) const fn is_turned(&self) -> bool {
        self.turned
    }

    /// A server's hello.
    pub(super) fn server_hello(&mut self, h: &Hello) {
        self.version = h.chosen_version();
        self.suite = h.suites.first().copied().unwrap_or(self.suite);
        if let Some(g) = h.shares.first() {
            self.group = Some(*g);
        }
        self.alpn_of(h);
        self.resumed = if self.is_v13() {
            h.psk.is_some()
        } else {
            !h.session_id.is_empty()
                && self.client.as_ref().is_some_and(|c| c.session_id == h.session_id)
        };
        self.handshakes = self.handshakes.saturating_add(1);
        self.server = Some(Box::new(h.clone()));
    }

    /// What a server's hello or its encrypted extensions chose.
    pub(super) fn alpn_of(&mut self, h: &Hello) {
        if let Some(name) = h.alpn.first() {
            self.alpn = Some(String::from_utf8_lossy(name).into_owned());
        }
    }

    pub(super) const fn is_v13(&self) -> bool {
        self.version == 0x0304 || self.version >> 8 == 0x7f
    }

    /// The draft of TLS 1.3; 0 for the RFC.
    pub(super) const fn draft(&self) -> u8 {
        if self.version >> 8 == 0x7f { (self.version & 0xff) as u8 } else { 0 }
    }

    /// What messages are read with.
    pub(super) const fn context(&self) -> Context {
        Context {
            v13: self.is_v13(),
            draft: self.draft(),
            version: self.version,
            suite: self.suite,
            dtls: false,
        }
    }

    /// The suite, where its records can be opened.
    pub(super) fn cipher(&self) -> Option<Suite> {
        suites::of(self.suite)
    }

    /// Records are compressed.
    pub(super) fn is_compressed(&self) -> bool {
        !self.is_v13() && self.server.as_ref().is_some_and(|s| s.compression != 0)
    }

    /// The name of the suite.
    pub(super) fn suite_name(&self) -> String {
        names::suite(self.suite.into())
            .map_or_else(|| format!("suite {:#06x}", self.suite), str::to_owned)
    }

    /// The client said that it sends early data.
    pub(super) fn offers_early_data(&self) -> bool {
        self.client.as_ref().is_some_and(|c| c.has(42))
    }

    /// The keys of an epoch of TLS 1.3 for what `side` sends.
    pub(super) fn keys_of(&self, epoch: Epoch, side: Side, out: &dyn Out) -> Vec<Keys> {
        let Some(random) = &self.random else { return Vec::new() };
        let Some(secret) = out.secrets().get(epoch.label(self.role(side)), random) else {
            return Vec::new();
        };
        match self.cipher().filter(|_| self.version != 0) {
            Some(suite) => {
                Keys::of_secret(suite, secret.bytes(), self.draft()).into_iter().collect()
            }
            // The server has not chosen: what the client offers tells the cipher of early
            // data, which is that of the session that it resumes (RFC 8446 §4.2.10).
            None if self.version == 0 => self.offered(&secret),
            None => Vec::new(),
        }
    }

    fn offered(&self, secret: &Secret) -> Vec<Keys> {
        let offered = self.client.iter().flat_map(|c| c.suites.iter().copied());
        offered
            .filter(|s| s >> 8 == 0x13)
            .filter_map(suites::of)
            .filter_map(|suite| Keys::of_secret(suite, secret.bytes(), self.draft()))
            .collect()
    }

    /// The master secret of the latest handshake.
    fn master(&self, secrets: &Secrets) -> Option<Secret> {
        let by_id = |h: &Option<Box<Hello>>| {
            let id = &h.as_ref()?.session_id;
            if id.is_empty() { None } else { secrets.by_id(id) }
        };
        let random = self.random.as_ref()?;
        secrets.get(Label::Master, random).or_else(|| {
            let found = by_id(&self.server).or_else(|| by_id(&self.client))?;
            secrets.learn(random, &found);
            Some(found)
        })
    }

    /// The keys of the latest handshake of TLS 1.2 or before, for what `side` sends.
    pub(super) fn master_keys(&self, side: Side, out: &dyn Out) -> Option<Keys> {
        let (random, server) = (self.random.as_ref()?, self.server.as_ref()?);
        let master = self.master(out.secrets())?;
        Keys::of_master(
            self.cipher()?,
            self.version,
            server.has(22),
            master.bytes(),
            [random, &server.random],
            side,
        )
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        let hello = |h: &Option<Box<Hello>>| {
            h.as_ref().map_or(0, |h| {
                size_of::<Hello>()
                    + 2 * (h.suites.len() + h.extensions.len() + h.groups.len())
                    + h.alpn.len() * 32
            })
        };
        hello(&self.client) + hello(&self.server)
    }
}

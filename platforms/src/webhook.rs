//! What ingress asks a platform: who may send, what a request holds, what it is answered.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use config::Secret;
use http::{HeaderMap, Method};
use schemas::Reason;

/// Longest platform id that goes into a key or a header, in bytes: ten times what any platform uses, and small
/// enough for the room that the body limit leaves in a record. A longer one counts as absent.
pub(crate) const MAX_ID_BYTES: usize = 512;

/// The head of a request.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// What follows the account in the path, without its first `/`; empty for the account's own path.
    pub path: &'a str,
    /// The query, without `?`; empty where there is none.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Who is connected to us.
    pub peer: IpAddr,
    /// Who sent the request: the peer, or, where that is a trusted proxy, whom it names.
    pub client: IpAddr,
}

/// A request, whole. Has no `Debug`: its body is personal data.
#[derive(Clone, Copy)]
pub struct RequestView<'a> {
    /// Its head.
    pub head: RequestHead<'a>,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The sender has not shown that it is who it says: 401.
    Denied,
    /// The request cannot be authenticated by its form: 400.
    Malformed,
    /// It cannot be told now, for instance because a key set is not loaded: 503, come again.
    Undecided,
}

/// Public keys of a platform, as it publishes them (JSON Web Key Set, RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet(pub String);

/// The secrets of an account, prepared for use: one, or two while one is being rotated. Prints as `***`.
#[derive(Clone)]
pub struct Credentials {
    keys: crate::signature::Keys,
}

impl Credentials {
    /// Keys that sign.
    #[must_use]
    pub fn new(keys: crate::signature::Keys) -> Self {
        Self { keys }
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &crate::signature::Keys {
        &self.keys
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The webhook that a request came in by.
#[derive(Clone, Copy)]
pub struct WebhookTarget<'a> {
    /// The last part of its path: an account, or an integration.
    pub name: &'a str,
    /// What its sender is known by.
    pub credentials: &'a Credentials,
    /// The platform's public keys, where it has some and they are loaded.
    pub key_set: Option<&'a KeySet>,
}

/// What is read from an event: what key, time and order need, and no more.
#[derive(Debug, PartialEq, Eq)]
pub struct EventFields<'a> {
    /// The record's key: whose conversation it belongs to.
    pub key: String,
    /// ms since 1970 (UTC).
    pub time: i64,
    /// The platform's id of the event.
    pub id: Option<Cow<'a, str>>,
    /// The platform's type of the event.
    pub kind: Option<Cow<'a, str>>,
    /// Whether the platform says that it sends this event again.
    pub redelivery: bool,
}

/// An event of a body.
pub struct RawEvent<'a> {
    /// What is read from it.
    pub fields: EventFields<'a>,
    /// Its own bytes: a slice of the body.
    pub value: &'a [u8],
}

/// An event, or a body, that cannot be a raw record.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed<'a> {
    /// Why.
    pub reason: Reason,
    /// What exactly, for a person; never a payload.
    pub detail: &'static str,
    /// The conversation, where it is known all the same.
    pub key: Option<String>,
    /// Its own bytes: a slice of the body.
    pub value: &'a [u8],
}

impl<'a> Malformed<'a> {
    /// Of a conversation that is not known.
    #[must_use]
    pub fn new(reason: Reason, detail: &'static str, value: &'a [u8]) -> Self {
        Self { reason, detail, key: None, value }
    }
}

/// What a request is answered whose events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The status, 2xx.
    pub status: u16,
    /// The body.
    pub body: &'static str,
}

impl Accepted {
    /// 200 without a body.
    pub const OK: Accepted = Accepted { status: 200, body: "" };
}

/// A platform's webhooks.
pub trait Webhook: Send + Sync {
    /// The methods that it sends.
    fn methods(&self) -> &'static [Method] {
        const POST: &[Method] = &[Method::POST];
        POST
    }

    /// What may follow the account in the path; the account's own path is `""`.
    fn paths(&self) -> &'static [&'static str] {
        &[""]
    }

    /// Prepares an account's secrets.
    fn credentials(&self, secrets: &[Secret]) -> Credentials;

    /// Whether public keys are needed to authenticate.
    fn wants_key_set(&self) -> bool {
        false
    }

    /// What can be said before the body is read, so that none is read in vain.
    ///
    /// # Errors
    /// If the head alone shows that the request cannot be taken.
    fn check_head(&self, target: &WebhookTarget<'_>, head: &RequestHead<'_>) -> Result<(), Denied>;

    /// Whether the request is from whom it says, before anything of the body is parsed. `now` is in ms since 1970.
    ///
    /// # Errors
    /// If it is not, or that cannot be told.
    fn authenticate(
        &self,
        target: &WebhookTarget<'_>,
        request: &RequestView<'_>,
        now: i64,
    ) -> Result<(), Denied>;

    /// The events of an authenticated request; each byte of an event is in exactly one of them. What cannot be split is
    /// one malformed event. `account` is the last part of the path.
    fn events<'b>(
        &self,
        account: &str,
        request: &RequestView<'b>,
    ) -> Vec<Result<RawEvent<'b>, Malformed<'b>>>;

    /// What the platform wants to hear.
    fn accepted(&self) -> Accepted {
        Accepted::OK
    }
}

//! The records of a request: each event's own bytes, keyed by its conversation, all else in headers.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use platforms::{EventFields, Malformed, Platform, RequestHead, RequestView};
use schemas::{Topic, header};

use crate::log::NewRecord;

/// What the records of one request share.
pub(crate) struct Envelope<'a> {
    pub(crate) platform: &'static Platform,
    /// The webhook's name: an account, or an integration.
    pub(crate) account: &'a str,
    /// Full name of the topic of the platform's events.
    pub(crate) topic: &'a str,
    /// When the body was complete, in ms since 1970.
    pub(crate) received: i64,
}

impl Envelope<'_> {
    /// The records of an authenticated request, whose body is `body`. Every event of it is in exactly one of them; what
    /// cannot be split is one dead letter.
    pub(crate) fn records(&self, request: &RequestView<'_>, body: &Bytes) -> Vec<NewRecord> {
        let events = self.platform.webhook.events(self.account, request);
        let record = |event| match event {
            Ok(platforms::RawEvent { fields, value }) => self.raw(fields, part_of(body, value)),
            Err(malformed) => self.dead(malformed, body),
        };
        events.into_iter().map(record).collect()
    }

    fn raw(&self, fields: EventFields<'_>, value: Bytes) -> NewRecord {
        let mut headers: Vec<(Cow<'static, str>, Cow<'static, str>)> = Vec::with_capacity(6);
        headers.push((header::EVENT_TIME.into(), fields.time.to_string().into()));
        if let Some(id) = fields.id {
            headers.push((header::EVENT_ID.into(), id.into_owned().into()));
        }
        if let Some(kind) = fields.kind {
            headers.push((header::EVENT_TYPE.into(), kind.into_owned().into()));
        }
        headers.push((header::REDELIVERY.into(), if fields.redelivery { "true" } else { "false" }.into()));
        headers.push((header::ACCOUNT.into(), self.account.to_owned().into()));
        headers.push((header::RECEIVED.into(), self.received.to_string().into()));
        NewRecord { topic: self.platform.source.webhooks, key: fields.key, headers, value, dead: None }
    }

    fn dead(&self, malformed: Malformed<'_>, body: &Bytes) -> NewRecord {
        let headers = vec![
            (header::DEAD_REASON.into(), malformed.reason.code().into()),
            (header::DEAD_DETAIL.into(), malformed.detail.into()),
            (header::DEAD_STAGE.into(), "ingress".into()),
            (header::DEAD_TOPIC.into(), self.topic.to_owned().into()),
            (header::ACCOUNT.into(), self.account.to_owned().into()),
            (header::RECEIVED.into(), self.received.to_string().into()),
        ];
        // The key of what belongs to no conversation.
        let key = malformed.key.unwrap_or_else(|| format!("{}:", self.account));
        let (value, dead) = (part_of(body, malformed.value), Some(malformed.reason));
        NewRecord { topic: Topic::DEAD_LETTERS, key, headers, value, dead }
    }
}

/// `value` as a slice of `body`, without a copy. What is not in the body, such as a query, is copied.
fn part_of(body: &Bytes, value: &[u8]) -> Bytes {
    let (whole, part) = (body.as_ptr_range(), value.as_ptr_range());
    if whole.start <= part.start && part.end <= whole.end {
        body.slice_ref(value)
    } else {
        Bytes::copy_from_slice(value)
    }
}

/// The records of an authenticated body: what the edge does between authenticating and writing, for platforms whose
/// events are in the body alone. Each record's value is a slice of `body` (the same memory); `received` is in ms since
/// 1970.
#[must_use]
pub fn records(platform: &'static Platform, account: &str, body: &Bytes, received: i64) -> Vec<NewRecord> {
    let (headers, nobody) = (HeaderMap::new(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let head = RequestHead {
        method: &Method::POST,
        path: "",
        query: "",
        headers: &headers,
        peer: nobody,
        client: nobody,
    };
    let topic = platform.source.webhooks.name();
    Envelope { platform, account, topic, received }.records(&RequestView { head, body }, body)
}

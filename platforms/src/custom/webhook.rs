//! Webhooks: `{"type": …, "timestamp": …, "data": {"id": …, "person": …, …}}`, one event a body.

use std::borrow::Cow;

use config::Secret;
use schemas::Reason;

use super::sign::{self, Signed};
use crate::json::pick::{JsonError, pick, string};
use crate::time::parse_utc;
use crate::webhook::MAX_ID_BYTES;
use crate::{
    Accepted, Credentials, Denied, EventFields, Malformed, RawEvent, RequestHead, RequestView, Webhook, WebhookTarget,
};

/// The webhooks of custom channels.
pub(super) struct CustomWebhook;

impl Webhook for CustomWebhook {
    fn credentials(&self, secrets: &[Secret]) -> Credentials {
        Credentials::new(sign::keys(secrets))
    }

    fn check_head(&self, _: &WebhookTarget<'_>, head: &RequestHead<'_>) -> Result<(), Denied> {
        Signed::of(head.headers).map(drop)
    }

    fn authenticate(&self, target: &WebhookTarget<'_>, request: &RequestView<'_>, now: i64) -> Result<(), Denied> {
        Signed::of(request.head.headers)?.verify(target.credentials.keys(), request.body, now)
    }

    fn events<'b>(
        &self,
        account: &str,
        request: &RequestView<'b>,
    ) -> Vec<Result<RawEvent<'b>, Malformed<'b>>> {
        let body = request.body;
        let event = match std::str::from_utf8(body) {
            Ok(text) => fields(account, text).map(|fields| RawEvent { fields, value: body }),
            Err(_) => Err(Malformed::new(Reason::NotJson, "body is not UTF-8", body)),
        };
        vec![event]
    }

    fn accepted(&self) -> Accepted {
        Accepted { status: 202, body: "" }
    }
}

/// What key and time need of a body.
fn fields<'b>(account: &str, body: &'b str) -> Result<EventFields<'b>, Malformed<'b>> {
    let malformed = |reason, detail| Malformed::new(reason, detail, body.as_bytes());
    let unreadable = |error: JsonError| match error {
        JsonError::NotJson => malformed(Reason::NotJson, "body is not JSON"),
        JsonError::NotObject => malformed(Reason::NoConversation, "body, or its data, is not an object"),
        JsonError::DuplicateKey => malformed(Reason::NotJson, "a field that key or time needs is a duplicate key"),
    };
    let [kind, timestamp, data] = pick(body, ["type", "timestamp", "data"]).map_err(unreadable)?;
    let data = data.ok_or_else(|| malformed(Reason::NoConversation, "body has no data"))?;
    let [id, person] = pick(data, ["id", "person"]).map_err(unreadable)?;
    let text = |json: Option<&'b str>| json.and_then(|json| string(json, MAX_ID_BYTES));
    let person = text(person).ok_or_else(|| malformed(Reason::NoConversation, "data.person is not an id"))?;
    let key = format!("{account}:{person}");
    let Some(time) = text(timestamp).and_then(|time| parse_utc(&time)) else {
        let malformed = malformed(Reason::NoTimestamp, "timestamp is not an ISO 8601 time in UTC");
        return Err(Malformed { key: Some(key), ..malformed });
    };
    let Some(id) = text(id) else {
        let malformed = malformed(Reason::MissingField, "data.id is not an id");
        return Err(Malformed { key: Some(key), ..malformed });
    };
    let kind: Option<Cow<'b, str>> = text(kind);
    // A webhook that is sent again is the same: its id and body are, and nothing else says so.
    Ok(EventFields { key, time, id: Some(id), kind, redelivery: false })
}

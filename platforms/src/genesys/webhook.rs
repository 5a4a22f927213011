//! Webhooks: a body is one message, keyed by the customer's id, signed with the integration's secret.

use std::borrow::Cow;

use config::Secret;
use http::header::HeaderName;
use schemas::Reason;

use crate::json::pick::{JsonError, pick, string};
use crate::signature::{Keys, Signature};
use crate::time::parse_utc;
use crate::webhook::MAX_ID_BYTES;
use crate::{
    Credentials, Denied, EventFields, Malformed, RawEvent, RequestHead, RequestView, Webhook, WebhookTarget,
};

/// `sha256=` and the base64 of the digest: not the hex that GitHub's header of the same name carries.
const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const PREFIX: &[u8] = b"sha256=";

/// Genesys's webhooks.
pub(super) struct GenesysWebhook;

impl Webhook for GenesysWebhook {
    fn credentials(&self, secrets: &[Secret]) -> Credentials {
        Credentials::new(Keys::of_texts(secrets))
    }

    fn check_head(&self, _: &WebhookTarget<'_>, head: &RequestHead<'_>) -> Result<(), Denied> {
        Signature::of_header(head.headers, &SIGNATURE, PREFIX).map(drop)
    }

    fn authenticate(&self, target: &WebhookTarget<'_>, request: &RequestView<'_>, _: i64) -> Result<(), Denied> {
        let signature = Signature::of_header(request.head.headers, &SIGNATURE, PREFIX)?;
        target.credentials.keys().verify(&[signature], &[request.body])
    }

    fn events<'b>(
        &self,
        _: &str,
        request: &RequestView<'b>,
    ) -> Vec<Result<RawEvent<'b>, Malformed<'b>>> {
        let body = request.body;
        let event = match std::str::from_utf8(body) {
            Ok(text) => fields(text).map(|fields| RawEvent { fields, value: body }),
            Err(_) => Err(Malformed::new(Reason::NotJson, "body is not UTF-8", body)),
        };
        vec![event]
    }
}

/// What key and time need of a body. Genesys does not say when it sends a message again.
fn fields(body: &str) -> Result<EventFields<'_>, Malformed<'_>> {
    let malformed = |reason, detail| Malformed::new(reason, detail, body.as_bytes());
    let fields = pick(body, ["type", "id", "direction", "channel"]).map_err(|error| match error {
        JsonError::NotJson => malformed(Reason::NotJson, "body is not JSON"),
        JsonError::NotObject => malformed(Reason::NoConversation, "body is not an object"),
        JsonError::DuplicateKey => {
            malformed(Reason::NotJson, "a field that key or time needs is a duplicate key")
        }
    })?;
    let [kind, id, direction, channel] = fields;
    let no_channel = || malformed(Reason::NoConversation, "body has no channel");
    let [to, from, time] =
        pick(channel.ok_or_else(no_channel)?, ["to", "from", "time"]).map_err(|error| match error {
            JsonError::DuplicateKey => malformed(Reason::NotJson, "a field of the channel is a duplicate key"),
            JsonError::NotJson | JsonError::NotObject => no_channel(),
        })?;
    let party = |json: Option<&str>| match party(json) {
        Err(JsonError::DuplicateKey) => {
            Err(malformed(Reason::NotJson, "the customer's id is a duplicate key"))
        }
        Err(JsonError::NotJson | JsonError::NotObject) => Ok(None),
        Ok(id) => Ok(id),
    };
    // A receipt is about a message of ours: there the customer is who it came from.
    let inbound = direction.and_then(|text| string(text, MAX_ID_BYTES)).as_deref() == Some("Inbound");
    let customer = if inbound { party(from)?.or(party(to)?) } else { party(to)? };
    let key = customer.ok_or_else(|| malformed(Reason::NoConversation, "channel names no customer"))?;
    let Some(time) = time.and_then(|time| string(time, MAX_ID_BYTES)).and_then(|time| parse_utc(&time))
    else {
        let malformed = malformed(Reason::NoTimestamp, "channel.time is not an ISO 8601 time in UTC");
        return Err(Malformed { key: Some(key), ..malformed });
    };
    let id = id.and_then(|id| string(id, MAX_ID_BYTES));
    let kind = kind.and_then(|kind| string(kind, MAX_ID_BYTES));
    Ok(EventFields { key, time, id, kind, redelivery: false })
}

/// The id of `channel.to` or `channel.from`.
fn party(json: Option<&str>) -> Result<Option<String>, JsonError> {
    let Some(json) = json else { return Ok(None) };
    let [id] = pick(json, ["id"])?;
    Ok(id.and_then(|id| string(id, MAX_ID_BYTES)).map(Cow::into_owned))
}

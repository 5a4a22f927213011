//! What earlier versions wrote to `outbox.genesys`: one record type for this direction, without a platform. All accounts
//! were LINE's then.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::{AvroRecord, Codec, Content, Framing, Outbox, VaultToken};
use serde::{Deserialize, Serialize};

use crate::{ReadOutbox, Released};

pub(super) const RELEASED: Released =
    Released { schemas: &[ToGenesys::EARLIER[0], ToGenesys::SCHEMA], reader };

/// A customer's message for Genesys Cloud, as it was released. Its schema is part of the contract with records already
/// written.
#[derive(Clone, Serialize, Deserialize)]
struct ToGenesys {
    identity: String,
    account: Arc<str>,
    integration: Arc<str>,
    person: String,
    message_id: String,
    event_time: i64,
    text: String,
    attributes: Arc<BTreeMap<String, String>>,
    late_by: i64,
    received: i64,
    #[serde(default)]
    tokens: Vec<VaultToken>,
}

impl AvroRecord for ToGenesys {
    const SCHEMA: &'static str = include_str!("to_genesys.avsc");
    const EARLIER: &'static [&'static str] = &[include_str!("to_genesys.1.avsc")];
}

fn reader(framing: &Framing) -> ReadOutbox {
    let codec = Codec::<ToGenesys>::new(framing);
    Box::new(move |bytes| {
        let ToGenesys {
            identity,
            account,
            integration,
            person,
            message_id,
            event_time,
            text,
            attributes,
            late_by,
            received,
            tokens,
        } = codec.decode(bytes)?;
        Ok(Outbox {
            identity,
            platform: crate::of_unnamed().name.into(),
            account,
            integration,
            person,
            message_id,
            event_time,
            received,
            late_by,
            contents: vec![Content::Text { text }],
            attributes,
            tokens,
        })
    })
}

//! What earlier versions wrote to `outbox.line`: one record type for this direction, without a platform.

use std::sync::Arc;

use schemas::{AvroRecord, Codec, Content, Framing, Outbox};
use serde::{Deserialize, Serialize};

use super::PLATFORM;
use crate::{ReadOutbox, Released};

pub(super) const RELEASED: Released = Released { schemas: &[ToLine::SCHEMA], reader };

/// An agent's message for LINE, as it was released. Its schema is part of the contract with records already written.
#[derive(Clone, Serialize, Deserialize)]
struct ToLine {
    identity: String,
    account: Arc<str>,
    integration: Arc<str>,
    person: String,
    message_id: String,
    event_time: i64,
    texts: Vec<String>,
    late_by: i64,
    received: i64,
}

impl AvroRecord for ToLine {
    const SCHEMA: &'static str = include_str!("to_line.avsc");
}

fn reader(framing: &Framing) -> ReadOutbox {
    let codec = Codec::<ToLine>::new(framing);
    Box::new(move |bytes| {
        let ToLine {
            identity,
            account,
            integration,
            person,
            message_id,
            event_time,
            texts,
            late_by,
            received,
        } = codec.decode(bytes)?;
        Ok(Outbox {
            identity,
            platform: PLATFORM.name.into(),
            account,
            integration,
            person,
            message_id,
            event_time,
            received,
            late_by,
            contents: texts.into_iter().map(|text| Content::Text { text }).collect(),
            attributes: Arc::default(),
            tokens: Vec::new(),
        })
    })
}

//! Delivery records: what each one holds before anything has happened to its message, and whose account it names.

use platforms::Platform;
use schemas::{AccountRef, Delivery, DeliveryStatus, Outbox, header};

use crate::seam::Record;

/// A delivery record without any result. Its time is set when it is written.
#[must_use]
pub fn new(
    destination: &str,
    identity: &str,
    platform: Option<&str>,
    account: &str,
    person: &str,
) -> Delivery {
    Delivery {
        identity: identity.into(),
        destination: destination.into(),
        account: account.into(),
        person: person.into(),
        status: DeliveryStatus::Failed,
        attempt: 0,
        reason: None,
        http_status: None,
        platform_id: None,
        correlation_id: None,
        at: 0,
        ours_ms: None,
        platform_ms: None,
        deadline: None,
        conversation_id: None,
        platform: platform.map(Into::into),
    }
}

/// That of a message.
pub(crate) fn of_message(destination: &Platform, message: &Outbox) -> Delivery {
    let Outbox { identity, platform, account, person, .. } = message;
    new(destination.name, identity, Some(platform), account, person)
}

/// That of a record that holds no message: what its headers and its key say.
pub(crate) fn of_record(destination: &Platform, record: &Record) -> Delivery {
    let header = |name| record.header(name).unwrap_or_default();
    let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
    let (identity, account) = (header(header::IDENTITY), header(header::ACCOUNT));
    new(destination.name, identity, record.header(header::PLATFORM), account, key.unwrap_or_default())
}

/// The channel account of a delivery record.
pub(crate) fn account(delivery: &Delivery) -> AccountRef {
    let platform = delivery.platform.as_deref().unwrap_or(platforms::of_unnamed().name);
    AccountRef::new(platform, &delivery.account)
}

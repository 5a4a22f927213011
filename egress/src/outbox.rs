//! Outbox records → messages.

use platforms::{Platform, ReadOutbox};
use schemas::{Codec, DecodeError, Framing, Outbox};

use crate::seam::Record;

/// Reads the records of one outbox.
pub struct Reader {
    codec: Codec<Outbox>,
    /// Of what earlier versions wrote.
    released: Option<ReadOutbox>,
}

impl Reader {
    /// A reader of the outbox of `destination`, also of records that earlier versions wrote to it; of both framings,
    /// with the registry's ids if there are any.
    #[must_use]
    pub fn new(destination: &Platform, framing: &Framing) -> Self {
        let released = destination.api.released().map(|released| (released.reader)(framing));
        Self { codec: Codec::new(framing), released }
    }

    /// The message of a record.
    ///
    /// # Errors
    /// If it is none; the text says what is wrong and holds nothing of it.
    pub fn read(&self, record: &Record) -> Result<Outbox, String> {
        let payload = record.payload.as_deref().ok_or("no value")?;
        let message = self.decode(payload).map_err(|error| error.to_string())?;
        let is_identity = Outbox::is_identity(&message.identity);
        is_identity.then_some(message).ok_or_else(|| "its identity is not 32 hex digits".into())
    }

    fn decode(&self, payload: &[u8]) -> Result<Outbox, DecodeError> {
        self.codec.decode(payload).or_else(|error| match &self.released {
            Some(released) => released(payload).map_err(|_| error),
            None => Err(error),
        })
    }
}

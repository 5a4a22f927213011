//! Who may send to a webhook: from which addresses, and how a sender shows that it is who it says.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use ipnet::IpNet;
use platforms::{Credentials, Denied, KeySet, WebhookAccount, WebhookTarget};

use crate::answer::Refusal;
use crate::client;

/// The public keys of a platform, once they are loaded. Only webhooks that want some ever look.
#[derive(Debug, Default)]
pub(crate) struct KeySlot(RwLock<Option<Arc<KeySet>>>);

impl KeySlot {
    pub(crate) fn set(&self, keys: KeySet) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
    }

    fn get(&self) -> Option<Arc<KeySet>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How a sender shows that it is who it says.
#[derive(Debug)]
enum Proof {
    /// By what the platform checks in each request.
    Request(Credentials, Option<Arc<KeySlot>>),
    /// By its address alone: the account has chosen to have no signature.
    Address,
    /// In no way: nobody is believed.
    Impossible,
}

/// Who may send to a webhook.
#[derive(Debug)]
pub(crate) struct Access {
    /// Where it may come from; anywhere if this is empty.
    addresses: Vec<IpNet>,
    proof: Proof,
}

impl Access {
    /// The access of an account. One without a signature is logged, so that nobody has it unawares. `key_slot` is the
    /// platform's, if it wants public keys; then they authenticate, also where the account has no secret.
    pub(crate) fn new(account: &WebhookAccount, key_slot: Option<Arc<KeySlot>>) -> Self {
        let (platform, name) = (account.platform.name, account.name.as_str());
        let proof = if !account.secrets.is_empty() || key_slot.is_some() {
            Proof::Request(account.platform.webhook.credentials(&account.secrets), key_slot)
        } else if !account.addresses.is_empty() {
            tracing::warn!(
                platform,
                account = name,
                "no signature: this webhook relies on its address list alone"
            );
            Proof::Address
        } else {
            tracing::error!(
                platform,
                account = name,
                "neither a signature nor an address list: every request of this webhook is answered 401"
            );
            Proof::Impossible
        };
        Self { addresses: account.addresses.clone(), proof }
    }

    /// Refuses addresses that are not in the list, if there is one.
    pub(crate) fn admit(&self, client: IpAddr) -> Result<(), Refusal> {
        let admitted = self.addresses.is_empty() || client::within(&self.addresses, client);
        admitted.then_some(()).ok_or(Refusal::Forbidden)
    }

    /// What the platform's `check` says of a request to the webhook `name`; it is not asked where addresses alone count.
    pub(crate) fn prove(
        &self,
        name: &str,
        check: impl FnOnce(&WebhookTarget<'_>) -> Result<(), Denied>,
    ) -> Result<(), Refusal> {
        match &self.proof {
            Proof::Request(credentials, key_slot) => {
                let key_set = key_slot.as_deref().and_then(KeySlot::get);
                Ok(check(&WebhookTarget { name, credentials, key_set: key_set.as_deref() })?)
            }
            Proof::Address => Ok(()),
            Proof::Impossible => Err(Refusal::BadSignature),
        }
    }
}

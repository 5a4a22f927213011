//! Where the messages of each account go: a chain is one a source, and fans out by account.

use std::collections::BTreeMap;
use std::sync::Arc;

use platforms::{Account, Platform, Role, Setup};
use schemas::AccountRef;

/// The way of an account's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The channel account that the conversation is on.
    pub account: AccountRef,
    /// The contact centre's integration that the account feeds.
    pub integration: Arc<str>,
    /// Where they go.
    pub destination: &'static Platform,
    /// The key of the limit that their sends share: it decides the partition of the outbox.
    pub limit_key: String,
    /// What the contact centre gets to know of the account, such as market and brand.
    pub attributes: Arc<BTreeMap<String, String>>,
}

/// Routes by what the ACCOUNT header of a source's records carries.
pub type Routes = BTreeMap<String, Arc<Route>>;

/// The routes of `source`: of each of its own accounts to the contact centre, or from the contact centre to every account.
#[must_use]
pub fn routes(source: &'static Platform, setup: &Setup) -> Routes {
    match source.role {
        Role::Channel(_) => {
            let own = setup.accounts.iter().filter(|account| *account.account.platform == *source.name);
            own.map(|account| (account.account.name.to_string(), inbound(account))).collect()
        }
        Role::ContactCentre(_) => setup.accounts.iter().filter_map(outbound).collect(),
    }
}

fn inbound(account: &Account) -> Arc<Route> {
    Arc::new(Route {
        account: account.account.clone(),
        integration: account.feeds.integration.clone(),
        destination: platforms::contact_centre(),
        limit_key: account.feeds.client.clone(),
        attributes: account.attributes.clone(),
    })
}

fn outbound(account: &Account) -> Option<(String, Arc<Route>)> {
    let route = Route {
        account: account.account.clone(),
        integration: account.feeds.integration.clone(),
        destination: platforms::named(&account.account.platform)?,
        limit_key: account.account.name.to_string(),
        attributes: Arc::default(),
    };
    Some((route.integration.to_string(), Arc::new(route)))
}

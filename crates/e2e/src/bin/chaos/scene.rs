//! What a run happens in: a broker, the stand-ins with their faults, and the product's configuration with one account
//! a partition, so that every partition of every topic has something to do.

use std::fmt::Write as _;
use std::time::Duration;

use e2e::process::{Settings, account};
use e2e::{Broker, Outcome, Product, role};
use runtime::clock::now_ms;
use schemas::{TopicNames, partition_for};
use standins::{
    Channel, Clock, Fault, GenesysSetup, Integration, Kind, LineSetup, OAuthClient, Setup, Standins,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Partitions of each topic, and accounts.
pub(crate) const PARTITIONS: i32 = 6;
/// No test of the limits here: they are raised out of the way.
const CALLS_PER_MINUTE: u32 = 1_000_000;

/// How long after its begin a conversation can be found: minutes on the real platform, which a run does not have.
const ANALYTICS_LAG: Duration = Duration::from_secs(3);

/// A LINE account and the Genesys client and integration that it feeds.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) line: String,
    pub(crate) client: String,
    pub(crate) integration: String,
}

/// The surroundings of a run.
pub(crate) struct Scene {
    pub(crate) product: Product,
    pub(crate) standins: Standins,
    pub(crate) accounts: Vec<Account>,
    pub(crate) brokers: String,
    pub(crate) topics: TopicNames,
    server: JoinHandle<()>,
    _link: tempfile::TempDir,
}

impl Scene {
    /// Makes the topics and starts the stand-ins; no service runs yet.
    pub(crate) async fn new(broker: &Broker, seed: u64) -> Outcome<Self> {
        let link = tempfile::tempdir().map_err(|error| error.to_string())?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| format!("no port: {error}"))?;
        let address = listener.local_addr().map_err(|error| format!("no port: {error}"))?;
        let settings = Settings {
            brokers: broker.bootstrap().to_owned(),
            prefix: format!("chaos-{}.", now_ms()),
            partitions: PARTITIONS,
            platforms: format!("http://{address}"),
            calls_per_minute: CALLS_PER_MINUTE,
            more: String::new(),
        };
        let accounts = accounts();
        let product = Product::new(&role::product_in(link.path())?.to_string_lossy(), &settings)?;
        product.configure(&sections(&accounts[1..], &settings.platforms))?;
        product.run(&["topics", "create"])?;
        let clock = Clock::new(|| u64::try_from(now_ms()).unwrap_or_default());
        let standins = Standins::new(setup(&accounts), clock);
        standins.genesys().set_faults(faults(seed, "/inbound/open/message"));
        standins.line().set_faults(faults(seed, "/push"));
        let serving = standins.clone();
        let server = tokio::spawn(async move {
            // It serves until the task is aborted; a run that loses it sees nothing arrive.
            let _ = serving.serve(listener, std::future::pending()).await;
        });
        let (brokers, topics) = (settings.brokers, TopicNames::new(&settings.prefix));
        Ok(Self { product, standins, accounts, brokers, topics, server, _link: link })
    }

    /// The account of a person.
    pub(crate) fn account_of(&self, person: u32) -> &Account {
        &self.accounts[person as usize % self.accounts.len()]
    }

    /// Nothing goes wrong at the platforms any more.
    pub(crate) fn heal(&self) {
        self.standins.genesys().set_faults(Vec::new());
        self.standins.line().set_faults(Vec::new());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A few calls in a hundred go wrong, each in one of the ways in which they can.
fn faults(seed: u64, path: &str) -> Vec<Fault> {
    let status = |status, retry_after| Kind::Status { status, retry_after, message: None };
    [
        (0.03, Kind::DelayMs { ms: 300 }),
        (0.005, status(429, Some(1))),
        (0.005, status(500, None)),
        (0.005, Kind::ResetBefore),
        (0.005, Kind::ResetAfter),
    ]
    .into_iter()
    .zip(1..)
    .map(|((share, kind), nth)| Fault::share(share, seed.wrapping_mul(10) + nth, path, kind))
    .collect()
}

/// One account a partition of each outbox: the first is the harness's own, the others have names that fit.
fn accounts() -> Vec<Account> {
    let place = |name: &str| partition_for(name.as_bytes(), PARTITIONS);
    let named = |stem: &str, wanted: i32| {
        (0..)
            .map(|n| format!("{stem}-{n}"))
            .find(|name| place(name) == wanted)
            .expect("every partition has names")
    };
    let (line, client) = (account::LINE.to_owned(), "main".to_owned());
    (0..PARTITIONS)
        .map(|nth| Account {
            line: if nth == 0 { line.clone() } else { named("shop", (place(&line) + nth) % PARTITIONS) },
            client: if nth == 0 { client.clone() } else { named("org", (place(&client) + nth) % PARTITIONS) },
            integration: format!("{}{}", &account::INTEGRATION[..35], nth + 1),
        })
        .collect()
}

fn token(account: &Account) -> String {
    if account.line == account::LINE {
        account::ACCESS_TOKEN.to_owned()
    } else {
        format!("token-of-{}", account.line)
    }
}

fn client_id(account: &Account) -> String {
    if account.line == account::LINE {
        account::CLIENT_ID.to_owned()
    } else {
        format!("id-of-{}", account.client)
    }
}

/// The configuration of the accounts beside the harness's own.
fn sections(accounts: &[Account], platforms: &str) -> String {
    let (channel_secret, webhook_secret) = (account::CHANNEL_SECRET, account::WEBHOOK_SECRET);
    let client_secret = account::CLIENT_SECRET;
    accounts.iter().fold(String::new(), |mut text, account| {
        let Account { line, client, integration } = account;
        let (access_token, client_id) = (token(account), client_id(account));
        write!(
            text,
            r#"
[genesys.{client}]
api_url = "{platforms}"
login_url = "{platforms}"
client_id = "{client_id}"
client_secret = "{client_secret}"
calls_per_minute = {CALLS_PER_MINUTE}

[line.{line}]
api_url = "{platforms}"
channel_secrets = ["{channel_secret}"]
access_token = "{access_token}"
genesys = "{client}"
integration = "{integration}"
webhook_secrets = ["{webhook_secret}"]
market = "Thailand"
brand = "Shop"
"#
        )
        .expect("a string takes what is written");
        text
    })
}

fn setup(accounts: &[Account]) -> Setup {
    let clients = accounts
        .iter()
        .map(|account| OAuthClient { id: client_id(account), secret: account::CLIENT_SECRET.to_owned() });
    let integrations = accounts.iter().map(|account| Integration {
        id: account.integration.clone(),
        name: account.line.clone(),
        // The senders of a run choose an instance themselves, as a load balancer does.
        webhook_url: String::new(),
        webhook_secret: account::WEBHOOK_SECRET.to_owned(),
        webhook_headers: Vec::new(),
    });
    let channels = accounts.iter().zip(0..).map(|(account, nth)| Channel {
        account: account.line.clone(),
        bot_user_id: format!("U{nth:032}"),
        secret: account::CHANNEL_SECRET.to_owned(),
        access_token: token(account),
        webhook_url: String::new(),
    });
    Setup {
        genesys: GenesysSetup {
            clients: clients.collect(),
            integrations: integrations.collect(),
            calls_per_minute: CALLS_PER_MINUTE as usize,
            analytics_lag: ANALYTICS_LAG,
            ..GenesysSetup::default()
        },
        line: LineSetup {
            channels: channels.collect(),
            calls_per_second: CALLS_PER_MINUTE as usize,
            retry_key_life: Duration::from_secs(86_400),
            ..LineSetup::default()
        },
        ..Setup::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_partition_of_an_outbox_has_an_account() {
        let all = accounts();
        let places = |name: fn(&Account) -> &str| -> BTreeSet<i32> {
            all.iter().map(|account| partition_for(name(account).as_bytes(), PARTITIONS)).collect()
        };
        assert_eq!(places(|account| &account.line).len(), all.len());
        assert_eq!(places(|account| &account.client).len(), all.len());
        let integrations: BTreeSet<&str> = all.iter().map(|account| account.integration.as_str()).collect();
        assert_eq!(integrations.len(), all.len());
    }
}

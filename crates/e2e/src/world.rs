//! What a test lives in: the stand-ins on a port of their own, and the product set up between them and Kafka.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use runtime::clock::now_ms;
use schemas::{Topic, TopicNames};
use standins::{
    Channel, Clock, GenesysSetup, Integration, LineSetup, OAuthClient, Schedule, Setup, Standins, Webhook,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::Stage;
use crate::process::{Places, Product, Running, Service, Settings, account};
use crate::{Outcome, switch, wait};

/// Keeps the logs of a failed test in their folder.
const KEEP: &str = "NARU_TEST_KEEP";
/// For a message to cross on a busy machine: the hold is 2 s, a rebalance takes a few more.
pub const CROSSES_WITHIN: Duration = Duration::from_secs(30);
/// Partitions of each topic: enough that two people are on two of them, few enough to be made quickly.
const PARTITIONS: i32 = 4;
/// Where no test is about Genesys's limit.
const CALLS_PER_MINUTE: u32 = 1_000_000;

/// Stand-ins and product of one test, with topics of its own.
pub struct World {
    /// The stand-ins of LINE and Genesys Cloud.
    pub standins: Standins,
    /// The product between them.
    pub product: Product,
    platforms: String,
    brokers: String,
    prefix: String,
    server: JoinHandle<()>,
}

impl World {
    /// Starts the stand-ins and makes the topics; no service runs yet.
    ///
    /// # Errors
    /// If there is no broker, or the topics cannot be made.
    pub async fn new(stage: &mut Stage, name: &str) -> Outcome<Self> {
        Self::with(stage, name, |_| String::new(), |_, _| ()).await
    }

    /// As [`World::new`], with further sections of the configuration. `add` sets up the stand-ins for them, given the URL
    /// of the webhooks.
    ///
    /// # Errors
    /// If there is no broker, the configuration has mistakes, or the topics cannot be made.
    pub async fn with(
        stage: &mut Stage,
        name: &str,
        sections: impl FnOnce(&Places<'_>) -> String,
        add: impl FnOnce(&mut Setup, &str),
    ) -> Outcome<Self> {
        // The time, because a given cluster may remember an earlier run.
        let prefix = format!("e2e-{}-{name}.", now_ms());
        let config = |places: &Places<'_>| {
            let settings = Settings {
                brokers: places.brokers.to_owned(),
                prefix: prefix.clone(),
                partitions: PARTITIONS,
                platforms: places.platforms.to_owned(),
                calls_per_minute: CALLS_PER_MINUTE,
                more: sections(places),
            };
            settings.text(places)
        };
        let setup = |webhooks: &str| {
            let mut setup = setup(webhooks);
            add(&mut setup, webhooks);
            setup
        };
        let world = Self::configured(stage, &prefix, config, setup).await?;
        world.product.run(&["topics", "create"])?;
        Ok(world)
    }

    /// Starts the stand-ins of a test's own accounts, given the URL of the webhooks, beside a configuration of its own,
    /// and makes no topics. `prefix` is that of the configuration.
    ///
    /// # Errors
    /// If there is no broker, or the configuration has mistakes.
    pub async fn configured(
        stage: &mut Stage,
        prefix: &str,
        config: impl FnOnce(&Places<'_>) -> String,
        setup: impl FnOnce(&str) -> Setup,
    ) -> Outcome<Self> {
        let binary = stage.binary;
        let brokers = stage.broker()?.bootstrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| format!("no port: {error}"))?;
        let address = listener.local_addr().map_err(|error| format!("no port: {error}"))?;
        let platforms = format!("http://{address}");
        let product = Product::configured(binary, &brokers, &platforms, config)?;
        let clock = Clock::new(|| u64::try_from(now_ms()).unwrap_or_default());
        let standins = Standins::new(setup(&format!("{}/webhooks", product.ingress())), clock);
        let serving = standins.clone();
        let server = tokio::spawn(async move {
            // It serves until the task is aborted; a test that loses it fails by its own waiting.
            let _ = serving.serve(listener, std::future::pending()).await;
        });
        Ok(Self { standins, product, platforms, brokers, prefix: prefix.to_owned(), server })
    }

    /// Starts the three services.
    ///
    /// # Errors
    /// If one of them does not become ready.
    pub async fn start_all(&self) -> Outcome<[Running; 3]> {
        let mut ingress = self.product.launch(Service::Ingress, "ingress")?;
        let mut processors = self.product.launch(Service::Processors, "processors")?;
        let mut egress = self.product.launch(Service::Egress, "egress")?;
        for service in [&mut ingress, &mut processors, &mut egress] {
            service.wait_until_ready().await?;
        }
        Ok([ingress, processors, egress])
    }

    /// Names of the topics of this test.
    #[must_use]
    pub fn topics(&self) -> TopicNames {
        TopicNames::new(&self.prefix)
    }

    /// Every topic of this test, of all platforms that its accounts are on.
    #[must_use]
    pub fn all_topics(&self) -> Vec<Topic> {
        platforms::topics(self.product.platforms())
    }

    /// `http://127.0.0.1:…` of the stand-ins.
    #[must_use]
    pub fn platforms(&self) -> &str {
        &self.platforms
    }

    /// `host:port` of the brokers.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// A text that a person writes on LINE now.
    ///
    /// # Panics
    /// If the account of the tests is not set up at the stand-in.
    #[must_use]
    pub fn text_of(&self, user: &str, text: &str) -> Webhook {
        self.standins.line().compose_text(account::LINE, user, text).expect("the account is set up")
    }

    /// Sends a webhook of LINE, and expects a 2xx.
    ///
    /// # Errors
    /// If the answer is another, or none.
    pub async fn accepted(&self, webhook: &Webhook) -> Outcome {
        let delivery = self.standins.line().deliver(webhook).await;
        match delivery.accepted_ms() {
            Some(_) => Ok(()),
            None => Err(format!("the webhook was not taken: {:?}", delivery.attempts)),
        }
    }

    /// Waits until Genesys has received a text, and gives everything that arrived.
    ///
    /// # Errors
    /// If it has not arrived in time.
    pub async fn until_at_genesys(&self, text: &str) -> Outcome<Vec<standins::Received>> {
        let ledger = self.standins.genesys().received();
        wait::until(&format!("{text:?} at genesys"), CROSSES_WITHIN, || async {
            let all = ledger.after(0);
            all.iter().any(|message| message.text == text).then_some(all)
        })
        .await
    }

    /// Waits until LINE has received a text, and gives everything that arrived.
    ///
    /// # Errors
    /// If it has not arrived in time.
    pub async fn until_at_line(&self, text: &str) -> Outcome<Vec<standins::Sent>> {
        let ledger = self.standins.line().received();
        wait::until(&format!("{text:?} at line"), CROSSES_WITHIN, || async {
            let all = ledger.after(0);
            all.iter().any(|message| message.text == text).then_some(all)
        })
        .await
    }

    /// Deletes the topics of the test and ends the stand-ins. `outcome` gets the services' logs if it is a failure.
    ///
    /// # Errors
    /// That of `outcome`.
    pub async fn end(mut self, outcome: Outcome) -> Outcome {
        let outcome = outcome.map_err(|error| match switch(KEEP) {
            Some(_) => format!("{error}\nlogs and data are in {}", self.product.keep()),
            None => format!("{error}\n{}", self.product.logs()),
        });
        let admin: Result<AdminClient<DefaultClientContext>, _> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).set("log_level", "0").create();
        if let Ok(admin) = admin {
            let names: Vec<String> =
                self.all_topics().into_iter().map(|topic| self.topics().of(topic)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
            // What cannot be deleted only takes up room: the next run has names of its own.
            let _ = admin.delete_topics(&names, &options).await;
        }
        self.server.abort();
        outcome
    }
}

/// The account of the tests, at both stand-ins.
fn setup(webhooks: &str) -> Setup {
    Setup {
        genesys: GenesysSetup {
            clients: vec![OAuthClient {
                id: account::CLIENT_ID.to_owned(),
                secret: account::CLIENT_SECRET.to_owned(),
            }],
            integrations: vec![Integration {
                id: account::INTEGRATION.to_owned(),
                name: "LINE TH".to_owned(),
                webhook_url: format!("{webhooks}/genesys/{}", account::INTEGRATION),
                webhook_secret: account::WEBHOOK_SECRET.to_owned(),
                webhook_headers: Vec::new(),
            }],
            calls_per_minute: CALLS_PER_MINUTE as usize,
            // One try a call, so that a test sees each answer.
            webhook: Schedule { timeout: Duration::from_secs(10), retries: 0, gap: Duration::ZERO },
            ..GenesysSetup::default()
        },
        line: LineSetup {
            channels: vec![Channel {
                account: account::LINE.to_owned(),
                bot_user_id: format!("U{}", "0".repeat(32)),
                secret: account::CHANNEL_SECRET.to_owned(),
                access_token: account::ACCESS_TOKEN.to_owned(),
                webhook_url: format!("{webhooks}/line/{}", account::LINE),
            }],
            ..LineSetup::default()
        },
        ..Setup::default()
    }
}

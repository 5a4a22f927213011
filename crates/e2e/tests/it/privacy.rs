//! Personal data, on a real Kafka: masked before Genesys, readable in no topic and no log.

use std::time::Duration;

use e2e::harness::Stage;
use e2e::process::account;
use e2e::{Outcome, Service, World, wait};
use schemas::Topic;
use serde_json::json;
use standins::Received;

use crate::{expect, play};

const CUSTOMER: &str = "U4af4980629000000000000000000e001";
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// A card, a phone number and a resident number over two messages; then the same in an event that becomes a dead
/// letter; then a new key.
pub(crate) fn masked_and_sealed(stage: &mut Stage) -> Outcome {
    play(stage, "privacy", async |_stage, world| {
        let ring = world.product.log_of("ring").with_extension("toml");
        let ring = ring.to_str().ok_or("the folder's name is text")?;
        world.product.run(&["keys", "init", ring])?;
        // The vault as it is with a Kafka of its own, which happens to be the same.
        let brokers = world.brokers();
        let vault = format!("[vault]\noriginals = \"kept\"\nbrokers = \"{brokers}\"\n");
        world.product.configure(&format!("\n[keys]\nfile = \"{ring}\"\n\n{vault}"))?;
        let [ingress, processors, egress] = world.start_all().await?;

        let texts = [
            (
                "카드4532-0151-1283-0366요, ０１０－１２３４－５６７８",
                "카드****-****-****-0366요, ***-****-5678",
            ),
            ("주민번호는 900101", "주민번호는 ******"),
            ("1234568입니다", "*******입니다"),
            ("주문번호 202602031234567", "주문번호 202602031234567"),
        ];
        for (text, _) in texts {
            world.accepted(&world.text_of(CUSTOMER, text)).await?;
        }
        let arrived = world.until_at_genesys(texts[3].1).await?;
        revealed(world, &arrived[0])?;
        let arrived: Vec<&str> = arrived.iter().map(|message| message.text.as_str()).collect();
        expect(arrived == texts.map(|(_, masked)| masked), format!("at genesys: {arrived:?}"))?;

        let event = json!({
            "type": "message", "mode": "active", "timestamp": runtime::clock::now_ms(),
            "source": {"type": "user", "userId": CUSTOMER}, "webhookEventId": "01HTEXTLESS00000000000SEAL",
            "message": {"type": "text", "id": "1", "said": "4532-0151-1283-0366"},
        });
        let webhook =
            world.standins.line().compose(account::LINE, vec![event]).ok_or("the account is set up")?;
        world.accepted(&webhook).await?;
        wait::until("a dead letter", ARRIVES_WITHIN, || {
            let letters = values(world, Topic::DEAD_LETTERS);
            async move { letters.is_ok_and(|letters| !letters.is_empty()).then_some(()) }
        })
        .await?;

        let secrets = ["4532-0151", "４５３２", "０１０－１２３４", "900101", "1234568"];
        let mut records = 0;
        for topic in world.all_topics() {
            for value in values(world, topic)? {
                records += 1;
                let text = String::from_utf8_lossy(&value);
                let shown = secrets.iter().find(|secret| text.contains(**secret));
                expect(shown.is_none(), format!("a number can be read in {}", topic.name()))?;
            }
        }
        expect(records >= 2 * texts.len(), format!("{records} records in all topics"))?;
        for name in ["ingress", "processors", "egress"] {
            let log =
                std::fs::read_to_string(world.product.log_of(name)).map_err(|error| error.to_string())?;
            expect(!log.is_empty(), format!("{name} has logged nothing"))?;
            let shown = secrets.iter().any(|secret| log.contains(secret));
            expect(!shown, format!("a number can be read in the log of {name}"))?;
        }

        // A new key: first to those who open, then to those who seal.
        world.product.run(&["keys", "rotate", ring])?;
        processors.stop()?;
        let processors = world.product.start(Service::Processors, "processors").await?;
        ingress.stop()?;
        let ingress = world.product.start(Service::Ingress, "ingress").await?;
        world.accepted(&world.text_of(CUSTOMER, "one more")).await?;
        world.until_at_genesys("one more").await?;
        for service in [ingress, processors, egress] {
            service.stop()?;
        }
        Ok(())
    })
}

/// All values of a topic, whether they are committed or not.
pub(crate) fn values(world: &World, topic: Topic) -> Outcome<Vec<Vec<u8>>> {
    Ok(world.records(topic)?.into_iter().map(|record| record.value).collect())
}

/// The card of the first message, by its token.
fn revealed(world: &World, message: &Received) -> Outcome {
    let tokens = message.metadata["naruTokens"].as_str().unwrap_or_default();
    let token = tokens.split(' ').find_map(|token| token.strip_prefix("payment_card:")).ok_or("a token")?;
    let person = &message.conversation;
    let arguments = ["vault", "reveal", "--person", person, "--token", token, "--reason", "a test"];
    let said = world.product.run(&arguments)?;
    expect(said == "4532-0151-1283-0366\n", format!("revealed: {said}"))
}

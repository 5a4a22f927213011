//! One customer, one agent: each message once, both ways, on a real Kafka with one process a service.

use e2e::Outcome;
use e2e::harness::Stage;
use e2e::process::account;
use standins::AgentMessage;

use crate::{expect, play};

const CUSTOMER: &str = "U4af4980629000000000000000000c001";

/// A person writes, an agent answers; LINE delivers the first message again, and nothing comes twice.
pub(crate) fn both_ways(stage: &mut Stage) -> Outcome {
    play(stage, "crossing", async |_stage, world| {
        let services = world.start_all().await?;
        let first = world.text_of(CUSTOMER, "สวัสดี 🙏");
        world.accepted(&first).await?;
        let arrived = world.until_at_genesys("สวัสดี 🙏").await?;
        let [message] = arrived.as_slice() else { return Err(format!("{} messages arrived", arrived.len())) };
        expect(message.integration == account::INTEGRATION, "it came over another integration")?;
        expect(message.conversation != CUSTOMER, "Genesys was told the LINE id")?;
        expect(message.attributes["market"] == "Thailand", format!("attributes: {}", message.attributes))?;
        expect(message.attributes["brand"] == "Shop", format!("attributes: {}", message.attributes))?;

        let genesys = world.standins.genesys();
        let answer = AgentMessage {
            integration: account::INTEGRATION.to_owned(),
            to: message.conversation.clone(),
            text: "How can I help?".to_owned(),
            time_ms: None,
        };
        let outbound = genesys.compose(&answer).map_err(|error| format!("{error:?}"))?;
        for _ in 0..2 {
            let delivery = genesys.deliver(&outbound).await;
            expect(delivery.accepted_ms().is_some(), format!("{:?}", delivery.attempts))?;
        }
        let pushed = world.until_at_line("How can I help?").await?;
        expect(pushed.len() == 1, format!("{} pushes arrived", pushed.len()))?;
        expect(pushed[0].user == CUSTOMER, "the answer went to somebody else")?;
        expect(pushed[0].retry_key.is_some(), "the push has no retry key")?;

        // What is sent after the repetition arrives after it: when it is there, the repetition would be.
        world.accepted(&first).await?;
        world.accepted(&world.text_of(CUSTOMER, "one more")).await?;
        let arrived = world.until_at_genesys("one more").await?;
        let texts: Vec<&str> = arrived.iter().map(|message| message.text.as_str()).collect();
        expect(texts == ["สวัสดี 🙏", "one more"], format!("at genesys: {texts:?}"))?;
        let again = genesys.compose(&AgentMessage { text: "Bye".to_owned(), ..answer });
        let delivery = genesys.deliver(&again.map_err(|error| format!("{error:?}"))?).await;
        expect(delivery.accepted_ms().is_some(), format!("{:?}", delivery.attempts))?;
        let pushed = world.until_at_line("Bye").await?;
        expect(pushed.len() == 2, format!("{} pushes arrived instead of 2", pushed.len()))?;

        for service in services {
            service.stop()?;
        }
        Ok(())
    })
}

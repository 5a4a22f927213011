//! A broker that stops: ingress says so in time, and what it could not promise arrives once when it is sent again.

use std::time::{Duration, Instant};

use e2e::Outcome;
use e2e::harness::Stage;

use crate::{expect, play};

const CUSTOMER: &str = "U4af4980629000000000000000000b001";
/// LINE's limit for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// For the consumers to come back after a restart of the broker.
const TRIES: usize = 60;

/// While the broker is stopped every webhook gets 503 within 2 s; the sender comes again later, and each message
/// arrives once, whatever librdkafka still delivers of the first tries.
pub(crate) fn ingress_refuses(stage: &mut Stage) -> Outcome {
    play(stage, "stopped", async |stage, world| {
        let _services = world.start_all().await?;
        let line = world.standins.line();
        world.accepted(&world.text_of(CUSTOMER, "before")).await?;
        world.until_at_genesys("before").await?;

        stage.broker()?.stop()?;
        let webhooks: Vec<_> =
            (0..5).map(|n| world.text_of(CUSTOMER, &format!("while it was away {n}"))).collect();
        for webhook in &webhooks {
            let start = Instant::now();
            let delivery = line.deliver(webhook).await;
            let took = start.elapsed();
            let statuses: Vec<_> = delivery.attempts.iter().map(|attempt| attempt.status).collect();
            expect(statuses == [Some(503)], format!("without a broker: {statuses:?} after {took:?}"))?;
            expect(took < ANSWERED_WITHIN, format!("answered after {took:?}"))?;
        }

        stage.broker()?.restart()?;
        for webhook in &webhooks {
            let mut tries = 0;
            while line.deliver(webhook).await.accepted_ms().is_none() {
                tries += 1;
                expect(tries < TRIES, "ingress does not come back after the broker has")?;
            }
        }
        // What is sent last arrives last: when it is there, everything else is.
        world.accepted(&world.text_of(CUSTOMER, "after")).await?;
        let arrived = world.until_at_genesys("after").await?;
        let texts: Vec<&str> = arrived.iter().map(|message| message.text.as_str()).collect();
        let mut expected = vec!["before".to_owned()];
        expected.extend((0..5).map(|n| format!("while it was away {n}")));
        expected.push("after".to_owned());
        expect(texts == expected, format!("at genesys: {texts:?}"))
    })
}

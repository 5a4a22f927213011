//! A broker that stops: ingress keeps what it is sent, in time, and each message arrives once and in order.

use std::time::{Duration, Instant};

use e2e::Outcome;
use e2e::harness::Stage;

use crate::{expect, play};

const CUSTOMER: &str = "U4af4980629000000000000000000b001";
/// LINE's limit for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
const MESSAGES: usize = 5;

/// While the broker is stopped every webhook is answered 200 within 2 s; when it is back each message arrives once,
/// whatever librdkafka still delivers of the first tries, and so does what LINE sends again.
pub(crate) fn ingress_keeps(stage: &mut Stage) -> Outcome {
    play(stage, "stopped", async |stage, world| {
        let _services = world.start_all().await?;
        let line = world.standins.line();
        world.accepted(&world.text_of(CUSTOMER, "before")).await?;
        world.until_at_genesys("before").await?;

        stage.broker()?.stop()?;
        let away = |n: usize| format!("while it was away {n}");
        let webhooks: Vec<_> = (0..MESSAGES).map(|n| world.text_of(CUSTOMER, &away(n))).collect();
        for webhook in &webhooks {
            let start = Instant::now();
            let delivery = line.deliver(webhook).await;
            let took = start.elapsed();
            let statuses: Vec<_> = delivery.attempts.iter().map(|attempt| attempt.status).collect();
            expect(statuses == [Some(200)], format!("without a broker: {statuses:?} after {took:?}"))?;
            expect(took < ANSWERED_WITHIN, format!("answered after {took:?}"))?;
        }

        stage.broker()?.restart()?;
        for webhook in &webhooks {
            world.accepted(webhook).await?;
        }
        // What is sent last arrives last: when it is there, everything else is.
        world.accepted(&world.text_of(CUSTOMER, "after")).await?;
        let arrived = world.until_at_genesys("after").await?;
        let texts: Vec<&str> = arrived.iter().map(|message| message.text.as_str()).collect();
        let mut expected = vec!["before".to_owned()];
        expected.extend((0..MESSAGES).map(away));
        expected.push("after".to_owned());
        expect(texts == expected, format!("at genesys: {texts:?}"))
    })
}

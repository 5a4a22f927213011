//! What ingress takes of a custom channel: what is signed now, as often as it comes; and what then arrives.

use bytes::Bytes;
use e2e::world::CROSSES_WITHIN;
use e2e::{Outcome, Running, World, wait};
use platforms::custom;
use standins::standard_webhooks;

use super::{ACCOUNT, INTEGRATION, OUTBOUND_SECRET, accepted, over, post, text_of, texts};
use crate::expect;

const VISITOR: &str = "visitor-1";
/// Not ours.
const OTHER_SECRET: &str = "whsec_c29tZWJvZHkgZWxzZXMgb3duIHNlY3JldCAwMQ==";
/// More than the five minutes that the specification allows, in ms.
const TOO_FAR_MS: u64 = 330_000;
/// Between two attempts, in ms.
const LATER_MS: u64 = 60_000;

pub(super) async fn scene(world: &World) -> Outcome {
    let [ingress, processors, egress] = world.start_all().await?;
    refused(world).await?;

    let chat = world.standins.custom();
    let session = |is_open| chat.compose_session(ACCOUNT, VISITOR, is_open).expect("the account is set up");
    accepted(world, &session(true)).await?;
    let now = world.standins.clock().now_ms();
    let once = text_of(world, VISITOR, "once");
    let same = once.clone().signed_at(now);
    let signed_again = once.clone().signed_at(now - LATER_MS);
    let under_another_id = once.clone().with_id("msg_other");
    for webhook in [&same, &same, &signed_again, &under_another_id] {
        accepted(world, webhook).await?;
    }
    world.until_at_genesys("once").await?;
    accepted(world, &once).await?;
    accepted(world, &session(false)).await?;

    // Order holds for a person: when the last is there, whatever was to come before it has come.
    accepted(world, &text_of(world, VISITOR, "last")).await?;
    let received = world.until_at_genesys("last").await?;
    let arrived = over(INTEGRATION, &received);
    expect(texts(&arrived) == ["once", "last"], format!("at genesys: {:?}", texts(&arrived)))?;
    expect(received.len() == arrived.len(), "something came over the integration of LINE")?;
    let records = world.records(custom::SOURCE.webhooks)?;
    expect(records.len() == 8, format!("{} webhooks were taken instead of 8", records.len()))?;
    counted_as_sessions(&processors).await?;
    for service in [ingress, processors, egress] {
        service.stop()?;
    }
    Ok(())
}

/// Whatever is wrong with a request, it is refused.
async fn refused(world: &World) -> Outcome {
    let now = world.standins.clock().now_ms();
    let good = text_of(world, VISITOR, "refused");
    let signed = |webhook: standins::CustomWebhook| webhook.headers(now);
    let without = |name: &str| {
        let headers = good.headers(now).into_iter();
        headers.filter(|(other, _)| *other != name).collect::<Vec<_>>()
    };
    let changed = Bytes::from(String::from_utf8_lossy(&good.body).replace("refused", "changed"));
    expect(changed != good.body, "the body is the same")?;
    let (body, here) = (good.body.clone(), format!("/webhooks/custom/{ACCOUNT}"));
    let (nobody, line) = ("/webhooks/custom/nobody".to_owned(), format!("/webhooks/line/{ACCOUNT}"));
    for (case, path, headers, body, status) in [
        ("another secret", &here, signed(good.clone().signed_with(&[OTHER_SECRET])), &body, 401),
        ("the secret of answers", &here, signed(good.clone().signed_with(&[OUTBOUND_SECRET])), &body, 401),
        ("an old time", &here, signed(good.clone().signed_at(now - TOO_FAR_MS)), &body, 401),
        ("a time ahead", &here, signed(good.clone().signed_at(now + TOO_FAR_MS)), &body, 401),
        ("another body", &here, signed(good.clone()), &changed, 401),
        ("no id", &here, without(standard_webhooks::ID), &body, 401),
        ("no time", &here, without(standard_webhooks::TIMESTAMP), &body, 401),
        ("no signature", &here, without(standard_webhooks::SIGNATURE), &body, 401),
        ("an account that is not there", &nobody, signed(good.clone()), &body, 404),
        ("the account of that name on LINE", &line, signed(good.clone()), &body, 401),
    ] {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        let answered = post(world, path, &all, body.clone()).await?;
        expect(answered == status, format!("{case}: answered {answered} instead of {status}"))?;
    }
    Ok(())
}

/// Both sessions are counted as filtered.
async fn counted_as_sessions(processors: &Running) -> Outcome {
    wait::until("two sessions that were filtered", CROSSES_WITHIN, || async {
        let metrics = processors.admin("/metrics").await.ok()?;
        let is_of = |line: &&str| {
            let labels = ["source=\"custom\"", "reason=\"session\""];
            line.starts_with("naru_filtered_total{") && labels.iter().all(|label| line.contains(label))
        };
        let values = metrics.lines().filter(is_of).filter_map(|line| line.rsplit(' ').next());
        values.eq(["2"]).then_some(())
    })
    .await
}

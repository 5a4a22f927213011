//! The canary: ten thousand messages, each with a number of every kind that is nowhere else, go through the whole
//! pipeline; then everything that it wrote, logged, counted and sent is searched for each of them, in every form.

mod hunt;
mod numbers;
mod sending;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use e2e::harness::Stage;
use e2e::{Outcome, Running, Service, World, wait};
use mask::Masker;
use schemas::{Reason, Topic, header};

use crate::{expect, play};
use hunt::Hunt;
use sending::{EVENTS, send};
use texts::Text;

/// Ours at its loudest; what others log of us is theirs.
const LOG: &str = "info,naru=trace,ingress=trace,processors=trace,egress=trace,runtime=trace,streams=trace,keys=trace,schemas=trace";
/// What comes out of the spool is held so long: there is only one that could be behind.
const HOLD_SPOOLED: &str = "3s";
const MESSAGES: usize = 10_000;
/// Of them, those that come while the processors are away, and while the broker is.
const WITHOUT_PROCESSORS: Range<usize> = 2_000..3_000;
const WITHOUT_BROKER: Range<usize> = 4_000..6_000;
const ARRIVES_WITHIN: Duration = Duration::from_secs(120);
/// Of a hundred numbers of a kind, those at least that are found as that kind: some are as good as another's.
const OF_ITS_KIND: usize = 90;

/// See the head of this file.
pub(crate) fn found_nowhere(stage: &mut Stage) -> Outcome {
    let texts = texts::texts(MESSAGES, MESSAGES / EVENTS);
    let masked = masked(&texts)?;
    let mut hunt = Hunt::new(&texts);
    hunt.prove(&texts)?;
    play(stage, "canary", async |stage, world| {
        let ring = world.product.dir().join("ring.toml");
        let ring = ring.to_str().ok_or("the folder's name is text")?;
        world.product.run(&["keys", "init", ring])?;
        // With everything on that keeps what was masked, or names it.
        let vault = "[vault]\noriginals = \"kept\"\n";
        world.product.configure(&format!("\n[keys]\nfile = \"{ring}\"\n\n{vault}"))?;

        let services = cross(stage, world, &texts, &mut hunt).await?;
        let letters = wait::until("all dead letters", ARRIVES_WITHIN, || async {
            world.records(Topic::DEAD_LETTERS).ok().filter(|letters| letters.len() >= MESSAGES / EVENTS)
        })
        .await?;
        hunt.through_metrics(&services.each_ref()).await?;
        for service in services {
            service.stop()?;
        }
        hunt.through_topics(world)?;
        hunt.through_files("services", world.product.dir())?;
        match stage.broker()?.dir() {
            // No producer compresses, so what is in its files can be read there.
            Some(dir) => hunt.through_files("broker", dir)?,
            None => hunt.cannot("broker"),
        }
        let arrived = world.standins.genesys().received().after(0);
        for message in &arrived {
            hunt.through("genesys", "", &serde_json::to_vec(message).map_err(|error| error.to_string())?);
        }
        hunt.verdict()?;

        let reasons: BTreeSet<_> = letters.iter().filter_map(|l| l.header(header::DEAD_REASON)).collect();
        let expected = [
            Reason::MissingField,
            Reason::NoConversation,
            Reason::NoTimestamp,
            Reason::NotJson,
            Reason::TooOld,
        ];
        expect(reasons == expected.map(Reason::code).into(), format!("reasons: {reasons:?}"))?;
        let mut arrived: Vec<&str> = arrived.iter().map(|message| message.text.as_str()).collect();
        arrived.sort_unstable();
        expect(arrived == masked, format!("of {} that arrived not each is a message, masked", arrived.len()))
    })
}

/// Sends all that there is through the three services, which have what may befall them, until it is at Genesys.
async fn cross(stage: &mut Stage, world: &World, texts: &[Text], hunt: &mut Hunt) -> Outcome<[Running; 3]> {
    let overrides = [("NARU_LOG", LOG), ("NARU_PROCESSORS__HOLD_SPOOLED", HOLD_SPOOLED)];
    let launch = |service, name| world.product.launch_with(service, name, &overrides);
    let mut ingress = launch(Service::Ingress, "ingress")?;
    let mut processors = launch(Service::Processors, "processors")?;
    let mut egress = launch(Service::Egress, "egress")?;
    for service in [&mut ingress, &mut processors, &mut egress] {
        service.wait_until_ready().await?;
    }

    send(world, texts, 0..WITHOUT_PROCESSORS.start).await?;
    until_arrived(world, WITHOUT_PROCESSORS.start).await?;
    hunt.through_metrics(&[&processors]).await?;
    processors.stop()?;
    hunt.through_files("sled", &world.product.dir().join("data/processors"))?;
    send(world, texts, WITHOUT_PROCESSORS).await?;
    processors = launch(Service::Processors, "processors")?;
    processors.wait_until_ready().await?;
    send(world, texts, WITHOUT_PROCESSORS.end..WITHOUT_BROKER.start).await?;

    stage.broker()?.stop()?;
    send(world, texts, WITHOUT_BROKER).await?;
    hunt.through_files("spool", &world.product.dir().join("data/spool"))?;
    hunt.through_metrics(&[&ingress, &processors, &egress]).await?;
    stage.broker()?.restart()?;
    send(world, texts, WITHOUT_BROKER.end..MESSAGES).await?;
    until_arrived(world, MESSAGES).await?;
    Ok([ingress, processors, egress])
}

async fn until_arrived(world: &World, count: usize) -> Outcome {
    let ledger = world.standins.genesys().received();
    let what = format!("{count} messages at genesys");
    let arrived = wait::until(&what, ARRIVES_WITHIN, || async { (ledger.len() >= count).then_some(()) });
    arrived.await.map_err(|error| format!("{error}; {} are there", ledger.len()))
}

/// What is to arrive of the messages, in order of the texts: the masker knows every value of every text, and there is
/// one of every kind that it knows.
fn masked(texts: &[Text]) -> Outcome<Vec<String>> {
    let masker = Masker::built_in();
    let mut known: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for Text { text, values } in texts {
        let finds = masker.find(text);
        for value in values {
            let find = finds
                .iter()
                .find(|find| find.start <= value.place.start && value.place.end <= find.end)
                .ok_or_else(|| format!("not masked: {} {:?}", value.kind, &text[value.place.clone()]))?;
            let (all, own) = known.entry(value.kind).or_default();
            *all += 1;
            *own += usize::from(find.kind == value.kind);
        }
    }
    let few = known.iter().find(|(_, (all, own))| own * 100 < all * OF_ITS_KIND);
    expect(few.is_none(), format!("found as another kind: {few:?}"))?;
    let kinds: BTreeSet<&str> = known.into_keys().collect();
    expect(kinds == self::kinds(), format!("the kinds of the rules are others than {kinds:?}"))?;
    let mut masked: Vec<String> =
        texts[..MESSAGES].iter().map(|text| masker.mask(&text.text).into_owned()).collect();
    masked.sort_unstable();
    Ok(masked)
}

/// The kinds of the built-in rules.
fn kinds() -> BTreeSet<&'static str> {
    let lines = include_str!("../../../mask/src/rules.toml").lines();
    lines.filter_map(|line| line.strip_prefix("kind = \"")?.strip_suffix('"')).collect()
}

//! An upgrade: this version starts on what the previous one left behind, recorded in `tests/data/upgrade`, and goes on
//! where that stopped. It runs at any time after the recording, for the ten years for which its vault may be read.

mod accounts;
mod again;
mod checks;
mod load;
mod recording;
mod writer;

use std::process::Command;

use e2e::harness::Stage;
use e2e::process::Places;
use e2e::{Outcome, Service, World};
use runtime::clock::now_ms;
use serde_json::Value;

use crate::{block_on, expect};
use accounts::Account;
use recording::{PREFIX, Recording, json, path, text};

/// The instance of the recording.
const INSTANCE: [(&str, &str); 1] = [("NARU_INSTANCE__ID", "naru-0")];

/// Topics, offsets and data folder of the previous version, then this version's processes.
pub(crate) fn goes_on(stage: &mut Stage) -> Outcome {
    block_on(async {
        let mut recording = Recording::read()?;
        recording.ended_at(now_ms())?;
        let brokers = stage.broker()?.bootstrap().to_owned();
        load::nobody_is_there(&brokers, &recording)?;
        let (accounts, recorded) = (accounts::accounts()?, text("config.toml")?);
        let config = |places: &Places<'_>| accounts::config(&recorded, places);
        let setup = |webhooks: &str| accounts::setup(&accounts, webhooks);
        let world = World::configured(stage, PREFIX, config, setup).await?;
        let outcome = scene(&world, &recording, &accounts).await;
        let outcome = world.end(outcome).await;
        let deleted = load::delete(&brokers, &recording, again::name).await;
        outcome.and(deleted)
    })
}

async fn scene(world: &World, recording: &Recording, accounts: &[Account]) -> Outcome {
    load::create(world.brokers(), &recording.topics, str::to_owned).await?;
    load::create(world.brokers(), &recording.topics, again::name).await?;
    load::write(world.brokers(), recording)?;
    let received: Value = json("received.json")?;
    accounts::receive(world, accounts, &received).await?;
    unpack(world)?;

    let mut processors = world.product.launch_with(Service::Processors, "processors", &INSTANCE)?;
    let mut egress = world.product.launch_with(Service::Egress, "egress", &INSTANCE)?;
    processors.wait_until_ready().await?;
    egress.wait_until_ready().await?;
    let arrived = checks::goes_on_as_recorded(world, &received).await?;
    checks::vault_is_readable(world)?;
    let people = again::people(accounts, &json("accepted.json")?)?;
    again::send(world, recording, &people).await?;
    checks::only_the_last_arrive(world, arrived, &people).await?;
    checks::one_more_dead_letter(world, recording)?;
    for service in ["processors", "egress"] {
        let log = std::fs::read_to_string(world.product.log_of(service)).unwrap_or_default();
        expect(!log.contains("rebuilt from Kafka"), format!("{service}: the data folder was not used"))?;
    }
    processors.stop()?;
    egress.stop()
}

/// The recorded data folder, as if this machine had not been started since.
fn unpack(world: &World) -> Outcome {
    let data = world.product.dir().join("data");
    std::fs::create_dir_all(&data).map_err(|error| error.to_string())?;
    let tar = Command::new("tar").arg("-xzf").arg(path("data.tar.gz")).arg("-C").arg(&data).status();
    expect(tar.is_ok_and(|status| status.success()), "data.tar.gz cannot be unpacked")?;
    for service in ["processors", "egress"] {
        let boot = data.join("naru-0").join(service).join("boot");
        std::fs::copy("/proc/sys/kernel/random/boot_id", boot)
            .map_err(|error| format!("boot id: {error}"))?;
    }
    Ok(())
}
